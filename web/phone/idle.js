// What is seen while there is no call: numbers to try the phone with.

import { el, icon } from './dom.js';
import { texts } from './texts.js';

export function createIdle(call) {
  const t = texts.idle;
  const rows = t.numbers.map(([number, name, does]) =>
    el(
      'li',
      {},
      el(
        'button',
        { class: 'row', type: 'button', onclick: () => call(number) },
        el('span', { class: 'hidden' }, t.call),
        el('span', { class: 'digits' }, number),
        el('span', { class: 'names' }, el('b', {}, name), el('span', { class: 'soft' }, does)),
        icon('handset'),
      ),
    ),
  );
  return { element: el('div', { class: 'idle' }, el('h2', {}, t.title), el('p', { class: 'soft' }, t.lead), el('ul', { role: 'list' }, rows)) };
}

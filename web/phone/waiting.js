// What a second tab shows while another one is the phone.

import { el, icon } from './dom.js';
import { texts } from './texts.js';

/** `here()`: the user wants the phone in this tab. */
export function createWaiting(user, here) {
  const t = texts.waiting;
  const element = el(
    'main',
    { class: 'login' },
    el(
      'section',
      { class: 'card waiting', 'aria-labelledby': 'waiting-title' },
      icon('handset'),
      el('h1', { id: 'waiting-title', tabindex: '-1' }, t.title),
      el('p', { class: 'soft', role: 'status' }, t.lead(user)),
      el('button', { class: 'primary wide', type: 'button', onclick: here }, t.here),
      el('p', { class: 'soft small' }, t.warning),
    ),
  );
  return { element, focus: () => element.querySelector('h1').focus() };
}

// Tabs as the ARIA authoring practices describe them: arrow keys go from one to the next.

import { el, icon, put } from './dom.js';

/** `pages`: `[{id, label, drawing, element}]`. `changed(id)` when another is shown. */
export function createTabs(label, pages, changed) {
  const buttons = pages.map(({ id, label: name, drawing }) =>
    el('button', { class: 'tab', type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': `page-${id}`, onclick: () => select(id) }, icon(drawing), el('span', {}, name)),
  );
  const panels = pages.map(({ id, element }) =>
    el('div', { class: 'page', role: 'tabpanel', id: `page-${id}`, 'aria-labelledby': `tab-${id}`, tabindex: '-1' }, element),
  );
  const steps = { ArrowRight: 1, ArrowLeft: -1 };
  const key = (event) => {
    const now = buttons.indexOf(document.activeElement);
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? pages.length - 1 : now + (steps[event.key] ?? NaN);
    if (Number.isNaN(to)) return;
    event.preventDefault();
    const index = (to + pages.length) % pages.length;
    focus(pages[index].id);
  };
  const list = el('div', { class: 'tabs', role: 'tablist', 'aria-label': label, onkeydown: key }, buttons);
  const select = (wanted) => {
    pages.forEach(({ id }, index) => {
      put(buttons[index], 'aria-selected', String(id === wanted));
      put(buttons[index], 'tabindex', id === wanted ? '0' : '-1');
      panels[index].hidden = id !== wanted;
    });
    changed(wanted);
  };
  const focus = (wanted) => {
    select(wanted);
    buttons[pages.findIndex(({ id }) => id === wanted)].focus();
  };
  return { list, panels, select, focus };
}

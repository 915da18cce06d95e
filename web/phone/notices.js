// What went wrong or is done, above everything else, until it is dismissed or no longer true.

import { el, icon } from './dom.js';
import { texts } from './texts.js';

const MOST = 3;
/** Good news goes by itself, ms. */
const GOOD = 6_000;

/** `actions`: what the button of an error's `action` does. */
export function createNotices(actions) {
  const t = texts.notice;
  const labels = { settings: t.settings, sound: t.enableSound };
  const element = el('div', { class: 'notices' });

  /** `{title, text, action?, about?, kind?}`: of those about the same, the last. */
  const show = ({ title, text, action, about = title, kind = 'bad' }) => {
    clear(about);
    const drop = () => remove(notice);
    const act = () => {
      drop();
      actions[action]();
    };
    const notice = el(
      'div',
      { class: `notice ${kind}`, role: kind === 'good' ? 'status' : 'alert', 'data-about': about },
      kind === 'good' ? null : icon('warning'),
      el('p', {}, el('strong', {}, title), text ? ` ${text}` : ''),
      action && el('button', { class: 'plain', type: 'button', onclick: act }, labels[action]),
      el('button', { class: 'quiet round', type: 'button', 'aria-label': t.dismiss, onclick: drop }, icon('close')),
    );
    element.append(notice);
    while (element.childElementCount > MOST) remove(element.firstElementChild);
    if (kind === 'good') setTimeout(drop, GOOD);
  };
  const clear = (about) => {
    for (const notice of [...element.children]) if (notice.dataset.about === about) remove(notice);
  };
  /** Whoever was on it goes on from the top of the page. */
  const remove = (notice) => {
    const focused = notice.contains(document.activeElement);
    notice.remove();
    if (focused) document.querySelector('.phone h1').focus();
  };
  const has = (about) => [...element.children].some((notice) => notice.dataset.about === about);
  return { element, show, clear, has };
}

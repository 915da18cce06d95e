// The dial pad, and the keys of a call.

import { el, icon, put } from './dom.js';
import { texts } from './texts.js';

export const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];

/** Twelve keys; `press(key, event)` for each. */
export function createKeys(press) {
  const names = { '*': texts.keypad.star, '#': texts.keypad.hash };
  const key = (sign, index) =>
    el(
      'button',
      { class: 'key', type: 'button', 'data-key': sign, 'aria-label': names[sign], onclick: (event) => press(sign, event) },
      el('b', {}, sign),
      el('small', {}, texts.keypad.letters[index]),
    );
  return el('div', { class: 'keys' }, KEYS.map(key));
}

/** Where a number is dialled. `call(number, video)` gives whether there is a call. */
export function createKeypad({ call, sound }) {
  const t = texts.keypad;
  // A finger has the keys below: the keyboard of the screen would cover them.
  const touch = matchMedia('(pointer: coarse)').matches;
  const number = el('input', {
    id: 'number', type: 'text', inputmode: touch ? 'none' : 'tel', autocomplete: 'off', spellcheck: 'false', maxlength: 64,
    placeholder: t.placeholder, 'aria-label': t.number, oninput: () => update(),
  });
  const erase = el('button', { class: 'quiet round', type: 'button', 'aria-label': t.erase, onclick: () => edit('', 1) }, icon('erase'));
  const go = el('button', { class: 'go round large', type: 'submit', 'aria-label': t.call }, icon('handset'));
  const video = el('button', { class: 'quiet round', type: 'button', 'aria-label': t.video, onclick: () => dial(true) }, icon('camera'));
  const hint = el('p', { class: 'soft hint' }, t.second);

  /** Puts something in where the cursor is, or takes away what is before it. */
  const edit = (text, before = 0) => {
    const { selectionStart: from, selectionEnd: to, value } = number;
    const start = from === to ? Math.max(0, from - before) : from;
    number.value = value.slice(0, start) + text + value.slice(to);
    number.setSelectionRange(start + text.length, start + text.length);
    update();
  };
  let held = false;
  const keys = createKeys((key, { detail }) => {
    // The click that ends a long press; one by the keyboard, which counts no clicks, ends none.
    if (key === '0' && held && detail > 0) return (held = false);
    sound.key(key);
    edit(key);
  });
  // Zero for long is a plus.
  const zero = keys.querySelector('[data-key="0"]');
  let timer;
  zero.addEventListener('pointerdown', () => {
    clearTimeout(timer);
    // Not every long press ends in a click, and a finger has left the key before that comes: only the next press tells.
    held = false;
    timer = setTimeout(() => {
      held = true;
      edit('+');
    }, 600);
  });
  for (const name of ['pointerup', 'pointerleave', 'pointercancel']) zero.addEventListener(name, () => clearTimeout(timer));

  const dial = async (withVideo) => {
    const { value } = number;
    const wanted = value.replace(/[\s()-]/g, '');
    if (!wanted) return number.focus();
    // The next number may be there already.
    if ((await call(wanted, withVideo)) && number.value === value) {
      number.value = '';
      update();
    }
  };
  const update = ({ busy = !hint.hidden, camera = !video.hidden } = {}) => {
    hint.hidden = !busy;
    video.hidden = !camera;
    put(erase, 'disabled', number.value === '');
  };
  const element = el(
    'form',
    {
      class: 'keypad',
      onsubmit: (event) => {
        event.preventDefault();
        dial(false);
      },
    },
    number,
    hint,
    keys,
    el('div', { class: 'dial' }, el('span', {}, video), go, erase),
  );
  update({ busy: false, camera: false });
  return {
    element,
    update,
    focus: () => number.focus(),
    set: (value) => {
      number.value = value;
      update();
    },
  };
}

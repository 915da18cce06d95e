// What is asked and chosen above all else: whom to transfer to, whether video may come, the devices of a call.

import { nameOf } from './calls.js';
import { createDeviceChoice } from './device-choice.js';
import { onDevices } from './devices.js';
import { el, say } from './dom.js';
import { texts } from './texts.js';

/** Opens a dialog of the browser's own, which keeps the focus and gives it back; gone when it closes. */
function open(content, id, closed) {
  const dialog = el('dialog', { class: 'card', 'aria-labelledby': id, onclose: () => (dialog.remove(), closed?.()) }, content);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** `now(number)`, `ask(number)`. Gives the dialog. */
export function askTransfer(call, { now, ask }) {
  const t = texts.transfer;
  const number = el('input', {
    id: 'transfer-number', type: 'text', inputmode: 'tel', autocomplete: 'off', spellcheck: 'false', maxlength: 64, 'aria-describedby': 'transfer-problem',
  });
  const problem = el('p', { class: 'wrong', role: 'alert', id: 'transfer-problem' });
  const go = (act) => {
    const wanted = number.value.replace(/[\s()-]/g, '');
    if (!wanted) {
      say(problem, t.empty);
      return number.focus();
    }
    dialog.close();
    act(wanted);
  };
  const submit = (event) => {
    event.preventDefault();
    go(now);
  };
  const form = el(
    'form',
    { onsubmit: submit, novalidate: true },
    el('h2', { id: 'transfer-title' }, t.title(nameOf(call.status))),
    el('p', { class: 'soft' }, t.help),
    el('label', { for: 'transfer-number' }, t.number),
    number,
    problem,
    el(
      'div',
      { class: 'buttons' },
      el('button', { class: 'plain', type: 'button', onclick: () => dialog.close() }, t.cancel),
      el('button', { class: 'plain', type: 'button', onclick: () => go(ask) }, t.ask),
      el('button', { class: 'primary', type: 'submit' }, t.now),
    ),
  );
  const dialog = open(form, 'transfer-title');
  number.focus();
  return dialog;
}

/** So long the question for video stands, ms: a little less than the core waits for the answer (30 s). */
const ASK_MS = 29_500;

/** `answer(agreed)`, once. `camera`: there is one. Gives the dialog. */
export function askVideo(call, camera, answer) {
  const t = texts.videoAsk;
  let agreed = false;
  const yes = () => {
    agreed = true;
    dialog.close();
  };
  const content = el(
    'div',
    {},
    el('h2', { id: 'video-title' }, t.title(nameOf(call.status))),
    el('p', { class: 'soft' }, camera ? t.lead : t.leadBlind),
    el(
      'div',
      { class: 'buttons' },
      el('button', { class: 'plain', type: 'button', onclick: () => dialog.close() }, t.no),
      el('button', { class: 'primary', type: 'button', onclick: yes }, t.yes),
    ),
  );
  const timer = setTimeout(() => dialog.close(), ASK_MS);
  const dialog = open(content, 'video-title', () => {
    clearTimeout(timer);
    answer(agreed);
  });
  return dialog;
}

/** `chosen(kind, before)`: another device is wanted, now. Gives the dialog. */
export function chooseDevices(chosen) {
  const t = texts.devices;
  const choice = createDeviceChoice('call-', chosen);
  const done = el('button', { class: 'primary', type: 'button', onclick: () => dialog.close() }, t.done);
  const content = el(
    'div',
    { class: 'choice' },
    el('h2', { id: 'devices-title' }, t.title),
    el('p', { class: 'soft' }, t.lead),
    choice.fields,
    choice.cameras,
    el('div', { class: 'buttons' }, done),
  );
  const unlisten = onDevices(choice.refresh);
  const dialog = open(content, 'devices-title', unlisten);
  choice.refresh();
  return dialog;
}

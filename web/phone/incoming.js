// Who is calling, with the buttons to take or decline it.

import { nameOf } from './calls.js';
import { avatar, el, fill, icon, put, say, show } from './dom.js';
import { texts } from './texts.js';

const t = texts.incoming;

/** `act`: `answer(call, video)`, `decline(call)`. */
export function createIncoming({ act, hasCamera }) {
  const element = el('div', { class: 'incoming' });
  const cards = new Map();

  const cardOf = (call) => {
    if (cards.has(call.callId)) return cards.get(call.callId);
    const id = `incoming-${cards.size}-${Math.round(call.made)}`;
    const [face, title, number, kind] = [avatar({}), el('h2', { id }), el('p', { class: 'soft' }), el('p', { class: 'soft kind' })];
    const hint = el('p', { class: 'soft', id: `${id}-hint` }, t.second);
    const button = (name, drawing, label, does) =>
      el('button', { class: `${name} labelled`, type: 'button', onclick: does }, el('span', { class: 'face' }, icon(drawing)), label);
    const answer = button('go', 'handset', t.answer, () => act.answer(call, false));
    const video = button('go', 'camera', t.video, () => act.answer(call, true));
    const decline = button('stop', 'down', t.decline, () => act.decline(call));
    const card = {
      element: el(
        'section',
        { class: 'card ringing', role: 'alertdialog', 'aria-labelledby': id, 'aria-describedby': `${id}-hint` },
        face,
        el('div', { class: 'names' }, kind, title, number, hint),
        el('div', { class: 'choices' }, decline, video, answer),
      ),
      update: (busy) => {
        const { status } = call;
        show(face, status);
        say(title, t.title(nameOf(status)));
        say(number, status.name && status.name !== status.number ? status.number : '');
        say(kind, status.isVideo ? t.withVideo : t.voice);
        hint.hidden = !busy;
        video.hidden = !(status.isVideo && hasCamera());
      },
      focus: () => answer.focus(),
      busy: (is) => [answer, video, decline].forEach((one) => put(one, 'disabled', is)),
    };
    cards.set(call.callId, card);
    return card;
  };

  const update = (ringing, busy) => {
    for (const callId of [...cards.keys()].filter((callId) => !ringing.some((call) => call.callId === callId))) cards.delete(callId);
    fill(element, ringing.map((call) => cardOf(call).element));
    for (const call of ringing) cardOf(call).update(busy);
    element.hidden = ringing.length === 0;
  };
  return { element, update, focus: (call) => cards.get(call.callId)?.focus(), busy: (call, is) => cards.get(call.callId)?.busy(is) };
}

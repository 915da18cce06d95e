// The call in front, what can be done with it, and the others in a line each.

import { duration, nameOf } from './calls.js';
import { avatar, el, fill, icon, put, say, show } from './dom.js';
import { createKeys } from './keypad.js';
import { createQuality } from './quality.js';
import { texts } from './texts.js';

const t = texts.call;

/** `act`: what the buttons do, each with the call: `mute`, `hold`, `transfer`, `record`, `video`, `hangUp`, `hangUpOne`, `swap`, `complete`,
 * `cancel`, `screen`, `tone(call, key)`, and `add()`, `merge()`, `devices()`. `can`: `record(phone)`, `video()`, `screen()`, `merge(calls)`. */
export function createCallView({ act, can, sound }) {
  let call;
  /** `on`: how one that can be pressed is drawn then; colour alone is not seen by everybody. */
  const control = (name, drawing, label, does, on) => {
    const text = el('span', { class: 'label' }, label);
    const face = el('span', { class: 'face' }, icon(drawing));
    const button = el('button', { class: 'control', type: 'button', 'data-control': name, onclick: () => does(call) }, face, text);
    if (!on) return button;
    const drawings = [icon(drawing), icon(on)];
    button.toggle = (pressed) => {
      put(button, 'aria-pressed', String(pressed));
      fill(face, drawings[Number(pressed)]);
    };
    button.toggle(false);
    return button;
  };
  const face = avatar({});
  const name = el('h2', { tabindex: '-1', id: 'far' });
  const number = el('p', { class: 'soft number' });
  const state = el('p', { class: 'state' });
  const recording = el('p', { class: 'recording' });
  const marked = el('p', { class: 'mark' });
  const who = el('header', { class: 'who' }, face, el('div', { class: 'names' }, name, number), state, recording, marked);

  const far = el('video', { class: 'far', autoplay: true, playsinline: true });
  const own = el('video', { class: 'own', autoplay: true, playsinline: true, 'aria-label': t.ownPicture });
  // The sound of a call comes from elsewhere, also when there is no picture.
  far.muted = own.muted = true;
  const pictures = el('div', { class: 'pictures' }, far, own);

  const mute = control('mute', 'microphone', t.mute, act.mute, 'muted');
  const hold = control('hold', 'pause', t.hold, act.hold, 'play');
  const keys = control('keys', 'keys', t.keys, () => open(pad.hidden));
  const transfer = control('transfer', 'transfer', t.transfer, act.transfer);
  const record = control('record', 'record', t.record, act.record, 'recorded');
  const video = control('video', 'camera', t.video, act.video, 'filming');
  const screen = control('screen', 'screen', t.screen, act.screen, 'sharing');
  const add = control('add', 'plus', t.add, () => act.add());
  const merge = control('merge', 'merge', t.merge, () => act.merge());
  const choose = control('devices', 'headset', t.devices, act.devices);
  const controls = el('div', { class: 'controls' }, mute, hold, keys, transfer, record, video, screen, add, merge, choose);

  const complete = el('button', { class: 'primary', type: 'button', onclick: () => act.complete(call) }, t.complete);
  const cancel = el('button', { class: 'plain', type: 'button', onclick: () => act.cancel(call) }, t.dropConsult);
  const consult = el('div', { class: 'consult' }, complete, cancel);

  const tones = el('output', { class: 'tones', 'aria-label': t.tones });
  const press = (key) => {
    if (!act.tone(call, key)) return;
    sound.key(key);
    call.tones = (call.tones + key).slice(-24);
    say(tones, call.tones);
  };
  // Typed digits are tones while the focus is here, and nowhere else.
  const typed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape') return open(false);
    if (/^[0-9*#]$/.test(event.key)) {
      event.preventDefault();
      press(event.key);
    }
  };
  const pad = el('div', { class: 'pad', id: 'tones', role: 'group', 'aria-label': t.keys, onkeydown: typed, hidden: true }, tones, createKeys(press));
  put(keys, 'aria-controls', 'tones');
  const open = (wanted) => {
    pad.hidden = !wanted;
    card.classList.toggle('keying', wanted);
    put(keys, 'aria-expanded', String(wanted));
    (wanted ? pad.querySelector('button') : keys).focus();
  };
  put(keys, 'aria-expanded', 'false');

  const hangUp = el('button', { class: 'stop round large', type: 'button', 'aria-label': t.hangUp, onclick: () => act.hangUp(call) }, icon('down'));
  const quality = createQuality();
  const others = el('ul', { class: 'others', 'aria-label': t.others, role: 'list' });
  const rows = new Map();
  const card = el('section', { class: 'card call', 'aria-labelledby': 'far' }, who, pictures, consult, pad, controls, el('div', { class: 'end' }, hangUp));
  const element = el('div', { class: 'calls' }, others, card, quality.element);

  const update = (calls, phone) => {
    const [front, ...rest] = calls;
    if (front !== call) {
      call = front;
      pad.hidden = true;
      card.classList.remove('keying');
      put(keys, 'aria-expanded', 'false');
      say(tones, front?.tones ?? '');
    }
    if (!call) return;
    const { status, session } = call;
    const talking = status.callStatus === 'talking';
    show(face, status);
    const together = status.isConference ? calls.filter((one) => one.status.isConference) : [call];
    const conference = together.length > 1;
    say(name, conference ? t.conference(together.length + 1) : nameOf(status));
    say(number, conference ? t.inConference(together.map((one) => nameOf(one.status)).join(', ')) : status.name && status.name !== status.number ? status.number : '');
    who.classList.toggle('conference', conference);
    number.hidden = number.textContent === '';
    say(state, stateOf(call));
    put(state, 'data-state', call.recovering ? 'lost' : status.isHold || status.isRemoteHold ? 'held' : status.callStatus);
    say(recording, { recording: t.recording, pause: t.recordPaused }[status.recordStatus] ?? '');
    recording.hidden = recording.textContent === '';
    const consulting = status.isTransfer && status.transferParent;
    say(marked, call.transferring ? t.transferring : consulting ? t.consulting(nameOf(status.transferParent)) : call.sharing ? t.sharing : '');
    marked.hidden = marked.textContent === '';
    consult.hidden = !consulting;
    // A transfer that is under way must not be disturbed.
    const free = talking && !call.transferring;
    for (const button of [hold, transfer, record, video, screen]) put(button, 'disabled', !free);
    put(keys, 'disabled', !talking);
    put(mute, 'disabled', call.transferring);
    put(complete, 'disabled', call.transferring);
    put(add, 'disabled', !talking);
    add.hidden = !!consulting || calls.length > 1;
    merge.hidden = !!consulting || !can.merge(calls);
    choose.hidden = !talking;
    for (const button of [transfer, video]) button.hidden = !!consulting || conference;
    record.hidden = !can.record(phone);
    // In a conference and while somebody is asked, a picture would be of one of them only.
    video.hidden ||= !can.video() && !status.isVideo;
    screen.hidden = !talking || !!consulting || conference || !can.screen();
    mute.toggle(status.isMute);
    hold.toggle(status.isHold);
    record.toggle(status.recordStatus === 'recording');
    screen.toggle(call.sharing);
    video.toggle(!!session.localStream && !call.sharing);
    put(video, 'disabled', !free || call.sharing);
    own.classList.toggle('screen', call.sharing);
    put(own, 'aria-label', call.sharing ? t.ownScreen : t.ownPicture);
    watch(far, live(session.remoteStream) ? session.remoteStream : null);
    watch(own, live(session.localStream) ? session.localStream : null);
    put(far, 'aria-label', t.farPicture(nameOf(status)));
    pictures.hidden = !far.srcObject && !own.srcObject;
    card.classList.toggle('seen', !pictures.hidden);
    quality.element.hidden = !call.answered;
    quality.update(call);
    fill(others, rest.map((other) => rowOf(other)));
    others.hidden = rest.length === 0;
    for (const callId of [...rows.keys()].filter((callId) => !calls.some((one) => one.callId === callId))) rows.delete(callId);
  };

  /** A call that is not in front: who, since when, and the way to it. */
  const rowOf = (other) => {
    let row = rows.get(other.callId);
    if (!row) {
      const [who, since, face] = [el('b'), el('span', { class: 'soft' }), avatar({})];
      const swap = el('button', { class: 'plain', type: 'button', onclick: () => act.swap(other) }, icon('swap'), t.swap);
      const end = el('button', { class: 'plain', type: 'button', onclick: () => act.hangUpOne(other) }, icon('down'), t.hangUp);
      row = { who, since, face, swap, end, element: el('li', {}, face, el('div', {}, who, since), swap, end) };
      rows.set(other.callId, row);
    }
    show(row.face, other.status);
    say(row.who, nameOf(other.status));
    say(row.since, stateOf(other));
    put(row.swap, 'aria-label', `${t.swap}: ${nameOf(other.status)}`);
    put(row.end, 'aria-label', t.hangUpOne(nameOf(other.status)));
    row.end.hidden = !other.status.isConference;
    row.swap.hidden = other.status.isConference || other.status.callStatus !== 'talking' || other.transferring;
    return row.element;
  };

  return { element, update, focus: () => name.focus() };
}

/** What is with a call, in a word, with the time. */
export function stateOf({ status, session, recovering }) {
  const { callDuration, holdDuration } = session.timer;
  if (recovering) return t.recovering;
  if (status.callStatus !== 'talking') return t.states[status.callStatus];
  if (status.isHold) return `${t.held} · ${duration(holdDuration)}`;
  if (status.isRemoteHold) return `${t.heldByFar} · ${duration(callDuration)}`;
  return duration(callDuration);
}

function live(stream) {
  return stream?.getVideoTracks().some(({ readyState, muted }) => readyState === 'live' && !muted);
}

function watch(video, stream) {
  if (video.srcObject !== stream) video.srcObject = stream;
  video.hidden = !stream;
}

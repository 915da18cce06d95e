// The phone: puts the parts together, and says what a click does.

import { Calls, nameOf } from './calls.js';
import { createCallView } from './call-view.js';
import { canChooseSpeaker } from './devices.js';
import { askTransfer, askVideo } from './dialogs.js';
import { announce, el, icon, put, say } from './dom.js';
import { BLOCKED_SOUND, LOST, NOT_POSSIBLE, NO_VIDEO, TRANSFER_FAILED, ofCall, ofEnd, ofLogin } from './errors.js';
import { createIdle } from './idle.js';
import { createIncoming } from './incoming.js';
import { settings } from './kept.js';
import { createKeypad } from './keypad.js';
import { createLine } from './line.js';
import { createNotices } from './notices.js';
import { createRecent } from './recent.js';
import { createSettings } from './settings.js';
import { createTabs } from './tabs.js';
import { texts } from './texts.js';
import { speak } from './spoken.js';

/** `left(error?)`: logged out, or thrown out. */
export function createPhoneView({ phone, pbx, close, user, sound, left }) {
  const calls = new Calls(phone);
  let cameras = 0;
  let dialog = null;
  /** A dialog belongs to a call, and ends with it. */
  const ask = (call, opened) => {
    dialog?.close();
    dialog = { call, close: opened };
  };

  const notices = createNotices({ settings: () => tabs.select('settings'), sound: () => sound.unlock() });
  const notify = (error) => error && notices.show(error);
  const can = { video: () => cameras > 0, record: ({ recordPermissions }) => recordPermissions > 0 };
  /** A command that is refused at once says so. */
  const does = (accepted) => accepted || (notify(NOT_POSSIBLE), false);

  const dial = async (number, video = false, transferId) => {
    notices.clear('call');
    sound.unlock();
    const result = await phone.call(number, { video }, transferId);
    if (result.code === 200) {
      element.dataset.view = 'call';
      return true;
    }
    notify({ ...ofCall(result, video), about: 'call' });
    return false;
  };

  const act = {
    add: () => {
      tabs.select('keypad');
      element.dataset.view = 'panel';
      keypad.focus();
    },
    mute: (call) => does(call.status.isMute ? call.session.unmute() : call.session.mute()),
    hold: (call) => does(call.status.isHold ? call.session.unhold() : call.session.hold()),
    swap: (call) => does(call.session.unhold()),
    hangUp: (call) => call.session.hangup(),
    tone: (call, key) => call.session.dtmf(key),
    record: (call) => does(call.status.recordStatus === 'recording' ? call.session.pauseRecord() : call.session.startRecord()),
    video: async (call) => {
      if (call.session.localStream) return does(call.session.videoToAudio());
      call.wantsVideo = true;
      does(call.session.audioToVideo());
    },
    transfer: (call) =>
      ask(
        call,
        askTransfer(call, {
          now: (number) => {
            if (does(call.session.blindTransfer(number))) under(call, number);
          },
          ask: (number) => dial(number, false, call.callId),
        }),
      ),
    complete: (call) => {
      const parent = calls.all.find(({ callId }) => callId === call.status.transferParent?.callId);
      if (does(call.session.attendedTransfer(call.status.number))) {
        under(call, call.status.number);
        if (parent) under(parent, call.status.number);
      }
    },
    cancel: (call) => call.session.hangup(),
    answer: async (call, video) => {
      notices.clear('call');
      sound.unlock();
      incoming.busy(call, true);
      element.dataset.view = 'call';
      const result = await call.session.answer({ video });
      if (result.code === 200) return;
      incoming.busy(call, false);
      // A caller who gave up has said so already.
      if (calls.all.includes(call)) notify({ ...ofCall(result, video), about: 'call' });
    },
    decline: (call) => call.session.reject(),
  };
  const under = (call, number) => {
    call.transferring = true;
    call.transferTo = number;
    update();
  };

  const keypad = createKeypad({ call: dial, sound });
  const recent = createRecent({ pbx, user, call: (number) => dial(number) });
  const chosen = (kind, more) => {
    if (kind === 'list') cameras = more.cameras.length;
    phone.deviceIds = { microphoneId: settings.microphone || undefined, cameraId: settings.camera || undefined };
    if (kind === 'speaker' && canChooseSpeaker()) sound.route();
    update();
  };
  const logOut = async () => {
    gone = true;
    await close();
    left();
  };
  let gone = false;
  const line = createLine({ phone, user });
  const callView = createCallView({ act, can, sound });
  const idle = createIdle((number) => dial(number));
  const incoming = createIncoming({ act, hasCamera: can.video });
  const preferences = createSettings({ user, sound, chosen: (...what) => chosen(...what), logOut, notify });
  const tabs = createTabs(
    texts.name,
    [
      { id: 'keypad', label: texts.tabs.keypad, drawing: 'keys', element: keypad.element },
      { id: 'recent', label: texts.tabs.recent, drawing: 'clock', element: recent.element },
      { id: 'settings', label: texts.tabs.settings, drawing: 'gear', element: preferences.element },
    ],
    (id) => {
      element.dataset.view = 'panel';
      if (id === 'settings') preferences.refresh();
      else preferences.quiet();
    },
  );
  const backName = el('span');
  const back = el('button', { class: 'back', type: 'button', onclick: () => showCall() }, icon('handset'), backName);
  const panel = el('section', { class: 'card panel', 'aria-label': texts.name }, tabs.list, tabs.panels);
  const stage = el('section', { class: 'stage', 'aria-label': texts.call.region }, idle.element, callView.element);
  const element = el(
    'div',
    { class: 'phone', 'data-view': 'panel' },
    el('header', { class: 'top' }, el('h1', {}, icon('handset'), texts.name), line.element),
    notices.element,
    incoming.element,
    back,
    el('main', {}, panel, stage),
  );
  const showCall = () => {
    element.dataset.view = 'call';
    callView.focus();
  };

  const update = () => {
    const { taken, ringing } = calls;
    const has = taken.length > 0;
    element.dataset.calls = taken.length;
    idle.element.hidden = has;
    callView.element.hidden = !has;
    callView.update(taken, phone);
    incoming.update(ringing, has);
    keypad.update({ busy: has, camera: cameras > 0 });
    back.hidden = !has;
    if (has) say(backName, `${texts.call.back} · ${nameOf(taken[0].status)}`);
    sound.hear(taken);
    const alone = taken.length === 1 && taken[0];
    const rings = alone && alone.status.callStatus === 'ringing' && !alone.session.remoteStream;
    sound.ring(ringing.length > 0 ? (has ? null : 'ringtone') : rings ? 'ringback' : null);
    document.title = title(taken, ringing);
  };

  speak(calls);
  calls.addEventListener('change', update);
  let frontId;
  calls.addEventListener('change', () => {
    const { front } = calls;
    if (front?.callId === frontId) return;
    const before = frontId;
    frontId = front?.callId;
    if (!front) {
      if (element.dataset.view === 'call') tabs.select('keypad');
      return keypad.focus();
    }
    if (!before) element.dataset.view = 'call';
    callView.focus();
  });
  calls.addEventListener('incoming', ({ detail: { call } }) => {
    update();
    // Whoever types is not interrupted: the announcement is read out all the same.
    const typing = document.activeElement?.matches('input, select, dialog *') && document.activeElement.value !== '';
    if (!typing) incoming.focus(call);
  });
  calls.addEventListener('ended', ({ detail: { call } }) => {
    if (dialog?.call === call) dialog.close();
    recent.add(call);
    const name = nameOf(call.status);
    if (call.transferring && call.answered) notices.show({ title: texts.transfer.done(call.transferTo), text: '', kind: 'good' });
    else if (!call.answered || call.cause !== 'Terminated') notify(withAbout(ofEnd(call, name)));
    // Whoever was only asked is gone: back to the other side.
    const parent = call.status.isTransfer && calls.all.find(({ callId }) => callId === call.status.transferParent?.callId);
    if (parent && !parent.transferring && parent.status.isHold) parent.session.unhold();
  });
  const withAbout = (error) => error && { ...error, about: 'call' };
  calls.addEventListener('transferFailed', ({ detail: { statusCode } }) => {
    for (const call of calls.all) call.transferring = false;
    notify(TRANSFER_FAILED(statusCode));
  });
  calls.addEventListener('videoWanted', ({ detail: { call } }) => ask(call, askVideo(call, call.agree)));
  calls.addEventListener('change', () => {
    for (const call of calls.all) {
      if (!call.wantsVideo) continue;
      const sends = call.session.RTCSession.connection?.getTransceivers().some(({ sender, currentDirection }) => sender.track?.kind === 'video' && currentDirection);
      if (call.status.isVideo || sends) call.wantsVideo = false;
    }
  });
  sound.addEventListener('blocked', () => notify({ ...BLOCKED_SOUND, about: 'sound' }));
  phone.on('reconnecting', () => notify({ ...LOST, about: 'line' }));
  phone.on('registered', () => notices.clear('line'));
  pbx?.on('runtimeError', (error) => {
    if (gone) return;
    gone = true;
    left(ofLogin(error));
  });

  tabs.select('keypad');
  update();
  announce(texts.spoken.loggedIn(user));
  return { element, focus: () => keypad.focus() };
}

function title(taken, ringing) {
  if (ringing.length > 0) return `${texts.titles.incoming(nameOf(ringing[0].status))} – ${texts.name}`;
  if (taken.length > 0) return `${texts.titles.call(nameOf(taken[0].status))} – ${texts.name}`;
  return texts.name;
}

// The phone: puts the parts together, and says what a click does.

import { nameOf } from './calls.js';
import { createCallView } from './call-view.js';
import { canChooseSpeaker, present } from './devices.js';
import { askTransfer, askVideo, chooseDevices } from './dialogs.js';
import { announce, el, icon, say } from './dom.js';
import {
  BLOCKED_SOUND, LOST, NOT_POSSIBLE, NOT_RECORDED, NOT_SHARED, NO_VIDEO, OFFLINE, SPEAKER_LOST, TRANSFER_FAILED, ofCall, ofCamera, ofChoice, ofEnd, ofLogin, ofLost,
} from './errors.js';
import { createIdle } from './idle.js';
import { createIncoming } from './incoming.js';
import { choose, settings } from './kept.js';
import { createKeypad } from './keypad.js';
import { createLine } from './line.js';
import { createNotices } from './notices.js';
import { createRecent } from './recent.js';
import { createSettings } from './settings.js';
import { createTabs } from './tabs.js';
import { texts } from './texts.js';
import { speak } from './spoken.js';

/** What somebody types or chooses in: not a slider or a box, which keep the focus when they are done with. */
const TYPED = 'select, input:not([type=range], [type=radio], [type=checkbox])';
/** So long a PBX may take to begin with a recording, ms. */
const RECORD_MS = 10_500;

/** `left(error?)`: logged out, or thrown out. What it gives is to be ended: `sound` and the page are those of the next log-in, too. */
export function createPhoneView({ phone, pbx, close, calls, user, sound, left }) {
  const ending = new AbortController();
  const { signal } = ending;
  let devices = { microphones: [], cameras: [] };
  let dialog = null;
  /** A dialog belongs to a call, and ends with it. All else is inert meanwhile: what rings, and what is read out, is in it for so long. */
  const ask = (call, opened) => {
    dialog?.close();
    dialog = { call, close: () => opened.close() };
    const spoken = document.getElementById('spoken');
    opened.prepend(incoming.element);
    opened.append(spoken);
    opened.addEventListener('close', () => {
      // The next dialog may have them already.
      if (!opened.contains(spoken)) return;
      notices.element.after(incoming.element);
      document.body.append(spoken);
    });
  };

  const notices = createNotices({ settings: () => tabs.focus('settings'), sound: () => unlock() });
  // In a click: both what the far ends say and what this page itself plays.
  const unlock = () => {
    sound.unlock();
    phone.unlockAudio();
    phone.config.audio?.unlock();
  };
  const notify = (error) => error && notices.show(error);
  const can = {
    video: () => devices.cameras.length > 0,
    record: ({ recordPermissions }) => recordPermissions > 0,
    screen: () => !!navigator.mediaDevices?.getDisplayMedia,
    merge: (taken) => taken.length > 1 && taken.every(({ status, transferring }) => status.callStatus === 'talking' && !transferring) && !taken.every(({ status }) => status.isConference),
  };
  /** A call and those that are in a conference with it. */
  const together = (call) => (call.status.isConference ? calls.taken.filter(({ status }) => status.isConference) : [call]);
  /** A command that is refused at once says so. */
  const does = (accepted) => accepted || (notify(NOT_POSSIBLE), false);

  const dial = async (number, video = false, transferId) => {
    notices.clear('call');
    sound.unlock();
    const result = await withDevices(() => phone.call(number, { video }, transferId));
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
    mute: (call) => {
      const { isMute } = call.status;
      for (const { session } of together(call)) does(isMute ? session.unmute() : session.mute());
    },
    hold: (call) => {
      if (call.status.isHold && call.status.isConference) return does(phone.conference());
      for (const { session } of together(call)) does(call.status.isHold ? session.unhold() : session.hold());
    },
    merge: () => does(phone.conference(calls.taken.map(({ callId }) => callId))),
    devices: (call) => ask(call, chooseDevices((...what) => chosen(...what))),
    screen: async (call) => {
      const { session } = call;
      if (call.sharing) return session.stopSharing().then(() => notShared(call));
      notices.clear('video');
      const result = await session.shareScreen();
      const [track] = session.localStream?.getVideoTracks() ?? [];
      if (result.code !== 200) return notify({ ...(result.media ? NOT_SHARED : NO_VIDEO), about: 'video' });
      call.sharing = true;
      // Ends by our button or by the browser's own; stopped by us, a track says nothing.
      track.addEventListener('ended', () => notShared(call));
      calls.touch();
    },
    swap: (call) => does(call.session.unhold()),
    hangUp: (call) => {
      for (const { session } of together(call)) session.hangup();
    },
    hangUpOne: (call) => call.session.hangup(),
    tone: (call, key) => call.session.dtmf(key),
    record: (call) => {
      const { recordStatus } = call.status;
      if (!does(recordStatus === 'recording' ? call.session.pauseRecord() : call.session.startRecord())) return;
      clearTimeout(call.recordTimer);
      // A PBX that records nothing says nothing.
      call.recordTimer = setTimeout(() => {
        if (calls.all.includes(call) && call.status.recordStatus === recordStatus) notify({ ...NOT_RECORDED, about: 'record' });
      }, RECORD_MS);
    },
    video: (call) => {
      const { session } = call;
      // Who only watches has no camera that could show anything: the button then ends that.
      if (session.localStream || (call.status.isVideo && !can.video())) return does(session.videoToAudio());
      notices.clear('video');
      call.unsettled?.();
      if (!does(session.audioToVideo())) return;
      call.unsettled = whenSettled(session.RTCSession.connection, (sends) => sends || notify({ ...NO_VIDEO, about: 'video' }));
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
      // It was about the call that is put on hold now.
      dialog?.close();
      incoming.busy(call, true);
      element.dataset.view = 'call';
      const result = await withDevices(() => call.session.answer({ video }));
      if (result.code === 200) return;
      incoming.busy(call, false);
      // A caller who gave up has said so already.
      if (calls.all.includes(call)) notify({ ...ofCall(result, video), about: 'call' });
    },
    decline: (call) => call.session.reject(),
  };
  const notShared = (call) => {
    call.sharing = false;
    calls.touch();
  };
  const under = (call, number) => {
    call.transferring = true;
    call.transferTo = number;
    update();
  };

  const keypad = createKeypad({ call: dial, sound });
  const recent = createRecent({ pbx, call: (number) => dial(number) });
  const chosen = (kind, more) => {
    // The list of devices may come after the end.
    if (signal.aborted) return;
    if (kind === 'list') devices = more;
    useDevices();
    if (kind === 'speaker' && canChooseSpeaker()) sound.route();
    update();
    if (kind === 'microphone' || kind === 'camera') return change(kind, more);
  };
  const useDevices = () => {
    const { microphones, cameras } = devices;
    phone.deviceIds = { microphoneId: present(settings.microphone, microphones) || undefined, cameraId: present(settings.camera, cameras) || undefined };
  };
  /** Makes or answers a call. That a chosen device is gone may show no earlier than here: the usual ones then. */
  const withDevices = async (act) => {
    const result = await act();
    if (result.media !== 'overConstrained') return result;
    phone.deviceIds = {};
    const again = await act();
    // What is there is known by now.
    preferences.refresh();
    return again;
  };
  /** In the calls there are, too. What cannot be had there is no choice for the next one either: it stays with the one `before`. */
  const change = async (kind, before) => {
    const wanted = settings[kind];
    notices.clear('device');
    for (const { session } of calls.taken) {
      if (kind === 'camera' && !session.localStream) continue;
      const result = await session.setInputDevice(wanted || undefined, kind === 'camera' ? 'video' : 'audio');
      if (result.code === 200 || !result.media) continue;
      if (settings[kind] === wanted) choose(kind, before);
      useDevices();
      return notify({ ...ofChoice(result, kind), about: 'device' });
    }
  };
  const logOut = async () => {
    gone = true;
    await close();
    left();
  };
  let gone = false;
  const line = createLine({ phone, user, signal });
  const callView = createCallView({ act, can, sound });
  const idle = createIdle((number) => dial(number));
  const incoming = createIncoming({ act, hasCamera: can.video });
  const preferences = createSettings({ user, sound, chosen: (...what) => chosen(...what), logOut, notify });
  const tabs = createTabs(
    texts.name,
    [
      { id: 'keypad', label: texts.tabs.keypad, drawing: 'keys', element: keypad.element },
      { id: 'recent', label: texts.tabs.recent, drawing: 'clock', element: recent },
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
    el('header', { class: 'top' }, el('h1', { tabindex: '-1' }, icon('handset'), texts.name), line.element),
    el('div', { class: 'above' }, notices.element, incoming.element),
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
    keypad.update({ busy: has, camera: can.video() });
    back.hidden = !has;
    if (has) say(backName, `${texts.call.back} · ${nameOf(taken[0].status)}`);
    sound.hear(taken);
    const alone = taken.length === 1 && taken[0];
    const rings = alone && alone.status.callStatus === 'ringing' && !alone.session.remoteStream;
    sound.ring(ringing.length > 0 ? (has ? 'waiting' : 'ringtone') : rings ? 'ringback' : null);
    document.title = title(taken, ringing);
  };

  const on = (target, name, listener) => target.addEventListener(name, listener, { signal });
  speak(calls);
  on(calls, 'change', update);
  let frontId;
  on(calls, 'change', () => {
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
  on(calls, 'incoming', ({ detail: { call } }) => {
    update();
    // Whoever types, sends tones or is being asked something is not interrupted: it is read out all the same.
    const active = document.activeElement;
    const occupied = active?.closest('dialog, .pad') || (active?.matches(TYPED) && active.value !== '');
    if (occupied) announce(texts.titles.incoming(nameOf(call.status)));
    else incoming.focus(call);
  });
  on(calls, 'ended', ({ detail: { call } }) => {
    if (dialog?.call === call) dialog.close();
    const name = nameOf(call.status);
    if (call.transferring && call.answered) notices.show({ title: texts.transfer.done(call.transferTo), text: '', kind: 'good' });
    else if (!call.answered || call.cause !== 'Terminated') notify(withAbout(ofEnd(call, name)));
    // Whoever was only asked is gone: back to the other side.
    const parent = call.status.isTransfer && calls.all.find(({ callId }) => callId === call.status.transferParent?.callId);
    // Also if its hold is still under way.
    if (parent && !parent.transferring) parent.session.unhold();
  });
  const withAbout = (error) => error && { ...error, about: 'call' };
  on(calls, 'transferFailed', ({ detail: { statusCode } }) => {
    for (const call of calls.all) call.transferring = false;
    notify(TRANSFER_FAILED(statusCode));
  });
  on(calls, 'videoWanted', ({ detail: { call } }) => ask(call, askVideo(call, can.video(), call.agree)));
  for (const [target, name] of [[sound, 'blocked'], [calls, 'soundBlocked']]) {
    on(target, name, () => notify({ ...BLOCKED_SOUND, about: 'sound' }));
  }
  // Any click is the one that the browser waits for.
  element.addEventListener('click', () => {
    if (!notices.has('sound')) return;
    unlock();
    notices.clear('sound');
  });
  on(calls, 'cameraFailed', ({ detail: { call, kind } }) => {
    // The next offer is of something else.
    call.unsettled?.();
    notify({ ...ofCamera(kind), about: 'video' });
  });
  on(calls, 'deviceLost', ({ detail }) => notify({ ...ofLost(detail), about: 'device' }));
  let speakers;
  phone.on('deviceChange', ({ devices }) => {
    const before = speakers;
    speakers = devices.filter(({ kind }) => kind === 'audiooutput').map(({ deviceId }) => deviceId);
    if (!settings.speaker || speakers.includes(settings.speaker) || before?.includes(settings.speaker) === false) return sound.route();
    // Asked for the device that it has, a browser says yes without looking whether that is still there.
    sound.route('');
    if (calls.taken.length > 0) notify({ ...SPEAKER_LOST, about: 'device' });
  });
  // Of the attempts after the first, the line tells: a notice that was read, or put away, is not told again.
  phone.on('reconnecting', ({ attempt }) => attempt === 1 && notify({ ...(navigator.onLine ? LOST : OFFLINE), about: 'line' }));
  on(window, 'offline', () => gone || notify({ ...OFFLINE, about: 'line' }));
  phone.on('registered', () => notices.clear('line'));
  pbx.on('runtimeError', (error) => {
    if (gone) return;
    gone = true;
    left(ofLogin(error));
  });

  tabs.select('keypad');
  update();
  announce(texts.spoken.loggedIn(user));
  const end = () => {
    gone = true;
    ending.abort();
    preferences.end();
    dialog?.close();
  };
  return { element, focus: () => keypad.focus(), end };
}

/** Whether video is sent when the offer that is being made has been answered. Gives what ends the waiting for that. */
function whenSettled(connection, tell) {
  const end = new AbortController();
  let offered = false;
  const change = () => {
    offered ||= connection.signalingState === 'have-local-offer';
    if (!offered || connection.signalingState !== 'stable') return;
    end.abort();
    tell(connection.getTransceivers().some(({ sender, currentDirection }) => sender.track?.kind === 'video' && /send/.test(currentDirection)));
  };
  connection.addEventListener('signalingstatechange', change, { signal: end.signal });
  return () => end.abort();
}

function title(taken, ringing) {
  if (ringing.length > 0) return `${texts.titles.incoming(nameOf(ringing[0].status))} – ${texts.name}`;
  if (taken.length > 0) return `${texts.titles.call(nameOf(taken[0].status))} – ${texts.name}`;
  return texts.name;
}

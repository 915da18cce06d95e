// One call as a page holds it.

import { COMMANDS } from './commands.js';
import { MediaFault } from './devices.js';
import { Emitter, emit, silence } from './emitter.js';

/** Of a phone, not for pages: something done to a call's media; its screen shared. */
export const device = Symbol('device');
export const share = Symbol('share');

export class Session extends Emitter {
  #driver;
  #agree;
  #timer = { ringDuration: 0, callingDuration: 0, callDuration: 0, holdDuration: 0 };
  #rtc = { connection: null };
  /** What plays the far end. */
  #players = new Set();
  #speaker;
  #volume = 1;
  callId;
  status;
  callReport = null;
  localStream = null;
  remoteStream = null;

  constructor(phone, driver, callId, status) {
    super();
    // Not one of the contract's attributes: not shown.
    Object.defineProperty(this, 'phone', { value: phone });
    this.#driver = driver;
    this.callId = callId;
    this.status = status;
  }

  get incomingList() {
    return this.phone.incomingList;
  }

  get timer() {
    this.keep();
    return this.#timer;
  }

  get RTCSession() {
    const rtc = this.#driver.read('rtc', this.callId);
    return Object.assign(this.#rtc, rtc ?? { signalingState: 'closed' });
  }

  get agreeChangeVideo() {
    return this.#agree;
  }

  set agreeChangeVideo(agree) {
    this.#agree = agree;
    this.#driver.accepts('askForVideo', this.callId, !!agree);
  }

  answer(options) {
    return this.phone.answer(this.callId, options);
  }

  terminate(type = 'terminate') {
    return this.phone.terminate(this.callId, type);
  }

  renegotiate(offerToReceiveVideo) {
    return this.phone.renegotiate(this.callId, offerToReceiveVideo);
  }

  stopTimer() {
    this.#driver.accepts('stopTimer', this.callId);
    return this;
  }

  setStatus(status) {
    const { name, avatar, company, number, recordStatus, isConference } = status ?? {};
    const texts = [name, avatar, company, undefined, number, recordStatus].map(text);
    this.#driver.run('patch', this.callId, ...texts, isConference);
    return this;
  }

  setStaticStatus(status, startManualModel) {
    this.phone.setSessionStaticStatus(this.callId, status, startManualModel);
    return this;
  }

  destroy() {
    this[silence]();
    this.#driver.accepts('destroy', this.callId);
  }

  restartIce() {
    return this.#driver.accepts('restartIce', this.callId);
  }

  sendInfo(contentType, body) {
    return this.#driver.accepts('sendInfo', this.callId, contentType, body);
  }

  sendMessage(contentType, body) {
    return this.#driver.accepts('sendMessage', this.callId, contentType, body);
  }

  // --- devices ---

  setInputDevice(deviceId, kind = 'audio') {
    return this.phone[device](this.callId, (media) => media.replace(kind, deviceId));
  }

  shareScreen(options) {
    return this.phone[share](this.callId, options);
  }

  async stopSharing() {
    return this.phone[device](this.callId, (media) => media.unshare());
  }

  /** Plays the far end, now or when there is something to play. Whether the browser lets it. */
  play(element = new Audio()) {
    this.#players.add(element);
    return this.#feed(element);
  }

  setVolume(volume) {
    if (!this.#driver.accepts('setVolume', this.callId, Math.round(volume * 1_000))) return false;
    this.#volume = volume;
    for (const element of this.#players) element.volume = volume;
    return true;
  }

  async setOutputDevice(deviceId) {
    try {
      for (const element of this.#players) await element.setSinkId(deviceId);
    } catch (error) {
      return MediaFault.of(error).result();
    }
    this.#speaker = deviceId;
    return { code: 200, message: 'SUCCESS' };
  }

  async getStats() {
    const { connection } = this.#rtc;
    return connection && connection.getStats();
  }

  // --- for the phone ---

  /** Plays what the browser would not let play before a gesture of the user's. */
  async unlock() {
    const played = await Promise.all([...this.#players].map((element) => this.#feed(element)));
    return played.every(Boolean);
  }

  /** Keeps the durations, which the core forgets with the call. */
  keep() {
    this.#timer = this.#driver.read('timer', this.#driver.now()[0], this.callId) ?? this.#timer;
  }

  /** The peer connection is there. */
  connect(connection) {
    this.#rtc.connection = connection;
  }

  /** What the core tells of the call: brings the attributes up to date and tells the listeners. */
  tell(name, payload, media) {
    switch (name) {
      case 'statusChange':
      case 'staticStatusChange': {
        const { newStatus, oldStatus } = payload;
        if (name === 'statusChange') this.status = newStatus;
        this[emit](name, newStatus, oldStatus);
        return;
      }
      case 'callReport':
        this.callReport = payload.callReport;
        break;
      case 'updateTimer':
        this.#timer = payload.timer;
        break;
      case 'peerconnection':
        payload.peerconnection = media?.connection;
        break;
      case 'streamAdded':
        payload.stream = media?.remoteStream;
        break;
      case 'updateRemoteStream':
        payload.remoteStream = this.remoteStream = payload.remoteStream === null ? null : media?.remoteStream;
        for (const element of this.#players) this.#feed(element);
        break;
      case 'updateLocalStream':
        payload.localStream = this.localStream = payload.localStream === null ? null : media?.localStream;
        break;
      case 'failed':
      case 'clientError':
        // Of a call with video that did not come about.
        if (this.localStream) this.tell('updateLocalStream', { callId: this.callId, localStream: null });
        break;
      case 'accepted':
      case 'confirmed':
      case 'reinvite':
        payload.session = this;
        break;
      case 'videoRequested':
        this.#ask(payload);
        break;
    }
    this[emit](name, payload);
  }

  async #feed(element) {
    if (element.srcObject !== this.remoteStream) element.srcObject = this.remoteStream;
    if (!this.remoteStream) return true;
    try {
      element.volume = this.#volume;
      // One that is not there any more: where the system says.
      if (this.#speaker !== undefined) await element.setSinkId?.(this.#speaker).catch(() => {});
      await element.play();
      return true;
    } catch (error) {
      // Interrupted by another stream, or by the end of the call: that is told elsewhere.
      if (error.name === 'NotAllowedError') this[emit]('audioBlocked', { callId: this.callId });
      return error.name === 'AbortError';
    }
  }

  async #ask({ name }) {
    const { callId } = this;
    const agreed = await Promise.resolve()
      .then(() => this.#agree?.({ callId, name }))
      .catch(() => false);
    this.#driver.accepts('agreeVideo', callId, !!agreed);
  }
}

// Commands that are nothing but the phone's with this callId.
for (const name of COMMANDS) {
  Session.prototype[name] = function (argument) {
    return this.phone[name](this.callId, argument);
  };
}

/** What a page gave as text, or did not give. */
export function text(value) {
  return value == null ? undefined : String(value);
}

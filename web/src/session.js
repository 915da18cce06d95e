// One call as a page holds it.

import { COMMANDS } from './commands.js';
import { Emitter, emit, silence } from './emitter.js';

export class Session extends Emitter {
  #driver;
  #agree;
  #timer = { ringDuration: 0, callingDuration: 0, callDuration: 0, holdDuration: 0 };
  #rtc = { connection: null };
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
    const { number, recordStatus, isConference } = status ?? {};
    this.setStaticStatus(status);
    this.#driver.run('patch', this.callId, number == null ? undefined : String(number), recordStatus, isConference);
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

  async getStats() {
    const { connection } = this.#rtc;
    return connection && connection.getStats();
  }

  // --- for the phone ---

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
        break;
      case 'updateLocalStream':
        payload.localStream = this.localStream = payload.localStream === null ? null : media?.localStream;
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

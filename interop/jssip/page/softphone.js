// A JsSIP phone that a test drives from outside through `window.softphone`.

import * as JsSIP from 'jssip';

import { Listener, ToneSource } from './audio.js';
import { Journal } from './journal.js';
import { loopback } from './selftest.js';

class Softphone {
  journal = new Journal();
  #ua = null;
  #session = null;
  #consulted = null;
  #context = null;
  #source = null;
  #listener = null;

  /// Registers `user` at the WebSocket `server`; settles with the registrar's answer.
  async register({ server, user, domain, password }) {
    this.#ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(server)],
      uri: `sip:${user}@${domain}`,
      password,
      register_expires: 600,
    });
    const { journal } = this;
    this.#ua.on('connected', () => journal.add('connected'));
    this.#ua.on('disconnected', ({ code }) => journal.add('disconnected', { code }));
    this.#ua.on('registered', () => journal.add('registered'));
    this.#ua.on('unregistered', () => journal.add('unregistered'));
    this.#ua.on('registrationFailed', ({ cause, response }) =>
      journal.add('registrationFailed', { cause, code: response?.status_code }),
    );
    this.#ua.on('newRTCSession', ({ session, originator, request }) => {
      this.#adopt(session);
      journal.add('newRTCSession', { originator, from: request.from.uri.user, to: request.to.uri.user });
    });
    this.#ua.start();
    return Promise.race([journal.waitFor('registered'), journal.waitFor('registrationFailed')]);
  }

  /// Calls `number`, saying a sine of `tone` Hz.
  call(number, { tone }) {
    this.#ua.call(number, this.#mediaOptions(tone));
  }

  /// Makes a second call, beside the one that is to be transferred; from here on it is the one that the other methods mean.
  consult(number, { tone }) {
    this.#consulted = this.#session;
    this.call(number, { tone });
  }

  /// Refers the far end to `number`; how it goes is in the journal, as `refer` with its `step`.
  transfer(number) {
    this.#session.refer(number, { eventHandlers: this.#referHandlers() });
  }

  /// Connects the far end of the first call with that of the second.
  transferAttended() {
    const target = this.#session;
    this.#consulted.refer(target.remote_identity.uri, { replaces: target, eventHandlers: this.#referHandlers() });
  }

  /// Loads what hears tones, so that none is missed which comes at once.
  async readyForDtmf() {
    this.#context ??= new AudioContext();
    await this.#context.audioWorklet.addModule('/dtmf-worklet.js');
  }

  /// Answers the ringing call, saying a sine of `tone` Hz.
  answer({ tone }) {
    this.#session.answer(this.#mediaOptions(tone));
  }

  /// Ends the call in whatever state it is (CANCEL, BYE or `statusCode`).
  hangup(statusCode) {
    this.#session.terminate(statusCode ? { status_code: statusCode } : {});
  }

  /// Puts the far end on hold; settles when it has agreed.
  hold() {
    return this.#agreed((done) => this.#session.hold({}, done));
  }

  unhold() {
    return this.#agreed((done) => this.#session.unhold({}, done));
  }

  isOnHold() {
    return this.#session.isOnHold();
  }

  /// Sends `tones`; `transport` is `RFC2833` (telephone-event in RTP) or `INFO`.
  dtmf(tones, { transport, duration = 100, gap = 100 }) {
    this.#session.sendDTMF(tones, { transportType: transport, duration, interToneGap: gap });
  }

  setTone(frequency) {
    this.#source.setFrequency(frequency);
  }

  /// What the remote party sounds like now: `{rms, frequency, purity}`.
  async hear() {
    return this.#listener.measure();
  }

  /// RTP counters of the audio, and the codec and the pair they go by.
  async stats() {
    return audioStats(this.#session.connection);
  }

  localSdp() {
    return this.#session.connection.localDescription.sdp;
  }

  remoteSdp() {
    return this.#session.connection.remoteDescription.sdp;
  }

  /// Unregisters and closes the socket.
  async stop() {
    const mark = this.journal.mark();
    this.#ua.stop();
    await this.journal.waitFor('disconnected', { after: mark });
  }

  #mediaOptions(tone) {
    this.#context ??= new AudioContext();
    this.#source = new ToneSource(this.#context, tone);
    return {
      mediaStream: this.#source.stream,
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers: [] },
    };
  }

  #adopt(session) {
    this.#session = session;
    const { journal } = this;
    // An outgoing call has its peer connection before it is announced, an incoming one when it is answered.
    if (session.connection) this.#watch(session.connection);
    else session.on('peerconnection', ({ peerconnection }) => this.#watch(peerconnection));
    session.on('progress', ({ response }) => journal.add('progress', { code: response?.status_code }));
    session.on('accepted', ({ originator }) => journal.add('accepted', { originator }));
    session.on('confirmed', ({ originator }) => journal.add('confirmed', { originator }));
    session.on('hold', ({ originator }) => journal.add('hold', { originator }));
    session.on('unhold', ({ originator }) => journal.add('unhold', { originator }));
    session.on('reinvite', () => journal.add('reinvite'));
    session.on('update', () => journal.add('update'));
    session.on('newDTMF', ({ originator, dtmf }) => journal.add('dtmf', { originator, tone: dtmf.tone, duration: dtmf.duration }));
    session.on('newInfo', ({ originator, info }) => journal.add('info', { originator, contentType: info.contentType, body: info.body }));
    session.on('ended', ({ originator, cause }) => this.#over(session, 'ended', { originator, cause }));
    session.on('failed', ({ originator, cause, message }) =>
      this.#over(session, 'failed', { originator, cause, code: message?.status_code }),
    );
  }

  #watch(connection) {
    connection.addEventListener('track', ({ track, streams }) => {
      this.journal.add('track', { kind: track.kind });
      this.#listener?.close();
      this.#listener = new Listener(this.#context, streams[0] ?? new MediaStream([track]));
      this.#listener.watchDtmf((tone) => this.journal.add('heardDtmf', { tone }));
    });
    connection.addEventListener('connectionstatechange', () =>
      this.journal.add('media', { state: connection.connectionState }),
    );
  }

  #over(session, name, how) {
    // The first call of a transfer may end while the second, whose sound this is, goes on.
    if (session === this.#session) {
      this.#listener?.close();
      this.#listener = null;
      this.#source?.stop();
    }
    this.journal.add(name, { number: session.remote_identity.uri.user, ...how });
  }

  #referHandlers() {
    const told = (step) => (data) =>
      this.journal.add('refer', { step, code: data?.status_line?.status_code ?? data?.response?.status_code });
    const steps = ['requestSucceeded', 'requestFailed', 'trying', 'progress', 'accepted', 'failed'];
    return Object.fromEntries(steps.map((step) => [step, told(step)]));
  }

  #agreed(start) {
    return new Promise((resolve, reject) => {
      if (!start(resolve)) reject(new Error('JsSIP refused: the session is not in a state for it'));
    });
  }
}

async function audioStats(connection) {
  const report = [...(await connection.getStats()).values()];
  const inbound = report.find((s) => s.type === 'inbound-rtp' && s.kind === 'audio');
  const outbound = report.find((s) => s.type === 'outbound-rtp' && s.kind === 'audio');
  const remote = report.find((s) => s.type === 'remote-inbound-rtp' && s.kind === 'audio');
  const transport = report.find((s) => s.type === 'transport');
  return {
    codec: report.find((s) => s.id === inbound?.codecId)?.mimeType,
    packetsReceived: inbound?.packetsReceived ?? 0,
    packetsLost: inbound?.packetsLost ?? 0,
    jitterMs: (inbound?.jitter ?? 0) * 1000,
    concealedSamples: inbound?.concealedSamples ?? 0,
    packetsSent: outbound?.packetsSent ?? 0,
    remoteLost: remote?.packetsLost,
    roundTripMs: remote?.roundTripTime === undefined ? undefined : remote.roundTripTime * 1000,
    dtls: transport?.dtlsState,
    srtp: transport?.srtpCipher,
  };
}

window.softphone = new Softphone();
window.selftest = { loopback };

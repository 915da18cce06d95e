// A page that uses the package, with a journal of all it is told and a microphone whose sound is known.

import { left, made, sent } from '/spies.js';

import { Listener, ToneSource } from '/audio.js';
import { Journal } from '/journal.js';
import { AudioEngine, Tones } from '/offhook-audio.js';
import { createPhone, init } from '/offhook.js';
import { Screen, picture } from '/picture.js';

const PHONE_EVENTS = [
  'connected', 'disconnected', 'registered', 'registrationFailed', 'isRegisteredChange', 'newRTCSession', 'incoming',
  'startSession', 'recordPermissionsChange', 'videoPlanChange', 'deleteSession', 'reconnecting', 'deviceChange', 'standby', 'active',
  'recorded',
];
const PBX_EVENTS = ['runtimeError', 'cdrChange', 'destroyed'];
const SESSION_EVENTS = [
  'callReport', 'streamAdded', 'updateLocalStream', 'updateRemoteStream', 'peerconnection', 'sdp', 'icecandidate',
  'progress', 'accepted', 'confirmed', 'reinvite', 'newInfo', 'newMessage', 'ended', 'failed', 'clientError',
  'statusChange', 'staticStatusChange', 'updateTimer', 'warningMessage', 'transferProgress', 'transferFailed',
  'reconnecting', 'reconnected', 'dtmf', 'audioBlocked', 'deviceLost',
];

// An insecure page has none.
const openMicrophone = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);

class Softphone {
  journal = new Journal();
  phone;
  /** All there were. */
  sessions = [];
  connections = [];
  sources = [];
  #context;
  #listeners = new Map();
  #tone = null;
  #called = -Infinity;

  /** The microphone says a sine of so many Hz from the next call on; `null`: it is Chromium's own again. */
  say(frequency) {
    this.#tone = frequency;
    if (!navigator.mediaDevices) return;
    navigator.mediaDevices.getUserMedia = frequency === null ? openMicrophone : (constraints) => this.#open(constraints);
  }

  /** The microphone cannot be opened. */
  refuse(name, message) {
    navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException(message, name);
    };
  }

  /** What the next calls' microphone says, also of those that have it already. */
  retune(frequency) {
    for (const source of this.sources) source.setFrequency(frequency);
  }

  /** What is shared of the screen is this colour; gives what stands for the screen. */
  showScreen(colour) {
    this.screen = new Screen(colour);
    navigator.mediaDevices.getDisplayMedia = async () => this.screen.stream;
  }

  async make({ engine, ...config }) {
    if (engine) config.audio = this.engine = new AudioEngine();
    return this.#watch(await createPhone(config));
  }

  /** Logs in to a P-Series PBX; `null`, or its refusal. */
  async init(params) {
    try {
      const { phone, pbx, destroy } = await init(params);
      Object.assign(window, { pbx, destroy });
      this.#watch(phone);
      for (const name of PBX_EVENTS) {
        pbx.on(name, (...payload) => this.journal.add(name, { payload: shown(payload), of: 'pbx', sessions: phone.sessions.size }));
      }
      return null;
    } catch (error) {
      return refusal(error);
    }
  }

  #watch(phone) {
    this.phone = window.phone = phone;
    for (const name of PHONE_EVENTS) {
      phone.on(name, (...payload) => {
        if (name === 'newRTCSession') this.#adopt(payload[0].session);
        this.journal.add(name, { payload: shown(payload), of: 'phone', status: payload[0]?.session?.status });
      });
    }
    return phone;
  }

  /** Registered, or the failure. */
  async register(config) {
    const phone = await this.make(config);
    return phone.start();
  }

  /** `phone.call`, with its resolution in the journal. A second call within a second would be refused: it waits as long. */
  async call(...parameters) {
    const wait = this.#called + 1_050 - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const result = await this.phone.call(...parameters);
    // It counts from when the microphone was there.
    this.#called = performance.now();
    this.journal.add('resolved', { result });
    return result;
  }

  async answer(options) {
    const result = await this.phone.incomingList[0].answer(options);
    this.journal.add('answered', { result });
    return result;
  }

  /** The session made last. */
  get last() {
    return this.sessions.at(-1);
  }

  /** Loads what hears tones, so that none is missed which comes at once. */
  async readyForDtmf() {
    this.#context ??= new AudioContext();
    await this.#context.audioWorklet.addModule('/dtmf-worklet.js');
  }

  /** What is heard in a call now: `{rms, frequency, purity}`. */
  async hear() {
    const listener = () => this.#listeners.get(this.last.callId);
    while (!listener()) await this.journal.waitFor('streamAdded', { after: this.journal.mark() });
    return listener().measure();
  }

  /** How loud each of these frequencies is in a call now, dB. */
  levels(frequencies, callId = this.last.callId) {
    const { analyser, context } = this.#listeners.get(callId);
    const decibels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(decibels);
    const bin = (frequency) => Math.round((frequency * analyser.fftSize) / context.sampleRate);
    return frequencies.map((frequency) => Math.max(...decibels.slice(bin(frequency) - 3, bin(frequency) + 4)));
  }

  /** What is seen in the call now. */
  picture() {
    return picture(this.last.remoteStream);
  }

  /** Lets the machine sleep from now on. */
  sleeps() {
    const now = Date.now;
    let slept = 0;
    Date.now = () => now.call(Date) + slept;
    this.sleep = (seconds) => (slept += seconds * 1_000);
  }

  /** From now on the page's time runs so many times faster, for phones that are made then; `pace` changes that, also for timers that run. */
  hurry(times) {
    const { setTimeout, clearTimeout } = window;
    const real = performance.now.bind(performance);
    let [pace, since, passed] = [1, real(), real()];
    const now = () => passed + (real() - since) * pace;
    const zero = Date.now() - now();
    Date.now = () => Math.floor(zero + now());
    performance.now = now;
    /** Those that run: `{act, due, handle}` by their numbers, `due` in the page's time. */
    const timers = new Map();
    const arm = (id, timer) => {
      const fire = () => {
        timers.delete(id);
        timer.act();
      };
      timer.handle = setTimeout.call(window, fire, Math.max(0, timer.due - now()) / pace);
    };
    let count = 0;
    window.setTimeout = (act, delay = 0, ...rest) => {
      const timer = { act: () => act(...rest), due: now() + delay };
      timers.set(++count, timer);
      arm(count, timer);
      return count;
    };
    window.clearTimeout = (id) => {
      clearTimeout.call(window, timers.get(id)?.handle);
      timers.delete(id);
    };
    this.pace = (times) => {
      [passed, since, pace] = [now(), real(), times];
      for (const [id, timer] of timers) {
        clearTimeout.call(window, timer.handle);
        arm(id, timer);
      }
    };
    this.pace(times);
    // A worker has a clock of its own.
    window.Worker = undefined;
    // A test waits by its own time.
    const { journal } = this;
    const waitFor = journal.waitFor.bind(journal);
    journal.waitFor = (name, { timeoutMs = 10_000, ...more } = {}) => waitFor(name, { timeoutMs: timeoutMs * pace, ...more });
  }

  /** What `measure` takes for a calm network, whatever a busy machine does to packets. */
  calm = {
    'inbound-rtp': { kind: 'audio', jitter: 0.001, packetsLost: 0, concealedSamples: 0, jitterBufferDelay: 0.04, jitterBufferEmittedCount: 1 },
    'remote-inbound-rtp': { kind: 'audio', jitter: 0.001, packetsLost: 0, roundTripTime: 0.001 },
  };

  /** The browser measures what `measure` says from now on: by type, of audio where there are both, the fields that are others. */
  measures() {
    const own = RTCPeerConnection.prototype.getStats;
    let changed = {};
    this.measure = (fields) => (changed = fields);
    RTCPeerConnection.prototype.getStats = async function () {
      const report = new Map(await own.call(this));
      for (const [type, fields] of Object.entries(changed)) {
        const stats = [...report.values()].filter((stats) => stats.type === type && stats.kind !== 'video');
        for (const one of stats.length ? stats : [{ id: `test-${type}`, type }]) report.set(one.id, { ...one, ...fields });
      }
      return report;
    };
  }

  Tones = Tones;

  left = left;

  /** The SIP messages and other texts that were sent to URLs that contain this. */
  sent(to) {
    return sent.filter(({ url }) => url.includes(to));
  }

  /** Of each WebSocket there was, its `readyState`. */
  sockets() {
    return made.sockets.map(({ readyState }) => readyState);
  }

  /** The connection to the server breaks. */
  cut() {
    made.sockets.at(-1).close();
  }

  /** Of the video that comes. */
  async videoStats() {
    const report = [...(await this.last.RTCSession.connection.getStats()).values()];
    const inbound = report.find((stats) => stats.type === 'inbound-rtp' && stats.kind === 'video') ?? {};
    const codec = report.find((stats) => stats.id === inbound.codecId)?.mimeType;
    return { codec, decoded: inbound.framesDecoded ?? 0, keyFrames: inbound.keyFramesDecoded ?? 0, packets: inbound.packetsReceived, width: inbound.frameWidth };
  }

  async stats() {
    const report = [...(await this.last.RTCSession.connection.getStats()).values()];
    const of = (type) => report.find((stats) => stats.type === type && stats.kind === 'audio');
    const [inbound, outbound] = [of('inbound-rtp'), of('outbound-rtp')];
    const codec = report.find((stats) => stats.id === inbound?.codecId)?.mimeType;
    const { dtlsState, srtpCipher } = report.find((stats) => stats.type === 'transport') ?? {};
    return { codec, received: inbound?.packetsReceived ?? 0, sent: outbound?.packetsSent ?? 0, dtlsState, srtpCipher };
  }

  async #open({ audio, video }) {
    const stream = audio ? this.#source() : new MediaStream();
    if (video) for (const track of (await openMicrophone({ video })).getTracks()) stream.addTrack(track);
    return stream;
  }

  #source() {
    this.#context ??= new AudioContext();
    const source = new ToneSource(this.#context, this.#tone);
    this.sources.push(source);
    return source.stream;
  }

  #adopt(session) {
    this.sessions.push(session);
    for (const name of SESSION_EVENTS) {
      session.on(name, (...payload) => {
        if (name === 'peerconnection') this.connections.push(payload[0].peerconnection);
        if (name === 'streamAdded') this.#listen(session.callId, payload[0].stream);
        if (name === 'updateRemoteStream' && payload[0].remoteStream === null) this.#listeners.get(session.callId)?.close();
        this.journal.add(name, { payload: shown(payload), of: session.status.number, number: session.status.number });
      });
    }
  }

  #listen(callId, stream) {
    // Its video comes and goes.
    if (this.#listeners.get(callId)?.element.srcObject === stream) return;
    this.#context ??= new AudioContext();
    this.#listeners.get(callId)?.close();
    const listener = new Listener(this.#context, stream);
    this.#listeners.set(callId, listener);
    listener.watchDtmf((tone) => this.journal.add('heardDtmf', { tone }));
  }
}

/** What a rejection says. */
function refusal(error) {
  const { code, message, detail } = error;
  return { code, message, detail, isError: error instanceof Error };
}

/** What of a payload goes through to the test: objects of the browser by their names. */
function shown(payload) {
  const one = (value) => {
    if (value === null || typeof value !== 'object') return value;
    const kind = value.constructor?.name;
    if (kind && !['Object', 'Array'].includes(kind)) return value.callId ? `Session ${value.callId}` : `[${Object.prototype.toString.call(value).slice(8, -1)}]`;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, one(inner)]));
  };
  return payload.map(one);
}

/** What a promise is rejected with; `{value}` if it is not. */
window.rejected = (promise) => promise.then((value) => ({ value }), refusal);
window.softphone = new Softphone();
softphone.say(440);

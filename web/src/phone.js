// The phone as a page holds it: registration and the set of calls.

import { COMMANDS } from './commands.js';
import { MediaFault, acquire, acquireAny, faultOf, letGo, survey } from './devices.js';
import { Emitter, emit, silence } from './emitter.js';
import { Life, nameOf } from './life.js';
import { Media } from './media.js';
import { Session, device, share, text } from './session.js';

/** Events of the phone that have a callId and are not the call's own. */
const OF_PHONE = ['newRTCSession', 'incoming', 'startSession', 'deleteSession'];

/** Stands before the options of calls, and in no snapshot of the core's. */
const OPTIONS = '\x1c';

const STOPPED = { code: -200, message: 'UNKNOWN_ERROR', detail: 'the phone was stopped' };

export class Phone extends Emitter {
  #driver;
  #config;
  #sessions = new Map();
  /** Peer connections by callId. */
  #media = new Map();
  /** With what a call was made or answered: `{options, stream}` by callId, until its peer connection exists. */
  #prepared = new Map();
  /** The `sdp` event that was told last, by callId: a listener may have changed it. */
  #described = new Map();
  #life;
  /** It was started and not stopped. */
  #started = false;
  /** What was begun ends with it. */
  #stopping = new AbortController();
  /** Settled when it has stopped, since the page was left last. */
  #left;
  #destroyed;
  #released = false;
  /** The attributes since then. */
  #ended = {};
  /** It began with a log-in, which another tab's ends. */
  #loggedIn;

  deviceIds;
  reRegistryPhoneTimes;

  /** `tab`: which of the browser's it is. `tellPBX(payload)`: what happens at the PBX, if it has one. */
  constructor(driver, config, tab, tellPBX) {
    super();
    this.#loggedIn = !!tellPBX;
    this.#config = config;
    this.deviceIds = { ...config.deviceIds };
    this.reRegistryPhoneTimes = config.reRegistryPhoneTimes;
    this.#driver = driver;
    driver.host = {
      before: () => this.#sessions.forEach((session) => session.keep()),
      event: (event) => this.#tell(event),
      media: (callId, name, command) => this.#carryOut(callId, name, command),
      filter: (callId) => this.#described.get(callId)?.sdp ?? '',
      pbx: (payload) => {
        if (payload.event === 'runtimeError') tab.end(payload);
        tellPBX(payload);
        // Whoever waits for this very end is told first.
        if (payload.event === 'destroyed') setTimeout(() => this.#release());
      },
    };
    navigator.mediaDevices?.addEventListener('devicechange', this.#surveyed);
    const name = nameOf(config.user ?? config.username, config.server ?? config.pbxURL);
    this.#life = new Life(name, config.keepCalls, tab, {
      suspend: () => this.#suspend(),
      leave: () => (this.#left = this.#driver.settles('disconnect')),
      back: () => this.#back(),
      reconnect: () => this.#started && this.#driver.reconnect(),
      lost: () => this.#displaced(),
    });
  }

  static {
    for (const name of COMMANDS) {
      Phone.prototype[name] = function (callId, argument = '') {
        return this.#driver.accepts(name, callId, argument);
      };
    }
    // As the core has them at the moment.
    for (const name of ['isRegistered', 'isMaxCall', 'isNoneCamera', 'recordPermissions', 'videoPlan', 'currentSessionID']) {
      Object.defineProperty(Phone.prototype, name, {
        get() {
          return (this.#driver.read('state') ?? this.#ended)[name];
        },
      });
    }
  }

  // --- attributes ---

  get config() {
    const { password, ha1, secret, ...shown } = this.#config;
    return shown;
  }

  get sessions() {
    return new Map(this.#sessions);
  }

  get incomingList() {
    return [...this.#sessions.values()].filter((session) => session.status.isRing);
  }

  get currentSession() {
    return this.getCurrentSession();
  }

  // --- registration ---

  /** Settled with the first registration, or with the first failure. */
  async start() {
    this.#surveyed();
    const { signal } = this.#stopping;
    const kept = this.#life.kept();
    const owns = !this.#config.oneTab || (await this.#life.own(!!kept, signal, () => this.#takeOver(signal)));
    if (kept && owns && !signal.aborted) await this.#resume(kept, signal);
    if (signal.aborted) return STOPPED;
    if (!owns) {
      this[emit]('standby');
      return { code: 100, message: 'STANDBY', detail: 'another tab of this browser is registered' };
    }
    this.#started = true;
    return result(await this.#driver.settles('start'));
  }

  async reRegister(authorizationUser = '', ha1 = '') {
    return result(await this.#driver.settles('reRegister', '', authorizationUser, ha1));
  }

  async disconnect() {
    this.#stop();
    return result(await this.#driver.settles('disconnect'));
  }

  /** Ends the calls, unregisters, closes the connection, and lets go of everything. */
  destroy() {
    return (this.#destroyed ??= this.#destroy());
  }

  // --- calls ---

  call(number, options, transferId) {
    return this.#withMedia('call', [text(number) ?? '', text(transferId)], options, ([command, callId]) => [command, callId]);
  }

  answer(callId, options) {
    return this.#withMedia('answer', [String(callId)], options, (command) => [command, callId]);
  }

  conference(callIds = []) {
    return this.#driver.accepts('conference', '', [...callIds].join(' '));
  }

  /** Plays what the browser would not let play: to be called when the user clicks. Whether all of it plays. */
  async unlockAudio() {
    const played = await Promise.all([...this.#sessions.values()].map((session) => session.unlock()));
    return played.every(Boolean);
  }

  terminate(callId, type = 'terminate') {
    return this.#driver.accepts('terminate', callId, type);
  }

  renegotiate(callId, offerToReceiveVideo) {
    return this.#driver.accepts('renegotiate', callId, offerToReceiveVideo ?? '');
  }

  getSession(callId) {
    return this.#sessions.get(callId);
  }

  getSessions() {
    return [...this.#sessions.values()];
  }

  getCurrentSession() {
    return this.#sessions.get(this.currentSessionID) ?? null;
  }

  setCurrentSession(callId) {
    return this.#driver.accepts('setCurrentSession', callId ?? '');
  }

  setSessionStaticStatus(callId, status, startManualModel) {
    const { name, avatar, company } = status ?? {};
    const parameters = [name, avatar, company].map(text);
    return typeof this.#driver.run('patch', String(callId), ...parameters, startManualModel) === 'number';
  }

  // --- inside ---

  /** Does something to a call's media; a `Result`. */
  async [device](callId, act) {
    const media = this.#media.get(callId);
    if (!media) return { code: -211, message: 'NOT_FOUND_CALL_ID' };
    try {
      await act(media);
      return result();
    } catch (error) {
      return MediaFault.of(error).result();
    }
  }

  async [share](callId, options) {
    const media = this.#media.get(callId);
    const shared = await this[device](callId, (media) => media.share(options));
    if (shared.code !== 200) return shared;
    // Where there is no video yet, or not for long, the far end may refuse it.
    const refusal = await this.#driver.settles('shareScreen', callId);
    if (refusal) await media.unshare();
    return result(refusal);
  }

  /** The calls for the page after this one; how they may be connected is no concern of the core's, and stands behind what it says. */
  #suspend() {
    const options = [...this.#media].map(([callId, { options: { codecs, iceTransportPolicy } }]) => [callId, { codecs, iceTransportPolicy }]);
    const text = this.#driver.run('suspend');
    return text && text + OPTIONS + JSON.stringify(Object.fromEntries(options));
  }

  /** Goes on with the calls of the page before this one; those that cannot be are ended. */
  async #resume(kept, signal) {
    let end = false;
    const [text, more = '{}'] = kept.split(OPTIONS);
    const options = JSON.parse(more);
    const calls = this.#driver.run('resumable', text);
    for (const [callId, video] of calls) {
      if (signal.aborted) break;
      try {
        this.#prepared.set(callId, {
          options: options[callId] ?? {},
          stream: await acquireAny({ audio: true, video, ...this.#devices() }),
        });
      } catch {
        end = true;
      }
    }
    if (!signal.aborted) {
      this.#driver.run('resume', text, end);
      this.#life.resumed();
    }
    // Whoever is asked for the microphone may answer too late.
    for (const [callId] of calls) if (!this.#driver.read('status', callId)) this.#forget(callId);
  }

  /** Lets go of what a call was prepared with and does not take. */
  #forget(callId) {
    letGo(this.#prepared.get(callId)?.stream);
    this.#prepared.delete(callId);
  }

  /** Out of the cache; it was as good as closed there, or is about to be. */
  async #back() {
    const left = this.#left;
    await left;
    if (this.#started && left === this.#left) this.start();
  }

  /** The tab that was registered has gone. */
  async #takeOver(signal) {
    this[emit]('active');
    if (signal.aborted) return;
    this.#started = true;
    await this.#driver.settles('start');
  }

  /** Another tab registers instead of this one. */
  async #displaced() {
    const signal = this.#stop();
    this[emit]('standby');
    await this.#driver.settles('disconnect');
    // The other tab's log-in has ended that of this one: `init` again waits for its turn.
    if (this.#loggedIn || signal.aborted) return;
    const takeOver = () => this.#takeOver(signal);
    if (await this.#life.own(false, signal, takeOver)) takeOver();
  }

  /** What was begun goes on no more. The signal of what is begun next; it has ended if nothing can be. */
  #stop() {
    this.#started = false;
    this.#stopping.abort();
    if (!this.#released) this.#stopping = new AbortController();
    return this.#stopping.signal;
  }

  /** A microphone or camera is gone: the usual one instead, if there is one. The call goes on in any case. */
  async #deviceLost(callId, kind) {
    const { code, media } = await this[device](callId, (media) => media.replace(kind));
    this.#sessions.get(callId)?.tell('deviceLost', { callId, kind, replaced: code === 200, media });
  }

  /** Gets the microphone (and camera) before the call is announced or answered. */
  #withMedia(method, first, options, made) {
    // Resolved by hand, so that whoever awaits it goes on in the very moment.
    return new Promise((resolve) => {
      this.#prepare(method, first, options ?? {}, made, resolve).catch(({ message }) =>
        resolve({ code: -200, message: 'UNKNOWN_ERROR', detail: message }),
      );
    });
  }

  async #prepare(method, first, options, made, resolve) {
    const driver = this.#driver;
    const { video, offerToReceiveVideo, extraHeaders } = options;
    const parameters = [...first, !!video, !!offerToReceiveVideo, (extraHeaders ?? []).map(String)];
    driver.devices(await survey());
    const refused = driver.run(method, true, ...parameters);
    if (typeof refused !== 'number') return resolve({ ...refused, media: faultOf(refused) });
    let stream;
    try {
      stream = await acquire({ audio: true, video: !!video, ...this.#devices(options) });
    } catch (fault) {
      return resolve(fault.result(video));
    }
    const done = driver.turn(method, false, ...parameters);
    if (done.code) {
      letGo(stream);
      return resolve(done);
    }
    const [command, callId] = made(done);
    this.#prepared.set(callId, { options, stream });
    driver.settled(command, (refusal) => resolve({ ...result(refusal), callId }));
    driver.carryOut();
  }

  /**
   * How a call is connected that was neither made nor answered here (REFER, Replaces): as the one that it follows. Which that is the core
   * does not say; of several it is one that goes over relays only, as it is a far end that has chosen who sees the addresses.
   */
  #followed() {
    const all = [...this.#media.values()].map(({ options }) => options);
    return all.find(({ iceTransportPolicy }) => iceTransportPolicy === 'relay') ?? (all.length === 1 ? all[0] : {});
  }

  #devices({ inputDevice } = {}) {
    const { microphoneId, cameraId } = this.deviceIds;
    return { microphoneId: inputDevice ?? microphoneId, cameraId };
  }

  #carryOut(callId, name, command) {
    if (name !== 'open') {
      this.#media.get(callId)?.carryOut(name, command);
      if (name === 'close') this.#media.delete(callId);
      return;
    }
    const { options = this.#followed(), stream } = this.#prepared.get(callId) ?? {};
    const driver = this.#driver;
    const tell = {
      event: (kind, request, text = '') => void driver.run('media', callId, kind, request, text),
      stats: (...measured) => void driver.run('stats', callId, ...measured),
      localStream: () => this.#sessions.get(callId)?.tell('updateLocalStream', { callId }, this.#media.get(callId)),
      warn: (code, message) => this.#sessions.get(callId)?.tell('warningMessage', { callId, code, message }),
      lost: (kind) => this.#deviceLost(callId, kind),
      shared: (stop) => stop && driver.accepts('videoToAudio', callId),
      recorded: (recording) => this[emit]('recorded', { callId, ...recording }),
    };
    const { iceServers = [], iceTransportPolicy, audio } = this.#config;
    // Those that the PBX names, and those of the page.
    const servers = [...command.map((urls) => ({ urls })), ...iceServers];
    let media;
    try {
      media = new Media(tell, {
        ...options,
        devices: () => this.#devices(options),
        audio,
        iceServers: options.iceServers ?? servers,
        iceTransportPolicy: options.iceTransportPolicy ?? iceTransportPolicy,
      });
    } catch (error) {
      // Servers that are none.
      this.#forget(callId);
      return tell.event('other', undefined, error.message);
    }
    this.#prepared.delete(callId);
    this.#media.set(callId, media);
    this.#sessions.get(callId)?.connect(media.connection);
    if (stream) media.take(stream);
  }

  #tell({ event: name, ...payload }) {
    const { callId } = payload;
    if (callId && !OF_PHONE.includes(name)) {
      if (name === 'sdp') this.#described.set(callId, payload);
      this.#sessions.get(callId)?.tell(name, payload, this.#media.get(callId));
      return;
    }
    switch (name) {
      case 'newRTCSession':
        this.#sessions.set(callId, new Session(this, this.#driver, callId, this.#driver.read('status', callId) ?? { callId }));
        break;
      case 'deleteSession':
        this.#sessions.delete(callId);
        this.#described.delete(callId);
        this.#forget(callId);
        return this[emit](name, payload);
      case 'registrationFailed': {
        const { cause, ...more } = payload;
        return this[emit](name, cause, more);
      }
      case 'isRegisteredChange':
        return this[emit](name, payload.isRegistered);
      case 'recordPermissionsChange':
        return this[emit](name, payload.recordPermissions);
      case 'videoPlanChange':
        return this[emit](name, payload.videoPlan);
    }
    const session = this.#sessions.get(callId);
    if (session) payload.session = session;
    if (Object.keys(payload).length > 0) this[emit](name, payload);
    else this[emit](name);
  }

  #surveyed = async (event) => {
    let devices;
    this.#driver.devices(await survey((listed) => (devices = listed)));
    if (event && devices) this[emit]('deviceChange', { devices });
  };

  async #destroy() {
    this.#stop();
    this[silence]();
    for (const session of this.#sessions.values()) session[silence]();
    await this.#driver.settles('logout');
    this.#release();
  }

  /** Lets go of everything, once. */
  #release() {
    if (this.#released) return;
    this.#released = true;
    this.#ended = { ...this.#driver.read('state'), isRegistered: false, currentSessionID: null };
    this.#stop();
    navigator.mediaDevices?.removeEventListener('devicechange', this.#surveyed);
    this.#life.stop();
    for (const media of this.#media.values()) media.close();
    for (const callId of this.#prepared.keys()) this.#forget(callId);
    this.#driver.stop();
    this.#media.clear();
    this.#sessions.clear();
  }
}

function result(refusal) {
  return refusal ?? { code: 200, message: 'SUCCESS' };
}

// The calls as the views see them: what the package's events say, gathered, and one `change` for all that happened at once.

/** Reports that are kept of a call: an hour. */
const MOST_REPORTS = 1_200;

/**
 * Events: `change`; `incoming`, `talking`, `ended`, `transferFailed`, `videoWanted`, `cameraFailed`, `soundBlocked`, `deviceLost` with the call in
 * `detail`.
 */
export class Calls extends EventTarget {
  #phone;
  #calls = new Map();
  #changed = false;

  constructor(phone) {
    super();
    this.#phone = phone;
    phone.on('newRTCSession', ({ session }) => this.#adopt(session));
    phone.on('deleteSession', ({ callId, cause }) => this.#drop(callId, cause));
    phone.on('incoming', ({ callId }) => this.#tell('incoming', this.#calls.get(callId)));
  }

  get all() {
    return [...this.#calls.values()];
  }

  /** Those that ring here. */
  get ringing() {
    return this.all.filter(({ status }) => status.isRing);
  }

  /** Those that were made or taken, the one in front first. */
  get taken() {
    const taken = this.all.filter(({ status }) => !status.isRing);
    const weight = ({ status, made }) => (status.isHold ? 0 : 1e15) + made;
    return taken.sort((one, other) => weight(other) - weight(one));
  }

  get front() {
    return this.taken[0] ?? null;
  }

  #adopt(session) {
    const call = {
      session,
      callId: session.callId,
      status: session.status,
      inbound: session.status.communicationType === 'inbound',
      made: performance.now(),
      // One that a reload brought along talks already.
      answered: session.status.callStatus === 'talking' ? session.status.callStartTime || Date.now() : null,
      reports: [],
      warnings: new Map(),
      tones: '',
      recovering: false,
      transferring: false,
      sharing: false,
      earlyMedia: false,
      code: undefined,
    };
    this.#calls.set(call.callId, call);
    const on = (name, act) =>
      session.on(name, (...payload) => {
        act(...payload);
        this.#change();
      });
    on('statusChange', (status) => (call.status = status));
    on('staticStatusChange', () => (call.status = session.status));
    on('updateTimer', () => {});
    on('streamAdded', () => (call.earlyMedia = true));
    on('updateRemoteStream', () => {});
    on('updateLocalStream', ({ localStream }) => {
      // Video that is taken away, by either side, takes the screen along.
      if (!localStream) call.sharing = false;
    });
    on('confirmed', () => {
      call.status = session.status;
      call.answered = Date.now();
      this.#tell('talking', call);
    });
    on('callReport', ({ callReport: { stats } }) => {
      call.reports.push({ at: Date.now(), ...stats });
      if (call.reports.length > MOST_REPORTS) call.reports.shift();
    });
    on('warningMessage', ({ code, message }) => {
      if (code === 'camera-failed') return this.#tell('cameraFailed', call, { kind: message });
      const name = code.replace(/-cleared$/, '');
      if (name === code) call.warnings.set(code, message);
      else call.warnings.delete(name);
    });
    on('reconnecting', () => (call.recovering = true));
    on('reconnected', () => (call.recovering = false));
    on('failed', ({ code }) => (call.code = code));
    on('transferFailed', ({ statusCode }) => {
      call.transferring = false;
      this.#tell('transferFailed', call, { statusCode });
    });
    on('audioBlocked', () => this.#tell('soundBlocked', call));
    on('deviceLost', (lost) => this.#tell('deviceLost', call, lost));
    on('clientError', () => {});
    session.agreeChangeVideo = () =>
      new Promise((resolve) => {
        call.agree = resolve;
        this.#tell('videoWanted', call);
      });
    this.#change();
  }

  /** Something about a call changed that the package does not tell. */
  touch() {
    this.#change();
  }

  #drop(callId, cause) {
    const call = this.#calls.get(callId);
    if (!call) return;
    this.#calls.delete(callId);
    call.cause = cause;
    call.agree?.(false);
    this.#tell('ended', call);
    this.#change();
  }

  #tell(name, call, more) {
    if (call) this.dispatchEvent(new CustomEvent(name, { detail: { ...more, call } }));
  }

  #change() {
    if (this.#changed) return;
    this.#changed = true;
    queueMicrotask(() => {
      this.#changed = false;
      this.dispatchEvent(new Event('change'));
    });
  }
}

/** How a far end is called on the screen. */
export function nameOf({ name, number }) {
  return name || number || '?';
}

/** `m:ss`, with hours when there are some. */
export function duration(seconds) {
  const two = (value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

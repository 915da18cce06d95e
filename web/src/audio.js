// offhook/audio: what a page may want of WebAudio besides a phone. Recording and conferences in the page, and tones.

const MIME = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'];
/** A piece of a recording comes so often; ms. */
const PIECE = 1_000;

/** Mixes calls into a conference, and records them. For `createPhone({ audio })`. */
export class AudioEngine {
  #context;
  /** Of the calls in the conference: `{ microphone, remote, out }`. */
  #members = new Map();

  /** Made when it is needed first. */
  get context() {
    return (this.#context ??= new AudioContext());
  }

  /** To be called when the user clicks, if the browser wants that before there may be sound. */
  unlock() {
    return this.context.resume();
  }

  close() {
    return this.#context?.close();
  }

  // --- for the phone ---

  /** Brings a call into the conference. The track that its far end is to hear: the microphone and all other members. */
  join(key, local, remote) {
    const member = { microphone: this.#source(local), remote: this.#remote(remote), out: this.context.createMediaStreamDestination() };
    member.microphone.connect(member.out);
    for (const other of this.#members.values()) {
      other.remote.connect(member.out);
      member.remote.connect(other.out);
    }
    this.#members.set(key, member);
    return member.out.stream.getAudioTracks()[0];
  }

  leave(key) {
    const member = this.#members.get(key);
    if (!member) return;
    this.#members.delete(key);
    for (const other of this.#members.values()) other.remote.disconnect(member.out);
    member.microphone.disconnect();
    member.remote.disconnect();
    member.remote.element.srcObject = null;
    for (const track of member.out.stream.getTracks()) track.stop();
  }

  /** Records both sides, left what is sent, right what is heard. `recorded({ blob, mimeType, durationMs })` at its end. */
  record(local, remote, { recorded, failed }) {
    const { context } = this;
    const out = context.createMediaStreamDestination();
    out.channelCount = 2;
    const sides = context.createChannelMerger(2);
    sides.connect(out);
    const heard = this.#remote(remote);
    heard.connect(sides, 0, 1);
    let said;
    const setLocal = (stream) => {
      said?.disconnect();
      said = this.#source(stream);
      said.connect(sides, 0, 0);
    };
    setLocal(local);

    const mimeType = MIME.find((type) => MediaRecorder.isTypeSupported(type));
    const recorder = new MediaRecorder(out.stream, { mimeType });
    const pieces = [];
    // Without its pauses.
    let [durationMs, since] = [0, performance.now()];
    const count = () => {
      if (since !== undefined) durationMs += performance.now() - since;
      since = undefined;
    };
    recorder.ondataavailable = ({ data }) => data.size > 0 && pieces.push(data);
    recorder.onerror = ({ error }) => failed(error ?? new Error('the recorder failed'));
    recorder.onstop = () => {
      said.disconnect();
      heard.disconnect();
      heard.element.srcObject = null;
      recorded({ blob: new Blob(pieces, { type: recorder.mimeType }), mimeType: recorder.mimeType, durationMs: Math.round(durationMs) });
    };
    recorder.start(PIECE);
    return {
      setLocal,
      setPaused(paused) {
        count();
        if (!paused) since = performance.now();
        if (recorder.state !== 'inactive') recorder[paused ? 'pause' : 'resume']();
      },
      stop() {
        count();
        if (recorder.state !== 'inactive') recorder.stop();
      },
    };
  }

  #source(stream) {
    return this.context.createMediaStreamSource(new MediaStream(stream.getAudioTracks()));
  }

  /** Chromium decodes what comes only while an element plays it. */
  #remote(stream) {
    const source = this.#source(stream);
    source.element = new Audio();
    source.element.muted = true;
    source.element.srcObject = stream;
    source.element.play().catch(() => {});
    return source;
  }
}

/** Frequencies in Hz and a rhythm of seconds on, off; once or again and again. */
const TONES = {
  ring: { frequencies: [440, 480], rhythm: [0.4, 0.2, 0.4, 2], again: true },
  ringback: { frequencies: [425], rhythm: [1, 4], again: true },
  busy: { frequencies: [425], rhythm: [0.48, 0.48], again: true },
};
/** So long a tone that comes again and again is planned ahead; s. */
const AHEAD = 120;
/** The busy tone is heard so long; ms. */
const BUSY = 3_000;
/** ITU-T Q.23. */
const KEYS = ['123A', '456B', '789C', '*0#D'];
const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477, 1633];

/** Synthesised tones: ring, ringback, busy, keys. */
export class Tones {
  #engine;
  #playing;
  /** What `follow` plays. */
  #wanted;
  volume = 0.2;

  constructor(engine = new AudioEngine()) {
    this.#engine = engine;
  }

  /** Plays `ring`, `ringback` or `busy` until it is stopped, or something else is played. */
  play(name) {
    this.stop();
    this.#playing = this.#sound(TONES[name]);
  }

  /** The tone of a key, for 100 ms or so many. */
  key(key, ms = 100) {
    const row = KEYS.findIndex((keys) => keys.includes(key.toUpperCase()));
    if (row < 0) return;
    const frequencies = [ROWS[row], COLUMNS[KEYS[row].indexOf(key.toUpperCase())]];
    this.#sound({ frequencies, rhythm: [ms / 1_000, 0] });
  }

  stop() {
    this.#playing?.();
    this.#playing = undefined;
  }

  /** Plays what fits the phone's calls. A function that ends it. */
  follow(phone) {
    let over = false;
    const tune = () => {
      if (over) return;
      const statuses = phone.getSessions().map(({ status, remoteStream }) => ({ ...status, early: !!remoteStream }));
      const is = (check) => statuses.some(check);
      const wanted =
        (is(({ isRing }) => isRing) && (is(({ callStatus }) => callStatus === 'talking') ? undefined : 'ring')) ||
        // A far end that sends its own is heard.
        (is(({ callStatus, early }) => callStatus === 'ringing' && !early) && 'ringback') ||
        undefined;
      if (wanted !== this.#wanted) {
        this.#wanted = wanted;
        if (wanted) this.play(wanted);
        else this.stop();
      }
    };
    const adopt = ({ session }) => {
      session.on('statusChange', tune);
      session.on('updateRemoteStream', tune);
      session.on('failed', ({ cause }) => {
        if (over || cause !== 'Busy') return;
        this.#wanted = undefined;
        this.play('busy');
        const playing = this.#playing;
        setTimeout(() => this.#playing === playing && this.stop(), BUSY);
      });
    };
    const unfollow = [
      ['newRTCSession', adopt],
      ['incoming', tune],
      ['deleteSession', tune],
    ].map(([event, listener]) => {
      phone.on(event, listener);
      return () => phone.off(event, listener);
    });
    return () => {
      over = true;
      unfollow.forEach((off) => off());
      this.stop();
    };
  }

  #sound({ frequencies, rhythm, again }) {
    const { context } = this.#engine;
    const gain = new GainNode(context, { gain: 0 });
    gain.connect(context.destination);
    const sources = frequencies.map((frequency) => new OscillatorNode(context, { frequency }));
    let at = context.currentTime;
    const end = at + (again ? AHEAD : 0);
    // Planned by the audio clock: right in a background tab.
    do {
      for (const [n, seconds] of rhythm.entries()) {
        gain.gain.setValueAtTime(n % 2 ? 0 : this.volume / sources.length, at);
        at += seconds;
      }
    } while (at < end);
    for (const source of sources) {
      source.connect(gain);
      source.start();
      source.stop(at);
      source.onended = () => gain.disconnect();
    }
    return () => sources.forEach((source) => source.stop());
  }
}

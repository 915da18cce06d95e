// All that is heard: far ends, ringing, tones of keys. Tones are made here, so that there is nothing to fetch.

import { settings } from './kept.js';

/** The two frequencies of each key, Hz (ITU-T Q.23). */
const ROWS = [697, 770, 852, 941];
const COLUMNS = [1_209, 1_336, 1_477];
const KEYS = '123456789*0#';

/** `[seconds, [Hz …]]`, over and over; no frequencies: silence. */
const RINGTONES = {
  classic: [[0.4, [440, 480]], [0.2, []], [0.4, [440, 480]], [2, []]],
  soft: [[0.22, [523]], [0.04, []], [0.22, [659]], [0.04, []], [0.4, [784]], [2.2, []]],
};
/** What a caller hears while it rings at the far end, and who talks while another one calls (ITU-T E.180). */
const TONES = {
  ringback: [[1, [425]], [4, []]],
  waiting: [[0.2, [425]], [0.2, []], [0.2, [425]], [5, []]],
};

export class Sound extends EventTarget {
  #context;
  /** Calls that are heard, by callId. */
  #heard = new Map();
  /** What is on: `{name, stop}`. */
  #on = null;

  /** To be called in a click or a key press: a browser plays nothing before. */
  unlock() {
    this.#context ??= new AudioContext();
    // What could not ring until now rings from its next turn on.
    this.#context.resume();
    this.#route(this.#context);
  }

  /** Plays the far ends of these calls, each from when it is there. Those on hold are heard too: they may hear music. */
  hear(calls) {
    for (const { callId, session } of calls) {
      if (this.#heard.has(callId)) continue;
      this.#heard.set(callId, session);
      session.play();
      this.#direct(session);
    }
    for (const callId of this.#heard.keys()) if (!calls.some((call) => call.callId === callId)) this.#heard.delete(callId);
  }

  /** Another speaker was chosen, or the one that was is gone: `''` is the system's. */
  async route(speaker = settings.speaker) {
    const calls = [...this.#heard.values()].map((session) => this.#direct(session, speaker));
    await Promise.all([...calls, this.#context && this.#route(this.#context, speaker)]);
  }

  /** Rings, gives one of the tones of a line, or is quiet: `ringtone`, `ringback`, `waiting` or `null`. */
  ring(what) {
    const name = what === 'ringtone' ? settings.ringtone : what;
    if (this.#on?.name === name) return;
    this.#on?.stop();
    this.#on = null;
    const pattern = what === 'ringtone' ? RINGTONES[name] : TONES[name];
    if (!pattern) return;
    const loud = what === 'ringtone' ? settings.volume * 0.4 : 0.12;
    this.#on = { name, stop: this.#repeat(pattern, loud) };
  }

  /** The ringtone once, as a sample. */
  sample(name) {
    const pattern = RINGTONES[name];
    if (pattern) this.#schedule(pattern, settings.volume * 0.4);
  }

  /** The sound of a key. */
  key(key) {
    const at = KEYS.indexOf(key);
    if (at >= 0) this.#schedule([[0.12, [ROWS[Math.floor(at / 3)], COLUMNS[at % 3]]]], 0.1);
  }

  /** Three notes, to hear where the speaker is. */
  chime() {
    this.#schedule([[0.2, [523]], [0.2, [659]], [0.4, [784]]], 0.25);
  }

  /** A call to the chosen speaker; if that is gone, to the system's own. */
  async #direct(session, speaker = settings.speaker) {
    if (!('setSinkId' in HTMLMediaElement.prototype)) return;
    const { code } = await session.setOutputDevice(speaker);
    if (code !== 200 && speaker) await session.setOutputDevice('');
  }

  async #route(target, speaker = settings.speaker) {
    try {
      await target.setSinkId?.(speaker);
    } catch {
      // It is gone: the system's own then.
      if (speaker) await target.setSinkId('').catch(() => {});
    }
  }

  #repeat(pattern, loud) {
    const length = pattern.reduce((sum, [seconds]) => sum + seconds, 0);
    let stop = this.#schedule(pattern, loud);
    const timer = setInterval(() => (stop = this.#schedule(pattern, loud)), length * 1_000);
    return () => {
      clearInterval(timer);
      stop();
    };
  }

  /** Plays a pattern once; gives what stops it. */
  #schedule(pattern, loud) {
    const context = (this.#context ??= new AudioContext());
    if (context.state !== 'running') {
      this.dispatchEvent(new Event('blocked'));
      return () => {};
    }
    const gain = new GainNode(context, { gain: 0 });
    gain.connect(context.destination);
    let at = context.currentTime + 0.02;
    const nodes = [];
    for (const [seconds, frequencies] of pattern) {
      for (const frequency of frequencies) {
        const node = new OscillatorNode(context, { frequency });
        node.connect(gain);
        node.start(at);
        node.stop(at + seconds);
        nodes.push(node);
      }
      if (frequencies.length > 0) {
        // Without a slope it would click.
        gain.gain.setTargetAtTime(loud / frequencies.length, at, 0.008);
        gain.gain.setTargetAtTime(0, at + seconds - 0.03, 0.01);
      }
      at += seconds;
    }
    return () => {
      for (const node of nodes) node.stop();
      gain.disconnect();
    };
  }
}

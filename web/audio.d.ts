// offhook/audio: helpers on WebAudio that a page may do without.

import type { Phone } from 'offhook';

/** Mixes the calls of a phone into a conference and records them, in the page. For `createPhone({ audio: new AudioEngine() })`. */
export class AudioEngine {
  /** Made when it is needed first. */
  readonly context: AudioContext;
  /** To be called when the user clicks, if the browser wants that before there may be sound. */
  unlock(): Promise<void>;
  /** Lets go of the audio hardware; nothing works afterwards. */
  close(): Promise<void> | undefined;
}

/** Synthesised tones. */
export class Tones {
  constructor(engine?: AudioEngine);
  /** 0 to 1; of what is played next. Default 0.2. */
  volume: number;
  /** Plays until it is stopped (at most 2 minutes), or something else is played. */
  play(name: 'ring' | 'ringback' | 'busy'): void;
  /** The tone of a key (`0`–`9`, `*`, `#`, `A`–`D`), for 100 ms or so many. */
  key(key: string, ms?: number): void;
  stop(): void;
  /** Plays what fits the phone's calls: rings, ringback unless the far end sends its own, 3 s of busy. A function that ends it. */
  follow(phone: Phone): () => void;
}

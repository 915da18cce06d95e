// Hears DTMF in audio. A browser does not tell a page of the telephone-events it receives (RFC 4733), but it plays them out as the
// tones they stand for, and those can be measured.

const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477, 1633];
const DIGITS = ['123A', '456B', '789C', '*0#D'];
const BLOCK = 2048; // 43 ms at 48 kHz: long enough to part 697 from 770 Hz, short enough for a tone of 100 ms
const HOP = 512;
const MIN_AMPLITUDE = 0.01;

class DtmfDetector extends AudioWorkletProcessor {
  #block = new Float32Array(BLOCK);
  #filled = 0;
  #candidate = null;
  #blocks = 0;
  #told = null;
  #without = 0;

  process([[channel]]) {
    for (const sample of channel ?? []) {
      this.#block[this.#filled++] = sample;
      if (this.#filled === BLOCK) {
        this.#take(this.#detect());
        this.#block.copyWithin(0, HOP);
        this.#filled = BLOCK - HOP;
      }
    }
    return true;
  }

  // A digit counts when it is there in two blocks in a row, and is told once; it is over after four blocks without it, so that a
  // packet that came late does not make two of one.
  #take(digit) {
    this.#blocks = digit === this.#candidate ? this.#blocks + 1 : 1;
    this.#candidate = digit;
    if (digit !== null && digit !== this.#told && this.#blocks === 2) {
      this.#told = digit;
      this.port.postMessage(digit);
    }
    this.#without = digit === this.#told ? 0 : this.#without + 1;
    if (this.#without >= 4) this.#told = null;
  }

  #detect() {
    const row = strongest(ROWS.map((hertz) => amplitude(this.#block, hertz)));
    const column = strongest(COLUMNS.map((hertz) => amplitude(this.#block, hertz)));
    return row === null || column === null ? null : DIGITS[row][column];
  }
}

// The index of the one that stands out, or null.
function strongest(amplitudes) {
  const best = amplitudes.indexOf(Math.max(...amplitudes));
  const clear = amplitudes.every((value, index) => index === best || value * 2.5 < amplitudes[best]);
  return clear && amplitudes[best] > MIN_AMPLITUDE ? best : null;
}

// The amplitude of one frequency (Goertzel's algorithm, Hann window).
function amplitude(samples, hertz) {
  const step = (2 * Math.PI * hertz) / sampleRate;
  const coefficient = 2 * Math.cos(step);
  let [last, before] = [0, 0];
  for (let n = 0; n < samples.length; n++) {
    const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / samples.length);
    [last, before] = [samples[n] * window + coefficient * last - before, last];
  }
  const power = last * last + before * before - coefficient * last * before;
  return (4 * Math.sqrt(Math.max(0, power))) / samples.length;
}

registerProcessor('dtmf-detector', DtmfDetector);

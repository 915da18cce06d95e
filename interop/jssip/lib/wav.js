// WAV files with known sound, and what is in recorded ones.

import { readFile, writeFile } from 'node:fs/promises';

const RATE = 48_000;

/// Writes a mono 16-bit sine of amplitude 0.3.
export async function writeTone(path, frequency, seconds) {
  const samples = Math.round(RATE * seconds);
  const file = Buffer.alloc(44 + samples * 2);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + samples * 2, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20); // PCM
  file.writeUInt16LE(1, 22); // one channel
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(RATE * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(samples * 2, 40);
  for (let n = 0; n < samples; n++) {
    const value = 0.3 * Math.sin((2 * Math.PI * frequency * n) / RATE);
    file.writeInt16LE(Math.round(value * 32767), 44 + n * 2);
  }
  await writeFile(path, file);
}

/// Reads a mono 16-bit WAV file: `{rate, samples}`, samples from -1 to 1.
export async function readWav(path) {
  const file = await readFile(path);
  if (file.toString('latin1', 0, 4) !== 'RIFF') throw new Error(`${path} is no WAV file`);
  let rate = 0;
  for (let at = 12; at + 8 <= file.length; ) {
    const [name, length] = [file.toString('latin1', at, at + 4), file.readUInt32LE(at + 4)];
    if (name === 'fmt ') {
      const [channels, bits] = [file.readUInt16LE(at + 10), file.readUInt16LE(at + 22)];
      if (channels !== 1 || bits !== 16) throw new Error(`${path}: ${channels} channels of ${bits} bits`);
      rate = file.readUInt32LE(at + 12);
    }
    if (name === 'data') {
      const count = Math.floor(Math.min(length, file.length - at - 8) / 2);
      const samples = Float32Array.from({ length: count }, (_, n) => file.readInt16LE(at + 8 + n * 2) / 32768);
      return { rate, samples };
    }
    at += 8 + length + (length % 2);
  }
  throw new Error(`${path} has no samples`);
}

/// Seconds of the recording in which a sine of `frequency` Hz is heard clearly: windows of 100 ms with at least 0.05 of full
/// scale, four fifths of whose energy is that frequency.
export function secondsOfTone({ rate, samples }, frequency) {
  const length = Math.round(rate / 10);
  let windows = 0;
  for (let at = 0; at + length <= samples.length; at += length) {
    const window = samples.subarray(at, at + length);
    const energy = window.reduce((sum, x) => sum + x * x, 0) / length;
    const amplitude = amplitudeAt(window, rate, frequency);
    if (amplitude > 0.05 && amplitude ** 2 / 2 > 0.8 * energy) windows += 1;
  }
  return windows / 10;
}

function amplitudeAt(samples, rate, frequency) {
  let [cosine, sine] = [0, 0];
  for (let n = 0; n < samples.length; n++) {
    const phase = (2 * Math.PI * frequency * n) / rate;
    cosine += samples[n] * Math.cos(phase);
    sine += samples[n] * Math.sin(phase);
  }
  return (2 * Math.hypot(cosine, sine)) / samples.length;
}

// The WAV measurement measures right.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { readWav, secondsOfTone, writeTone } from '../lib/wav.js';

test('a tone is found at its frequency, and at no other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'offhook-wav-'));
  try {
    const path = join(folder, 'tone.wav');
    await writeTone(path, 440, 2);
    const wav = await readWav(path);
    assert.equal(wav.rate, 48_000);
    assert.equal(wav.samples.length, 96_000);
    assert.equal(secondsOfTone(wav, 440), 2);
    assert.equal(secondsOfTone(wav, 430), 0);
    assert.equal(secondsOfTone(wav, 1000), 0);
    assert.equal(secondsOfTone({ rate: 48_000, samples: new Float32Array(96_000) }, 440), 0);
  } finally {
    await rm(folder, { recursive: true });
  }
});

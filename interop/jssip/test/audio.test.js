// The measuring kit measures right: without this, "heard 440 Hz" proves nothing.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch, openPage } from '../lib/browser.js';
import { servePage } from '../lib/server.js';

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([launch(), servePage()]);
});

after(async () => {
  await browser?.close();
  await server?.close();
});

test('a tone through two peer connections is heard at its pitch, silence as silence, DTMF as digits', async () => {
  const page = await openPage(browser, server.url);
  const heard = await page.evaluate(() => window.selftest.loopback({ tone: 440, retuneTo: 1000, digits: '1590D#*' }));
  page.check();

  assertTone(heard.first, 440);
  assertTone(heard.second, 1000);
  assert.ok(heard.silent.rms < 0.005, `silence measured ${JSON.stringify(heard.silent)}`);
  assert.equal(heard.digits, '1590D#*');
});

function assertTone(measured, frequency) {
  const text = JSON.stringify(measured);
  assert.ok(Math.abs(measured.frequency - frequency) < 8, `wanted ${frequency} Hz, got ${text}`);
  // A sine of amplitude 0.3 has an RMS of 0.21.
  assert.ok(measured.rms > 0.1 && measured.rms < 0.35, `level out of range: ${text}`);
  assert.ok(measured.purity > 0.9, `not a clean tone: ${text}`);
}

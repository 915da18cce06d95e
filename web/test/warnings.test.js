// What a page is warned of, and told when it is well again.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Scene, happened, journal, mark } from './lib/scene.js';

let scene;

before(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** Three samples are bad, one every 3 s; with time for those on the way. */
const RAISED_MS = 30_000;

/** Waits until the page is warned of this, with the payload of the contract. */
async function warned(page, code, after = 0) {
  const deadline = Date.now() + RAISED_MS;
  for (;;) {
    const found = (await journal(page)).slice(after).find(({ name, payload }) => name === 'warningMessage' && payload[0].code === code);
    if (found) {
      const { callId, message } = found.payload[0];
      assert.deepEqual(found.payload, [{ callId: await page.evaluate(() => softphone.last.callId), code, message }]);
      assert.ok(message.length > 10);
      return;
    }
    if (Date.now() > deadline) {
      const told = (await journal(page)).slice(after).filter(({ name }) => name === 'warningMessage').map(({ payload }) => payload[0].code);
      throw new Error(`not warned of ${code}, but of ${told}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('round trip, jitter, loss and score: warned of and cleared', { timeout: 120_000 }, async () => {
  const page = await scene.page();
  await page.evaluate(() => (softphone.measures(), softphone.measure(softphone.calm)));
  await page.evaluate((account) => softphone.register(account), scene.account('1000'));
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  const bad = await mark(page);
  await page.evaluate(() => {
    let lost = 0;
    softphone.measure({
      'inbound-rtp': { jitter: 0.08, get packetsLost() { return (lost += 20); } },
      'remote-inbound-rtp': { kind: 'audio', roundTripTime: 0.9 },
    });
  });
  for (const code of ['high-rtt', 'high-jitter', 'high-packet-loss', 'low-mos']) await warned(page, code, bad);
  const good = await mark(page);
  await page.evaluate(() => softphone.measure(softphone.calm));
  for (const code of ['high-rtt', 'high-jitter', 'high-packet-loss', 'low-mos']) await warned(page, `${code}-cleared`, good);
  const codes = (await journal(page)).filter(({ name }) => name === 'warningMessage').map(({ payload }) => payload[0].code);
  for (const code of ['high-rtt', 'high-jitter', 'high-packet-loss', 'low-mos']) assert.equal(codes.filter((one) => one === code).length, 1, `${code} once`);
});

test('a microphone that gives nothing is warned of, unless it is muted', { timeout: 120_000 }, async () => {
  const page = await scene.phone('1000');
  await page.evaluate(() => (softphone.measures(), softphone.measure(softphone.calm)));
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await page.evaluate(() => softphone.sources.at(-1).setLevel(0));
  await warned(page, 'constant-audio-input-level');
  const after = await mark(page);
  // A tone is the same from one second to the next: speech moves.
  await page.evaluate(() => (softphone.talks = setInterval(() => softphone.sources.at(-1).setLevel(0.05 + 0.4 * Math.random()), 200)));
  await warned(page, 'constant-audio-input-level-cleared', after);

  const muted = await mark(page);
  await page.evaluate(() => softphone.last.mute());
  for (let n = 0; n < 5; n += 1) await happened(page, 'callReport', { after: await mark(page) });
  const told = (await journal(page)).slice(muted).filter(({ name }) => name === 'warningMessage');
  assert.deepEqual(told, []);
});

test('a far end that sends nothing, so that only one of the two hears', { timeout: 120_000 }, async () => {
  const [page, other] = [await scene.phone('1000'), await scene.phone('1001')];
  await page.evaluate(() => softphone.call('1001'));
  await happened(other, 'incoming');
  await other.evaluate(() => softphone.answer());
  await happened(page, 'confirmed');
  await happened(page, 'callReport', { after: await mark(page) });
  await other.evaluate(async () => {
    const [sender] = softphone.connections[0].getSenders();
    softphone.spoke = sender.track;
    await sender.replaceTrack(null);
  });
  await warned(page, 'no-incoming-media');
  await warned(page, 'one-way-audio');
  const after = await mark(page);
  await other.evaluate(() => softphone.connections[0].getSenders()[0].replaceTrack(softphone.spoke));
  await warned(page, 'no-incoming-media-cleared', after);
  await warned(page, 'one-way-audio-cleared', after);
});

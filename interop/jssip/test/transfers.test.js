// JsSIP in Chromium transfers native phones through the embedded PBX.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Scene, happened, hearTone } from '../lib/scene.js';
import { readWav, secondsOfTone, writeTone } from '../lib/wav.js';

const PAGE_SAYS = 440;
const BEN_SAYS = 1000;
const CLEO_SAYS = 1500;

let scene;

before(async () => {
  scene = await Scene.open();
  await writeTone(scene.path('ben-says.wav'), BEN_SAYS, 60);
  await writeTone(scene.path('cleo-says.wav'), CLEO_SAYS, 60);
});

afterEach(() => scene.clear());

after(() => scene?.close());

test('a page transfers a native phone blind to another: the two hear each other', async () => {
  const { ben, cleo, page } = await onePhoneCalled();
  await page.evaluate(() => softphone.refer('1002'));
  await happened(page, 'referTrying');
  await happened(page, 'referAccepted', { timeoutMs: 15_000 });
  await page.evaluate(() => softphone.hangup());
  await happened(page, 'ended');
  await assertTheyHear(ben, cleo);
});

test('a page transfers a native phone to another that it has asked: the two hear each other', async () => {
  const { ben, cleo, page } = await onePhoneCalled();
  await page.evaluate(() => softphone.hold());
  const mark = await page.evaluate(() => softphone.journal.mark());
  await page.evaluate((tone) => {
    softphone.keepAside();
    softphone.call('1002', { tone });
  }, PAGE_SAYS);
  await happened(page, 'confirmed', { after: mark });
  await hearTone(page, CLEO_SAYS);
  await page.evaluate(() => softphone.referAside('1002'));
  await happened(page, 'referAccepted', { timeoutMs: 15_000 });
  await assertTheyHear(ben, cleo);
});

test('a blind transfer to somebody busy gives the page its call back', async () => {
  const { ben, page } = await onePhoneCalled();
  await page.evaluate(() => softphone.refer('604'));
  assert.equal((await happened(page, 'referFailed', { timeoutMs: 15_000 })).code, 486);
  await hearTone(page, BEN_SAYS);
  await page.evaluate(() => softphone.hangup());
  assert.equal((await ben.event('ended')).cause, 'Terminated');
});

/// Ben is called by the page and heard there; Cleo waits for a call.
async function onePhoneCalled() {
  const phone = (user, name) =>
    scene.native(user, ['answer', '--once', '--play', scene.path(`${name}-says.wav`), '--record', scene.path(`${name}-hears.wav`)]);
  const [ben, cleo] = [await phone('1001', 'ben'), await phone('1002', 'cleo')];
  const page = await scene.phone('1000');
  await page.evaluate((tone) => softphone.call('1001', { tone }), PAGE_SAYS);
  await happened(page, 'confirmed');
  await hearTone(page, BEN_SAYS);
  return { ben, cleo, page };
}

/// They hear each other for two seconds; then one hangs up, and that ends the other's call too.
async function assertTheyHear(ben, cleo) {
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  ben.interrupt();
  assert.equal((await cleo.event('ended')).cause, 'Terminated');
  await Promise.all([cleo.exit(), ben.exit()]);
  for (const [name, tone] of [['ben-hears.wav', CLEO_SAYS], ['cleo-hears.wav', BEN_SAYS]]) {
    const seconds = secondsOfTone(await readWav(scene.path(name)), tone);
    assert.ok(seconds >= 1, `${name} has ${tone} Hz for ${seconds} s only`);
  }
}

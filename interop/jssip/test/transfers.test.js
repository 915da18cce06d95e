// JsSIP in Chromium and native phones transfer each other through the embedded PBX.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as seconds } from 'node:timers/promises';

import { Scene, happened, hearNoTone, hearTone } from '../lib/scene.js';
import { readWav, secondsOfTone, writeTone } from '../lib/wav.js';

// What each phone says, Hz. No one is a harmonic of another.
const PAGE_SAYS = 440;
const SAYS = { 1001: 1000, 1002: 1570 };

let scene;

before(async () => {
  scene = await Scene.open();
  for (const [user, frequency] of Object.entries(SAYS)) await writeTone(scene.path(`${user}-says.wav`), frequency, 60);
});

afterEach(() => scene.clear());

after(() => scene?.close());

test('a page transfers a native phone blind to another', async () => {
  const transferee = await answering('1001');
  const target = await answering('1002');
  const page = await scene.phone('1000');
  await talkTo(page, '1001');

  await page.evaluate(() => softphone.transfer('1002'));
  await assertTransferred(page);
  await assertTalked(transferee, target);
});

test('a page transfers a native phone attended to another', async () => {
  const transferee = await answering('1001');
  const target = await answering('1002');
  const page = await scene.phone('1000');
  await talkTo(page, '1001');
  await page.evaluate(() => softphone.hold());

  await consult(page, '1002');
  await page.evaluate(() => softphone.transferAttended());
  await assertTransferred(page);
  await happened(page, 'ended', { where: { number: '1002' } });
  await assertTalked(transferee, target);
});

test('the call of a page goes on when the target of its transfer is busy', async () => {
  const transferee = await answering('1001');
  const page = await scene.phone('1000');
  await talkTo(page, '1001');

  await page.evaluate(() => softphone.transfer('604'));
  const failed = await happened(page, 'refer', { where: { step: 'failed' } });
  assert.equal(failed.code, 486);
  // Measured anew: the far end's tone is heard after the refusal, both ways.
  await hearTone(page, SAYS[1001]);
  const heard = 600;
  await page.evaluate((tone) => softphone.setTone(tone), heard);
  await seconds(TALK_MS);
  await page.evaluate(() => softphone.hangup());
  assert.equal(await transferee.native.exit(), 0);
  assert.ok((await transferee.heard(heard)) >= 1, 'the native phone does not hear the page any more');
});

/// So long two phones talk whose recordings are compared afterwards.
const TALK_MS = 3_000;

/// A native phone that answers one call, says its tone and records what it hears.
async function answering(user) {
  const recording = scene.path(`${user}-heard.wav`);
  const files = ['--play', scene.path(`${user}-says.wav`), '--record', recording];
  const native = await scene.native(user, ['answer', '--once', ...files]);
  return { user, native, heard: async (frequency) => secondsOfTone(await readWav(recording), frequency) };
}

/// The page calls `number` and hears what it says.
async function talkTo(page, number) {
  await page.evaluate(([number, tone]) => softphone.call(number, { tone }), [number, PAGE_SAYS]);
  await happened(page, 'confirmed');
  await hearTone(page, SAYS[number]);
}

async function consult(page, number) {
  const after = await page.evaluate(() => softphone.journal.mark());
  await page.evaluate(([number, tone]) => softphone.consult(number, { tone }), [number, PAGE_SAYS]);
  await happened(page, 'confirmed', { after });
  await hearTone(page, SAYS[number]);
}

/// The transferor is told step by step, and is hung up at the end.
async function assertTransferred(page) {
  const accepted = await happened(page, 'refer', { where: { step: 'accepted' } });
  assert.equal(accepted.code, 200);
  const { cause } = await happened(page, 'ended', { where: { number: '1001' } });
  assert.equal(cause, 'Terminated');
  const steps = await page.evaluate(() => softphone.journal.entries().filter(({ name }) => name === 'refer'));
  assert.deepEqual(
    steps.map(({ step }) => step).filter((step) => step !== 'progress'),
    ['requestSucceeded', 'trying', 'accepted'],
  );
}

/// Two native phones, connected by a transfer, hear each other; one hangs up, and that ends the other's call.
async function assertTalked(transferee, target) {
  await seconds(TALK_MS);
  transferee.native.interrupt();
  assert.equal(await transferee.native.exit(), 0);
  assert.equal((await target.native.event('ended')).cause, 'Terminated');
  assert.equal(await target.native.exit(), 0);
  for (const [one, other] of [[transferee, target], [target, transferee]]) {
    const heard = await one.heard(SAYS[other.user]);
    assert.ok(heard >= 1.5, `${one.user} has heard ${other.user} for ${heard} s only`);
    assert.ok((await one.heard(SAYS[one.user])) < 0.3, `${one.user} has heard itself`);
  }
}

// JsSIP in Chromium and native phones transfer each other through the embedded PBX.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { Scene, happened, heardTone, hearTone, listen } from '../lib/scene.js';
import { readWav, secondsOfTone, writeTone } from '../lib/wav.js';

// What each phone says, Hz. No one is a harmonic of another.
const PAGE_SAYS = 440;
const SAYS_THEN = 600;
const PAGES_SAY = { 1003: 660, 1004: 1210 };
const SAYS = { 1001: 1000, 1002: 1570 };

let scene;
let recordings = 0;

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
  await page.evaluate((tone) => softphone.setTone(tone), SAYS_THEN);
  await transferee.hears(SAYS_THEN);
  await page.evaluate(() => softphone.hangup());
  assert.equal(await transferee.native.exit(), 0);
});

for (const [how, options] of [['blind', []], ['attended', ['--transfer-attended']]]) {
  test(`a native phone transfers a page ${how} to a native phone`, async () => {
    const page = await scene.phone('1000');
    const target = await answering('1002');
    const transferor = await transferring('1001', '1000', ['--transfer-to', '1002', ...options], '5s');
    // The transferor is there for five seconds only.
    await listen(page);
    await answer(page);
    await heardTone(page, SAYS[1001]);

    assert.equal(await transferor.exit(), 0);
    await hearTone(page, SAYS[1002]);
    await assertTalkedTo(page, target);
    // The page was spared all of it: it has one call, from the first ring to its own hang-up.
    const calls = await page.evaluate(() => softphone.journal.entries().filter(({ name }) => name === 'newRTCSession'));
    assert.equal(calls.length, 1);
  });

  test(`a native phone transfers a native phone ${how} to a page`, async () => {
    const page = await scene.phone('1000');
    const transferee = await answering('1002');
    const transferor = await transferring('1001', '1002', ['--transfer-to', '1000', ...options]);
    await answer(page);

    assert.equal(await transferor.exit(), 0);
    await hearTone(page, SAYS[1002]);
    await assertTalkedTo(page, transferee);
  });

  test(`the call of a native phone and a page goes on when the target of its ${how} transfer is busy`, async () => {
    const page = await scene.phone('1000');
    const transferor = await transferring('1001', '1000', ['--transfer-to', '604', ...options]);
    await answer(page);

    const talks = ({ newStatus, oldStatus }) => oldStatus.isHold && !newStatus.isHold;
    await transferor.event('statusChange', { fits: talks });
    await hearTone(page, SAYS[1001]);
    await page.evaluate(() => softphone.hangup());
    // It was asked to transfer, and did not.
    assert.equal(await transferor.exit(), 6);
  });
}

test('a page that refuses to be the target of a transfer leaves the call as it was', async () => {
  const page = await scene.phone('1000');
  const transferee = await answering('1002');
  const transferor = await transferring('1001', '1002', ['--transfer-to', '1000']);
  await happened(page, 'newRTCSession');
  await page.evaluate(() => softphone.hangup(486));

  assert.equal((await transferor.event('transferFailed')).statusCode, 486);
  // Of what was recorded before the refusal, up to a second is not in the file yet.
  const before = await transferee.heard(SAYS[1001]);
  await transferee.hears(SAYS[1001], before + 2 * ENOUGH);
  transferee.native.interrupt();
  assert.equal(await transferor.exit(), 6);
  assert.equal(await transferee.native.exit(), 0);
});

test('a page transfers a page blind to a page', async () => {
  const [transferor, transferee, target] = await threePages();
  await transferor.evaluate(() => softphone.transfer('1004'));
  await answer(target, PAGES_SAY[1004]);
  await happened(transferor, 'refer', { where: { step: 'accepted' } });
  await happened(transferor, 'ended', { where: { number: '1003' } });
  await assertPagesTalk(transferee, target);
});

test('a page transfers a page attended to a page', async () => {
  const [transferor, transferee, target] = await threePages();
  await transferor.evaluate(() => softphone.hold());
  const after = await transferor.evaluate(() => softphone.journal.mark());
  await transferor.evaluate((tone) => softphone.consult('1004', { tone }), PAGE_SAYS);
  await answer(target, PAGES_SAY[1004]);
  await happened(transferor, 'confirmed', { after });
  await hearTone(target, PAGE_SAYS);

  await transferor.evaluate(() => softphone.transferAttended());
  await happened(transferor, 'refer', { where: { step: 'accepted' } });
  await happened(transferor, 'ended', { where: { number: '1003' } });
  await happened(transferor, 'ended', { where: { number: '1004' } });
  await assertPagesTalk(transferee, target);
});

/// Who has heard a tone for so long, hears it. s
const ENOUGH = 1.5;
/// It is heard within this time, ms, however slow the machine.
const PATIENCE_MS = 20_000;

/// A native phone that answers one call, says its tone and records what it hears.
async function answering(user) {
  const recording = scene.path(`${user}-heard-${++recordings}.wav`);
  const files = ['--play', scene.path(`${user}-says.wav`), '--record', recording];
  const native = await scene.native(user, ['answer', '--once', ...files]);
  const heard = async (frequency) => secondsOfTone(await readWav(recording), frequency);
  // The recording is brought up to date every second.
  const hears = async (frequency, enough = ENOUGH) => {
    const deadline = performance.now() + PATIENCE_MS;
    for (let time = 0; time < enough; time = await heard(frequency)) {
      if (performance.now() > deadline) throw new Error(`${user} has heard ${frequency} Hz for ${time} s only`);
      await pause(200);
    }
  };
  return { user, native, heard, hears };
}

/// A native phone that calls `number`, says its tone, and transfers the call when it has been up for so long.
function transferring(user, number, options, after = '2s') {
  return scene.native(user, ['call', number, '--play', scene.path(`${user}-says.wav`), '--transfer-after', after, ...options]);
}

/// Three pages, of which 1000 talks to 1003.
async function threePages() {
  const pages = [await scene.phone('1000'), await scene.phone('1003'), await scene.phone('1004')];
  await pages[0].evaluate((tone) => softphone.call('1003', { tone }), PAGE_SAYS);
  await answer(pages[1], PAGES_SAY[1003]);
  await happened(pages[0], 'confirmed');
  await hearTone(pages[0], PAGES_SAY[1003]);
  return pages;
}

/// Answers the call that rings at the page, or will.
async function answer(page, tone = PAGE_SAYS) {
  await happened(page, 'newRTCSession', { where: { originator: 'remote' } });
  await page.evaluate((tone) => softphone.answer({ tone }), tone);
  await happened(page, 'confirmed');
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
  await transferee.hears(SAYS[target.user]);
  await target.hears(SAYS[transferee.user]);
  transferee.native.interrupt();
  assert.equal(await transferee.native.exit(), 0);
  assert.equal((await target.native.event('ended')).cause, 'Terminated');
  assert.equal(await target.native.exit(), 0);
  for (const one of [transferee, target]) {
    assert.ok((await one.heard(SAYS[one.user])) < 0.3, `${one.user} has heard itself`);
  }
}

/// A native phone, connected with a page by a transfer, hears the page; the page hangs up, and that ends its call.
async function assertTalkedTo(page, { native, hears }) {
  await hears(PAGE_SAYS);
  await page.evaluate(() => softphone.hangup());
  assert.equal(await native.exit(), 0);
}

/// Two pages, connected by a transfer, hear each other; one hangs up, and that ends the other's call.
async function assertPagesTalk(transferee, target) {
  await hearTone(transferee, PAGES_SAY[1004]);
  await hearTone(target, PAGES_SAY[1003]);
  await transferee.evaluate(() => softphone.hangup());
  const { cause, originator } = await happened(target, 'ended');
  assert.deepEqual({ cause, originator }, { cause: 'Terminated', originator: 'remote' });
}

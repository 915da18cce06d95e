// JsSIP in Chromium and native phones call each other through the embedded PBX.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Scene, happened, heardNoTone, hearNoTone, hearTone, listen } from '../lib/scene.js';
import { readWav, secondsOfTone, writeTone } from '../lib/wav.js';

const PAGE_SAYS = 440;
const NATIVE_SAYS = 1000;

let scene;

before(async () => {
  scene = await Scene.open();
  await writeTone(scene.path('says.wav'), NATIVE_SAYS, 60);
});

afterEach(() => scene.clear());

after(() => scene?.close());

test('a page calls a native phone: audio both ways, hold, DTMF, hang-up by the page', async () => {
  const files = ['--play', scene.path('says.wav'), '--record', scene.path('page-calls.wav')];
  const native = await scene.native('1001', ['answer', '--once', ...files]);
  const page = await scene.phone('1000');

  await page.evaluate((tone) => softphone.call('1001', { tone }), PAGE_SAYS);
  await happened(page, 'confirmed');
  await native.event('confirmed');
  await hearTone(page, NATIVE_SAYS);
  await assertFlowing(page);

  await page.evaluate(() => softphone.hold());
  assert.deepEqual(await page.evaluate(() => softphone.isOnHold()), { local: true, remote: false });
  await hearNoTone(page, NATIVE_SAYS);
  await page.evaluate(() => softphone.unhold());
  assert.deepEqual(await page.evaluate(() => softphone.isOnHold()), { local: false, remote: false });
  await hearTone(page, NATIVE_SAYS);

  await page.evaluate(() => softphone.dtmf('159#', { transport: 'RFC2833' }));
  await native.event('dtmf', { fits: ({ tone }) => tone === '#' });
  assert.equal(tones(native), '159#');

  const mark = native.mark();
  await page.evaluate(() => softphone.dtmf('7', { transport: 'INFO' }));
  const info = await native.event('newInfo', { after: mark });
  assert.equal(info.originator, 'remote');
  assert.equal(info.contentType, 'application/dtmf-relay');
  assert.match(info.body, /^Signal=7\r?\n/);

  await page.evaluate(() => softphone.hangup());
  assert.equal((await native.event('ended')).cause, 'Terminated');
  const { cause, originator } = await happened(page, 'ended');
  assert.deepEqual({ cause, originator }, { cause: 'Terminated', originator: 'local' });
  assert.equal(await native.exit(), 0);
  await assertRecorded('page-calls.wav', native);
});

test('a native phone calls a page: audio both ways, hold, DTMF, hang-up by the native phone', async () => {
  const page = await scene.phone('1000');
  const files = ['--play', scene.path('says.wav'), '--record', scene.path('native-calls.wav')];
  // The pause at first is for the page, which listens for tones only once its audio graph is up. Between the last tone, at 3 s, and the
  // hold of 2 s, and again after it, a page on a busy machine may have to listen more than once. What is heard in the hold it notes itself.
  const script = ['--dtmf', ',2580*', '--hold-after', '9s', '--duration', '18s'];
  const native = await scene.native('1001', ['call', '1000', ...files, ...script]);

  const ringing = await happened(page, 'newRTCSession');
  assert.equal(ringing.originator, 'remote');
  assert.equal(ringing.from, '1001');
  await native.event('progress', { fits: ({ statusCode }) => statusCode === 180 });
  await page.evaluate(() => softphone.readyForDtmf());
  await page.evaluate((tone) => softphone.answer({ tone }), PAGE_SAYS);
  await native.event('confirmed');
  await happened(page, 'confirmed');

  await happened(page, 'heardDtmf', { where: { tone: '*' } });
  const heard = await page.evaluate(() => softphone.journal.entries().filter((entry) => entry.name === 'heardDtmf'));
  assert.equal(heard.map((entry) => entry.tone).join(''), '2580*');
  await hearTone(page, NATIVE_SAYS);
  await listen(page);
  await assertFlowing(page);

  await native.event('statusChange', { fits: ({ newStatus }) => newStatus.isHold });
  await heardNoTone(page, NATIVE_SAYS);
  await native.event('statusChange', { fits: ({ newStatus, oldStatus }) => oldStatus.isHold && !newStatus.isHold });
  await hearTone(page, NATIVE_SAYS);

  const { cause, originator } = await happened(page, 'ended', { timeoutMs: 20_000 });
  assert.deepEqual({ cause, originator }, { cause: 'Terminated', originator: 'remote' });
  assert.equal((await native.event('ended')).cause, 'Terminated');
  assert.equal(await native.exit(), 0);
  await assertRecorded('native-calls.wav', native);
});

test('a page refuses a native phone', async () => {
  const page = await scene.phone('1000');
  const native = await scene.native('1001', ['call', '1000']);
  await happened(page, 'newRTCSession');
  await page.evaluate(() => softphone.hangup(486));
  const { cause, code } = await native.event('failed');
  assert.deepEqual({ cause, code }, { cause: 'Busy', code: 486 });
  assert.notEqual(await native.exit(), 0);
  assert.equal((await happened(page, 'failed')).originator, 'local');
});

test('a native phone gives up before the page answers', async () => {
  const page = await scene.phone('1000');
  const native = await scene.native('1001', ['call', '1000']);
  await happened(page, 'newRTCSession');
  native.interrupt();
  const { cause, originator } = await happened(page, 'failed');
  assert.deepEqual({ cause, originator }, { cause: 'Canceled', originator: 'remote' });
  assert.equal((await native.event('failed')).cause, 'Canceled');
});

test('a native phone hangs up a call that a page made', async () => {
  const native = await scene.native('1001', ['answer', '--once', '--play', scene.path('says.wav')]);
  const page = await scene.phone('1000');
  await page.evaluate((tone) => softphone.call('1001', { tone }), PAGE_SAYS);
  await hearToneOnceUp(page);
  native.interrupt();
  const { cause, originator } = await happened(page, 'ended');
  assert.deepEqual({ cause, originator }, { cause: 'Terminated', originator: 'remote' });
});

async function hearToneOnceUp(page) {
  await happened(page, 'confirmed');
  await hearTone(page, NATIVE_SAYS);
}

/// Encrypted packets go both ways.
async function assertFlowing(page) {
  await page.evaluate(async () => {
    const end = performance.now() + 10_000;
    const enough = ({ packetsReceived, packetsSent }) => packetsReceived > 20 && packetsSent > 20;
    while (!enough(await softphone.stats()) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  });
  const stats = await page.evaluate(() => softphone.stats());
  const text = JSON.stringify(stats);
  assert.equal(stats.codec, 'audio/opus', text);
  assert.equal(stats.dtls, 'connected', text);
  assert.ok(stats.srtp, text);
  assert.ok(stats.packetsReceived > 20, text);
  assert.ok(stats.packetsSent > 20, text);
  assert.ok(stats.packetsLost <= stats.packetsReceived / 20, text);
}

/// What the native phone heard is what the page said, and nothing was lost on the way.
async function assertRecorded(name, native) {
  const wav = await readWav(scene.path(name));
  const seconds = secondsOfTone(wav, PAGE_SAYS);
  assert.ok(seconds >= 1, `the page's tone is in the recording for ${seconds} s only`);
  assert.ok(secondsOfTone(wav, NATIVE_SAYS) < 0.3, 'the native phone has heard itself');
  const summary = await native.event('summary');
  assert.equal(summary.codec, 'opus');
  assert.ok(summary.packets_received > 100 && summary.packets_sent > 100, JSON.stringify(summary));
  assert.ok(summary.loss < 0.05, JSON.stringify(summary));
}

function tones(native) {
  return native
    .events('dtmf')
    .map(({ tone }) => tone)
    .join('');
}

// How calls of a page end that never were, and what a phone refuses.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { happened as happenedElsewhere } from '../../interop/jssip/lib/scene.js';
import { Scene, happened, journal, until } from './lib/scene.js';

let scene;

before(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.clear());
after(() => scene?.close());

for (const [number, cause, code] of [
  ['604', 'Busy', 486],
  ['605', 'SIP Failure Code', 503],
  ['609', 'Rejected', 403],
  ['999', 'Not Found', 404],
]) {
  test(`a call to ${number} fails: ${cause}`, async () => {
    const page = await scene.phone('1000');
    assert.equal((await page.evaluate((number) => softphone.call(number), number)).code, 200);
    const { payload } = await happened(page, 'failed');
    const callId = await page.evaluate(() => softphone.last.callId);
    assert.deepEqual(payload, [{ callId, cause, code }]);
    assert.deepEqual((await happened(page, 'deleteSession')).payload, [{ callId, cause }]);
    await assertOneEnd(page);
  });
}

test('a page cancels its call while it rings', async () => {
  const page = await scene.phone('1000');
  await page.evaluate(() => softphone.call('606'));
  await happened(page, 'progress');
  assert.equal(await page.evaluate(() => softphone.last.status.callStatus), 'ringing');
  assert.equal(await page.evaluate(() => phone.terminate(softphone.last.callId, 'hangup')), true);
  const { payload } = await happened(page, 'failed');
  assert.deepEqual([payload[0].cause, payload[0].code], ['Canceled', undefined]);
  await assertOneEnd(page);
});

test('a page refuses a call, and one whose caller gives up is over', async () => {
  const page = await scene.phone('1000');
  const refused = await scene.native('1001', ['call', '1000']);
  await happened(page, 'incoming');
  assert.equal(await page.evaluate(() => softphone.last.reject()), true);
  const { cause, code } = await refused.event('failed');
  assert.deepEqual({ cause, code }, { cause: 'Busy', code: 486 });
  assert.equal((await happened(page, 'failed')).payload[0].cause, 'Rejected');
  await assertOneEnd(page);

  const after = await page.evaluate(() => softphone.journal.mark());
  const given = await scene.native('1002', ['call', '1000']);
  await happened(page, 'incoming', { after });
  given.interrupt();
  assert.equal((await happened(page, 'failed', { after })).payload[0].cause, 'Canceled');
  assert.equal(await page.evaluate(() => phone.incomingList.length), 0);
});

test('early media is heard before the answer', async () => {
  const page = await scene.phone('1000');
  // From the stream on by itself: it is refused soon.
  await page.evaluate(() => {
    softphone.journal.waitFor('streamAdded').then(async () => {
      softphone.early = softphone.last.status.callStatus;
      do softphone.heard = await softphone.hear();
      while (softphone.heard.rms <= 0.02);
    });
    return softphone.call('607');
  });
  await until(page, () => softphone.heard?.rms > 0.02);
  assert.notEqual(await page.evaluate(() => softphone.early), 'talking');
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'deleteSession');
  await assertOneEnd(page);
});

test('what call() and answer() refuse, in order, with their codes', async () => {
  const page = await scene.phone('1000');
  const call = (...parameters) => page.evaluate((parameters) => phone.call(...parameters), parameters);
  const told = ({ code, message }) => [code, message];
  const unknown = [-211, 'NOT_FOUND_CALL_ID'];
  assert.deepEqual(told(await call('')), [-209, 'INVALID_NUMBER']);
  assert.deepEqual(told(await call('a b\r\nc')), [-209, 'INVALID_NUMBER']);
  assert.deepEqual(told(await call('600', {}, 'nobody')), [-207, 'ATTENDED_PARENT_NOT_FOUND']);
  assert.deepEqual(told(await page.evaluate(() => phone.answer('nobody'))), unknown);
  assert.equal((await call('600', { extraHeaders: ['X-A: b\r\nX-C: d'] })).code, -200);
  assert.equal(await page.evaluate(() => softphone.sources.length), 0, 'the microphone was opened for nothing');

  assert.equal((await call('606')).code, 200);
  assert.deepEqual(told(await call('')), [-210, 'CURRENT_CALL_HAS_NOT_CONNECTED']);
  await happened(page, 'progress');
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'deleteSession');
  // Two within a second; the last one is not yet a second ago.
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1_000)));
  const both = await page.evaluate(async () => {
    // For the page no time passes, however long the first takes.
    const { now } = Date;
    const [moment, wall] = [performance.now(), now()];
    performance.now = () => moment;
    Date.now = () => wall;
    const after = softphone.journal.mark();
    const first = await phone.call('604');
    await softphone.journal.waitFor('deleteSession', { after });
    const second = await phone.call('600');
    delete performance.now;
    Date.now = now;
    return [first, second];
  });
  assert.deepEqual([both[0].code, told(both[1])], [200, [-208, 'CALL_TOO_MANY_TIMES']]);
  for (const method of ['hangup', 'reject', 'hold', 'unhold', 'mute', 'unmute', 'terminate', 'renegotiate', 'audioToVideo', 'videoToAudio', 'startRecord', 'pauseRecord']) {
    assert.equal(await page.evaluate((method) => phone[method]('nobody'), method), false, method);
  }
  assert.equal(await page.evaluate(() => phone.dtmf('nobody', '1')), false);
  assert.equal(await page.evaluate(() => phone.blindTransfer('nobody', '1001')), false);
});

test('what a browser does not take ends the call, and nothing that a page gives throws', async () => {
  const page = await scene.phone('1000');
  const made = await page.evaluate(() => softphone.call('600', { iceServers: [{ urls: 'nonsense' }] }));
  assert.equal(made.code, 200);
  assert.equal((await happened(page, 'clientError')).payload[0].cause, 'WebRTC Error');
  await assertOneEnd(page);
  assert.deepEqual(await page.evaluate(() => softphone.sources.map(({ stream }) => stream.getTracks()[0].readyState)), ['ended']);

  const told = await page.evaluate(async () => [
    phone.hold(undefined),
    phone.dtmf(null, 5),
    phone.setSessionStaticStatus(undefined, null),
    phone.getSession(undefined),
    (await phone.call(undefined, null)).code,
    (await phone.call('600', { extraHeaders: 7 })).code,
    (await phone.answer(undefined, null)).code,
  ]);
  assert.deepEqual(told, [false, false, false, undefined, -209, -200, -211]);
});

test('no connection, wrong password, wrong address', async () => {
  const page = await scene.page();
  const bad = await page.evaluate((account) => softphone.register(account), { ...scene.account('1000'), password: 'wrong' });
  assert.deepEqual([bad.code, bad.message], [-201, 'REGISTRY_FAILED']);
  assert.equal((await happened(page, 'registrationFailed')).payload[0], 'Authentication Error');
  assert.equal(await page.evaluate(() => phone.isRegistered), false);
  await page.evaluate(() => phone.destroy());

  const nowhere = await page.evaluate(async (account) => {
    const phone = await softphone.make(account);
    return [await phone.start(), await phone.call('600'), await phone.destroy()];
  }, { ...scene.account('1000'), server: 'ws://127.0.0.1:1/ws' });
  assert.deepEqual([nowhere[0].code, nowhere[1].code], [-201, -200]);
  assert.match(nowhere[1].detail, /not connected/);
  const url = await page.evaluate((account) => softphone.make(account).catch(({ code, message }) => ({ code, message })), {
    ...scene.account('1000'),
    server: 'https://127.0.0.1/',
  });
  assert.equal(url.code, -2, JSON.stringify(url));
});

test('a phone of JsSIP is called and calls', async () => {
  const jssip = await scene.jssip('1003');
  const page = await scene.phone('1000');
  await page.evaluate(() => softphone.call('1003'));
  await happenedElsewhere(jssip, 'newRTCSession');
  await jssip.evaluate(() => softphone.answer({ tone: 660 }));
  await happened(page, 'confirmed');
  await until(page, async () => Math.abs((await softphone.hear()).frequency - 660) < 8);
  await until(jssip, async () => Math.abs((await softphone.hear()).frequency - 440) < 8);
  await jssip.evaluate(() => softphone.hangup());
  assert.equal((await happened(page, 'ended')).payload[0].cause, 'Terminated');
  await assertOneEnd(page);
});

/** Exactly one of the three, and nothing of the call after it. */
async function assertOneEnd(page) {
  const callId = await page.evaluate(() => softphone.last.callId);
  const names = (await journal(page)).filter(({ payload }) => payload?.[0]?.callId === callId).map(({ name }) => name);
  const ends = names.filter((name) => ['ended', 'failed', 'clientError'].includes(name));
  assert.equal(ends.length, 1, names.join(' '));
  assert.deepEqual(names.slice(-2), [ends[0], 'deleteSession']);
  assert.equal(await page.evaluate((callId) => phone.getSession(callId), callId), undefined);
}

// Transfers by a page, of a page and to a page.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { heardTone, hearTone, listen } from '../../interop/jssip/lib/scene.js';
import { readWav, secondsOfTone, writeTone } from '../../interop/jssip/lib/wav.js';
import { Scene, happened, journal, until } from './lib/scene.js';
import { Wire, status } from './lib/wire.js';

const SAYS = { 1001: 1000, 1002: 1570 };
const PAGE_SAYS = 440;
const PATIENCE_MS = 20_000;

let scene;
let wire;
let recordings = 0;

before(async () => {
  scene = await Scene.open();
  wire = scene.place(await Wire.open(scene.ws));
  for (const [user, frequency] of Object.entries(SAYS)) await writeTone(scene.others.path(`${user}.wav`), frequency, 60);
});
afterEach(() => scene.clear());
after(() => scene?.close());

test('a page transfers blind', async () => {
  const [transferee, target] = [await answering('1001'), await answering('1002')];
  const page = await talking('1000', '1001');
  assert.equal(await page.evaluate(() => softphone.last.blindTransfer('1002')), true);
  await happened(page, 'transferProgress', { where: {} });
  const { payload } = await happened(page, 'ended', { timeoutMs: PATIENCE_MS });
  assert.equal(payload[0].cause, 'Terminated');
  await assertTalk(transferee, target);
});

test('a page transfers after a consultation', async () => {
  const [transferee, target] = [await answering('1001'), await answering('1002')];
  const page = await talking('1000', '1001');
  const parent = await page.evaluate(() => softphone.last.callId);
  const mark = await page.evaluate(() => softphone.journal.mark());
  const consulted = await page.evaluate((parent) => softphone.call('1002', {}, parent), parent);
  assert.equal(consulted.code, 200);
  await happened(page, 'confirmed', { after: mark });
  await hearTone(page, SAYS[1002]);
  await until(page, () => softphone.sessions[0].status.isHold);
  const states = await page.evaluate(() => softphone.sessions.map(({ status }) => status));
  assert.deepEqual(states.map(({ isHold, isTransfer }) => [isHold, isTransfer]), [[true, false], [false, true]]);
  assert.equal(states[1].transferParent.callId, parent);
  assert.equal(states[1].transferParent.number, '1001');
  assert.equal(await page.evaluate(() => phone.currentSession === softphone.last), true);

  assert.equal(await page.evaluate(() => softphone.last.attendedTransfer('1002')), true);
  await until(page, () => phone.sessions.size === 0, undefined, PATIENCE_MS);
  const ended = (await journal(page)).filter(({ name }) => name === 'ended').map(({ number }) => number);
  assert.deepEqual(ended.sort(), ['1001', '1002']);
  await assertTalk(transferee, target);
});

test('the call goes on when the target is busy', async () => {
  const transferee = await answering('1001');
  const page = await talking('1000', '1001');
  await page.evaluate(() => softphone.last.blindTransfer('604'));
  const { payload } = await happened(page, 'transferFailed', { timeoutMs: PATIENCE_MS });
  assert.equal(payload[0].statusCode, 486);
  await until(page, () => !softphone.last.status.isHold);
  await hearTone(page, SAYS[1001]);
  await page.evaluate(() => softphone.last.hangup());
  assert.equal(await transferee.native.exit(), 0);
});

test('a native phone transfers a page, which hears its new far end', async () => {
  const target = await answering('1002');
  const page = await scene.phone('1000');
  const parameters = ['--play', scene.others.path('1001.wav'), '--transfer-after', '8s', '--transfer-to', '1002'];
  const transferor = await scene.native('1001', ['call', '1000', ...parameters]);
  await happened(page, 'incoming');
  await listen(page);
  await page.evaluate(() => softphone.answer());
  await heardTone(page, SAYS[1001]);
  assert.equal(await transferor.exit(), 0);
  await hearTone(page, SAYS[1002]);
  await target.hears(PAGE_SAYS);
  assert.equal(await page.evaluate(() => softphone.sessions.length), 1);
  await page.evaluate(() => softphone.last.hangup());
  assert.equal(await target.native.exit(), 0);
});

test('pages call each other, one puts the other on hold for a third, and both hold at once', async () => {
  const [page, other] = [await scene.phone('1000'), await scene.phone('1003')];
  const third = await scene.phone('1004');
  await other.evaluate(() => softphone.say(660));
  await third.evaluate(() => softphone.say(880));
  await page.evaluate(() => softphone.call('1003'));
  await happened(other, 'incoming');
  await other.evaluate(() => softphone.answer());
  await Promise.all([hearTone(page, 660), hearTone(other, PAGE_SAYS)]);

  // A second call holds the first; resuming the first holds the second.
  const mark = await page.evaluate(() => softphone.journal.mark());
  assert.equal((await page.evaluate(() => softphone.call('1004'))).code, 200);
  await happened(third, 'incoming');
  await third.evaluate(() => softphone.answer());
  await happened(page, 'confirmed', { after: mark });
  await until(page, () => softphone.sessions[0].status.isHold && !softphone.sessions[1].status.isHold);
  assert.equal(await page.evaluate(() => phone.isMaxCall), true);
  assert.equal((await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1_000)).then(() => phone.call('600')))).code, -205);
  await page.evaluate(() => softphone.sessions[0].unhold());
  await until(page, () => !softphone.sessions[0].status.isHold && softphone.sessions[1].status.isHold);
  await page.evaluate(() => softphone.sessions[1].hangup());
  await happened(third, 'ended');

  // Both ends renegotiate in the same moment.
  await Promise.all([page, other].map((one) => one.evaluate(() => softphone.sessions[0].hold())));
  await Promise.all([page, other].map((one) => until(one, () => softphone.sessions[0].status.isHold)));
  await Promise.all([page, other].map((one) => one.evaluate(() => softphone.sessions[0].unhold())));
  await Promise.all([page, other].map((one) => until(one, () => !softphone.sessions[0].status.isHold)));
  await hearTone(other, PAGE_SAYS);
  await other.evaluate(() => softphone.last.hangup());
  await happened(page, 'ended', { where: { number: '1003' } });
});

test('a call that the far end has a page make, and one that is gone on with after a reload, are connected as the one before', async () => {
  const config = { server: wire.url, keepCalls: true };
  const page = await scene.phone('1000', config);
  const options = {
    iceTransportPolicy: 'relay', codecs: ['PCMU'],
    // Nobody is there: what is not a relay's address is not told either.
    iceServers: [{ urls: 'turn:127.0.0.1:9', username: 'nobody', credential: 'none' }],
  };
  await page.evaluate((options) => softphone.call('600', options), options);
  await happened(page, 'confirmed', { timeoutMs: 20_000 });
  const offered = async (act) => {
    const after = wire.mark();
    await act();
    const invite = await wire.seen('INVITE', { after, timeoutMs: 20_000 });
    assert.match(invite, /^m=audio \d+ \S+ 0( 126| 110)*\r$/m);
    assert.doesNotMatch(invite, /^a=candidate:/m);
    return page.evaluate(() => softphone.connections.at(-1).getConfiguration());
  };
  const reload = async () => {
    await page.reload();
    await page.waitForFunction(() => window.softphone !== undefined);
    await page.evaluate((config) => softphone.register(config), { ...scene.account('1000'), ...config });
  };
  assert.equal((await offered(reload)).iceTransportPolicy, 'relay');
  await happened(page, 'reconnected');
  const referred = await offered(async () => assert.equal(status(await wire.request('REFER', { headers: ['Refer-To: <sip:601@localhost>'] })), 202));
  assert.equal(referred.iceTransportPolicy, 'relay');
});

/** A page in a call with a native phone, which it hears. */
async function talking(user, number) {
  const page = await scene.phone(user);
  await page.evaluate((number) => softphone.call(number), number);
  await happened(page, 'confirmed');
  await hearTone(page, SAYS[number]);
  return page;
}

/** A native phone that answers one call, says its tone and records what it hears. */
async function answering(user) {
  const recording = scene.others.path(`${user}-heard-${++recordings}.wav`);
  const native = await scene.native(user, ['answer', '--once', '--play', scene.others.path(`${user}.wav`), '--record', recording]);
  const hears = async (frequency) => {
    const deadline = performance.now() + PATIENCE_MS;
    while (secondsOfTone(await readWav(recording), frequency) < 1.5) {
      if (performance.now() > deadline) throw new Error(`${user} does not hear ${frequency} Hz`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  return { user, native, hears };
}

/** Two native phones, connected by a transfer, hear each other. */
async function assertTalk(transferee, target) {
  await transferee.hears(SAYS[target.user]);
  await target.hears(SAYS[transferee.user]);
  transferee.native.interrupt();
  assert.equal(await transferee.native.exit(), 0);
  assert.equal(await target.native.exit(), 0);
}

// What a page's phone does not do, and what it does with calls beyond two: the refusals of the contract, and consultations.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { Scene, happened, journal, mark, until } from './lib/scene.js';
import { Wire, answer, header, status } from './lib/wire.js';

let scene;
let wire;

before(async () => {
  scene = await Scene.open();
  wire = scene.place(await Wire.open(scene.ws));
});
afterEach(() => scene.clear());
after(() => scene?.close());

const phone = (config) => scene.phone('1000', { server: wire.url, ...config });
const told = ({ code, message }) => [code, message];

/** A page in a call with a native phone, the parent of what comes. */
async function talking(config) {
  const native = await scene.native('1001', ['answer', '--echo']);
  const page = await phone(config);
  await page.evaluate(() => softphone.call('1001'));
  await happened(page, 'confirmed');
  await hearTone(page, 440);
  return { page, native, parent: await page.evaluate(() => softphone.last.callId) };
}

const consult = (page, number, parent) => page.evaluate(([number, parent]) => softphone.call(number, {}, parent), [number, parent]);

test('a third call is answered 486 and makes no session', async () => {
  const page = await phone();
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await scene.native('1001', ['call', '1000']);
  await happened(page, 'incoming');
  assert.equal(await page.evaluate(() => phone.isMaxCall), true, 'one that rings counts');
  const before = await mark(page);
  const third = await scene.native('1002', ['call', '1000']);
  assert.equal((await third.event('failed')).code, 486);
  assert.ok(wire.sent('SIP/2.0').some((text) => status(text) === 486));
  assert.deepEqual((await journal(page)).slice(before).filter(({ name }) => ['newRTCSession', 'incoming'].includes(name)), []);
  assert.equal(await page.evaluate(() => phone.sessions.size), 2);
});

test('without a camera there is no video, neither made nor answered', async () => {
  const page = await scene.page();
  await page.evaluate(() => {
    const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(({ kind }) => kind !== 'videoinput');
  });
  await page.evaluate((account) => softphone.register(account), scene.account('1000'));
  // The devices are looked for beside the registration, which may be done first.
  await until(page, () => phone.isNoneCamera);
  assert.equal(await page.evaluate(() => phone.isNoneCamera), true);
  assert.deepEqual(told(await page.evaluate(() => phone.call('600', { video: true }))), [-291, 'NOT_FOUND_VIDEO_INPUT_DEVICE']);
  await scene.native('1001', ['call', '1000']);
  await happened(page, 'incoming');
  assert.equal((await page.evaluate(() => softphone.answer({ video: true }))).code, -291);
  assert.equal((await page.evaluate(() => softphone.answer())).code, 200);
  const other = await scene.phone('1002');
  assert.equal(await other.evaluate(() => phone.isNoneCamera), false);
});

test('a call is not answered while another one is not yet connected', async () => {
  const page = await phone();
  await page.evaluate(() => softphone.call('606'));
  await happened(page, 'progress');
  await scene.native('1001', ['call', '1000']);
  await happened(page, 'incoming');
  assert.deepEqual(told(await page.evaluate(() => softphone.answer())), [-210, 'CURRENT_CALL_HAS_NOT_CONNECTED']);
  assert.equal(await page.evaluate(() => softphone.last.status.isRing), true);
  await page.evaluate(() => softphone.sessions[0].hangup());
  await until(page, () => phone.sessions.size === 1);
  assert.equal((await page.evaluate(() => softphone.answer())).code, 200);
});

test('a consultation does not count against the limit, but counts while it rings', async () => {
  const { page, parent } = await talking();
  assert.equal((await consult(page, '606', parent)).code, 200);
  await until(page, () => softphone.last.status.callStatus === 'ringing');
  assert.equal(await page.evaluate(() => phone.isMaxCall), false);
  await page.waitForTimeout(1_050); // a second call within a second would be refused for that
  assert.deepEqual(told(await page.evaluate(() => phone.call('600'))), [-210, 'CURRENT_CALL_HAS_NOT_CONNECTED']);

  // Two calls are the limit, and a consultation is made all the same.
  await page.evaluate(() => softphone.last.hangup());
  await until(page, () => phone.sessions.size === 1);
  const before = await mark(page);
  assert.equal((await page.evaluate(() => softphone.call('600'))).code, 200);
  await happened(page, 'confirmed', { after: before });
  assert.equal(await page.evaluate(() => phone.isMaxCall), true);
  assert.equal((await consult(page, '601', await page.evaluate(() => softphone.last.callId))).code, 200);
  await until(page, () => phone.sessions.size === 3);
});

test('a consultation ends with its parent', async () => {
  const { page, native, parent } = await talking();
  await consult(page, '600', parent);
  await until(page, () => softphone.sessions.length === 2 && softphone.last.status.callStatus === 'talking');
  native.interrupt();
  await until(page, () => phone.sessions.size === 0);
  const ended = (await journal(page)).filter(({ name }) => name === 'ended').map(({ payload }) => payload[0].callId);
  assert.deepEqual(ended.length, 2);
  assert.equal(ended[0], parent);
});

test('completed while it rings, a consultation is cancelled and its parent transferred blind', async () => {
  const { page, native, parent } = await talking();
  const target = await scene.phone('1002');
  await consult(page, '1002', parent);
  await happened(target, 'incoming');
  await until(page, () => softphone.last.status.callStatus === 'ringing');
  assert.equal(await page.evaluate(() => softphone.last.attendedTransfer('1002')), true);
  await wire.seen('CANCEL');
  const refer = await wire.seen('REFER');
  assert.match(header(refer, 'Refer-To'), /sip:1002@[^?]*$/);
  assert.doesNotMatch(refer, /Replaces/);
  await until(target, () => softphone.sessions.length === 2 && phone.incomingList.length === 1);
  assert.deepEqual(await target.evaluate(() => softphone.sessions.map(({ status }) => status.number)), ['1000', '1001']);
  await target.evaluate(() => softphone.answer());
  await until(page, () => phone.sessions.size === 0, undefined, 20_000);
  await hearTone(target, 440);
  assert.equal(native.events('ended').length, 0);
});

test('a blind transfer: held, and kept until the outcome is known, or until the far end hangs up', async () => {
  const { page, parent } = await talking();
  let notify;
  const referred = (text) => {
    if (!text.startsWith('REFER ')) return text;
    wire.say(answer(text, 202));
    notify = true;
  };
  wire.up = referred;
  assert.equal(await page.evaluate(() => softphone.last.blindTransfer('1002')), true);
  const refer = await wire.seen('REFER');
  assert.match(header(refer, 'Refer-To'), /^<sip:1002@/);
  const hold = wire.sent('INVITE').at(-1);
  assert.match(hold, /^a=sendonly\r$/m, 'held first');
  const say = (line, state) =>
    wire.request('NOTIFY', { headers: ['Event: refer', `Subscription-State: ${state}`], type: 'message/sipfrag;version=2.0', body: line });
  assert.equal(status(await say('SIP/2.0 180 Ringing', 'active;expires=60')), 200);
  assert.deepEqual((await happened(page, 'transferProgress', { after: 0 })).payload[0].callId, parent);
  await until(page, () => softphone.journal.entries().some(({ name, payload }) => name === 'transferProgress' && payload[0].statusCode === 180));
  const kept = await page.evaluate(() => [phone.sessions.size, softphone.last.status.isHold]);
  assert.deepEqual([kept, wire.sent('BYE')], [[1, true], []]);
  await say('SIP/2.0 200 OK', 'terminated;reason=noresource');
  await wire.seen('BYE');
  assert.deepEqual((await happened(page, 'ended')).payload[0].cause, 'Terminated');
  assert.equal(notify, true);

  // A far end that hangs up instead of saying so.
  const before = await mark(page);
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed', { after: before });
  const after = wire.mark();
  await page.evaluate(() => softphone.last.blindTransfer('1002'));
  await wire.seen('REFER', { after });
  assert.equal(status(await wire.request('BYE')), 200);
  assert.equal((await happened(page, 'ended', { after: before })).payload[0].cause, 'Terminated');
});

test('a REFER that is refused gives the call back, unheld; a far end may not transfer a page that does not let it', async () => {
  const { page, parent } = await talking({ allowTransfer: false });
  wire.up = (text) => (text.startsWith('REFER ') ? void wire.say(answer(text, 403)) : text);
  await page.evaluate(() => softphone.last.blindTransfer('1002'));
  assert.deepEqual((await happened(page, 'transferFailed')).payload, [{ callId: parent, statusCode: 403 }]);
  await until(page, () => !softphone.last.status.isHold);
  await hearTone(page, 440);

  const refused = await wire.request('REFER', { headers: ['Refer-To: <sip:1002@localhost>'] });
  assert.equal(status(refused), 603);
  assert.equal(await page.evaluate(() => softphone.sessions.length), 1);
  await hearTone(page, 440);
});

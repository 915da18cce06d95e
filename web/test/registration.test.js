// Registering, and doing it again: what is tried again and when, and what is given up. The page's time runs faster in most of it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, afterEach, before, test } from 'node:test';

import { PSeries } from './lib/pseries.js';
import { Scene, happened, journal, until } from './lib/scene.js';
import { Wire, answer, header } from './lib/wire.js';

const FASTER = 20;

let scene;
let wire;
let pbx;

before(async () => {
  scene = await Scene.open();
  wire = scene.place(await Wire.open(scene.ws));
  pbx = scene.place(await PSeries.open(scene.pbx));
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** A page that is in a hurry, with what `start()` said. */
async function hurried(config) {
  const page = await scene.page();
  await page.evaluate((times) => softphone.hurry(times), FASTER);
  const started = await page.evaluate((config) => softphone.register(config), { ...scene.account('1000'), server: wire.url, ...config });
  return [page, started];
}

const told = async (page, wanted) => (await journal(page)).filter(({ name, of }) => of === 'phone' && name === wanted);

test('an unreachable server is tried again after 2 s, 4 s … 30 s, each a bit more or less', async () => {
  wire.closed = true;
  const [page, started] = await hurried();
  assert.equal(started.code, -201);
  await until(page, () => softphone.journal.entries().filter(({ name }) => name === 'reconnecting').length >= 7, undefined, 30_000);
  const attempts = (await told(page, 'reconnecting')).map(({ payload }) => payload[0]);
  const wanted = [2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
  wanted.forEach((delay, n) => {
    assert.deepEqual(Object.keys(attempts[n]).sort(), ['attempt', 'delayMs']);
    assert.equal(attempts[n].attempt, n + 1);
    assert.ok(Math.abs(attempts[n].delayMs - delay) <= delay / 5, JSON.stringify(attempts));
  });
  assert.ok(wanted.some((delay, n) => attempts[n].delayMs !== delay), 'all in the same moment');
  // And so it does: from one attempt to the next it waits as long as it said.
  const at = (await told(page, 'reconnecting')).map((entry) => entry.at);
  for (let n = 1; n < 5; n += 1) assert.ok(at[n] - at[n - 1] >= attempts[n - 1].delayMs - 50, JSON.stringify([at, attempts]));
  wire.closed = false;
  await happened(page, 'registered', { timeoutMs: 20_000 });
  assert.equal(await page.evaluate(() => phone.isRegistered), true);
});

test('a page whose policy forbids workers, which the browser says late, waits by itself', async () => {
  wire.closed = true;
  const page = await scene.page();
  await page.evaluate(() => {
    window.Worker = class {
      constructor() {
        window.forbidden = this;
      }
      postMessage() {}
      terminate() {}
    };
  });
  await page.evaluate((config) => softphone.register(config), { ...scene.account('1000'), server: wire.url });
  await happened(page, 'reconnecting');
  wire.closed = false;
  await page.evaluate(() => forbidden.onerror());
  await happened(page, 'registered');
});

for (const [cause, up] of [
  ['Request Timeout', () => undefined],
  ['Rejected', (text) => void wire.say(answer(text, 403))],
  ['Connection Error', () => void wire.cut()],
]) {
  test(`a registration that fails for ${cause} is tried again by itself`, async () => {
    wire.up = (text) => (text.startsWith('REGISTER ') ? up(text) : text);
    const [page, started] = await hurried();
    assert.equal(started.code, -201);
    if (cause !== 'Connection Error') {
      const { payload } = await happened(page, 'registrationFailed');
      assert.equal(payload[0], cause);
      assert.equal(payload[1].code, -201);
      assert.equal(payload[1].statusCode, cause === 'Rejected' ? 403 : undefined);
    }
    await happened(page, 'reconnecting');
    wire.up = (text) => text;
    await happened(page, 'registered', { timeoutMs: 20_000 });
    assert.deepEqual((await told(page, 'isRegisteredChange')).map(({ payload }) => payload), [[true]]);
  });
}

test('the allowed attempts are used and no more: −204', async () => {
  wire.closed = true;
  const [page] = await hurried({ reRegistryPhoneTimes: 2 });
  const over = () => softphone.journal.entries().some(({ name, payload }) => name === 'registrationFailed' && payload[1].code === -204);
  await until(page, over);
  assert.deepEqual((await told(page, 'reconnecting')).map(({ payload }) => payload[0].attempt), [1, 2]);
  const { payload } = (await told(page, 'registrationFailed')).at(-1);
  assert.equal(payload[0], 'Connection Error');
  // Nothing more comes in a minute of the page's, although the server is there again; asked for, it comes at once.
  wire.closed = false;
  const before = await page.evaluate(() => softphone.journal.mark());
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 60_000)));
  assert.equal(await page.evaluate(() => softphone.journal.mark()), before);
  await page.evaluate(() => softphone.pace(1));
  assert.equal((await page.evaluate(() => phone.start())).code, 200);
});

test('at a P-Series PBX likewise', async () => {
  const page = await scene.page();
  // Each answer of the API has 10 s of the page's, which are not to be half a second.
  await page.evaluate(() => softphone.hurry(1));
  const refused = await page.evaluate((params) => softphone.init(params), await scene.params('1000', { pbxURL: pbx.url, reRegistryPhoneTimes: 2 }));
  assert.equal(refused, null);
  pbx.sip = false;
  await page.evaluate((times) => softphone.pace(times), FASTER);
  await page.evaluate(() => phone.start());
  const over = () => softphone.journal.entries().some(({ name, payload }) => name === 'registrationFailed' && payload[1].code === -204);
  await until(page, over);
  assert.deepEqual((await told(page, 'reconnecting')).map(({ payload }) => payload[0].attempt), [1, 2]);
});

test('other credentials register again at once', async () => {
  const page = await scene.page();
  const wrong = { ...scene.account('1000'), server: wire.url, password: 'wrong' };
  assert.equal((await page.evaluate((config) => softphone.register(config), wrong)).code, -201);
  const challenge = await wire.seen('SIP/2.0', { from: 'pbx', fits: (text) => /^WWW-Authenticate:/im.test(text) });
  const realm = /realm="([^"]*)"/.exec(header(challenge, 'WWW-Authenticate'))[1];
  const ha1 = createHash('md5').update(`1000:${realm}:secret-1000`).digest('hex');
  const after = wire.mark();
  assert.equal((await page.evaluate((ha1) => phone.reRegister('1000', ha1), ha1)).code, 200);
  await wire.seen('REGISTER', { after, fits: (text) => /^Authorization:.*username="1000"/im.test(text) });
  assert.equal(await page.evaluate(() => phone.isRegistered), true);
});

test('disconnecting ends the calls, unregisters and closes, and start() begins anew', async () => {
  const page = await scene.phone('1000', { server: wire.url });
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  const [before, after] = [await page.evaluate(() => softphone.journal.mark()), wire.mark()];
  assert.deepEqual(await page.evaluate(() => phone.disconnect()), { code: 200, message: 'SUCCESS' });
  const names = (await journal(page)).slice(before).map(({ name }) => name);
  for (const name of ['ended', 'deleteSession', 'isRegisteredChange', 'disconnected']) assert.ok(names.includes(name), names.join(' '));
  await wire.seen('BYE', { after });
  const bye = await wire.seen('REGISTER', { after });
  assert.ok(header(bye, 'Expires') === '0' || /expires=0/.test(header(bye, 'Contact')), bye);
  const left = await page.evaluate(() => [phone.isRegistered, phone.sessions.size, softphone.left().sockets, softphone.left().connections]);
  assert.deepEqual(left, [false, 0, 0, 0]);
  assert.equal((await page.evaluate(() => phone.start())).code, 200);
});

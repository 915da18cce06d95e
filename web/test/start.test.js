// A page that starts: the connection is opened while the module is still fetched, once, and is not left behind.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Scene, until } from './lib/scene.js';

let scene;

before(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** The states of all WebSockets that the page made. Asked in the page: what Playwright tells of them comes when it comes. */
const sockets = (page) => page.evaluate(() => softphone.sockets());

const closed = (page, nth) => until(page, (nth) => softphone.sockets()[nth] === WebSocket.CLOSED, nth);

test('the connection is open before the module is there, and it is the one that registers', async () => {
  const page = await scene.page();
  const opened = page.waitForEvent('websocket', { timeout: 10_000 });
  await page.route('**/offhook.wasm', async (route) => {
    await opened;
    await route.continue();
  });
  const registered = await page.evaluate((account) => softphone.register(account), scene.account('1000'));
  assert.equal(registered.code, 200);
  assert.deepEqual(await sockets(page), [1]);
});

test('a connection that was lost meanwhile is opened again', async () => {
  const page = await scene.page();
  await page.evaluate(async (account) => void (await softphone.make(account)), scene.account('1000'));
  assert.equal((await sockets(page)).length, 1);
  await page.evaluate(() => softphone.cut());
  await closed(page, 0);
  assert.equal((await page.evaluate(() => phone.start())).code, 200);
  assert.deepEqual(await sockets(page), [3, 1]);
});

test('a phone that is not started leaves no connection', async () => {
  const page = await scene.page();
  await page.clock.install();
  await page.evaluate(async (account) => void (await softphone.make(account)), scene.account('1000'));
  await until(page, () => softphone.sockets()[0] === WebSocket.OPEN);
  await page.clock.fastForward(10_000);
  await closed(page, 0);
  // It can be started later.
  await page.clock.resume();
  assert.equal((await page.evaluate(() => phone.start())).code, 200);
  assert.deepEqual(await sockets(page), [3, 1]);
});

test('a phone that is destroyed or refused before its start leaves no connection', async () => {
  const page = await scene.page();
  await page.evaluate(async (account) => (await softphone.make(account)).destroy(), scene.account('1000'));
  await closed(page, 0);
  const refused = await page.evaluate(
    (account) => softphone.make({ ...account, user: '' }).catch(({ code }) => code),
    scene.account('1000'),
  );
  assert.equal(refused, -2);
  await closed(page, 1);
});

test('a tab that may have to wait for another one opens no connection ahead', async () => {
  const page = await scene.page();
  await page.evaluate(async (account) => void (await softphone.make({ ...account, oneTab: true })), scene.account('1000'));
  assert.deepEqual(await sockets(page), []);
});

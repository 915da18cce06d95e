// A page that starts: the connection is opened while the module is still fetched, once, and is not left behind.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Scene } from './lib/scene.js';

let scene;

before(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** A page, and the WebSockets that it opened to the PBX. */
async function watched() {
  const page = await scene.page();
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(socket));
  return { page, sockets };
}

const closed = (socket) => socket.isClosed() || socket.waitForEvent('close', { timeout: 5_000 });

test('the connection is open before the module is there, and it is the one that registers', async () => {
  const { page, sockets } = await watched();
  const opened = page.waitForEvent('websocket', { timeout: 10_000 });
  await page.route('**/offhook.wasm', async (route) => {
    await opened;
    await route.continue();
  });
  const registered = await page.evaluate((account) => softphone.register(account), scene.account('1000'));
  assert.equal(registered.code, 200);
  assert.equal(sockets.length, 1);
});

test('a connection that was lost meanwhile is opened again', async () => {
  const { page, sockets } = await watched();
  await page.evaluate(async (account) => void (await softphone.make(account)), scene.account('1000'));
  assert.equal(sockets.length, 1);
  await page.evaluate(() => softphone.cut());
  await closed(sockets[0]);
  assert.equal((await page.evaluate(() => phone.start())).code, 200);
  assert.equal(sockets.length, 2);
});

test('a phone that is not started leaves no connection', async () => {
  const { page, sockets } = await watched();
  await page.clock.install();
  await page.evaluate(async (account) => void (await softphone.make(account)), scene.account('1000'));
  assert.equal(sockets[0].isClosed(), false);
  await page.clock.fastForward(10_000);
  await closed(sockets[0]);
  // It can be started later.
  await page.clock.resume();
  assert.equal((await page.evaluate(() => phone.start())).code, 200);
  assert.equal(sockets.length, 2);
});

test('a phone that is destroyed or refused before its start leaves no connection', async () => {
  const { page, sockets } = await watched();
  await page.evaluate(async (account) => (await softphone.make(account)).destroy(), scene.account('1000'));
  await closed(sockets[0]);
  const refused = await page.evaluate(
    (account) => softphone.make({ ...account, user: '' }).catch(({ code }) => code),
    scene.account('1000'),
  );
  assert.equal(refused, -2);
  await closed(sockets[1]);
});

test('a tab that may have to wait for another one opens no connection ahead', async () => {
  const { page, sockets } = await watched();
  await page.evaluate(async (account) => void (await softphone.make({ ...account, oneTab: true })), scene.account('1000'));
  assert.equal(sockets.length, 0);
});

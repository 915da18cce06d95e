// init(): logging in to a P-Series PBX, and what a page gets of it.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { Scene, happened, journal, until } from './lib/scene.js';

let scene;

before(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.clear());
after(() => scene?.close());

test('init logs in and makes a phone that is not started; it registers and calls', async () => {
  const page = await scene.page();
  const params = await scene.params('1000');
  assert.equal(await page.evaluate((params) => softphone.init(params), params), null);
  assert.deepEqual(await page.evaluate(() => [phone.isRegistered, phone.sessions.size, phone.videoPlan]), [false, 0, true]);
  assert.deepEqual(await page.evaluate(() => softphone.journal.entries().length), 0);
  const facts = await page.evaluate(() => {
    const { url, username, secret, token, extensionNumber, extensionId, extensionName } = pbx;
    return { url, username, secret, token, extensionNumber, extensionId, extensionName, shown: JSON.stringify(pbx) };
  });
  const { token, extensionId, shown, ...rest } = facts;
  assert.ok(token.length > 20 && extensionId, JSON.stringify(facts));
  assert.ok(!shown.includes(token) && !shown.includes(params.secret), shown);
  assert.deepEqual(rest, { url: scene.pbx, username: '1000', secret: params.secret, extensionNumber: '1000', extensionName: 'Ada' });
  const config = await page.evaluate(() => phone.config);
  assert.deepEqual([config.username, config.secret], ['1000', undefined]);

  assert.equal((await page.evaluate(() => phone.start())).code, 200);
  await until(page, () => pbx.socket?.readyState === WebSocket.OPEN);
  assert.equal((await page.evaluate(() => softphone.call('600'))).code, 200);
  await happened(page, 'confirmed');
  await hearTone(page, 440);
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'ended');
  await happened(page, 'cdrChange');
});

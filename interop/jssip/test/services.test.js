// JsSIP in Chromium against the PBX itself: registration and the service numbers.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Scene, happened, heardSound, heardTone, hearTone, listen } from '../lib/scene.js';

let scene;

before(async () => {
  scene = await Scene.open();
});

afterEach(() => scene.clear());

after(() => scene?.close());

test('a wrong password is refused', async () => {
  const page = await scene.page();
  const account = { server: scene.urls.ws, user: '1000', domain: 'localhost', password: 'secret-1001' };
  const answer = await page.evaluate((account) => softphone.register(account), account);
  assert.equal(answer.name, 'registrationFailed');
  assert.ok([401, 403].includes(answer.code), JSON.stringify(answer));
});

test('a phone registers, and unregisters when it stops', async () => {
  const page = await scene.phone('1002');
  await scene.pbx.event('registered', { fits: ({ extension }) => extension === '1002' });
  await page.evaluate(() => softphone.stop());
  await scene.pbx.event('unregistered', { fits: ({ extension }) => extension === '1002' });
});

test('the echo over wss gives back what is said', async () => {
  const page = await scene.phone('1000', { server: scene.urls.wss });
  await page.evaluate(() => softphone.call('600', { tone: 440 }));
  await happened(page, 'confirmed');
  await hearTone(page, 440);
  await page.evaluate(() => softphone.setTone(700));
  await hearTone(page, 700);
  await page.evaluate(() => softphone.hangup());
  await happened(page, 'ended');
});

test('the tone is heard, then the PBX hangs up', async () => {
  const page = await scene.phone('1000');
  await listen(page);
  await page.evaluate(() => softphone.call('601', { tone: 1000 }));
  await happened(page, 'confirmed');
  await heardTone(page, 440);
  const { cause, originator } = await happened(page, 'ended');
  assert.deepEqual({ cause, originator }, { cause: 'Terminated', originator: 'remote' });
});

for (const [number, cause, code] of [
  ['604', 'Busy', 486],
  ['605', 'SIP Failure Code', 503],
  ['609', 'Rejected', 403],
  ['612', 'Unavailable', 480],
  ['1009', 'Unavailable', 480],
  ['4711', 'Not Found', 404],
]) {
  test(`${number} fails with ${code}`, async () => {
    const page = await scene.phone('1000');
    await page.evaluate((number) => softphone.call(number, { tone: 440 }), number);
    const failed = await happened(page, 'failed');
    assert.deepEqual([failed.cause, failed.code, failed.originator], [cause, code, 'remote']);
  });
}

test('early media is heard before the call is refused', async () => {
  const page = await scene.phone('1000');
  await listen(page);
  await page.evaluate(() => softphone.call('607', { tone: 440 }));
  await happened(page, 'progress', { where: { code: 183 } });
  await happened(page, 'media', { where: { state: 'connected' } });
  await heardSound(page);
  assert.equal((await happened(page, 'failed')).code, 603);
});

test('a call that is not answered can be given up', async () => {
  const page = await scene.phone('1000');
  await page.evaluate(() => softphone.call('606', { tone: 440 }));
  await happened(page, 'progress', { where: { code: 180 } });
  await page.evaluate(() => softphone.hangup());
  const { cause, originator } = await happened(page, 'failed');
  assert.deepEqual({ cause, originator }, { cause: 'Canceled', originator: 'local' });
  const ended = await scene.pbx.event('call_ended', { fits: ({ to }) => to === '606' });
  assert.equal(ended.answered, false);
});

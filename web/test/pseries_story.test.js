// From the signature to the end, as two people in two pages live through it at the embedded PBX; and what calls there are made with.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { PSeries } from './lib/pseries.js';
import { Scene, happened, journal, mark, subscribed, until } from './lib/scene.js';

let scene;
let pbx;

before(async () => {
  scene = await Scene.recording();
  pbx = scene.place(await PSeries.open(scene.pbx));
});
afterEach(() => scene.clear());
after(() => scene?.close());


/** A page that is logged in, registered and told of what happens. */
async function logIn(user) {
  const page = await scene.operator(user);
  await subscribed(page);
  return page;
}

test('sign, init, register, call, record, conference, CDR query; then each runtime error', { timeout: 180_000 }, async () => {
  const [ann, bob] = [await logIn('1000'), await logIn('1001')];
  await bob.evaluate(() => softphone.say(880));
  await ann.evaluate(() => softphone.call('1001'));
  await happened(bob, 'incoming');
  await bob.evaluate(() => softphone.answer());
  await happened(ann, 'confirmed');
  await Promise.all([hearTone(ann, 880), hearTone(bob, 440)]);

  const both = (status) => Promise.all([ann, bob].map((page) => until(page, (status) => softphone.last.status.recordStatus === status, status)));
  await ann.evaluate(() => softphone.last.startRecord());
  await both('recording');
  await ann.evaluate(() => softphone.last.pauseRecord());
  await both('pause');
  await ann.evaluate(() => softphone.last.hangup());
  for (const page of [ann, bob]) {
    const { payload } = await happened(page, 'cdrChange');
    assert.equal(payload[0].personal_cdr.number, page === ann ? '1001' : '1000');
  }

  for (const page of [ann, bob]) {
    await page.evaluate(() => softphone.call('7000'));
    await until(page, () => softphone.last.status.number === '7000' && softphone.last.status.isConference);
  }
  await Promise.all([hearTone(ann, 880), hearTone(bob, 440)]);
  for (const page of [ann, bob]) await page.evaluate(() => softphone.last.hangup());
  await until(ann, () => phone.sessions.size === 0);
  await until(ann, async () => (await pbx.cdrQuery({ page: 1, size: 2, sortBy: 'time' })).total_number >= 2);
  const { personal_cdr_list: rows } = await ann.evaluate(() => pbx.cdrQuery({ page: 1, size: 10, sortBy: 'time', filter: '1001' }));
  assert.deepEqual([rows[0].number, rows[0].status, rows[0].disposition], ['1001', 3, 'ANSWERED']);

  /** Everything of the page ends with this. */
  const ends = async (page, code, message, act) => {
    const after = await mark(page);
    await act();
    const { payload } = await happened(page, 'runtimeError', { after });
    assert.deepEqual([payload[0].code, payload[0].message], [code, message]);
    await happened(page, 'destroyed', { after });
    assert.ok(!(await page.evaluate(() => phone.isRegistered)));
  };
  let again;
  await ends(ann, -107, 'LOGGED_IN_ELSEWHERE', async () => (again = await logIn('1000')));
  await ends(again, -106, 'LINKUS_DISABLED', () => scene.admin('PATCH', 'extensions/1000', { web_client: false }));
  await scene.admin('PATCH', 'extensions/1000', { web_client: true });
  await ends(bob, -110, 'SDK_PLAN_DISABLED', () => scene.admin('PATCH', 'settings', { sdk_plan: false }));
  await scene.admin('PATCH', 'settings', { sdk_plan: true });
  await scene.admin('POST', 'extensions', { number: '2000', name: 'Zoe', password: 'correct horse' });
  const zoe = await logIn('2000');
  await ends(zoe, -108, 'EXTENSION_DELETED', () => scene.admin('DELETE', 'extensions/2000'));
  // A signature that is good no more.
  const last = await scene.operator('1002', { pbxURL: pbx.url });
  await pbx.until(() => pbx.sockets[0]?.texts.length, 'a subscription');
  pbx.answer('login', { errcode: 20001, errmsg: 'WRONG SIGNATURE' });
  await ends(last, -109, 'RE_LOGIN', () => pbx.tell(20010, {}));
});

test('calls have session timers of 1800 s, and ring for 300 s', async () => {
  const page = await scene.operator('1000');
  await page.evaluate(() => softphone.sleeps());
  await page.evaluate(() => softphone.call('606'));
  await happened(page, 'progress');
  const [invite] = await page.evaluate(() => softphone.sent('/ws').map(({ text }) => text).filter((text) => text.startsWith('INVITE ')));
  assert.match(invite, /^Session-Expires: 1800\b/im);
  assert.match(invite, /^Supported:.*\btimer\b/im);
  // Looked at in the page, as soon as it knows: of the 300 s only 5 are left for all that there was since the INVITE.
  const ringing = await page.evaluate(async () => {
    softphone.sleep(295);
    await softphone.journal.waitFor('updateTimer', { after: softphone.journal.mark() });
    return phone.sessions.size;
  });
  assert.equal(ringing, 1);
  await page.evaluate(() => softphone.sleep(5));
  assert.deepEqual((await happened(page, 'failed')).payload[0].cause, 'No Answer');
});

test('a module that cannot be loaded is −1', async () => {
  const page = await scene.page();
  const refused = await page.evaluate((params) => softphone.init(params), await scene.params('1000', { wasm: '/nowhere.wasm' }));
  assert.deepEqual([refused.code, refused.message, refused.isError], [-1, 'UNKNOWN_ERROR', true]);
  assert.ok(refused.detail);
  // Once it is there, it is loaded.
  assert.equal(await page.evaluate((params) => softphone.init(params), await scene.params('1000')), null);
  assert.equal((await journal(page)).length, 0);
});

// What a P-Series PBX tells of its settings and calls, and what that does to the phone.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { PSeries } from './lib/pseries.js';
import { Scene, happened, journal, until } from './lib/scene.js';

let scene;
let pbx;

before(async () => {
  scene = await Scene.open();
  pbx = scene.place(await PSeries.open(scene.pbx));
});
afterEach(() => scene.clear());
after(() => scene?.close());

const SETTINGS = ['extension/getpersonal', 'extension/getpersonalglobal', 'licenseservice/get'];

async function subscribed(more) {
  const page = await scene.operator('1000', { pbxURL: pbx.url, ...more });
  await pbx.until(() => pbx.sockets[0]?.texts.length, 'a subscription');
  // The settings are read again then. What is told meanwhile makes that be done once more, and this PBX answers as before it.
  const areRead = (paths) => {
    const read = performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname);
    return paths.every((path) => read.filter((other) => other === `/api/v1.0/${path}`).length >= 2);
  };
  await until(page, areRead, SETTINGS);
  return page;
}

async function inCall(number = '600') {
  const page = await subscribed();
  const { callId } = await page.evaluate((number) => softphone.call(number), number);
  await happened(page, 'confirmed');
  return { page, callId };
}

test('20047 changes what may be recorded, 20053 the plan of video, each told when it changes', async () => {
  const page = await subscribed();
  assert.deepEqual(await page.evaluate(() => [phone.recordPermissions, phone.videoPlan]), [2, true]);
  const services = (status) => ({ subscribe_plan_list: [{ service_list: [{ service_name: 'video', status }, { service_name: 'fqdn', status }] }] });
  for (const permissions of [0, 0, 1]) pbx.tell(20047, { enb_ctl_record: permissions });
  for (const status of ['disconnected', 'disconnected', 'connected']) pbx.tell(20053, services(status));
  await happened(page, 'videoPlanChange', { where: {} });
  await until(page, () => softphone.journal.entries().filter(({ name }) => name === 'videoPlanChange').length === 2);
  const told = (await journal(page)).filter(({ name }) => name.endsWith('Change') && name !== 'isRegisteredChange');
  assert.deepEqual(told.map(({ name, payload }) => [name, ...payload]), [
    ['recordPermissionsChange', 0],
    ['recordPermissionsChange', 1],
    ['videoPlanChange', false],
    ['videoPlanChange', true],
  ]);
  assert.deepEqual(await page.evaluate(() => [phone.recordPermissions, phone.videoPlan]), [1, true]);
});

test('with permission 0 nothing is recorded, with 1 nothing is begun', async () => {
  const { page } = await inCall();
  for (const permissions of [0, 1]) {
    pbx.tell(20047, { enb_ctl_record: permissions });
    await until(page, (permissions) => phone.recordPermissions === permissions, permissions);
    assert.deepEqual(await page.evaluate(() => [softphone.last.startRecord(), softphone.last.pauseRecord()]), [false, false]);
  }
});

test('20048 tells the recording and the conference of the call with its Call-ID, on either side', async () => {
  const { page, callId } = await inCall();
  const tell = (more) => pbx.tell(20048, { call_feature: '', caller_origin_number: '1000', callee_origin_number: '600', ...more });
  const status = (check) => until(page, check, undefined);
  tell({ caller_sip_callid: 'another', callee_sip_callid: 'yet another', record_status: 'recording', call_feature: 'conference' });
  tell({ caller_sip_callid: callId, callee_sip_callid: '', record_status: 'recording' });
  await status(() => softphone.last.status.recordStatus === 'recording');
  assert.equal(await page.evaluate(() => softphone.last.status.isConference), false, 'it was said of another call');
  tell({ caller_sip_callid: '', callee_sip_callid: callId, record_status: 'pause' });
  await status(() => softphone.last.status.recordStatus === 'pause');
  tell({ caller_sip_callid: callId, callee_sip_callid: '', record_status: 'stop', call_feature: 'conference' });
  await status(() => softphone.last.status.recordStatus === 'stop' && softphone.last.status.isConference);
  const changes = (await journal(page)).filter(({ name }) => name === 'statusChange').map(({ payload: [now] }) => [now.recordStatus, now.isConference]);
  assert.deepEqual(changes.slice(-4).map(([record]) => record).filter((record, n, all) => record !== all[n - 1]), ['recording', 'pause', 'stop']);
});

test('20008 changes the feature code that begins a recording', async () => {
  const native = await scene.native('1001', ['answer', '--echo', '--once']);
  const { page, callId } = await inCall('1001');
  pbx.tell(20008, { record_feature_code: '*77' });
  pbx.tell(20047, { enb_ctl_record: 2 });
  // In order: when what comes after it has been heard, so has it been.
  pbx.tell(20049, { ext_num: '1000', personal_cdr: { number: '1' } });
  await happened(page, 'cdrChange');
  // The PBX passes tones on to a phone whose media is connected.
  await hearTone(page, 440);
  assert.equal(await page.evaluate(() => softphone.last.startRecord()), true);
  await native.event('dtmf', { fits: () => native.events('dtmf').length >= 3 });
  assert.deepEqual(native.events('dtmf').map(({ tone }) => tone), ['*', '7', '7']);
  pbx.tell(20048, { caller_sip_callid: callId, callee_sip_callid: '', record_status: 'recording' });
  await until(page, () => softphone.last.status.recordStatus === 'recording');
});

test('20049 is told as cdrChange, with the payload of the contract', async () => {
  const page = await subscribed();
  const personal_cdr = { date: '2026-11-26', time: '12:00:00', timestamp: 1795694400, number: '1001', talk_duration: 7 };
  pbx.tell(20049, { ext_num: '1001', personal_cdr: { ...personal_cdr, number: '9' } });
  pbx.tell(20049, { ext_num: '1000', personal_cdr });
  const { payload } = await happened(page, 'cdrChange');
  assert.deepEqual(payload, [{ ext_num: '1000', personal_cdr }]);
  assert.equal((await journal(page)).filter(({ name }) => name === 'cdrChange').length, 1);
});

test('20066 registers again with the new password, 20135 changes call waiting', async () => {
  const page = await subscribed();
  const own = await page.evaluate(async (url) => {
    const response = await fetch(`${url}/api/v1.0/extension/getregisterinfo`, { headers: { authorization: pbx.token } });
    return response.json();
  }, pbx.url);
  const info = own.registername ? own : Object.values(own).find((value) => value?.registername);
  const mark = await page.evaluate(() => softphone.sent('/ws').length);
  pbx.tell(20066, { reg_name: info.registername, reg_password: info.registerpassword, realm: info.realm });
  await until(page, (mark) => softphone.sent('/ws').slice(mark).some(({ text }) => /^REGISTER [^]*^Authorization: /m.test(text)), mark);
  await until(page, () => phone.isRegistered);
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  assert.equal(await page.evaluate(() => phone.isMaxCall), false);
  pbx.tell(20135, { enb_call_waiting: 0 });
  await until(page, () => phone.isMaxCall);
  pbx.tell(20135, { enb_call_waiting: 1 });
  await until(page, () => !phone.isMaxCall);
});

test('errcode -3 and 20104 subscribe again, errcode -2 does not, and a lost socket comes back', async () => {
  const page = await subscribed();
  const subscriptions = (count) => pbx.until(() => pbx.sockets[0]?.texts.filter((text) => text.startsWith('{')).length === count, `${count} subscriptions`);
  // Not more than once a second.
  pbx.text('{"errcode":-3,"errmsg":"SUBSCRIBE AGAIN"}');
  await subscriptions(2);
  pbx.text('{"errcode":-2,"errmsg":"IGNORED"}');
  pbx.tell(20104, {});
  await subscriptions(3);
  assert.equal(await page.evaluate(() => pbx.socket.readyState), 1);
  pbx.cut();
  await until(page, () => pbx.socket === null);
  await pbx.until(() => pbx.sockets[0]?.texts.length, 'the subscription', 15_000);
  pbx.tell(20049, { ext_num: '1000', personal_cdr: { number: '1' } });
  await happened(page, 'cdrChange');
});

test('settings that changed while the subscription was lost are read when it is back', async () => {
  const page = await subscribed();
  const begun = SETTINGS.map((path) => pbx.requests(path).length);
  pbx.answer('extension/getpersonal', (own) => ({ ...own, extension: { ...own.extension, enb_ctl_record: 1 } }));
  pbx.cut();
  assert.deepEqual((await happened(page, 'recordPermissionsChange', { timeoutMs: 15_000 })).payload, [1]);
  assert.equal(await page.evaluate(() => phone.recordPermissions), 1);
  await pbx.until(() => SETTINGS.every((path, n) => pbx.requests(path).length === begun[n] + 1), 'each setting, once');
});

test('a registration that is refused fetches the register info anew', async () => {
  const wrong = (own) => JSON.parse(JSON.stringify(own).replace(/("registerpassword":")[^"]*/, `$1${'0'.repeat(32)}`));
  pbx.answer('extension/getregisterinfo', wrong);
  const page = await scene.page();
  assert.equal(await page.evaluate((params) => softphone.init(params), await scene.params('1000', { pbxURL: pbx.url })), null);
  pbx.answer('extension/getregisterinfo', undefined);
  assert.equal((await page.evaluate(() => phone.start())).code, 200);
  assert.equal(pbx.requests('extension/getregisterinfo').length, 2);
});

test('heartbeats go out every 30 s in a background tab too, and one without an answer opens the subscription anew', async () => {
  const other = await PSeries.open(scene.pbx);
  other.heartbeats = false;
  try {
    const background = await scene.page({ before: 'background' });
    const open = async (page, user, server) => {
      const refused = await page.evaluate((params) => softphone.init(params), await scene.params(user, { pbxURL: server.url }));
      assert.equal(refused, null);
      await server.until(() => server.sockets[0]?.texts.length, 'a subscription');
      assert.equal((await page.evaluate(() => phone.start())).code, 200);
    };
    await open(background, '1000', pbx);
    await open(await scene.page(), '1001', other);
    const [socket] = other.sockets;
    // Since when it is silent: registering takes as long as it takes.
    const begun = socket.at[0];
    await other.until(() => socket.texts.includes('heartbeat'), 'a heartbeat', 35_000);
    const asked = socket.at[socket.texts.indexOf('heartbeat')];
    assert.ok(asked - begun > 28_000, `${asked - begun} ms`);
    await pbx.until(() => pbx.sockets[0].texts.includes('heartbeat'), 'a heartbeat in the background', 5_000);
    await until(background, () => softphone.sent('/ws').some(({ text }) => text === 'heartbeat'), undefined, 5_000);
    await other.until(() => other.sockets.length > 0 && other.sockets[0] !== socket && other.sockets[0].texts.length > 0, 'another subscription', 35_000);
    const took = other.sockets[0].at[0] - asked;
    assert.ok(took > 23_000 && took < 30_000, `${took} ms`);
    assert.equal(pbx.sockets.length, 1);
  } finally {
    await other.close();
  }
});

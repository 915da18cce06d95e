// What a P-Series PBX does for a page besides its calls: the list of calls, names and pictures, recording, logs and reports.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { PSeries } from './lib/pseries.js';
import { Scene, happened, journal, until } from './lib/scene.js';

/** The smallest picture there is. */
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==', 'base64');

let scene;
let pbx;

before(async () => {
  scene = await Scene.recording();
  pbx = scene.place(await PSeries.open(scene.pbx));
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** Both talk, or one hears the other ring. */
async function called(caller, callee, { answered = true } = {}) {
  const [mark, there] = await Promise.all([caller, callee].map((page) => page.evaluate(() => softphone.journal.mark())));
  assert.equal((await caller.evaluate((number) => softphone.call(number), await callee.evaluate(() => pbx.extensionNumber))).code, 200);
  await happened(callee, 'incoming', { after: there });
  if (!answered) return;
  await callee.evaluate(() => softphone.answer());
  await happened(caller, 'confirmed', { after: mark });
}

test('the list of calls: asked for in every way, told when it changes', async () => {
  const [ann, bob] = await Promise.all(['1000', '1001'].map((user) => scene.operator(user)));
  const record = async (page, mark) => (await happened(page, 'cdrChange', { after: mark })).payload[0];
  const marks = await Promise.all([ann, bob].map((page) => page.evaluate(() => softphone.journal.mark())));
  await called(ann, bob);
  await ann.evaluate(() => softphone.last.hangup());
  const [of, there] = await Promise.all([record(ann, marks[0]), record(bob, marks[1])]);
  assert.deepEqual([of.ext_num, of.personal_cdr.number, there.ext_num, there.personal_cdr.number], ['1000', '1001', '1001', '1000']);
  assert.deepEqual(Object.keys(of.personal_cdr).sort(), ['date', 'number', 'talk_duration', 'time', 'timestamp']);
  const mark = await ann.evaluate(() => softphone.journal.mark());
  await called(bob, ann, { answered: false });
  await bob.evaluate(() => softphone.last.hangup());
  await record(ann, mark);

  const query = (query) => ann.evaluate(async (query) => {
    const { personal_cdr_list: list, total_number: total } = await pbx.cdrQuery(query);
    return { total, rows: list.map(({ status, disposition, number }) => `${status} ${disposition} ${number}`) };
  }, query);
  const [missed, outbound] = ['2 NO ANSWER 1001', '3 ANSWERED 1001'];
  const all = { page: 1, size: 10, sortBy: 'time' };
  assert.deepEqual(await query(all), { total: 2, rows: [missed, outbound] });
  assert.deepEqual(await query({ ...all, orderBy: 'asc' }), { total: 2, rows: [outbound, missed] });
  assert.deepEqual(await query({ ...all, sortBy: 'id', orderBy: 'asc' }), { total: 2, rows: [outbound, missed] });
  assert.deepEqual(await query({ ...all, size: 1, page: 2 }), { total: 2, rows: [outbound] });
  assert.deepEqual(await query({ ...all, status: 2 }), { total: 1, rows: [missed] });
  assert.deepEqual(await query({ ...all, status: 3, filter: '100' }), { total: 1, rows: [outbound] });
  assert.deepEqual(await query({ ...all, filter: '9999' }), { total: 0, rows: [] });
  const row = await ann.evaluate(async () => (await pbx.cdrQuery({ page: 1, size: 1, status: 3, sortBy: 'time' })).personal_cdr_list[0]);
  for (const field of ['id', 'date', 'time', 'timestamp', 'number_type', 'talk_duration', 'call_type', 'uniqueid', 'dcontext', 'caller_id', 'clid']) {
    assert.ok(field in row, field);
  }
  assert.equal(row.extension.ext_num, '1001');

  const refused = (query) => ann.evaluate((query) => rejected(pbx.cdrQuery(query)).then(({ code, message }) => [code, message]), query);
  for (const wrong of [{ page: 0 }, { size: 0 }, { size: 1001 }, { status: 4 }, { sortBy: 'x' }, { orderBy: 'x' }, { filter: '1'.repeat(129) }]) {
    assert.deepEqual(await refused({ ...all, ...wrong }), [-100, 'UNKNOWN_ERROR'], JSON.stringify(wrong));
  }
});

test('a query that the PBX refuses is −103, one that does not get there −102', async () => {
  const page = await scene.operator('1000', { pbxURL: pbx.url });
  const all = { page: 1, size: 10, sortBy: 'time' };
  const refused = () => page.evaluate((query) => rejected(pbx.cdrQuery(query)).then(({ code, message }) => [code, message]), all);
  pbx.answer('cdr/searchpersonal', { errcode: 40002, errmsg: 'PARAMETER' });
  assert.deepEqual(await refused(), [-103, 'PBX_API_ERROR']);
  pbx.answer('cdr/searchpersonal', 'break');
  assert.deepEqual(await refused(), [-102, 'PBX_NETWORK_ERROR']);
  await page.evaluate((query) => pbx.cdrQuery({ ...query, status: 2, orderBy: 'asc', filter: '12', page: 3 }).catch(() => {}), all);
  const asked = Object.fromEntries(new URLSearchParams(pbx.requests('cdr/searchpersonal').at(-1).query));
  assert.deepEqual(asked, { page: '3', page_size: '10', sort_by: 'time', order_by: 'asc', status: '2', number: '12' });
});

test('recording at the PBX is begun and paused by its feature code, and seen on both sides', async () => {
  const [ann, bob] = await Promise.all(['1000', '1001'].map((user) => scene.operator(user)));
  await called(ann, bob);
  const both = (status) => Promise.all([ann, bob].map((page) => until(page, (status) => softphone.last.status.recordStatus === status, status, 15_000)));
  assert.equal(await ann.evaluate(() => softphone.last.startRecord()), true);
  await both('recording');
  assert.equal(await ann.evaluate(() => softphone.last.pauseRecord()), true);
  await both('pause');
  await ann.evaluate(() => softphone.last.hangup());
  await happened(ann, 'ended');
  const files = await readdir(join(scene.folder, 'calls'));
  assert.ok(files.some((name) => name.endsWith('.wav')), files.join(' '));

  await scene.admin('PATCH', 'extensions/1001', { record: 0 });
  await until(bob, () => phone.recordPermissions === 0);
  await called(ann, bob);
  assert.equal(await bob.evaluate(() => softphone.last.startRecord()), false);
  await scene.admin('PATCH', 'extensions/1001', { record: 2 });
});

test('a room of the PBX is a conference', async () => {
  const page = await scene.operator('1000');
  await page.evaluate(() => softphone.call('7000'));
  await until(page, () => softphone.last.status.isConference);
});

test('who calls and who is called have names and pictures, which a page of any site can show', async () => {
  await scene.admin('POST', 'contacts', { name: 'The Echo', numbers: ['600'] });
  const photo = await fetch(`${scene.pbx}/admin/v1/extensions/1001/photo`, { method: 'PUT', headers: { authorization: 'Bearer offhook-admin' }, body: PNG });
  assert.equal((await photo.json()).errcode, 0);
  await scene.admin('PATCH', 'extensions/1001', { name: 'Bob Example' });
  const [ann, bob] = await Promise.all(['1000', '1001'].map((user) => scene.operator(user)));
  await ann.evaluate(() => softphone.call('600'));
  await until(ann, () => softphone.last.status.name === 'The Echo');
  await ann.evaluate(() => softphone.last.hangup());
  await until(ann, () => phone.sessions.size === 0);
  await called(bob, ann);
  await until(ann, () => softphone.last.status.name === 'Bob Example' && softphone.last.status.avatar);
  const avatar = await ann.evaluate(() => softphone.last.status.avatar);
  assert.ok(avatar.startsWith(`${scene.pbx}/api/photo/`), avatar);
  // localhost and 127.0.0.1 are two sites.
  await ann.goto(scene.url.replace('127.0.0.1', 'localhost'));
  const width = await ann.evaluate(async (source) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    return image.naturalWidth;
  }, avatar);
  assert.equal(width, 1);
});

test('the report of a call and the own log go to the PBX, and no log with enableLog = false', async () => {
  const page = await scene.operator('1000', { pbxURL: pbx.url });
  await page.evaluate(() => {
    console.error('of the page');
    setTimeout(() => console.log('of the page'));
  });
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await until(page, () => softphone.last.callReport?.lksAudioRx > 20);
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'ended');
  const [{ body: report }] = await pbx.until(() => pbx.requests('rascallreport/web').length && pbx.requests('rascallreport/web'), 'a report');
  assert.equal(report.call_id, await page.evaluate(() => softphone.last.callId));
  assert.ok(Number(report.lks_audio_rx) > 0 && report.lks_device_type === 'web', JSON.stringify(report));
  const secrets = await page.evaluate(() => [pbx.token, pbx.secret]);
  await page.evaluate(() => destroy());
  const lines = pbx.requests('systemlog/webclientlog').flatMap(({ body }) => body.log_list);
  assert.ok(lines.some((line) => line.includes('confirmed')), lines.join('\n'));
  assert.ok(!lines.some((line) => line.includes('of the page') || secrets.some((secret) => line.includes(secret))), lines.join('\n'));

  pbx.reset();
  const quiet = await scene.operator('1000', { pbxURL: pbx.url, enableLog: false });
  await quiet.evaluate(() => softphone.call('600'));
  await happened(quiet, 'confirmed');
  await quiet.evaluate(() => destroy());
  assert.equal(pbx.requests('logout').length, 1);
  assert.deepEqual(pbx.requests('systemlog/webclientlog'), []);
});

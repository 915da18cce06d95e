// The ends of a phone at a P-Series PBX: what the PBX says of us, logging out, and destroying.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { PSeries } from './lib/pseries.js';
import { Scene, happened, journal, subscribed, until } from './lib/scene.js';

const NOTHING = { sockets: 0, connections: 0, workers: 0 };

let scene;
let pbx;

before(async () => {
  scene = await Scene.open();
  pbx = scene.place(await PSeries.open(scene.pbx));
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** A page in a call with the echo, and subscribed. */
async function inCall(more) {
  const page = await scene.operator('1000', { pbxURL: pbx.url, ...more });
  await pbx.until(() => pbx.sockets[0]?.texts.length, 'a subscription');
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  return page;
}

/** The PBX says it: the page hears it first, with its call still there, and then everything ends. */
async function ends(page, tell, code, message) {
  const mark = await page.evaluate(() => softphone.journal.mark());
  await tell();
  await happened(page, 'destroyed', { after: mark, timeoutMs: 15_000 });
  // A call that goes on tells these at any time: the browser may find candidates after it is confirmed.
  const told = (await journal(page)).slice(mark).filter(({ name }) => !['updateTimer', 'callReport', 'warningMessage', 'icecandidate'].includes(name));
  const [first, ...rest] = told;
  assert.deepEqual([first.name, first.sessions], ['runtimeError', 1], JSON.stringify(told));
  const { detail, ...payload } = first.payload[0];
  assert.deepEqual(payload, { code, message });
  assert.ok(detail);
  const names = rest.map(({ name }) => name);
  for (const name of ['ended', 'deleteSession', 'isRegisteredChange', 'disconnected']) assert.ok(names.includes(name), names.join(' '));
  assert.ok(names.indexOf('ended') < names.indexOf('deleteSession') && names.at(-1) === 'destroyed', names.join(' '));
  await isOver(page);
}

async function isOver(page) {
  await until(page, (nothing) => Object.keys(nothing).every((name) => softphone.left()[name] === nothing[name]), NOTHING);
  const after = await page.evaluate(async () => ({
    registered: !!phone.isRegistered,
    sessions: phone.sessions.size,
    start: (await phone.start()).code,
    call: (await phone.call('600')).code,
    query: (await rejected(pbx.cdrQuery({ page: 1, size: 1, sortBy: 'time' }))).code,
    logout: (await rejected(pbx.logout())).code,
    socket: pbx.socket,
    number: pbx.extensionNumber,
  }));
  assert.deepEqual(after, { registered: false, sessions: 0, start: -200, call: -200, query: -100, logout: -100, socket: null, number: '1000' });
  await page.evaluate(() => Promise.all([destroy(), phone.destroy(), pbx.destroy()]));
}

const NOTICES = [
  [10000, { username: '1000' }, -107, 'LOGGED_IN_ELSEWHERE', 'logged in elsewhere'],
  [20007, { ext_num: '1000' }, -108, 'EXTENSION_DELETED', 'the extension is deleted'],
  [20015, { enb_web_client: 0 }, -106, 'LINKUS_DISABLED', 'the web client is switched off'],
  [20153, { enable: 0 }, -110, 'SDK_PLAN_DISABLED', 'the plan has no SDK any more'],
];
for (const [type, msg, code, message, title] of NOTICES) {
  test(`${type}, ${title}: runtimeError ${code}, then the end`, async () => {
    const page = await inCall();
    await ends(page, () => pbx.tell(type, msg), code, message);
    assert.equal(pbx.requests('logout').length, 1);
  });
}

test('20013, the desktop client is switched off: runtimeError -106, then the end', async () => {
  const page = await inCall({ userAgent: 'WebPC' });
  await ends(page, () => pbx.tell(20013, { enb_desktop_client: 0 }), -106, 'LINKUS_DISABLED');
});

test('20082, the internal client is switched off in mode cn: runtimeError -106, then the end', async () => {
  pbx.answer('pbx/getproduct', (own) => ({ ...own, product: { ...own.product, base_oem_id: 1 } }));
  pbx.answer('extension/getpersonalglobal', (own) => ({ ...own, enb_internal_client: 1 }));
  const page = await inCall();
  await ends(page, () => pbx.tell(20082, { enb_internal_client: 0 }), -106, 'LINKUS_DISABLED');
});

for (const type of [20010, 20154]) {
  test(`${type}, a new log-in is wanted: made, and runtimeError -109 if it is refused`, async () => {
    const page = await inCall();
    const token = await page.evaluate(() => pbx.token);
    // It may still be closing when the new token is there.
    const [old] = pbx.sockets;
    pbx.tell(type, {});
    await until(page, (token) => pbx.token !== token, token);
    await pbx.until(() => pbx.sockets.some((socket) => socket !== old && socket.texts.length), 'a subscription with the new token');
    assert.equal(pbx.requests('subscribe').at(-1).query, `?access_token=${await page.evaluate(() => pbx.token)}`);
    assert.equal(await page.evaluate(() => phone.sessions.size), 1);
    pbx.answer('login', { errcode: 20001, errmsg: 'WRONG SIGNATURE' });
    // A token that is lost again at once would not be replaced.
    await new Promise((resolve) => setTimeout(resolve, 5_100));
    await ends(page, () => pbx.tell(type, {}), -109, 'RE_LOGIN');
  });
}

test('a token that is lost is found out about by a request, and by a subscription that is refused', async () => {
  const page = await scene.operator('1000', { pbxURL: pbx.url });
  await pbx.until(() => pbx.sockets[0]?.texts.length, 'a subscription');
  const lost = { errcode: 10004, errmsg: 'TOKEN EXPIRED' };
  const again = (path) => (own) => {
    pbx.refuse = 0;
    pbx.answer(path, undefined);
    return own;
  };
  pbx.answer('cdr/searchpersonal', lost);
  pbx.answer('login', again('cdr/searchpersonal'));
  const first = await page.evaluate(() => pbx.token);
  const found = await page.evaluate(() => pbx.cdrQuery({ page: 1, size: 10, sortBy: 'time' }));
  assert.ok(Array.isArray(found.personal_cdr_list));
  const second = await page.evaluate(() => pbx.token);
  assert.notEqual(first, second);
  await pbx.until(() => pbx.sockets.some(({ texts }) => texts.length), 'the subscription');

  // A browser does not say with which status a socket is refused.
  await new Promise((resolve) => setTimeout(resolve, 5_100));
  pbx.refuse = 401;
  pbx.answer('extension/getpersonal', lost);
  pbx.answer('login', again('extension/getpersonal'));
  for (const socket of pbx.sockets) socket.destroy();
  await until(page, (token) => pbx.token !== token, second, 20_000);
  await pbx.until(() => pbx.sockets.some(({ texts }) => texts.length), 'the subscription');
});

test('what is said of others ends nothing', async () => {
  const page = await inCall();
  const mark = await page.evaluate(() => softphone.journal.mark());
  pbx.tell(10000, { username: '1001' });
  pbx.tell(20007, { ext_num: '1001' });
  pbx.tell(20013, { enb_desktop_client: 0 });
  pbx.tell(20015, { enb_web_client: 1 });
  pbx.tell(20082, { enb_internal_client: 0 });
  pbx.tell(20153, { enable: 1 });
  for (const text of ['', 'nonsense', '{}', '[]', '{"type":20015}', '{"type":20048,"msg":"{"}']) pbx.text(text);
  pbx.tell(20047, { enb_ctl_record: 0 });
  await happened(page, 'recordPermissionsChange', { after: mark });
  assert.deepEqual((await journal(page)).slice(mark).filter(({ of }) => of === 'pbx'), []);
  assert.equal(await page.evaluate(() => phone.sessions.size), 1);
});

test('at the embedded PBX: another log-in, a log-out by the administrator, and an extension that is deleted', async () => {
  const at = async () => {
    const page = await scene.operator('1000');
    await subscribed(page);
    await page.evaluate(() => softphone.call('600'));
    await happened(page, 'confirmed');
    return page;
  };
  const first = await at();
  await ends(first, () => scene.operator('1000'), -107, 'LOGGED_IN_ELSEWHERE');

  const second = await at();
  const token = await second.evaluate(() => pbx.token);
  await scene.admin('POST', 'extensions/1000/logout', {});
  await until(second, (token) => pbx.token !== token, token);
  assert.equal(await second.evaluate(() => phone.sessions.size), 1, 'the signature was still good');
  await second.evaluate(() => destroy());

  await scene.admin('POST', 'extensions', { number: '2000', name: 'Zoe', password: 'correct horse' });
  const third = await scene.operator('2000');
  await subscribed(third);
  await scene.admin('DELETE', 'extensions/2000');
  const { payload } = await happened(third, 'runtimeError');
  assert.deepEqual([payload[0].code, payload[0].message], [-108, 'EXTENSION_DELETED']);
  await happened(third, 'destroyed');
});

test('logging out is heard of, and ends everything', async () => {
  const page = await inCall();
  const mark = await page.evaluate(() => softphone.journal.mark());
  assert.equal((await page.evaluate(() => rejected(pbx.logout()))).code, undefined);
  const names = (await journal(page)).slice(mark).map(({ name }) => name);
  for (const name of ['ended', 'deleteSession', 'destroyed']) assert.ok(names.includes(name), names.join(' '));
  assert.ok(!names.includes('runtimeError'));
  assert.equal(pbx.requests('logout').length, 1);
  await isOver(page);
});

test('a second init of an operator is −105; destroying tells nobody, gives the token back, and can be done twice', async () => {
  const page = await inCall();
  const { code, message, isError } = await page.evaluate(() => rejected(pbx.init({})));
  assert.deepEqual([code, message, isError], [-105, 'PBX_ALREADY_INITIALIZED', true]);
  const mark = await page.evaluate(async () => {
    const mark = softphone.journal.mark();
    await destroy();
    return mark;
  });
  assert.deepEqual((await journal(page)).slice(mark).map(({ name }) => name), []);
  assert.equal(pbx.requests('logout').length, 1);
  await isOver(page);
  assert.equal(pbx.requests('logout').length, 1);
  // And another one can be made in the same page.
  assert.equal(await page.evaluate((params) => softphone.init(params), await scene.params('1000', { pbxURL: pbx.url })), null);
  assert.equal((await page.evaluate(() => phone.start())).code, 200);
});

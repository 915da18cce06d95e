// Logging in to a P-Series PBX: what is asked, with what, and each reason for which it comes to nothing.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { PSeries } from './lib/pseries.js';
import { Scene, happened, until } from './lib/scene.js';

const SETTINGS = ['extension/getpersonalglobal', 'licenseservice/get', 'extension/getpersonal', 'extension/getregisterinfo'];

let scene;
let pbx;

before(async () => {
  scene = await Scene.open();
  pbx = scene.place(await PSeries.open(scene.pbx));
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** Logs in on this page: `[code, message, detail]`, or `null`. */
async function refusal(page, more) {
  const params = await scene.params('1000', { pbxURL: pbx.url, ...more });
  const refused = await page.evaluate((params) => softphone.init(params), params);
  if (!refused) return null;
  assert.ok(refused.isError && refused.detail, JSON.stringify(refused));
  return [refused.code, refused.message, refused.detail];
}

async function refusedWith(page, code, message, more) {
  const refused = await refusal(page, more);
  assert.deepEqual(refused?.slice(0, 2), [code, message], JSON.stringify({ more, refused }));
  return refused[2];
}

test('an address that is none, or plain http beyond this machine, is refused before anything is asked', async () => {
  const page = await scene.page();
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  for (const pbxURL of [undefined, '', 'pbx.example', 'wss://pbx.example', 'https://pbx.example/path', 'https://ann:x@pbx.example']) {
    await refusedWith(page, -2, 'INVALID_PBX_URL', { pbxURL: pbxURL ?? null });
  }
  await refusedWith(page, -3, 'PBX_URL_NOT_HTTPS', { pbxURL: 'http://pbx.example' });
  assert.deepEqual(asked.filter((url) => !url.replace(/^blob:/, '').startsWith(scene.url)), []);
  assert.deepEqual(await page.evaluate(() => softphone.left().workers), 0);
});

test('a PBX that is not there, or none that is supported, is −4', async () => {
  const page = await scene.page();
  const refused = (more) => refusedWith(page, -4, 'GET_PRODUCT_FAILED', more);
  assert.match(await refused({ pbxURL: 'http://127.0.0.1:9' }), /127\.0\.0\.1|CORS|let pages/);
  for (const answer of [404, 502, 'break', Buffer.from('<html>'), {}, { product: {} }, { errcode: 1, errmsg: 'BUSY' }]) {
    pbx.answer('pbx/getproduct', answer);
    await refused();
  }
  assert.deepEqual(pbx.requests('login'), []);
});

test('a request that fails on the network is −102, one that the PBX refuses −103, and the token is given back', async () => {
  const page = await scene.page();
  for (const path of ['login', ...SETTINGS]) {
    pbx.reset();
    pbx.answer(path, 'break');
    await refusedWith(page, -102, 'PBX_NETWORK_ERROR');
    pbx.answer(path, { errcode: 10001, errmsg: 'INTERFACE NOT EXISTED' });
    assert.match(await refusedWith(page, -103, 'PBX_API_ERROR'), /10001 INTERFACE NOT EXISTED/);
    assert.equal(pbx.requests('logout').length, path === 'login' ? 0 : 2, path);
  }
  assert.equal(await page.evaluate(() => softphone.left().workers), 0);
});

test('an extension that is none, or whose client is off, and a plan without the SDK', async () => {
  const page = await scene.page();
  const change = (path, how) => pbx.answer(path, how);
  change('extension/getpersonal', {});
  await refusedWith(page, -104, 'GET_PERSONAL_NOT_FOUND_DATA');
  const off = (name) => (own) => ({ ...own, extension: { ...own.extension, [name]: 0 } });
  change('extension/getpersonal', off('enb_web_client'));
  await refusedWith(page, -106, 'LINKUS_DISABLED');
  assert.equal(await refusal(page, { userAgent: 'WebPC' }), null);
  await page.evaluate(() => destroy());
  change('extension/getpersonal', off('enb_desktop_client'));
  await refusedWith(page, -106, 'LINKUS_DISABLED', { userAgent: 'WebPC' });
  pbx.reset();
  change('pbx/getproduct', (own) => ({ ...own, product: { ...own.product, base_oem_id: 1 } }));
  change('extension/getpersonalglobal', (own) => ({ ...own, enb_internal_client: 0 }));
  await refusedWith(page, -106, 'LINKUS_DISABLED');
  pbx.reset();
  change('login', { errcode: 70136, errmsg: 'NO SDK' });
  await refusedWith(page, -110, 'SDK_PLAN_DISABLED');
  pbx.reset();
  change('extension/getregisterinfo', { registername: '1000' });
  await refusedWith(page, -101, 'REGISTRY_FAILED');
});

test('the administrator of the embedded PBX switches a client and the SDK off', async () => {
  const page = await scene.page();
  const own = { pbxURL: scene.pbx };
  await scene.admin('PATCH', 'extensions/1000', { web_client: false });
  await refusedWith(page, -106, 'LINKUS_DISABLED', own);
  await scene.admin('PATCH', 'extensions/1000', { web_client: true });
  await scene.admin('PATCH', 'settings', { sdk_plan: false });
  await refusedWith(page, -110, 'SDK_PLAN_DISABLED', own);
  await scene.admin('PATCH', 'settings', { sdk_plan: true });
  await refusedWith(page, -103, 'PBX_API_ERROR', { ...own, secret: 'a wrong one' });
  assert.equal(await refusal(page, own), null);
});

test('each request is made as the contract has it, with the bare token and nothing of the browser', async () => {
  const page = await scene.page();
  await page.evaluate(() => (document.cookie = 'a=secret'));
  const params = await scene.params('1000', { pbxURL: `${pbx.url}/` });
  assert.equal(await page.evaluate((params) => softphone.init(params), params), null);
  const token = await page.evaluate(() => pbx.token);
  await pbx.until(() => pbx.sockets[0]?.texts.length, 'a subscription');
  // Then the settings are read again: of what changed since the log-in, nobody has told.
  const again = SETTINGS.filter((path) => path !== 'extension/getregisterinfo');
  await pbx.until(() => again.every((path) => pbx.requests(path).length === 2), 'the settings, again');
  const [product, login, ...later] = pbx.asked;
  assert.deepEqual([product.method, product.path, product.headers.authorization], ['GET', '/api/v1.0/pbx/getproduct', undefined]);
  assert.equal(new URLSearchParams(product.query).get('host'), new URL(pbx.url).host);
  const source = { username: '1000', password: params.secret, login_source: null, login_jump: 'sdk' };
  assert.deepEqual([login.method, login.path, login.body], ['POST', '/api/v1.0/login', source]);
  const [subscribe] = later.splice(later.findIndex(({ path }) => path === '/api/v1.0/subscribe'), 1);
  assert.deepEqual([subscribe.path, subscribe.query], ['/api/v1.0/subscribe', `?access_token=${token}`]);
  const paths = later.map(({ method, path }) => `${method} ${path.slice('/api/v1.0/'.length)}`);
  assert.deepEqual(paths.sort(), [...[...SETTINGS, ...again].map((path) => `GET ${path}`), 'POST dct/init'].sort());
  assert.deepEqual(pbx.requests('dct/init')[0].body, { type: 'call' });
  for (const { path, headers } of later) assert.equal(headers.authorization, token, path);
  // A browser cannot open a WebSocket without them.
  assert.deepEqual(pbx.asked.filter(({ headers }) => headers.cookie && !headers.upgrade), []);
  const { topic_list: topics } = JSON.parse(pbx.sockets[0].texts[0]);
  for (const topic of [10000, 20007, 20008, 20010, 20015, 20047, 20048, 20049, 20053, 20065, 20066, 20082, 20104, 20153, 20154]) {
    assert.ok(topics.includes(topic), String(topic));
  }
  pbx.answer('login', (own) => own);
  assert.equal(await refusal(await scene.page(), { userAgent: 'WebPC' }), null);
  assert.equal(pbx.requests('login')[1].body.login_source, 'webpc');
});

test('an answer above a mebibyte and one that never comes are given up, and no redirect is followed', async () => {
  const page = await scene.page();
  pbx.answer('extension/getpersonal', Buffer.alloc(1_100_000, ' '));
  assert.match(await refusedWith(page, -102, 'PBX_NETWORK_ERROR'), /larger than 1 MiB/);
  pbx.reset();
  pbx.answer('extension/getpersonal', 302);
  await refusedWith(page, -102, 'PBX_NETWORK_ERROR');
  assert.deepEqual(pbx.requests('elsewhere'), []);
  pbx.reset();
  pbx.answer('login', 'never');
  const started = Date.now();
  assert.match(await refusedWith(page, -102, 'PBX_NETWORK_ERROR'), /in time/);
  assert.ok(Date.now() - started > 9_000 && Date.now() - started < 15_000, `${Date.now() - started} ms`);
});

test('a PBX of another origin that does not let the page ask is −4, and says what to look at', async () => {
  const page = await scene.page();
  pbx.lets = false;
  pbx.answer('pbx/getproduct', { product: { base_oem_id: 2 } });
  assert.match(await refusedWith(page, -4, 'GET_PRODUCT_FAILED'), new RegExp(`let pages of ${new URL(scene.url).origin} ask`));
});

test('it registers as the PBX wants it', async () => {
  const change = (access) => (own) => ({ ...own, access_type: access });
  for (const [access, contact] of [['local', '1000@127.0.0.1;webclient'], ['external_ip', '1000@127.0.0.1;nat;webclient']]) {
    pbx.answer('pbx/getproduct', change(access));
    const page = await scene.operator('1000', { pbxURL: pbx.url });
    const [{ url, protocol, text }, ...more] = await page.evaluate(() => softphone.sent('/ws'));
    assert.deepEqual([url, protocol], [`${pbx.url.replace('http', 'ws')}/ws?exten=1000`, 'sip']);
    assert.match(text, /^REGISTER sip:127\.0\.0\.1 SIP\/2\.0\r\n/);
    assert.ok(text.includes(`<sip:${contact}>`), text);
    assert.match(text, /^From: .*<sip:1000@127\.0\.0\.1>/m);
    assert.match(text, /^Expires: 1800\r$/m);
    assert.ok(text.includes(`User-Agent-Access-Type: ${access}\r\n`), text);
    assert.match(more[0].text, /^Authorization: Digest /m);
    assert.equal(await page.evaluate(() => phone.isRegistered), true);
    await page.evaluate(() => destroy());
  }
});

test('the STUN server of the PBX is asked in every call, besides those of the page', async () => {
  const stun = (own) => ({ ...own, enable_nat_fqdn: 1, fqdn_domain: 'stun.invalid', turn_port: 3999 });
  pbx.answer('extension/getpersonalglobal', stun);
  const iceServers = [{ urls: 'stun:127.0.0.1:9' }];
  const page = await scene.operator('1000', { pbxURL: pbx.url, iceServers });
  const servers = async () => {
    const after = await page.evaluate(() => softphone.journal.mark());
    const { callId } = await page.evaluate(() => softphone.call('600'));
    await happened(page, 'confirmed', { after });
    const urls = await page.evaluate((callId) => phone.getSession(callId).RTCSession.connection.getConfiguration().iceServers.flatMap(({ urls }) => urls), callId);
    await page.evaluate((callId) => phone.hangup(callId), callId);
    await until(page, () => phone.sessions.size === 0);
    return urls;
  };
  assert.deepEqual(await servers(), ['stun:stun.invalid:3999', 'stun:127.0.0.1:9']);
  await pbx.until(() => pbx.sockets.length, 'a subscription');
  pbx.tell(20065, { enable_nat_fqdn: 0, fqdn_domain: '', turn_port: 3999 });
  pbx.tell(20047, { enb_ctl_record: 1 });
  await happened(page, 'recordPermissionsChange');
  assert.deepEqual(await servers(), ['stun:127.0.0.1:9']);
});

test('call waiting and attempts are those of the PBX and of the page', async () => {
  pbx.answer('extension/getpersonal', (own) => ({ ...own, extension: { ...own.extension, enb_web_client_call_waiting: 1 } }));
  const page = await scene.operator('1000', { pbxURL: pbx.url, disableCallWaiting: true, reRegistryPhoneTimes: 1 });
  assert.equal(await page.evaluate(() => phone.reRegistryPhoneTimes), 1);
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  assert.equal(await page.evaluate(() => phone.isMaxCall), true);
  assert.equal((await page.evaluate(() => softphone.call('600'))).code, -205);
  await page.evaluate(() => destroy());
  pbx.answer('extension/getregisterinfo', (own) => ({ ...own, registerpassword: '0'.repeat(32) }));
  await page.evaluate((params) => softphone.init(params), await scene.params('1000', { pbxURL: pbx.url, reRegistryPhoneTimes: 1 }));
  const mark = await page.evaluate(() => softphone.journal.mark());
  const started = await page.evaluate(() => phone.start());
  assert.notEqual(started.code, 200);
  const gaveUp = await page.evaluate((after) => softphone.journal.waitFor('registrationFailed', { after, timeoutMs: 20_000 }), mark);
  assert.equal(gaveUp.payload[0], 'Authentication Error');
});

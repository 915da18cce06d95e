// Why calls of a page end: each cause that the network or the far end can bring about, as the wire brings it about.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Scene, happened, journal, until } from './lib/scene.js';
import { Wire, answer, header, status, withBody, withHeader } from './lib/wire.js';

let scene;
let wire;

before(async () => {
  scene = await Scene.open();
  wire = scene.place(await Wire.open(scene.ws));
});
afterEach(() => scene.clear());
after(() => scene?.close());

const phone = (user = '1000') => scene.phone(user, { server: wire.url });

const FASTER = 10;

/** One whose time can run faster, as what it waits for takes half a minute. */
async function hurried() {
  const page = await scene.page();
  await page.evaluate(() => softphone.hurry(1));
  assert.equal((await page.evaluate((config) => softphone.register(config), { ...scene.account('1000'), server: wire.url })).code, 200);
  return page;
}

const pace = (page, times) => page.evaluate((times) => softphone.pace(times), times);

const isInvite = (text) => text.startsWith('INVITE ') && !/;tag=/.test(header(text, 'To'));

/** The page's INVITEs are answered with this by the test, and never get to the PBX. */
function refuse(code, headers) {
  wire.up = (text) => {
    if (isInvite(text)) wire.say(answer(text, code, headers));
    // The ACK of an answer that the PBX does not know.
    else if (!text.startsWith('ACK ')) return text;
  };
}

/** The one end of the page's last call: `[event, cause, code]`. */
async function end(page, after = 0) {
  const over = await happened(page, 'deleteSession', { after, timeoutMs: 15_000 });
  const callId = await page.evaluate(() => softphone.last.callId);
  const ends = (await journal(page)).filter(({ name, payload }) => ['ended', 'failed', 'clientError'].includes(name) && payload[0].callId === callId);
  assert.equal(ends.length, 1);
  const [{ name, payload: [{ cause, code }] }] = ends;
  assert.deepEqual(over.payload, [{ callId, cause }]);
  return [name, cause, code];
}

async function call(page, number = '600') {
  const mark = await page.evaluate(() => softphone.journal.mark());
  assert.equal((await page.evaluate((number) => softphone.call(number), number)).code, 200);
  return mark;
}

test('every status of the contract has its cause', async () => {
  const page = await hurried();
  // A second between two calls.
  await pace(page, FASTER);
  for (const [cause, codes] of Object.entries({
    Redirected: [300, 301, 302, 305, 380],
    Unavailable: [480, 410, 408, 430],
    'Address Incomplete': [484, 424],
    'Incompatible SDP': [488, 606],
    Busy: [600],
    Rejected: [603],
    'Not Found': [604],
    'SIP Failure Code': [400, 513],
    'Authentication Error': [401, 407],
  })) {
    for (const code of codes) {
      const challenge = { 401: 'WWW-Authenticate', 407: 'Proxy-Authenticate' }[code];
      // Challenged anew although the password was given: the second refusal is final.
      const headers = challenge ? [`${challenge}: Digest realm="wire", nonce="${code}", algorithm=MD5, qop="auth"`] : [];
      refuse(code, headers);
      const mark = await call(page, String(code));
      assert.deepEqual(await end(page, mark), ['failed', cause, code]);
      if (challenge) assert.equal(wire.sent('INVITE').filter((text) => text.startsWith(`INVITE sip:${code}@`)).length, 2);
    }
  }
});

test('an answer without a description, and one that cannot be applied, end the call at the far end too', async () => {
  const page = await phone();
  wire.down = (text) => (status(text) === 200 && /INVITE/.test(header(text, 'CSeq')) ? withBody(text, '') : text);
  let mark = await call(page);
  assert.deepEqual(await end(page, mark), ['failed', 'Missing SDP', undefined]);
  await wire.seen('BYE');

  wire.down = (text) => (status(text) === 200 && /INVITE/.test(header(text, 'CSeq')) ? withBody(text, text.split('\r\n\r\n')[1].replace(/^a=fingerprint:.*\r\n/gm, '')) : text);
  const after = wire.mark();
  mark = await call(page);
  assert.deepEqual((await end(page, mark)).slice(0, 2), ['clientError', 'Bad Media Description']);
  await wire.seen('BYE', { after });
  await until(page, () => softphone.left().connections === 0);
});

test('an INVITE that nobody answers, and one whose connection is lost', async () => {
  const page = await hurried();
  wire.up = (text) => (isInvite(text) ? undefined : text);
  let mark = await call(page);
  await pace(page, FASTER);
  assert.deepEqual(await end(page, mark), ['failed', 'Request Timeout', undefined]);

  wire.up = (text) => text;
  await pace(page, 1);
  mark = await call(page, '606');
  await happened(page, 'progress', { after: mark });
  wire.closed = true;
  wire.cut();
  await pace(page, FASTER);
  assert.deepEqual(await end(page, mark), ['failed', 'Connection Error', undefined]);
});

test('a call that rings for 300 s is given up, by either side', async () => {
  const page = await phone();
  await page.evaluate(() => softphone.sleeps());
  let mark = await call(page, '606');
  await happened(page, 'progress', { after: mark });
  await page.evaluate(() => softphone.sleep(290));
  await happened(page, 'updateTimer', { after: await page.evaluate(() => softphone.journal.mark()) });
  assert.equal(await page.evaluate(() => softphone.last.status.callStatus), 'ringing');
  await page.evaluate(() => softphone.sleep(10));
  assert.deepEqual(await end(page, mark), ['failed', 'No Answer', undefined]);
  await wire.seen('CANCEL');

  mark = await page.evaluate(() => softphone.journal.mark());
  await scene.native('1001', ['call', '1000']);
  await happened(page, 'incoming', { after: mark });
  await page.evaluate(() => softphone.sleep(300));
  assert.deepEqual((await end(page, mark)).slice(0, 2), ['failed', 'No Answer']);
  await wire.seen('SIP/2.0', { fits: (text) => status(text) === 480 });
});

test('the time that an INVITE gives itself, and a 200 that nobody acknowledges', async () => {
  const page = await hurried();
  wire.down = (text) => (text.startsWith('INVITE ') ? withHeader(text, 'Expires: 2') : text);
  await scene.native('1001', ['call', '1000']);
  await happened(page, 'incoming');
  assert.deepEqual((await end(page)).slice(0, 2), ['failed', 'Expires']);
  await wire.seen('SIP/2.0', { fits: (text) => status(text) === 487 });

  wire.down = (text) => (text.startsWith('ACK ') ? undefined : text);
  const mark = await page.evaluate(() => softphone.journal.mark());
  await scene.native('1002', ['call', '1000', '--duration', '60s']);
  await happened(page, 'incoming', { after: mark });
  page.evaluate(() => softphone.answer()).catch(() => {});
  await wire.seen('SIP/2.0', { fits: (text) => status(text) === 200 && /INVITE/.test(header(text, 'CSeq')) });
  await pace(page, FASTER);
  const [, cause] = await end(page, mark);
  assert.equal(cause, 'No ACK');
  await wire.seen('BYE');
});

test('a far end that has forgotten the call', async () => {
  const page = await phone();
  await call(page);
  await happened(page, 'confirmed');
  wire.up = (text) => {
    if (!text.startsWith('INVITE ')) return text;
    wire.say(answer(text, 481));
  };
  assert.equal(await page.evaluate(() => softphone.last.hold()), true);
  assert.deepEqual((await end(page)).slice(0, 2), ['ended', 'Dialog Error']);
});

test('a far end that is heard no more ends the call after the time that the page says', async () => {
  const page = await scene.phone('1000', { server: wire.url, rtpTimeout: 5 });
  const other = await scene.phone('1001');
  await call(page, '1001');
  await happened(other, 'incoming');
  await other.evaluate(() => softphone.answer());
  await happened(page, 'confirmed');
  await until(page, async () => (await softphone.stats()).received > 20);
  await other.evaluate(() => softphone.connections.at(-1).getSenders()[0].replaceTrack(null));
  assert.deepEqual(await end(page), ['ended', 'RTP Timeout', undefined]);
  await wire.seen('BYE');
});

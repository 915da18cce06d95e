// Who the far end of a page's call is, and what the page is told of a call: names, payloads, fields, durations, reports.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { Scene, happened, journal, mark, until } from './lib/scene.js';
import { Wire, header, status, withHeader } from './lib/wire.js';

let scene;
let wire;

before(async () => {
  scene = await Scene.open();
  wire = scene.place(await Wire.open(scene.ws));
});
afterEach(() => scene.clear());
after(() => scene?.close());

const phone = () => scene.phone('1000', { server: wire.url });
const shown = (page) => page.evaluate(() => [softphone.last.status.name, softphone.last.status.number, softphone.last.status.avatar]);

/** The PBX's own word of who it is, replaced. */
const says = (text, line) => withHeader(text.replace(/^(P-Asserted-Identity|Remote-Party-ID):.*\r\n/gim, ''), line);

test('the far end is whom 18x, 200, re-INVITE and UPDATE name, and another number takes the picture away', async () => {
  const page = await phone();
  wire.down = (text) => {
    if (status(text) === 180) return says(text, 'Remote-Party-ID: "Bob" <sip:1002@pbx.example>;party=called');
    if (status(text) === 200 && /INVITE/.test(header(text, 'CSeq'))) return says(text, 'P-Asserted-Identity: "Cleo" <sip:1003@pbx.example>');
    return text;
  };
  await scene.native('1001', ['answer', '--once', '--echo']);
  await page.evaluate(() => softphone.call('1001'));
  const ringing = await happened(page, 'progress');
  assert.equal(ringing.number, '1002');
  await happened(page, 'confirmed');
  assert.deepEqual(await shown(page), ['Cleo', '1003', '']);

  await page.evaluate(() => softphone.last.setStaticStatus({ avatar: 'x.png' }));
  assert.equal(status(await wire.request('UPDATE', { headers: ['Remote-Party-ID: "Mrs Cleo" <sip:1003@pbx.example>'] })), 200);
  assert.deepEqual(await shown(page), ['Mrs Cleo', '1003', 'x.png'], 'the same number keeps the picture');
  const before = await mark(page);
  const sdp = (described) => described.replace(/^a=setup:.*$/m, 'a=setup:actpass').replace(/^(o=\S+ \S+ )(\d+)/m, (_, head, version) => `${head}${Number(version) + 1}`);
  await wire.request('INVITE', { sdp, headers: ['P-Asserted-Identity: "Dan" <sip:1004@pbx.example>'] });
  await until(page, () => softphone.last.status.number === '1004');
  assert.deepEqual(await shown(page), ['Dan', '1004', '']);
  const told = (await journal(page)).slice(before).filter(({ name }) => /statusChange|staticStatusChange/i.test(name));
  const change = told.find(({ name }) => name === 'staticStatusChange');
  assert.deepEqual(change.payload.map(({ name, avatar, company }) => [name, avatar, company]), [['Dan', '', ''], ['Mrs Cleo', 'x.png', '']]);

  // Said once more, nothing has changed.
  const again = await mark(page);
  await wire.request('UPDATE', { headers: ['P-Asserted-Identity: "Dan" <sip:1004@pbx.example>'] });
  assert.deepEqual((await journal(page)).slice(again).filter(({ name }) => /statusChange/i.test(name)), []);
});

test('in manual mode the page says who it is, by callId too, and only the number follows', async () => {
  const page = await phone();
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  const set = (callId) => page.evaluate((callId) => phone.setSessionStaticStatus(callId, { name: 'Mine', avatar: 'x.png', company: 'Bell' }, true), callId);
  assert.equal(await set('nobody'), false);
  assert.equal(await set(await page.evaluate(() => softphone.last.callId)), true);
  await wire.request('UPDATE', { headers: ['Remote-Party-ID: "Bob" <sip:1002@pbx.example>'] });
  assert.deepEqual(await shown(page), ['Mine', '1002', 'x.png']);
  assert.equal(await page.evaluate(() => softphone.last.status.company), 'Bell');
});

test('the company comes with an inbound call', async () => {
  const page = await phone();
  wire.down = (text) => (text.startsWith('INVITE ') ? withHeader(text, 'Contacts-Company: Bell & Sons') : text);
  await scene.native('1001', ['call', '1000']);
  const { status } = await happened(page, 'incoming');
  assert.equal(status.company, 'Bell & Sons');
});

const STATUS = [
  'avatar', 'callId', 'callStartTime', 'callStatus', 'communicationType', 'company', 'isConference', 'isHold', 'isMute', 'isRemoteHold',
  'isRing', 'isTransfer', 'isVideo', 'name', 'number', 'recordStatus',
];

test('every event has the payload of the contract, and a status is a snapshot with every field', async () => {
  const page = await phone();
  const begun = Date.now();
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await happened(page, 'updateTimer');
  await wire.request('INFO', { type: 'text/plain', body: 'x' });
  await page.evaluate(() => softphone.last.setStaticStatus({ name: 'Echo' }));
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'deleteSession');
  const entries = await journal(page);
  const callId = await page.evaluate(() => softphone.last.callId);
  const PAYLOADS = {
    newRTCSession: ['callId', 'session'], startSession: ['callId', 'session'], deleteSession: ['callId', 'cause'],
    callReport: ['callId', 'callReport'], streamAdded: ['callId', 'communicationType', 'stream'],
    updateLocalStream: ['callId', 'localStream'], updateRemoteStream: ['callId', 'remoteStream'],
    peerconnection: ['callId', 'peerconnection'], sdp: ['callId', 'originator', 'sdp', 'type'], icecandidate: ['callId', 'candidate'],
    progress: ['callId', 'statusCode'], accepted: ['callId', 'session'], confirmed: ['callId', 'session'],
    newInfo: ['body', 'callId', 'contentType', 'originator'], ended: ['callId', 'cause'], updateTimer: ['callId', 'timer'],
  };
  for (const [name, keys] of Object.entries(PAYLOADS)) {
    const told = entries.filter((entry) => entry.name === name);
    assert.ok(told.length > 0 || name === 'progress', `no ${name}`);
    for (const { payload } of told) {
      assert.equal(payload.length, 1, name);
      // How this side has ended it is told besides.
      assert.deepEqual(Object.keys(payload[0]).filter((key) => key !== 'type' || name !== 'ended').sort(), keys, name);
      assert.equal(payload[0].callId, callId, name);
      if (keys.includes('session')) assert.equal(payload[0].session, `Session ${callId}`);
    }
  }
  const { timer } = entries.find(({ name }) => name === 'updateTimer').payload[0];
  assert.deepEqual(Object.keys(timer).sort(), ['callDuration', 'callingDuration', 'holdDuration', 'ringDuration']);
  for (const { payload } of entries.filter(({ name }) => name === 'statusChange')) {
    for (const one of payload) assert.deepEqual(Object.keys(one).sort(), STATUS);
    assert.notDeepEqual(payload[0], payload[1], 'nothing changed');
  }
  for (const { payload } of entries.filter(({ name }) => name === 'staticStatusChange')) {
    for (const one of payload) assert.deepEqual(Object.keys(one).sort(), ['avatar', 'company', 'name']);
  }
  // Of the phone: no payload, a number, a boolean.
  const of = (wanted) => entries.find(({ name }) => name === wanted).payload;
  assert.deepEqual([of('connected'), of('registered'), of('isRegisteredChange')], [[], [], [true]]);

  const kept = await page.evaluate(async () => {
    await softphone.call('600');
    const before = softphone.last.status;
    const was = JSON.stringify(before);
    await softphone.journal.waitFor('confirmed', { after: softphone.journal.mark() });
    softphone.last.mute();
    return [JSON.stringify(before) === was, before.callStatus, softphone.last.status.callStatus, softphone.last.status.isMute];
  });
  assert.deepEqual(kept, [true, 'calling', 'talking', true]);
  const { callStartTime } = await page.evaluate(() => softphone.last.status);
  assert.ok(callStartTime > begun && callStartTime <= Date.now(), `${callStartTime}`);
});

test('a call begins when it is dialled, and once more when it is answered; what rings and talks is timed', async () => {
  const [page, other] = [await phone(), await scene.phone('1001')];
  const [dialled, now] = await page.evaluate(async () => {
    await softphone.call('1001');
    return [softphone.last.status.callStartTime, Date.now()];
  });
  assert.ok(Math.abs(dialled - now) < 2_000);
  await happened(other, 'incoming');
  await until(page, () => softphone.last.timer.ringDuration >= 2);
  const before = await other.evaluate(() => Date.now());
  await other.evaluate(() => softphone.answer());
  await happened(page, 'confirmed');
  const answered = await page.evaluate(() => softphone.last.status.callStartTime);
  assert.ok(answered >= before && answered < before + 5_000, `${answered - before} ms`);
  const [mine, theirs] = await Promise.all([page, other].map((one) => one.evaluate(() => softphone.last.timer)));
  assert.ok(mine.callingDuration >= mine.ringDuration && mine.ringDuration >= 2 && mine.ringDuration <= 6, JSON.stringify(mine));
  assert.deepEqual([theirs.callingDuration, theirs.ringDuration >= 2], [0, true], JSON.stringify(theirs));

  await page.evaluate(() => softphone.last.hold());
  await until(page, () => softphone.last.timer.holdDuration >= 2);
  await page.evaluate(() => softphone.last.unhold());
  await until(page, () => !softphone.last.status.isHold && softphone.last.timer.holdDuration === 0);

  // The machine sleeps for ten minutes: at once it is right, and the seconds are not told one after the other.
  const { callDuration } = await page.evaluate(() => softphone.last.timer);
  await page.evaluate(() => softphone.sleeps());
  // All in the page: between two questions to it a second may pass.
  const [payload, ticks] = await page.evaluate(async () => {
    const slept = softphone.journal.mark();
    softphone.sleep(600);
    const { payload } = await softphone.journal.waitFor('updateTimer', { after: slept });
    await softphone.journal.waitFor('updateTimer', { after: softphone.journal.mark() });
    return [payload, softphone.journal.entries().slice(slept).filter(({ name }) => name === 'updateTimer').length];
  });
  assert.ok(payload[0].timer.callDuration - callDuration - 600 < 5 && payload[0].timer.callDuration >= callDuration + 600, JSON.stringify([callDuration, payload]));
  assert.ok(ticks <= 4, `${ticks}`);
});

test('a consultation knows its parent, which is held', async () => {
  await scene.native('1001', ['answer', '--echo']);
  const page = await phone();
  await page.evaluate(() => softphone.call('1001'));
  await happened(page, 'confirmed');
  await page.evaluate(() => softphone.last.setStaticStatus({ name: 'Bea', avatar: 'bea.png' }));
  await until(page, () => softphone.last.timer.callDuration >= 2);
  const parent = await page.evaluate(() => softphone.last.callId);
  assert.equal((await page.evaluate((parent) => softphone.call('606', {}, parent), parent)).code, 200);
  const { callDuration, holdDuration, ...known } = await page.evaluate(() => softphone.last.status.transferParent);
  assert.deepEqual(known, { callId: parent, name: 'Bea', avatar: 'bea.png', number: '1001' });
  assert.ok(callDuration >= 2 && holdDuration === 0, `${callDuration}, ${holdDuration}`);
});

test('a report: when the call began, the kind of path, what was received and what the far end has had', async () => {
  const page = await phone();
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  const first = (await happened(page, 'callReport')).payload[0].callReport;
  await hearTone(page, 440);
  const enough = () => {
    const { lksDuration, lksAudioRx, lksAudioTx } = softphone.last.callReport;
    return Number(lksDuration) >= 6 && Number(lksAudioRx) > 200 && Number(lksAudioTx) > 200;
  };
  await until(page, enough, undefined, 20_000);
  const [report, began, date] = await page.evaluate(() => {
    const { callReport, status } = softphone.last;
    const two = (number) => String(number).padStart(2, '0');
    const at = new Date(Number(callReport.lksTimestamp));
    const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
    return [callReport, status.callStartTime, date];
  });
  const { stats, ...strings } = report;
  for (const [name, value] of Object.entries(strings)) assert.equal(typeof value, 'string', name);
  assert.ok(Math.abs(Number(report.lksTimestamp) - began) < 3_000, `${report.lksTimestamp}, ${began}`);
  assert.equal(report.lksDate, date);
  const measured = await page.evaluate(async () => {
    const all = [...(await softphone.last.getStats()).values()];
    const { totalSamplesDuration, packetsReceived, packetsLost } = all.find(({ type }) => type === 'inbound-rtp');
    return { totalSamplesDuration, packetsReceived, packetsLost, sent: all.find(({ type }) => type === 'outbound-rtp').packetsSent };
  });
  assert.match(report.lksDuration, /^\d+$/);
  assert.ok(Math.abs(Number(report.lksDuration) - measured.totalSamplesDuration) <= 5);
  assert.equal(report.lksAudioCodec, 'opus');
  assert.ok(Number(report.lksAudioRx) > 200 && Number(report.lksAudioRx) <= measured.packetsReceived);
  assert.ok(Number(report.lksAudioTx) > 200 && Number(report.lksAudioTx) <= measured.sent);
  assert.match(report.lksAudioRxLost, /^(0|0\.\d{6})$/);
  for (const name of ['RxMaxjitter', 'RxAvgjitter']) assert.ok(Number(report[`lksAudio${name}`]) >= 0 && Number(report[`lksAudio${name}`]) < 200, name);
  assert.ok(Number(report.lksAudioRxMaxjitter) >= Number(report.lksAudioRxAvgjitter));
  // What is not known is 0: there is no video, and in the first report nothing.
  for (const name of ['Codec', 'Rx', 'RxLost', 'RxMaxjitter', 'RxAvgjitter', 'Tx', 'TxLost', 'TxMaxjitter', 'TxAvgjitter']) {
    assert.equal(report[`lksVideo${name}`], '0', name);
    assert.equal(first[`lksAudio${name}`], '0', name);
  }
});

test('a report of what the browser measures: path and network, loss and jitter both ways', async () => {
  const page = await scene.page();
  // The largest jitter of the call is reported: a busy machine's own would be that.
  const calm = { 'inbound-rtp': { kind: 'audio', jitter: 0.001 }, 'remote-inbound-rtp': { kind: 'audio', jitter: 0.001 } };
  await page.evaluate((calm) => {
    softphone.measures();
    softphone.measure(calm);
  }, calm);
  await page.evaluate((account) => softphone.register(account), scene.account('1000'));
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  /** The next report after the browser has measured this. */
  const report = async (changed) => {
    await page.evaluate((changed) => softphone.measure(changed), { ...calm, ...changed });
    await happened(page, 'callReport', { after: await mark(page) });
    return (await happened(page, 'callReport', { after: await mark(page) })).payload[0].callReport;
  };
  for (const [candidateType, wanted] of [['host', 'local'], ['srflx', 'public'], ['prflx', 'public'], ['relay', 'turn']]) {
    const { iceResult } = await report({ 'remote-candidate': { candidateType } });
    assert.equal(iceResult, wanted);
  }
  const { lksNetworkType } = await report({ 'local-candidate': { networkType: 'ethernet' } });
  assert.equal(lksNetworkType, 'ethernet');
  const lossy = await report({
    'inbound-rtp': { packetsReceived: 900, packetsLost: 100, jitter: 0.05 },
    'remote-inbound-rtp': { kind: 'audio', packetsLost: 50, jitter: 0.02 },
    'outbound-rtp': { packetsSent: 1_000 },
  });
  assert.deepEqual([lossy.lksAudioRx, lossy.lksAudioRxLost, lossy.lksAudioTx], ['900', '0.100000', '1000']);
  assert.equal(Number(lossy.lksAudioRxMaxjitter), 50);
  assert.ok(Number(lossy.lksAudioRxAvgjitter) > 0 && Number(lossy.lksAudioRxAvgjitter) < 50, lossy.lksAudioRxAvgjitter);
  assert.ok(Number(lossy.lksAudioTxLost) > 0.04 && Number(lossy.lksAudioTxLost) < 0.06, lossy.lksAudioTxLost);
  assert.equal(Number(lossy.lksAudioTxMaxjitter), 20);
});

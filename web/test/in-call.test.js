// What a page does in a call, as it goes over the wire: hold, INFO, MESSAGE, tones, renegotiation, how it is ended.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { Scene, happened, journal, mark, until } from './lib/scene.js';
import { Wire, header, status } from './lib/wire.js';

let scene;
let wire;

before(async () => {
  scene = await Scene.open();
  wire = scene.place(await Wire.open(scene.ws));
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** A page in a call with the echo. */
async function echo(config) {
  const page = await scene.phone('1000', { server: wire.url, ...config });
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await hearTone(page, 440);
  return page;
}

const since = async (page, mark, ...names) => (await journal(page)).slice(mark).filter(({ name }) => names.includes(name));
const changes = (direction) => (described) =>
  described
    .replace(/^a=setup:.*$/m, 'a=setup:actpass')
    .replace(/^a=(sendrecv|sendonly|recvonly|inactive)$/m, `a=${direction}`)
    .replace(/^(o=\S+ \S+ )(\d+)/m, (_, head, version) => `${head}${Number(version) + 1}`);

test('hold is inactive when the far end holds us, and is one only when the far end has agreed', async () => {
  const page = await echo();
  const before = await mark(page);
  const answer = await wire.request('INVITE', { sdp: changes('sendonly') });
  assert.match(answer, /^a=recvonly\r$/m);
  await until(page, () => softphone.last.status.isRemoteHold);
  const [reinvite] = await since(page, before, 'reinvite');
  const callId = await page.evaluate(() => softphone.last.callId);
  assert.deepEqual(reinvite.payload, [{ callId, session: `Session ${callId}`, isInviteVideo: false }]);

  let held;
  wire.down = (text) => {
    if (status(text) !== 200 || !/INVITE/.test(header(text, 'CSeq'))) return text;
    held = text;
  };
  const after = wire.mark();
  assert.equal(await page.evaluate(() => softphone.last.hold()), true);
  assert.match(await wire.seen('INVITE', { after }), /^a=inactive\r$/m);
  while (!held) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await page.evaluate(() => softphone.last.status.isHold), false, 'the far end has not agreed');
  wire.down = (text) => text;
  wire.say(held);
  await until(page, () => softphone.last.status.isHold);

  // Let go by the far end, it is still held by us.
  assert.match(await wire.request('INVITE', { sdp: changes('sendrecv') }), /^a=sendonly\r$/m);
  await until(page, () => !softphone.last.status.isRemoteHold);
  assert.equal(await page.evaluate(() => softphone.last.status.isHold), true);
});

test('INFO and MESSAGE go both ways, and tones of the far end are told with their duration', async () => {
  const page = await echo();
  const callId = await page.evaluate(() => softphone.last.callId);
  const begun = await mark(page);
  assert.equal(await page.evaluate(() => softphone.last.sendInfo('application/x-offhook', 'to you')), true);
  const info = await wire.seen('INFO');
  assert.equal(header(info, 'Content-Type'), 'application/x-offhook');
  assert.equal(info.split('\r\n\r\n')[1], 'to you');
  assert.equal(await page.evaluate(() => softphone.last.sendMessage('text/plain', 'hello')), true);
  assert.equal((await wire.seen('MESSAGE')).split('\r\n\r\n')[1], 'hello');
  assert.equal(status(await wire.request('INFO', { type: 'application/x-offhook', body: 'to me' })), 200);
  assert.equal(status(await wire.request('MESSAGE', { type: 'text/plain', body: 'good day' })), 200);
  const told = await since(page, begun, 'newInfo', 'newMessage');
  const said = (name, originator, contentType, body) => ({ name, payload: [{ callId, originator, contentType, body }] });
  assert.deepEqual(told.map(({ name, payload }) => ({ name, payload })), [
    said('newInfo', 'local', 'application/x-offhook', 'to you'),
    said('newMessage', 'local', 'text/plain', 'hello'),
    said('newInfo', 'remote', 'application/x-offhook', 'to me'),
    said('newMessage', 'remote', 'text/plain', 'good day'),
  ]);
  for (const wrong of ['sendInfo', 'sendMessage']) {
    assert.equal(await page.evaluate((wrong) => softphone.last[wrong]('text/plain\r\nX-A: b', 'x'), wrong), false);
  }

  const then = await mark(page);
  await wire.request('INFO', { type: 'application/dtmf-relay', body: 'Signal=5\r\nDuration=160\r\n' });
  await wire.request('INFO', { type: 'application/dtmf-relay', body: 'Signal=#\r\nDuration=250\r\n' });
  const tones = await since(page, then, 'dtmf');
  assert.deepEqual(tones.map(({ payload }) => payload), [[{ callId, tone: '5', duration: 160 }], [{ callId, tone: '#', duration: 250 }]]);
});

test('tones: one that is none refuses all, a comma is a pause of 2 s', async () => {
  const native = await scene.native('1001', ['answer', '--once', '--echo']);
  const page = await scene.phone('1000');
  await page.evaluate(() => softphone.call('1001'));
  await happened(page, 'confirmed');
  await until(page, async () => (await softphone.stats()).received > 20);
  assert.equal(await page.evaluate(() => softphone.last.dtmf('12x')), false);
  const commanded = performance.now();
  assert.equal(await page.evaluate(() => softphone.last.dtmf('7,8')), true);
  await native.event('dtmf', { fits: ({ tone }) => tone === '8' });
  // The first may be heard late, and the second is not sooner for it.
  const whole = performance.now() - commanded;
  const [seven, eight, ...more] = native.events('dtmf');
  assert.deepEqual([seven.tone, eight.tone, more], ['7', '8', []]);
  const pause = eight.at_ms - seven.at_ms;
  assert.ok(whole >= 2_000 && pause < 3_500, `${whole} ms, ${pause} ms`);
});

test('tones that are wanted as soon as the call is confirmed wait for its media', async () => {
  const page = await scene.phone('1000');
  const said = await page.evaluate(async () => {
    const said = [];
    // Chromium takes no tones before it is connected, but for a moment now and then: here never.
    let connection;
    const { get } = Object.getOwnPropertyDescriptor(RTCDTMFSender.prototype, 'canInsertDTMF');
    Object.defineProperty(RTCDTMFSender.prototype, 'canInsertDTMF', {
      get() {
        return connection.connectionState === 'connected' && get.call(this);
      },
    });
    let accepted;
    phone.once('newRTCSession', ({ session }) => {
      session.once('confirmed', () => {
        ({ connection } = session.RTCSession);
        connection.getTransceivers()[0].sender.dtmf.addEventListener('tonechange', ({ tone }) => said.push(tone));
        accepted = [session.dtmf('1'), session.dtmf('2')];
      });
    });
    await softphone.call('600');
    while (said.at(-1) !== '') await new Promise((resolve) => setTimeout(resolve, 20));
    return [accepted, said];
  });
  assert.deepEqual(said, [[true, true], ['1', '2', '']]);
});

test('tones as SIP INFO, one after the other, for a phone that is made so', async () => {
  const page = await echo({ dtmf: 'info' });
  assert.equal(await page.evaluate(() => softphone.last.dtmf('1,#x')), false);
  assert.deepEqual(wire.sent('INFO'), []);
  assert.equal(await page.evaluate(() => softphone.last.dtmf('1,#')), true);
  await wire.seen('INFO', { fits: (text) => /^Signal=#/m.test(text), timeoutMs: 5_000 });
  const sent = wire.sent('INFO');
  assert.deepEqual(sent.map((text) => header(text, 'Content-Type')), ['application/dtmf-relay', 'application/dtmf-relay']);
  assert.deepEqual(sent.map((text) => text.split('\r\n\r\n')[1]), ['Signal=1\r\nDuration=100\r\n', 'Signal=#\r\nDuration=100\r\n']);
  const at = wire.log.filter(({ from, text }) => from === 'page' && text.startsWith('INFO ')).map(({ at }) => at);
  assert.ok(at[1] - at[0] >= 2_000, `${at[1] - at[0]} ms`);
});

test('a renegotiation changes nothing, an ICE restart only how the media is reached', async () => {
  const page = await echo();
  const ufrag = (text) => /a=ice-ufrag:(\S+)/.exec(text)[1];
  const [first] = wire.sent('INVITE').slice(-1);
  const [begun, after] = [await mark(page), wire.mark()];
  assert.equal(await page.evaluate(() => softphone.last.renegotiate()), true);
  const again = await wire.seen('INVITE', { after });
  assert.match(again, /^a=sendrecv\r$/m);
  assert.equal(ufrag(again), ufrag(first));
  await wire.seen('ACK', { after });
  await hearTone(page, 440);
  assert.deepEqual(await since(page, begun, 'statusChange', 'streamAdded', 'updateRemoteStream'), []);

  const later = wire.mark();
  assert.equal(await page.evaluate(() => softphone.last.restartIce()), true);
  assert.notEqual(ufrag(await wire.seen('INVITE', { after: later })), ufrag(first));
  await wire.seen('ACK', { after: later });
  await hearTone(page, 440);
});

test('an option that is undefined is one that is not given, and what a phone was is known after its end', async () => {
  const page = await scene.phone('1000', { iceServers: [{ urls: 'stun:127.0.0.1:9' }], iceTransportPolicy: 'relay' });
  const configuration = await page.evaluate(async () => {
    softphone.call('600', { iceServers: undefined, iceTransportPolicy: undefined });
    await softphone.journal.waitFor('peerconnection');
    const { iceServers, iceTransportPolicy } = softphone.last.RTCSession.connection.getConfiguration();
    return [iceServers.flatMap(({ urls }) => urls), iceTransportPolicy];
  });
  assert.deepEqual(configuration, [['stun:127.0.0.1:9'], 'relay']);
  const left = await page.evaluate(async () => {
    await phone.destroy();
    return [phone.isRegistered, phone.isMaxCall, phone.recordPermissions, phone.currentSessionID, phone.currentSession];
  });
  assert.deepEqual(left, [false, false, 2, null, null]);
});

test('a renegotiation begins and ends the receiving of video', async () => {
  const [page, other] = [await scene.phone('1000'), await scene.phone('1001')];
  await page.evaluate(() => softphone.call('1001'));
  await happened(other, 'incoming');
  await other.evaluate(() => {
    softphone.last.agreeChangeVideo = () => true;
    return softphone.answer();
  });
  await happened(page, 'confirmed');
  assert.equal(await page.evaluate(() => softphone.last.renegotiate(true)), true);
  await until(page, async () => (await softphone.videoStats()).decoded > 5, undefined, 20_000);
  assert.equal(await page.evaluate(() => softphone.last.localStream), null, 'it sends none');
  await page.evaluate(() => softphone.last.renegotiate(false));
  await until(page, () => softphone.last.remoteStream.getVideoTracks().length === 0 && !softphone.last.status.isVideo);
  await hearTone(page, 440);
});

test('what is told of a call is what the browser measures and finds', async () => {
  const page = await echo();
  const stats = await page.evaluate(async () => {
    const stats = await softphone.last.getStats();
    return [stats instanceof RTCStatsReport, [...stats.values()].some(({ type, packetsReceived }) => type === 'inbound-rtp' && packetsReceived > 0)];
  });
  assert.deepEqual(stats, [true, true]);
  // First the description: one that is found now is told before the journal is read.
  const described = await page.evaluate(() => softphone.connections[0].localDescription.sdp.match(/^a=candidate:.*$/gm));
  const told = (await journal(page)).filter(({ name }) => name === 'icecandidate').map(({ payload: [{ callId, candidate }] }) => [typeof callId, candidate]);
  const plain = (candidate) => candidate.replace(/^a=/, '').split(' ').slice(0, 8).join(' ');
  assert.ok(described.length > 0);
  for (const candidate of described) assert.ok(told.some(([kind, one]) => kind === 'string' && plain(one) === plain(candidate)), `${candidate} was not told of`);
});

test('a call that rings is hung up with 486, and how a call was ended is told', async () => {
  const page = await scene.phone('1000', { server: wire.url });
  const native = await scene.native('1001', ['call', '1000']);
  await happened(page, 'incoming');
  assert.equal(await page.evaluate(() => softphone.last.hangup()), true);
  await wire.seen('SIP/2.0', { fits: (text) => status(text) === 486 && /INVITE/.test(header(text, 'CSeq')) });
  assert.equal((await native.event('failed')).code, 486);
  await happened(page, 'deleteSession');

  for (const type of ['hangup', 'reject', 'terminate']) {
    const after = await mark(page);
    await page.evaluate(() => softphone.call('600'));
    const { payload: [{ callId }] } = await happened(page, 'confirmed', { after });
    assert.equal(await page.evaluate((type) => softphone.last.terminate(type), type), true);
    const { payload } = await happened(page, 'ended', { after });
    assert.deepEqual(payload, [{ callId, cause: 'Terminated', type }]);
    await happened(page, 'deleteSession', { after });
  }

  // One that is hung up is there until it has ended: here, until the PBX has answered.
  let last;
  wire.down = (text) => (status(text) === 487 ? void (last = text) : text);
  const after = await mark(page);
  await page.evaluate(() => softphone.call('606'));
  await happened(page, 'progress', { after });
  assert.equal(await page.evaluate(() => softphone.last.hangup()), true);
  await wire.seen('CANCEL');
  while (!last) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(await page.evaluate(() => [...phone.sessions.keys()]), [await page.evaluate(() => softphone.last.callId)]);
  wire.say(last);
  await happened(page, 'deleteSession', { after });
  assert.equal(await page.evaluate(() => phone.sessions.size), 0);
});

test('only the codecs that a call asks for are offered, in that order, and used', async () => {
  const page = await scene.phone('1000', { server: wire.url });
  const CASES = [[['PCMU', 'opus'], ['PCMU', 'opus']], [['PCMU'], ['PCMU'], 'audio/PCMU'], [['g722'], ['G722'], 'audio/G722'], [['none'], undefined, 'audio/opus']];
  for (const [codecs, wanted, used] of CASES) {
    const after = await mark(page);
    const sent = wire.mark();
    await page.evaluate((codecs) => softphone.call('600', { codecs }), codecs);
    await happened(page, 'confirmed', { after });
    const offer = await wire.seen('INVITE', { after: sent });
    const [, types] = /^m=audio \d+ \S+ (.*)\r$/m.exec(offer);
    const names = types.split(' ').map((type) => new RegExp(`^a=rtpmap:${type} ([^/]+)`, 'm').exec(offer)?.[1]);
    assert.ok(names.includes('telephone-event'));
    if (wanted) assert.deepEqual(names.filter((name) => name !== 'telephone-event'), wanted);
    // Of several, the far end chooses.
    await until(page, async (used) => (await softphone.stats()).received > 20 && (!used || (await softphone.stats()).codec === used), used);
    await page.evaluate(() => softphone.last.hangup());
    await happened(page, 'deleteSession', { after });
  }
});

test('recording by INFO: the server is asked, and its answer counts', async () => {
  const page = await echo({ record: 'info' });
  let answered = 200;
  wire.up = (text) => {
    if (!text.startsWith('INFO ')) return text;
    const lines = text.split('\r\n').filter((line) => /^(via|from|to|call-id|cseq):/i.test(line));
    wire.say(`SIP/2.0 ${answered} Said by a test\r\n${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`);
  };
  const becomes = (status) => until(page, (status) => softphone.last.status.recordStatus === status, status);
  assert.equal(await page.evaluate(() => softphone.last.startRecord()), true);
  await becomes('recording');
  assert.equal(await page.evaluate(() => softphone.last.pauseRecord()), true);
  await becomes('pause');
  assert.deepEqual(wire.sent('INFO').map((text) => header(text, 'Record')), ['on', 'off']);
  // The server's own word counts as well, and its refusal changes nothing.
  await wire.request('INFO', { headers: ['Record: on'] });
  await becomes('recording');
  answered = 403;
  const after = wire.mark();
  await page.evaluate(() => softphone.last.pauseRecord());
  await wire.seen('INFO', { after });
  await wire.request('OPTIONS');
  assert.equal(await page.evaluate(() => softphone.last.status.recordStatus), 'recording');
});

test('recording by a feature code follows the word of the server, in a conference it changes at once', async () => {
  const page = await echo({ record: '*1' });
  // This one says nothing of itself.
  wire.down = (text) => (text.startsWith('INFO ') ? undefined : text);
  const becomes = (status) => until(page, (status) => softphone.last.status.recordStatus === status, status);
  assert.equal(await page.evaluate(() => softphone.last.startRecord()), true);
  await happened(page, 'callReport', { after: await mark(page) });
  assert.equal(await page.evaluate(() => softphone.last.status.recordStatus), 'stop');
  await wire.request('INFO', { headers: ['Record: on'] });
  await becomes('recording');
  await wire.request('INFO', { headers: ['Record: off'] });
  await becomes('pause');
  await page.evaluate(() => softphone.last.setStatus({ isConference: true }));
  assert.equal(await page.evaluate(() => softphone.last.startRecord()), true);
  await becomes('recording');
  assert.equal(await page.evaluate(() => softphone.last.pauseRecord()), true);
  await becomes('pause');
});

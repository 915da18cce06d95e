// What only a browser has: media that is refused, a WebSocket that breaks, and what must not be left behind.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { Scene, happened, journal, until } from './lib/scene.js';

const NOTHING = { sockets: 0, connections: 0, workers: 0, listeners: 0 };

let scene;

before(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.clear());
after(() => scene?.close());

test('a call outlives the loss of its WebSocket', async () => {
  const page = await scene.phone('1000');
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await hearTone(page, 440);
  // Asked in that very moment: soon it is registered again.
  const [mark, registered] = await page.evaluate(async () => {
    const mark = softphone.journal.mark();
    softphone.cut();
    await softphone.journal.waitFor('reconnecting', { after: mark });
    return [mark, phone.isRegistered];
  });
  assert.equal(registered, false);
  await hearTone(page, 440);
  await happened(page, 'reconnected', { after: mark, timeoutMs: 20_000 });
  assert.equal(await page.evaluate(() => phone.isRegistered), true);
  await hearTone(page, 440);
  const names = (await journal(page)).slice(mark).map(({ name }) => name);
  assert.ok(names.indexOf('disconnected') < names.indexOf('connected'), names.join(' '));
  // The far end is reached by signalling again.
  await page.evaluate(() => softphone.last.hold());
  await until(page, () => softphone.last.status.isHold);
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'ended');
});

test('an incoming call finds a phone that was cut off and is back', async () => {
  const page = await scene.phone('1000');
  const mark = await page.evaluate(() => softphone.journal.mark());
  await page.evaluate(() => softphone.cut());
  await happened(page, 'registered', { after: mark, timeoutMs: 20_000 });
  await scene.native('1001', ['call', '1000']);
  await happened(page, 'incoming');
});

test('a browser that denies the microphone', async () => {
  const browser = await scene.browser(['--use-fake-ui-for-media-stream=deny']);
  try {
    const page = await scene.page({ browser });
    await page.evaluate((account) => softphone.register(account), scene.account('1000'));
    await page.evaluate(() => softphone.say(null));
    const { code, message, media } = await page.evaluate(() => phone.call('600'));
    assert.deepEqual({ code, message, media }, { code: -202, message: 'GET_AGREE_CHROME_USER_MEDIA_ROLE_ERROR', media: 'denied' });
    assert.equal(await page.evaluate(() => softphone.sessions.length), 0, 'a call was announced');
  } finally {
    await browser.close();
  }
});

test('each reason for having no microphone is told', async () => {
  const page = await scene.phone('1000');
  for (const [name, message, code, media] of [
    ['NotAllowedError', 'Permission denied', -202, 'denied'],
    ['NotAllowedError', 'Permission dismissed', -202, 'dismissed'],
    ['NotFoundError', 'Requested device not found', -290, 'noDevice'],
    ['NotReadableError', 'Could not start audio source', -203, 'busy'],
    ['OverconstrainedError', '', -203, 'overConstrained'],
  ]) {
    await page.evaluate(([name, message]) => softphone.refuse(name, message), [name, message]);
    const result = await page.evaluate(() => phone.call('600'));
    assert.deepEqual([result.code, result.media], [code, media], name);
  }
  assert.equal(await page.evaluate(() => softphone.sessions.length), 0);

  // A call that rings goes on ringing, and is answered once there is one.
  const native = await scene.native('1001', ['call', '1000']);
  await happened(page, 'incoming');
  assert.equal((await page.evaluate(() => softphone.answer())).code, -203);
  assert.equal(await page.evaluate(() => softphone.last.status.isRing), true);
  await page.evaluate(() => softphone.say(440));
  assert.equal((await page.evaluate(() => softphone.answer())).code, 200);
  await native.event('confirmed');
});

test("Chromium's own microphone, chosen by its id", async () => {
  const page = await scene.phone('1000');
  await page.evaluate(async () => {
    softphone.say(null);
    const device = (await navigator.mediaDevices.enumerateDevices()).find(({ kind }) => kind === 'audioinput');
    phone.deviceIds.microphoneId = device.deviceId;
  });
  assert.equal((await page.evaluate(() => softphone.call('600'))).code, 200);
  await happened(page, 'confirmed');
  await until(page, async () => (await softphone.stats()).sent > 20);
  await page.evaluate(() => (phone.deviceIds.microphoneId = 'gone'));
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'deleteSession');
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1_000)));
  assert.equal((await page.evaluate(() => phone.call('600'))).media, 'overConstrained');
});

test('destroy() leaves nothing, and says so to the far end', async () => {
  const native = await scene.native('1001', ['answer', '--echo', '--once']);
  const page = await scene.page();
  const before = await page.evaluate(() => softphone.left());
  await page.evaluate((account) => softphone.register(account), scene.account('1000'));
  await page.evaluate(() => softphone.call('1001'));
  await happened(page, 'confirmed');
  await native.event('confirmed');
  const mark = await page.evaluate(async () => {
    const mark = softphone.journal.mark();
    await phone.destroy();
    return mark;
  });
  assert.equal((await native.event('ended')).cause, 'Terminated');
  assert.deepEqual(await page.evaluate(() => softphone.left()), { ...NOTHING, listeners: before.listeners });
  assert.deepEqual(await page.evaluate(() => softphone.sources.map(({ stream }) => stream.getTracks()[0].readyState)), ['ended']);
  assert.deepEqual((await journal(page)).slice(mark).map(({ name }) => name), [], 'a listener was told');
  assert.equal(await page.evaluate(() => phone.hold('x')), false);
  assert.equal((await page.evaluate(() => phone.call('600'))).code, -200);

  // And a page that is left says good-bye.
  const left = await scene.native('1002', ['answer', '--echo', '--once']);
  await page.evaluate((account) => softphone.register(account), scene.account('1000'));
  await page.evaluate(() => softphone.call('1002'));
  await left.event('confirmed');
  // The PBX has confirmed it before the page hears of the answer.
  await happened(page, 'confirmed', { after: mark });
  await page.goto('about:blank');
  assert.equal((await left.event('ended')).cause, 'Terminated');
});

test('a listener that throws harms no other, one may act from inside an event, and the sdp event is a filter', async () => {
  const page = await scene.page();
  await page.evaluate((account) => softphone.register(account), scene.account('1000'));
  const heard = await page.evaluate(async () => {
    const [heard, reported] = [[], []];
    const report = (event) => {
      event.preventDefault();
      reported.push(event.error.message);
    };
    addEventListener('error', report);
    phone.once('newRTCSession', ({ session }) => {
      session.on('sdp', (event) => {
        if (event.originator === 'local') event.sdp = event.sdp.replace(/^a=fmtp:111 .*$/m, '$&;x-seen=1');
      });
      session.on('accepted', () => {
        throw new Error('on purpose');
      });
      session.on('accepted', () => heard.push('accepted'));
      session.once('confirmed', () => {
        heard.push(`hold ${session.hold()}`);
        heard.push(`mute ${session.mute()} ${session.status.isMute}`);
      });
      const never = () => heard.push('never');
      session.on('confirmed', never);
      session.off('confirmed', never);
    });
    await phone.call('600');
    await softphone.journal.waitFor('confirmed');
    removeEventListener('error', report);
    return { heard, reported };
  });
  assert.deepEqual(heard, { heard: ['accepted', 'hold true', 'mute true false'], reported: ['on purpose'] });
  await until(page, () => softphone.last.status.isMute && softphone.last.status.isHold);
  assert.match(await page.evaluate(() => softphone.last.RTCSession.localSdp), /x-seen=1/);
  const rtc = await page.evaluate(() => {
    const { connection, ...rtc } = softphone.last.RTCSession;
    return { ...rtc, real: connection instanceof RTCPeerConnection };
  });
  assert.equal(rtc.real, true);
  assert.equal(rtc.direction, 'outbound');
  assert.ok(rtc.localTag && rtc.remoteTag && rtc.remoteUri.startsWith('sip:600@'), JSON.stringify(rtc));
});

test('status set by the page, timers stopped, and the call destroyed', async () => {
  const page = await scene.phone('1000');
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  const told = await page.evaluate(() => {
    const told = [];
    softphone.last.on('staticStatusChange', (...payload) => told.push(payload.map(({ name }) => name)));
    const same = softphone.last.setStaticStatus({ name: 'Echo', avatar: undefined }, true).setStatus({ company: 'ACME' }).stopTimer();
    softphone.last.setStatus({ company: 'ACME' });
    let changes = 0;
    softphone.last.on('statusChange', () => changes++);
    softphone.last.setStatus({ name: 'Echo 2', number: '6000', isConference: undefined });
    const changed = [changes, softphone.last.status.name, softphone.last.status.number];
    softphone.last.setStatus({ name: 'Echo', number: '600' });
    return { told, changed, itself: same === softphone.last, status: softphone.last.status };
  });
  assert.deepEqual(told.told.slice(0, 2), [['Echo', '600'], ['Echo', 'Echo']]);
  assert.deepEqual(told.changed, [1, 'Echo 2', '6000']);
  assert.equal(told.itself, true);
  assert.deepEqual([told.status.name, told.status.company], ['Echo', 'ACME']);
  const frozen = await page.evaluate(() => [phone.getSessions().length, phone.setCurrentSession(null), phone.currentSessionID, softphone.last.destroy(), phone.sessions.size]);
  assert.deepEqual(frozen, [1, true, null, undefined, 0]);
  await until(page, () => softphone.left().connections === 0);
});

// A page with the package and native phones call each other through the embedded PBX.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { heardNoTone, hearNoTone, hearTone, listen } from '../../interop/jssip/lib/scene.js';
import { readWav, secondsOfTone, writeTone } from '../../interop/jssip/lib/wav.js';
import { Scene, happened, journal, until } from './lib/scene.js';

const PAGE_SAYS = 440;
const NATIVE_SAYS = 1000;

let scene;

before(async () => {
  scene = await Scene.open();
  await writeTone(scene.others.path('says.wav'), NATIVE_SAYS, 60);
});
afterEach(() => scene.clear());
after(() => scene?.close());

test('an outbound call: events in the order of the contract, audio both ways, mute, DTMF, hold', async () => {
  const recording = scene.others.path('outbound.wav');
  const files = ['--play', scene.others.path('says.wav'), '--record', recording];
  const native = await scene.native('1001', ['answer', '--once', ...files]);
  const page = await scene.phone('1000');

  const result = await page.evaluate(() => softphone.call('1001'));
  const callId = await page.evaluate(() => softphone.last.callId);
  assert.deepEqual(result, { code: 200, message: 'SUCCESS', callId });
  await happened(page, 'confirmed');
  await hearTone(page, NATIVE_SAYS);
  await assertFlowing(page);

  await page.evaluate(() => softphone.last.dtmf('159#'));
  await native.event('dtmf', { fits: ({ tone }) => tone === '#' });
  assert.equal(tones(native), '159#');

  // What is muted is silence at the other end, and the descriptions know nothing of it.
  const heard = async () => secondsOfTone(await readWav(recording), PAGE_SAYS);
  await untilRecorded(heard, (seconds) => seconds > 1);
  const offers = await sdps(page);
  assert.equal(await page.evaluate(() => softphone.last.mute()), true);
  assert.equal(await page.evaluate(() => softphone.last.status.isMute), true);
  assert.deepEqual(await page.evaluate(() => softphone.sources.map(({ stream }) => stream.getAudioTracks()[0].enabled)), [false]);
  await page.evaluate(() => softphone.last.unmute());
  assert.equal(await sdps(page), offers);

  let mark = await page.evaluate(() => softphone.journal.mark());
  assert.equal(await page.evaluate(() => softphone.last.hold()), true);
  await happened(page, 'statusChange', { after: mark });
  assert.equal(await page.evaluate(() => softphone.last.status.isHold), true);
  await hearNoTone(page, NATIVE_SAYS);
  mark = await page.evaluate(() => softphone.journal.mark());
  assert.equal(await page.evaluate(() => softphone.last.hold()), true, 'holding a held call succeeds');
  await page.evaluate(() => softphone.last.unhold());
  await happened(page, 'statusChange', { after: mark });
  await hearTone(page, NATIVE_SAYS);

  assert.equal(await page.evaluate(() => softphone.last.hangup()), true);
  assert.equal((await native.event('ended')).cause, 'Terminated');
  await happened(page, 'deleteSession');
  assert.equal(await page.evaluate(() => softphone.last.hangup()), false, 'an ended call takes no command');
  assert.equal(await page.evaluate(() => phone.sessions.size), 0);
  assert.equal(await native.exit(), 0);
  assert.ok((await heard()) > 1);

  assert.deepEqual(await order(page), [
    'newRTCSession', 'startSession', 'resolved', 'peerconnection', 'sdp local offer', 'statusChange ringing',
    // The PBX says who it is.
    'statusChange ringing', 'staticStatusChange', 'progress 180',
    'sdp remote answer', 'updateRemoteStream [MediaStream]', 'streamAdded', 'accepted', 'callReport', 'statusChange talking', 'confirmed',
    // mute, unmute, hold, unhold
    'statusChange talking', 'statusChange talking',
    'sdp local offer', 'sdp remote answer', 'statusChange talking', 'sdp local offer', 'sdp remote answer', 'statusChange talking',
    'updateLocalStream null', 'updateRemoteStream null', 'ended', 'deleteSession',
  ]);
});

test('an inbound call: events in the order of the contract, audio both ways, DTMF and hold by the far end', async () => {
  const page = await scene.phone('1000');
  const files = ['--play', scene.others.path('says.wav'), '--record', scene.others.path('inbound.wav')];
  const script = ['--dtmf', ',2580*', '--hold-after', '7s', '--duration', '16s'];
  const native = await scene.native('1001', ['call', '1000', ...files, ...script]);

  const { payload } = await happened(page, 'incoming');
  const ringing = await page.evaluate(() => ({ ...softphone.last.status, listed: phone.incomingList.length }));
  assert.equal(payload[0].callId, ringing.callId);
  assert.deepEqual(
    [ringing.number, ringing.isRing, ringing.callStatus, ringing.communicationType, ringing.listed],
    ['1001', true, 'connecting', 'inbound', 1],
  );
  await page.evaluate(() => softphone.readyForDtmf());
  const result = await page.evaluate(() => softphone.answer());
  assert.equal(result.code, 200);
  await native.event('confirmed');
  await hearTone(page, NATIVE_SAYS);
  await assertFlowing(page);
  // Telephone-events are sound in a browser.
  await happened(page, 'heardDtmf', { where: { tone: '*' } });
  const told = (await journal(page)).filter(({ name }) => name === 'heardDtmf').map(({ tone }) => tone);
  assert.equal(told.join(''), '2580*');

  await listen(page);
  await native.event('statusChange', { fits: ({ newStatus }) => newStatus.isHold });
  // The PBX keeps the page's leg as it is, and plays music.
  await heardNoTone(page, NATIVE_SAYS);
  await native.event('statusChange', { fits: ({ newStatus, oldStatus }) => oldStatus.isHold && !newStatus.isHold });
  await hearTone(page, NATIVE_SAYS);
  await happened(page, 'ended', { timeoutMs: 20_000 });
  assert.equal(await native.exit(), 0);
  assert.ok(secondsOfTone(await readWav(scene.others.path('inbound.wav')), PAGE_SAYS) > 1);

  const all = await order(page);
  assert.deepEqual(all.slice(0, all.indexOf('confirmed') + 1), [
    'newRTCSession', 'incoming', 'statusChange connecting', 'peerconnection', 'startSession', 'sdp remote offer',
    'sdp local answer', 'updateRemoteStream [MediaStream]', 'streamAdded', 'accepted', 'callReport', 'statusChange talking', 'confirmed',
  ]);
  assert.deepEqual(all.slice(-4), ['updateLocalStream null', 'updateRemoteStream null', 'ended', 'deleteSession']);
});

test('reports every 3 s and timers every second, also in a background tab', async () => {
  const page = await scene.page({ before: 'background' });
  await page.evaluate(() => (softphone.measures(), softphone.measure(softphone.calm)));
  await page.evaluate(() => {
    // A second's tick that no background tab slows down: how late it is, the machine was.
    window.ticks = [];
    const worker = new Worker(URL.createObjectURL(new Blob(['setInterval(postMessage, 1000, 0)'])));
    worker.onmessage = () => ticks.push(performance.now());
  });
  await page.evaluate((account) => softphone.register(account), scene.account('1000'));
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await until(page, () => softphone.journal.entries().filter(({ name }) => name === 'callReport').length >= 3);
  const entries = await journal(page);
  const at = (wanted) => entries.filter(({ name }) => name === wanted).map((entry) => entry.at);
  const ticks = await page.evaluate(() => ticks);
  /** How far ticks around these moments were from where they should be. */
  const stalled = (from, to) => {
    const near = ticks.slice(1).map((tick, index) => [ticks[index], tick]).filter(([before, tick]) => tick > from && before < to);
    return Math.max(0, ...near.map(([before, tick]) => Math.abs(tick - before - 1_000)));
  };
  const assertEvery = (name, period, most) => {
    const times = at(name);
    for (let n = 1; n < times.length; n += 1) {
      const gap = times[n] - times[n - 1];
      // One that came late is followed by one that comes early.
      const off = Math.abs(gap - period) - stalled(times[Math.max(0, n - 2)], times[n]);
      assert.ok(off < most, `${name} after ${gap} ms: ${JSON.stringify([times, ticks])}`);
    }
  };
  assertEvery('callReport', 3_000, 1_000);
  assertEvery('updateTimer', 1_000, 700);

  const { callReport } = entries.filter(({ name }) => name === 'callReport').at(-1).payload[0];
  assert.equal(callReport.extension, '1000');
  assert.equal(callReport.lksDeviceType, 'web');
  assert.equal(callReport.lksAudioCodec, 'opus');
  assert.equal(callReport.iceResult, 'local');
  assert.ok(Number(callReport.lksAudioRx) > 50 && Number(callReport.lksAudioTx) > 50, JSON.stringify(callReport));
  assert.ok(callReport.stats.mos > 3, JSON.stringify(callReport.stats));
  const own = await page.evaluate(() => [softphone.last.callReport, softphone.last.timer]);
  assert.ok(own[0].lksAudioRx > 0);
  assert.ok(own[1].callDuration >= 5 && own[1].callingDuration < 5, JSON.stringify(own[1]));
});

/** The events of the page's calls in order, without those that come by the clock or by the number of interfaces. */
async function order(page) {
  const unordered = ['icecandidate', 'updateTimer', 'warningMessage', 'heardDtmf', 'connected', 'registered', 'isRegisteredChange', 'answered'];
  let reported = false;
  return (await journal(page))
    .filter(({ name }) => !unordered.includes(name))
    .filter(({ name }) => name !== 'callReport' || (!reported && (reported = true)))
    .map(({ name, payload }) => {
      const [first] = payload ?? [];
      if (name === 'sdp') return `sdp ${first.originator} ${first.type}`;
      if (name === 'statusChange') return `statusChange ${first.callStatus}`;
      if (name === 'progress') return `progress ${first.statusCode}`;
      if (name === 'updateRemoteStream') return `${name} ${first.remoteStream}`;
      if (name === 'updateLocalStream') return `${name} ${first.localStream}`;
      return name;
    });
}

async function sdps(page) {
  return (await journal(page)).filter(({ name }) => name === 'sdp').length;
}

/** Encrypted packets go both ways. */
async function assertFlowing(page) {
  await until(page, async () => (await softphone.stats()).received > 20 && (await softphone.stats()).sent > 20);
  const stats = await page.evaluate(() => softphone.stats());
  assert.equal(stats.codec, 'audio/opus', JSON.stringify(stats));
  assert.equal(stats.dtlsState, 'connected', JSON.stringify(stats));
  assert.ok(stats.srtpCipher, JSON.stringify(stats));
}

async function untilRecorded(measure, enough) {
  const deadline = performance.now() + 20_000;
  while (!enough(await measure())) {
    if (performance.now() > deadline) throw new Error('the far end has not heard enough');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function tones(native) {
  return native.events('dtmf').map(({ tone }) => tone).join('');
}

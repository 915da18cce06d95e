// Microphones, cameras and loudspeakers: chosen, changed in a call, and lost.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { Scene, happened, until } from './lib/scene.js';

let scene;

before(async () => {
  scene = await Scene.open();
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** A page that hears itself. */
async function echo() {
  const page = await scene.phone('1000');
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await hearTone(page, 440);
  return page;
}

test('the microphone is there before a call is announced', async () => {
  const page = await scene.phone('1000');
  await page.evaluate(() => {
    const { getUserMedia } = navigator.mediaDevices;
    const allowed = new Promise((resolve) => (softphone.allow = resolve));
    navigator.mediaDevices.getUserMedia = async (constraints) => {
      softphone.asked = true;
      await allowed;
      return getUserMedia.call(navigator.mediaDevices, constraints);
    };
    softphone.call('600');
  });
  await until(page, () => softphone.asked);
  assert.equal(await page.evaluate(() => softphone.sessions.length), 0);
  await page.evaluate(() => softphone.allow());
  await happened(page, 'newRTCSession');
  await happened(page, 'confirmed');
});

test('another microphone in a call, and one that cannot be had', async () => {
  const page = await echo();
  const offers = () => page.evaluate(() => softphone.journal.entries().filter(({ name }) => name === 'sdp').length);
  const before = await offers();
  await page.evaluate(() => softphone.say(880));
  assert.equal((await page.evaluate(() => softphone.last.setInputDevice('another'))).code, 200);
  await hearTone(page, 880);
  const states = () => page.evaluate(() => softphone.sources.map(({ stream }) => stream.getTracks()[0].readyState));
  assert.deepEqual(await states(), ['ended', 'live']);

  await page.evaluate(() => softphone.refuse('OverconstrainedError', ''));
  const refused = await page.evaluate(() => softphone.last.setInputDevice('gone'));
  assert.deepEqual([refused.code, refused.media], [-203, 'overConstrained']);
  assert.deepEqual(await states(), ['ended', 'live']);
  await hearTone(page, 880);

  // Muted it stays.
  await page.evaluate(() => softphone.last.mute());
  await page.evaluate(() => softphone.say(440));
  await page.evaluate(() => softphone.last.setInputDevice());
  assert.equal(await page.evaluate(() => softphone.sources.at(-1).stream.getTracks()[0].enabled), false);
  await page.evaluate(() => softphone.last.unmute());
  await hearTone(page, 440);
  assert.equal(await offers(), before, 'the far end is not asked');
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'deleteSession');
  assert.deepEqual(await states(), ['ended', 'ended', 'ended']);
  assert.equal((await page.evaluate(() => softphone.last.setInputDevice())).code, -211);
});

test('a microphone that is pulled out ends no call: the usual one is used, or there is silence', async () => {
  const page = await echo();
  const pull = () => page.evaluate(() => softphone.sources.at(-1).stream.getTracks()[0].dispatchEvent(new Event('ended')));
  await page.evaluate(() => softphone.say(880));
  await pull();
  const { payload } = await happened(page, 'deviceLost');
  const callId = await page.evaluate(() => softphone.last.callId);
  assert.deepEqual(payload[0], { callId, kind: 'audio', replaced: true, media: undefined });
  await hearTone(page, 880);

  await page.evaluate(() => softphone.refuse('NotFoundError', 'Requested device not found'));
  const mark = await page.evaluate(() => softphone.journal.mark());
  await pull();
  const lost = await happened(page, 'deviceLost', { after: mark });
  assert.deepEqual([lost.payload[0].replaced, lost.payload[0].media], [false, 'noDevice']);
  // It can still be commanded.
  await page.evaluate(() => softphone.last.hold());
  await until(page, () => softphone.last.status.isHold);
  await page.evaluate(() => softphone.last.unhold());
  await until(page, () => !softphone.last.status.isHold);
  await page.evaluate(() => softphone.say(440));
  assert.equal((await page.evaluate(() => softphone.last.setInputDevice())).code, 200);
  await hearTone(page, 440);
});

test('changes of the devices are told, and the next call uses those that were chosen', async () => {
  const page = await scene.phone('1000');
  await page.evaluate(() => navigator.mediaDevices.dispatchEvent(new Event('devicechange')));
  await happened(page, 'deviceChange');
  const kinds = await page.evaluate(async () => {
    const told = new Promise((resolve) => phone.once('deviceChange', resolve));
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
    return [...new Set((await told).devices.map(({ kind }) => kind))].sort();
  });
  assert.deepEqual(kinds, ['audioinput', 'audiooutput', 'videoinput']);

  const asked = await page.evaluate(async () => {
    const asked = [];
    const own = navigator.mediaDevices.getUserMedia;
    navigator.mediaDevices.getUserMedia = (constraints) => {
      asked.push(structuredClone(constraints));
      return own(constraints);
    };
    phone.deviceIds = { microphoneId: 'headset' };
    await softphone.call('600', { inputDevice: 'desk' });
    await softphone.journal.waitFor('confirmed');
    softphone.last.hangup();
    await softphone.journal.waitFor('deleteSession');
    await softphone.call('600');
    return asked.map(({ audio }) => audio.deviceId.exact);
  });
  assert.deepEqual(asked, ['desk', 'headset'], 'the one for a call goes before the one for all');
});

test('elements play the far end, as loud and where they should', async () => {
  const page = await scene.phone('1000');
  const played = await page.evaluate(async () => {
    const element = document.createElement('audio');
    await softphone.call('600');
    // It was pulled out since it was chosen.
    await softphone.last.setOutputDevice('gone');
    const early = await softphone.last.play(element);
    await softphone.journal.waitFor('streamAdded');
    const { deviceId } = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === 'audiooutput').at(-1);
    const moved = await softphone.last.setOutputDevice(deviceId);
    const wrong = await softphone.last.setOutputDevice('nowhere');
    const quieter = [softphone.last.setVolume(0.25), softphone.last.setVolume(2)];
    const one = element.srcObject === softphone.last.remoteStream && !element.paused;
    const result = { early, one, moved: moved.code, sink: element.sinkId === deviceId, wrong: wrong.media, quieter, volume: element.volume };
    softphone.last.hangup();
    await softphone.journal.waitFor('deleteSession');
    return { ...result, after: element.srcObject };
  });
  assert.deepEqual(played, {
    early: true, one: true, moved: 200, sink: true, wrong: 'noDevice', quieter: [true, false], volume: 0.25, after: null,
  });
});

test('a page that came neither over https nor from this machine is told so', async () => {
  const browser = await scene.browser(['--host-resolver-rules=MAP plain.example 127.0.0.1']);
  try {
    const url = scene.url.replace('127.0.0.1', 'plain.example');
    const page = await scene.page({ browser, url });
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await page.evaluate((account) => softphone.register(account), scene.account('1000'));
    const { code, media } = await page.evaluate(() => phone.call('600'));
    assert.deepEqual([code, media], [-206, 'insecureContext']);
  } finally {
    await browser.close();
  }
});

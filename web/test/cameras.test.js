// Which camera of a call is opened, and what becomes of one that comes late or never.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Scene, happened, until } from './lib/scene.js';
import { Wire, status } from './lib/wire.js';

let scene;
let wire;

before(async () => {
  scene = await Scene.open();
  wire = scene.place(await Wire.open(scene.ws));
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** A page in a call with another, which agrees to video; `video`: there is some already. */
async function talk({ video = false, browser } = {}) {
  const a = await scene.page({ browser });
  await a.evaluate((account) => softphone.register(account), scene.account('1000'));
  const b = await scene.phone('1001');
  assert.equal((await a.evaluate((options) => softphone.call('1001', options), { video })).code, 200);
  await happened(b, 'incoming');
  assert.equal((await b.evaluate((options) => softphone.answer(options), { video })).code, 200);
  await happened(a, 'confirmed');
  await b.evaluate(() => (softphone.last.agreeChangeVideo = () => true));
  return a;
}

/** From now on a device comes when `give[n]()` is called, n in the order of the questions; `given` has what came. */
const delay = (page) => page.evaluate(() => {
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  Object.assign(window, { give: [], given: [] });
  mediaDevices.getUserMedia = async (constraints) => {
    const nth = give.length;
    await new Promise((resolve) => give.push(resolve));
    return (given[nth] = await open(constraints));
  };
});

/** Of each question, what is with the track that came. */
const states = (page) => page.evaluate(() => given.map((stream) => stream.getTracks()[0].readyState));

test('a camera that is chosen while the video ends is not switched on', async () => {
  const a = await talk({ video: true });
  await delay(a);
  await a.evaluate(() => {
    window.chosen = softphone.last.setInputDevice(undefined, 'video');
    softphone.last.videoToAudio();
  });
  await until(a, () => !softphone.last.status.isVideo && softphone.last.localStream === null);
  await a.evaluate(() => (give[0](), chosen));
  assert.deepEqual(await states(a), ['ended']);
  assert.equal(await a.evaluate(() => softphone.last.localStream), null);
});

test('of two cameras chosen at once the later is used, whichever comes first; and a screen is shared on beside them', async () => {
  const a = await talk({ video: true });
  await delay(a);
  const choose = async () => {
    await a.evaluate(async () => {
      const first = softphone.last.setInputDevice(undefined, 'video');
      const second = softphone.last.setInputDevice(undefined, 'video');
      give.at(-1)();
      await second;
      give.at(-2)();
      await first;
    });
    return a.evaluate(() => [softphone.last.localStream.getTracks()[0], softphone.screen?.stream.getTracks()[0]].map((track) => given.findIndex((stream) => stream.getTracks()[0] === track)));
  };
  assert.deepEqual(await choose(), [1, -1]);
  assert.deepEqual(await states(a), ['ended', 'live']);
  await a.evaluate(() => (softphone.showScreen('red'), softphone.last.shareScreen()));
  await choose();
  assert.equal(await a.evaluate(() => softphone.screen.stream.getTracks()[0].readyState), 'live');
  assert.deepEqual(await states(a), ['ended', 'ended', 'ended', 'live']);
  await a.evaluate(() => softphone.last.stopSharing());
  assert.equal(await a.evaluate(() => softphone.last.localStream.getTracks()[0] === given[3].getTracks()[0]), true);
});

test('the browser\'s question for a camera is open, and the far end holds all the same', async () => {
  const page = await scene.phone('1000', { server: wire.url });
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await delay(page);
  await page.evaluate(() => softphone.last.audioToVideo());
  await until(page, () => give.length === 1);
  const offer = (theirs) => `${theirs.replace(/^a=(sendrecv|sendonly|recvonly|inactive)\r\n/gm, '')}a=sendonly\r\n`;
  const answer = await wire.request('INVITE', { sdp: offer });
  assert.equal(status(answer), 200);
  assert.match(answer, /^a=recvonly\r$/m);
  await until(page, () => softphone.last.status.isRemoteHold);
  // What comes for the first question is not wanted any more; the next is asked for the same video.
  await until(page, () => give.length === 2);
  await page.evaluate(() => give[0]());
  await until(page, () => given[0]?.getTracks()[0].readyState === 'ended');
  await page.evaluate(() => softphone.last.hangup());
  await happened(page, 'deleteSession');
  await page.evaluate(() => give[1]());
  await until(page, () => given[1]?.getTracks()[0].readyState === 'ended');
});

test('video is added with the camera that is chosen by then, or with another if that is gone', async () => {
  const browser = await scene.browser(['--use-fake-device-for-media-stream=device-count=2']);
  try {
    const a = await talk({ browser });
    const cameras = await a.evaluate(async () => {
      const devices = await navigator.mediaDevices.enumerateDevices();
      return devices.filter(({ kind }) => kind === 'videoinput').map(({ deviceId }) => deviceId);
    });
    assert.equal(cameras.length, 2);
    for (const [cameraId, opened] of [[cameras[1], cameras[1]], [cameras[0], cameras[0]], ['gone', undefined]]) {
      await a.evaluate((cameraId) => {
        phone.deviceIds = { cameraId };
        softphone.last.audioToVideo();
      }, cameraId);
      await until(a, () => softphone.last.status.isVideo);
      const is = await a.evaluate(() => softphone.last.localStream.getTracks()[0].getSettings().deviceId);
      assert.ok(opened ? is === opened : cameras.includes(is), `${is} of ${cameras}`);
      await a.evaluate(() => softphone.last.videoToAudio());
      await until(a, () => !softphone.last.status.isVideo && softphone.last.localStream === null);
    }
  } finally {
    await browser.close();
  }
});

// The web phone: video from the start, added and taken away, the screen instead of the camera, and a camera that is pulled out.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { PhoneScene, dial, idle, look, state } from './lib/phone.js';

let scene;
before(async () => (scene = await PhoneScene.open()));
afterEach(() => scene.clear());
after(() => scene.close());

const control = (name) => `[data-control=${name}]`;

/** Before the page's scripts: a screen to share that is all red; `window.screenTrack` is what is shared of it, `cameraTracks` what cameras gave. */
function screen() {
  window.cameraTracks = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (wanted.video && window.noCamera) throw new DOMException('', 'NotFoundError');
    const stream = await open(wanted);
    window.cameraTracks.push(...stream.getVideoTracks());
    return stream;
  };
  navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 400 });
    const context = canvas.getContext('2d');
    const draw = () => {
      context.fillStyle = 'red';
      context.fillRect(0, 0, 640, 400);
    };
    draw();
    setInterval(draw, 100);
    const stream = canvas.captureStream(10);
    [window.screenTrack] = stream.getTracks();
    return stream;
  };
}

/** Two pages that talk, 1000 and 1001. */
async function talk({ video = false, before = screen } = {}) {
  const ann = await scene.phone('1000', { before });
  const bob = await scene.phone('1001', { before, size: 'phone' });
  await ann.waitForSelector('[aria-label="Call with video"]');
  if (video) {
    await ann.fill('#number', '1001');
    await ann.click('[aria-label="Call with video"]');
    await bob.waitForSelector('.ringing >> text=Incoming video call');
    await look(bob, 'incoming-video');
    await bob.click('.ringing >> text=Answer with video');
  } else {
    await dial(ann, '1001');
    await bob.click('.ringing button >> text="Answer"');
  }
  for (const page of [ann, bob]) await state(page, 'talking');
  return [ann, bob];
}

/** Waits until the far end's picture moves on the screen. */
const sees = (page) =>
  page.waitForFunction(() => {
    const far = document.querySelector('.far');
    return far.checkVisibility() && far.videoWidth > 0 && far.getVideoPlaybackQuality().totalVideoFrames > 5;
  });

const seesRed = (page) =>
  page.waitForFunction(() => {
    const far = document.querySelector('.far');
    if (!far.checkVisibility() || !far.videoWidth) return false;
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.drawImage(far, 0, 0, 1, 1);
    const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
    return red > 180 && green < 90 && blue < 90;
  });

/** Waits until the removal of the video is agreed: its picture is gone before, and what is clicked then comes in between. */
const videoIsOff = (page) => page.waitForFunction(() => document.querySelector('#spoken').textContent === 'Video is off');

const pressed = (page, name, is) => page.waitForSelector(`${control(name)}[aria-pressed=${is}]`);

test('a video call: asked for, answered with video, seen on both sides, and taken away', async () => {
  const [ann, bob] = await talk({ video: true });
  for (const page of [ann, bob]) {
    await sees(page);
    assert.ok(await page.isVisible('.own'));
    await pressed(page, 'video', true);
  }
  assert.equal(await ann.getAttribute('.far', 'aria-label'), `Picture of ${await ann.textContent('#far')}`);
  await look(ann, 'video');
  await ann.click(control('video'));
  await pressed(ann, 'video', false);
  for (const page of [ann, bob]) await page.waitForSelector('.pictures', { state: 'hidden' });
  await ann.click('[aria-label="Hang up"]');
  await idle(bob);
});

test('video is added only if the other side agrees, and whoever asked is told', async () => {
  const [ann, bob] = await talk();
  await ann.click(control('video'));
  await bob.waitForSelector('dialog[open]');
  assert.match(await bob.textContent('dialog'), /wants to add video.*camera is switched on/);
  await look(bob, 'video-asked');
  await bob.click('dialog >> text=Not now');
  await ann.waitForSelector('.notice[data-about=video]');
  assert.match(await ann.textContent('.notice'), /no video in this call.*goes on without/);
  await pressed(ann, 'video', false);
  await state(ann, 'talking');

  await ann.click(control('video'));
  await bob.click('dialog >> text=Turn video on');
  for (const page of [ann, bob]) await sees(page);
  assert.equal(await ann.locator('.notice').count(), 0);
  // The dialog goes with its call.
  await bob.click(control('video'));
  await ann.waitForSelector('.pictures', { state: 'hidden' });
  await videoIsOff(ann);
  await ann.click(control('video'));
  await bob.waitForSelector('dialog[open]');
  await ann.click('[aria-label="Hang up"]');
  await bob.waitForSelector('dialog', { state: 'detached' });
  await idle(bob);
});

/** Before the page's scripts: `window.session`, the last that there is. */
function lastSession() {
  const { defineProperty } = Object;
  Object.defineProperty = (object, name, ...more) => {
    if (name === 'phone') window.session = object;
    return defineProperty(object, name, ...more);
  };
}

test('video for which there is no camera: that is said, and nothing else at the next hold', async () => {
  const before = `(${screen})(); (${lastSession})()`;
  const [ann] = await talk({ before });
  for (const [kind, told] of [
    ['noDevice', /No camera was found.*Plug one in. The call goes on without video/],
    ['busy', /camera could not be opened.*Close the other program/],
  ]) {
    await ann.evaluate(() => (window.noCamera = true));
    await ann.click(control('video'));
    await ann.evaluate((message) => window.session.tell('warningMessage', { code: 'camera-failed', message }), kind);
    await ann.waitForSelector('.notice[data-about=video]');
    assert.match(await ann.textContent('.notice'), told);
    await state(ann, 'talking');
    await ann.click(control('hold'));
    await state(ann, 'held');
    await ann.click(control('hold'));
    await state(ann, 'talking');
    assert.match(await ann.textContent('.notice'), told);
    assert.equal(await ann.locator('.notice').count(), 1);
  }
});

test('the question for video is over when its time is, and whoever asked is told', async () => {
  const [ann, bob] = await talk();
  // Its time stands still from before the question, so that what passes is what is said here.
  await bob.clock.install();
  await bob.clock.pauseAt(await bob.evaluate(() => Date.now() + 1_000));
  await ann.click(control('video'));
  await bob.waitForSelector('dialog[open]');
  await bob.clock.fastForward(29_000);
  assert.ok(await bob.isVisible('dialog'));
  await bob.clock.fastForward(900);
  await bob.waitForSelector('dialog', { state: 'detached' });
  await ann.waitForSelector('.notice[data-about=video]');
  for (const page of [ann, bob]) await state(page, 'talking');
});

test('who watches without a camera ends the video, too', async () => {
  const [ann, bob] = await talk();
  await bob.evaluate(() => {
    const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(({ kind }) => kind !== 'videoinput');
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  });
  await bob.waitForSelector(control('video'), { state: 'hidden' });
  await ann.click(control('video'));
  await bob.waitForSelector('dialog >> text=You have no camera');
  await bob.click('dialog >> text=Turn video on');
  await sees(bob);
  await bob.click(control('video'));
  for (const page of [ann, bob]) await page.waitForSelector('.pictures', { state: 'hidden' });
  await pressed(ann, 'video', false);
  for (const page of [ann, bob]) await state(page, 'talking');
});

test('the screen instead of the camera, ended by the button here and by the browser', async () => {
  const [ann, bob] = await talk();
  await ann.click(control('screen'));
  await bob.click('dialog >> text=Turn video on');
  await seesRed(bob);
  await pressed(ann, 'screen', true);
  assert.match(await ann.textContent('.mark'), /screen is shared/);
  assert.equal(await ann.getAttribute('.own', 'aria-label'), 'Your screen');
  assert.equal(await ann.evaluate(() => getComputedStyle(document.querySelector('.own')).transform), 'none', 'a screen is no mirror');
  await look(ann, 'screen-shared');
  await ann.click(control('screen'));
  await pressed(ann, 'screen', false);
  assert.equal(await ann.evaluate(() => window.screenTrack.readyState), 'ended');
  await ann.waitForSelector('.own', { state: 'hidden' });
  await videoIsOff(ann);
  await bob.waitForSelector('.pictures', { state: 'hidden' });

  await ann.click(control('screen'));
  await bob.waitForSelector('dialog[open], .far:not([hidden])');
  if (await bob.isVisible('dialog')) await bob.click('dialog >> text=Turn video on');
  await seesRed(bob);
  await pressed(ann, 'screen', true);
  await ann.evaluate(() => {
    window.screenTrack.stop();
    window.screenTrack.dispatchEvent(new Event('ended'));
  });
  await pressed(ann, 'screen', false);

  await ann.evaluate(() => (navigator.mediaDevices.getDisplayMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'))));
  await ann.click(control('screen'));
  await ann.waitForSelector('.notice >> text=The screen is not shared');
  await state(ann, 'talking');
});

test('a screen that is shared until the far end takes the video away is shared no more', async () => {
  const [ann, bob] = await talk();
  await ann.click(control('screen'));
  await bob.click('dialog >> text=Turn video on');
  await seesRed(bob);
  await pressed(ann, 'screen', true);
  await bob.click(control('video'));
  await pressed(ann, 'screen', false);
  await ann.waitForSelector('.mark', { state: 'hidden' });
  assert.equal(await ann.evaluate(() => window.screenTrack.readyState), 'ended');
  await state(ann, 'talking');
});

test('a camera that is pulled out is said, and the call goes on with another, or without', async () => {
  const [ann, bob] = await talk({ video: true });
  await sees(bob);
  const pull = () =>
    ann.evaluate(() => {
      const camera = window.cameraTracks.at(-1);
      camera.stop();
      camera.dispatchEvent(new Event('ended'));
    });
  await pull();
  await ann.waitForSelector('.notice >> text=Another one is used');
  assert.match(await ann.textContent('.notice'), /camera was disconnected/);
  assert.deepEqual(await ann.evaluate(() => window.cameraTracks.map(({ readyState }) => readyState)), ['ended', 'live']);
  const frames = () => bob.evaluate(() => document.querySelector('.far').getVideoPlaybackQuality().totalVideoFrames);
  const before = await frames();
  await bob.waitForFunction((before) => document.querySelector('.far').getVideoPlaybackQuality().totalVideoFrames > before + 10, before);

  await ann.evaluate(() => (window.noCamera = true));
  await pull();
  await ann.waitForSelector('.notice >> text=Nobody sees you');
  assert.equal(await ann.locator('.notice').count(), 1);
  await look(ann, 'camera-lost');
  for (const page of [ann, bob]) await state(page, 'talking');
});

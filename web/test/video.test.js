// Video between two pages, through the embedded PBX: what is decoded, and what is seen.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { Scene, happened, journal, until } from './lib/scene.js';
import { Wire, answer, header, status, withBody } from './lib/wire.js';

let scene;
let wire;

before(async () => {
  scene = await Scene.open();
  wire = scene.place(await Wire.open(scene.ws));
});
afterEach(() => scene.clear());
after(() => scene?.close());

/** Two pages that talk: the caller's and the other's. */
async function talk(calls, answers, config) {
  const [a, b] = [await scene.phone('1000', config), await scene.phone('1001')];
  assert.equal((await a.evaluate((options) => softphone.call('1001', options), calls)).code, 200);
  await happened(b, 'incoming');
  assert.equal(await b.evaluate(() => softphone.last.status.isVideo), !!calls.video, 'the call says whether it is with video');
  assert.equal((await b.evaluate((options) => softphone.answer(options), answers)).code, 200);
  await happened(a, 'confirmed');
  return [a, b];
}

/** Waits until the far end's camera is seen: Chromium's own, which draws something that moves. */
async function sees(page) {
  await until(page, async () => (await softphone.videoStats()).decoded > 5);
  // A busy browser may show nothing new for a second.
  const picture = async () => {
    const { width, moved } = await softphone.picture();
    return width >= 320 && moved > 0.001;
  };
  await until(page, picture, undefined, 20_000);
  const stats = await page.evaluate(() => softphone.videoStats());
  assert.equal(stats.codec, 'video/VP8', JSON.stringify(stats));
}

/** In the page: nothing moves in what is seen, or nothing comes. That a busy browser shows nothing in time says neither. */
const stands = async () => {
  const { packets } = await softphone.videoStats();
  const { moved } = await softphone.picture();
  return moved === 0 || (moved === null && (await softphone.videoStats()).packets === packets);
};

/** Waits until it is this colour alone: red or blue. */
async function seesColour(page, wanted) {
  const shown = async (wanted) => {
    const { colour } = await softphone.picture();
    return colour?.every((value, n) => (n === { red: 0, blue: 2 }[wanted] ? value > 180 : value < 90));
  };
  await until(page, shown, wanted, 20_000);
}

/** Waits until the page is told that a camera could not be had; why. A busy machine may have brought other warnings before. */
const cameraFailed = (page) =>
  until(page, () => {
    const told = softphone.journal.entries().find(({ name, payload }) => name === 'warningMessage' && payload[0].code === 'camera-failed');
    return told?.payload[0].message;
  });

const isVideo = (wanted) => `softphone.last.status.isVideo === ${wanted}`;

const streams = () => {
  const kinds = (stream) => stream && stream.getTracks().map(({ kind }) => kind).sort();
  const { localStream, remoteStream } = softphone.last;
  return { local: kinds(localStream), remote: kinds(remoteStream) };
};

test('a call with video: each sees the other, nobody sees who holds, and the camera is let go at the end', async () => {
  const [a, b] = await talk({ video: true }, { video: true });
  for (const page of [a, b]) {
    await hearTone(page, 440);
    await sees(page);
    assert.equal(await page.evaluate(() => softphone.last.status.isVideo), true);
    assert.deepEqual(await page.evaluate(streams), { local: ['video'], remote: ['audio', 'video'] });
  }
  const report = await a.evaluate(() => softphone.journal.waitFor('callReport', { after: softphone.journal.mark() }));
  assert.equal(report.payload[0].callReport.lksVideoCodec, 'VP8');

  await a.evaluate(() => softphone.last.hold());
  await until(a, () => softphone.last.status.isHold);
  assert.deepEqual(await a.evaluate(() => softphone.last.localStream.getTracks().map(({ enabled }) => enabled)), [false]);
  // What was sent before is seen first.
  await until(b, stands);
  assert.ok(await b.evaluate(stands));
  await a.evaluate(() => softphone.last.unhold());
  await until(a, () => !softphone.last.status.isHold);
  for (const page of [a, b]) await until(page, async () => (await softphone.picture()).moved > 0.001);

  const camera = await a.evaluateHandle(() => softphone.last.localStream.getTracks()[0]);
  await a.evaluate(() => softphone.last.hangup());
  await happened(b, 'deleteSession');
  assert.equal(await camera.evaluate(({ readyState }) => readyState), 'ended');
  const told = (await journal(a)).filter(({ name }) => ['updateLocalStream', 'updateRemoteStream', 'ended'].includes(name));
  assert.deepEqual(told.map(({ name, payload }) => [name, payload[0].localStream ?? payload[0].remoteStream ?? null]), [
    ['updateLocalStream', '[MediaStream]'],
    ['updateRemoteStream', '[MediaStream]'],
    ['updateLocalStream', null],
    ['updateRemoteStream', null],
    ['ended', null],
  ]);
});

test('a call with video that is answered without has none, and one may be answered by looking only', async () => {
  const [a] = await talk({ video: true }, {});
  await hearTone(a, 440);
  assert.equal(await a.evaluate(() => softphone.last.status.isVideo), false);
  await until(a, () => softphone.last.localStream === null);
  await scene.clear();

  const [caller, looks] = await talk({ video: true }, { offerToReceiveVideo: true });
  await sees(looks);
  assert.equal(await looks.evaluate(() => softphone.last.localStream), null);
  assert.equal(await caller.evaluate(() => softphone.last.status.isVideo), true);
});

for (const [title, answered] of [['repeats it', (text) => text], ['has none', (text) => withBody(text, '')]]) {
  test(`the camera is let go if video is refused before the answer already, which ${title}`, async () => {
    const page = await scene.phone('1000', { server: wire.url });
    const ok = new Promise((resolve) => {
      wire.down = (text) => (status(text) === 200 && /INVITE/.test(header(text, 'CSeq')) ? resolve(text) : text);
    });
    // The echo has no video.
    await page.evaluate(() => softphone.call('600', { video: true }));
    wire.say((await ok).replace('SIP/2.0 200 OK', 'SIP/2.0 183 Session Progress'));
    await happened(page, 'progress');
    const camera = await page.evaluateHandle(() => softphone.last.localStream.getTracks()[0]);
    wire.say(answered(await ok));
    await happened(page, 'confirmed');
    await until(page, () => softphone.last.localStream === null);
    assert.equal(await camera.evaluate(({ readyState }) => readyState), 'ended');
    assert.equal(await page.evaluate(() => softphone.last.status.isVideo), false);
    await hearTone(page, 440);
  });
}

test('video is added when the far end agrees, refused when it does not, and taken away by either', async () => {
  const [a, b] = await talk({}, {});
  // Nobody says whether it may be: it may not.
  assert.equal(await a.evaluate(() => softphone.last.audioToVideo()), true);
  const { payload } = await happened(b, 'reinvite');
  assert.equal(payload[0].isInviteVideo, true);
  await until(a, () => softphone.last.localStream === null && softphone.connections.at(-1).signalingState === 'stable');
  assert.deepEqual(await Promise.all([a, b].map((page) => page.evaluate(() => softphone.last.status.isVideo))), [false, false]);
  await hearTone(b, 440);

  await b.evaluate(() => {
    softphone.last.agreeChangeVideo = async (request) => {
      softphone.asked = request;
      return true;
    };
  });
  await a.evaluate(() => softphone.last.audioToVideo());
  for (const page of [a, b]) await page.waitForFunction(isVideo(true));
  const callId = await b.evaluate(() => softphone.last.callId);
  assert.deepEqual(await b.evaluate(() => softphone.asked), { callId, name: await b.evaluate(() => softphone.last.status.name) });
  for (const page of [a, b]) await sees(page);
  assert.deepEqual(await a.evaluate(streams), { local: ['video'], remote: ['audio', 'video'] });

  const camera = await b.evaluateHandle(() => softphone.last.localStream.getTracks()[0]);
  await b.evaluate(() => softphone.last.videoToAudio());
  for (const page of [a, b]) {
    await page.waitForFunction(isVideo(false));
    await until(page, () => softphone.last.localStream === null && softphone.last.remoteStream.getVideoTracks().length === 0);
  }
  assert.equal(await camera.evaluate(({ readyState }) => readyState), 'ended');
  await hearTone(a, 440);

  // And once more, the other way round.
  await a.evaluate(() => (softphone.last.agreeChangeVideo = () => true));
  await b.evaluate(() => softphone.last.audioToVideo());
  for (const page of [a, b]) await page.waitForFunction(isVideo(true));
  for (const page of [a, b]) await sees(page);
});

test('the screen is shared instead of the camera, also in a call without video', async () => {
  const [a, b] = await talk({ video: true }, { video: true });
  await sees(b);
  await a.evaluate(() => softphone.showScreen('red'));
  assert.equal((await a.evaluate(() => softphone.last.shareScreen())).code, 200);
  await seesColour(b, 'red');
  assert.equal((await a.evaluate(() => softphone.last.stopSharing())).code, 200);
  await until(b, async () => (await softphone.picture()).colour?.[1] > 90);
  assert.equal(await a.evaluate(() => softphone.screen.stream.getTracks()[0].readyState), 'ended');
  assert.equal(await b.evaluate(() => softphone.last.status.isVideo), true);

  await a.evaluate(() => softphone.last.videoToAudio());
  for (const page of [a, b]) await page.waitForFunction(isVideo(false));
  await b.evaluate(() => (softphone.last.agreeChangeVideo = () => true));
  await a.evaluate(() => softphone.showScreen('red'));
  assert.equal((await a.evaluate(() => softphone.last.shareScreen())).code, 200);
  await seesColour(b, 'red');

  // Taken away and shared anew at once: what is shared last is seen.
  const shared = await a.evaluate(async () => {
    const offered = new Promise((resolve) => softphone.last.RTCSession.connection.addEventListener('signalingstatechange', resolve, { once: true }));
    softphone.last.videoToAudio();
    await offered;
    softphone.showScreen('blue');
    return softphone.last.shareScreen();
  });
  assert.equal(shared.code, 200);
  await seesColour(b, 'blue');
  // The browser's own button: there is no camera to go back to.
  await a.evaluate(() => softphone.screen.end());
  for (const page of [a, b]) await page.waitForFunction(isVideo(false));
  await hearTone(b, 440);

  await a.evaluate(() => (navigator.mediaDevices.getDisplayMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'))));
  const refused = await a.evaluate(() => softphone.last.shareScreen());
  assert.deepEqual([refused.code, refused.media], [-202, 'denied']);
});

test('who is held sees nothing, whatever is plugged in or shared meanwhile, and all of it afterwards', async () => {
  const [a, b] = await talk({ video: true }, { video: true });
  await sees(b);
  const hold = (wanted) => a.evaluate((wanted) => (wanted ? softphone.last.hold() : softphone.last.unhold()), wanted);
  const held = (wanted) => until(a, (wanted) => softphone.last.status.isHold === wanted, wanted);
  /** Does it, and looks at what is sent: that it is what is shown here, and whether it is black. */
  const sends = async (act, enabled) => {
    assert.equal((await a.evaluate(act)).code, 200, String(act));
    const sent = await a.evaluate(() => {
      const { track } = softphone.last.RTCSession.connection.getSenders().find(({ track }) => track?.kind === 'video');
      return { shown: track === softphone.last.localStream.getTracks()[0], enabled: track.enabled };
    });
    assert.deepEqual(sent, { shown: true, enabled }, String(act));
  };
  const share = () => (softphone.showScreen('red'), softphone.last.shareScreen());
  const unshare = () => softphone.last.stopSharing();
  const replace = () => softphone.last.setInputDevice(undefined, 'video');
  await hold(true);
  await held(true);
  for (const act of [replace, share, replace, unshare]) await sends(act, false);
  // What was sent before is seen first.
  await until(b, stands);
  await sends(share, false);
  await until(b, stands);
  await hold(false);
  await held(false);
  await seesColour(b, 'red');
  await sends(unshare, true);
  await until(b, async () => (await softphone.picture()).colour?.[1] > 90);
});

test('a hold that is refused hides nothing, and who is held sees nothing when its end is refused', async () => {
  const [a] = await talk({ video: true }, { video: true }, { server: wire.url });
  const change = async (verb) => {
    const after = wire.mark();
    await a.evaluate((verb) => softphone.last[verb](), verb);
    await wire.seen('ACK', { after });
  };
  const is = (held) => until(a, (held) => {
    const { status, localStream, RTCSession } = softphone.last;
    return RTCSession.connection.signalingState === 'stable' && status.isHold === held && localStream.getTracks()[0].enabled === !held;
  }, held);
  const refuses = (text) => {
    if (text.startsWith('INVITE ')) wire.say(answer(text, 488));
    // The ACK of an answer that the PBX does not know.
    else if (!text.startsWith('ACK ')) return text;
  };
  wire.up = refuses;
  await change('hold');
  await is(false);
  wire.up = (text) => text;
  await change('hold');
  await is(true);
  wire.up = refuses;
  await change('unhold');
  await is(true);
});

test('after video was refused no camera stays on, and a screen that was refused is nothing to go on with', async () => {
  const [a, b] = await talk({}, {}, { server: wire.url });
  await a.evaluate(() => {
    window.seen = [];
    softphone.last.on('updateLocalStream', ({ localStream }) => localStream && seen.push(...localStream.getTracks()));
  });
  wire.up = (text) => {
    if (text.startsWith('INVITE ')) wire.say(answer(text, 488));
    else if (!text.startsWith('ACK ')) return text;
  };
  await a.evaluate(() => softphone.last.audioToVideo());
  await until(a, () => seen.length === 1 && seen[0].readyState === 'ended' && softphone.last.localStream === null);
  await a.evaluate(() => softphone.showScreen('red'));
  assert.notEqual((await a.evaluate(() => softphone.last.shareScreen())).code, 200);
  assert.equal(await a.evaluate(() => softphone.last.localStream), null);
  wire.up = (text) => text;
  await b.evaluate(() => (softphone.last.agreeChangeVideo = () => true));
  await a.evaluate(() => softphone.last.audioToVideo());
  await sees(b);
});

test('a camera that is allowed too late is let go, one that does not open is told, and who agrees without one sees', async () => {
  const [a, b] = [await scene.page(), await scene.phone('1001')];
  await a.evaluate((config) => (softphone.hurry(10), softphone.register(config)), scene.account('1000'));
  await a.evaluate(() => softphone.call('1001'));
  await happened(b, 'incoming');
  await b.evaluate(() => softphone.answer());
  await happened(a, 'confirmed');
  await b.evaluate(() => (softphone.last.agreeChangeVideo = () => true));
  await a.evaluate(() => {
    const { mediaDevices } = navigator;
    const open = mediaDevices.getUserMedia;
    window.asked = new Promise((resolve) => {
      mediaDevices.getUserMedia = async (constraints) => {
        await new Promise((give) => resolve((window.give = give)));
        mediaDevices.getUserMedia = open;
        return (window.given = await open.call(mediaDevices, constraints));
      };
    });
    softphone.last.audioToVideo();
  });
  await a.evaluate(() => asked);
  // It waits for half a minute.
  await a.evaluate(() => new Promise((resolve) => setTimeout(resolve, 33_000)));
  assert.equal(await cameraFailed(a), 'dismissed');
  await a.evaluate(() => give());
  await until(a, () => window.given?.getTracks()[0].readyState === 'ended');
  assert.deepEqual(await a.evaluate(() => [softphone.last.localStream, softphone.last.status.isVideo]), [null, false]);

  const refuse = (page) => page.evaluate(() => {
    const { mediaDevices } = navigator;
    const open = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = (constraints) => (constraints.video ? Promise.reject(new DOMException('in use', 'NotReadableError')) : open(constraints));
  });
  await refuse(b);
  await a.evaluate(() => softphone.last.audioToVideo());
  assert.equal(await cameraFailed(b), 'busy');
  await until(a, () => softphone.last.localStream === null);
  await hearTone(b, 440);

  await b.evaluate(() => {
    const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(({ kind }) => kind !== 'videoinput');
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  });
  await until(b, () => phone.isNoneCamera);
  await a.evaluate(() => softphone.last.audioToVideo());
  await sees(b);
  assert.equal(await b.evaluate(() => softphone.last.localStream), null);
});

test('a call with video that does not come about leaves no picture of oneself', async () => {
  const page = await scene.phone('1000');
  await page.evaluate(() => softphone.call('604', { video: true }));
  await happened(page, 'failed');
  const told = (await journal(page)).filter(({ name }) => ['updateLocalStream', 'failed'].includes(name));
  assert.deepEqual(told.map(({ name }) => name), ['updateLocalStream', 'updateLocalStream', 'failed']);
  assert.equal(told[1].payload[0].localStream, null);
});

test('who has no camera shares the screen all the same', async () => {
  const [a, b] = await talk({}, {});
  await b.evaluate(() => (softphone.last.agreeChangeVideo = () => true));
  await a.evaluate(() => {
    const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(({ kind }) => kind !== 'videoinput');
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  });
  await until(a, () => phone.isNoneCamera);
  await a.evaluate(() => softphone.showScreen('red'));
  assert.equal((await a.evaluate(() => softphone.last.shareScreen())).code, 200);
  await seesColour(b, 'red');
});

// What a page makes of sound: recordings, conferences, tones, and what the browser wants before it plays any.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { hearTone } from '../../interop/jssip/lib/scene.js';
import { writeTone } from '../../interop/jssip/lib/wav.js';
import { Scene, happened, journal, until } from './lib/scene.js';

const NATIVE_SAYS = 1000;

let scene;

before(async () => {
  scene = await Scene.open();
  await writeTone(scene.others.path('says.wav'), NATIVE_SAYS, 60);
});
afterEach(() => scene.clear());
after(() => scene?.close());

test('a recording has both sides, leaves the pauses out, and is delivered after the end', async () => {
  await scene.native('1001', ['answer', '--once', '--play', scene.others.path('says.wav')]);
  const page = await scene.phone('1000', { engine: true });
  await page.evaluate(() => softphone.call('1001'));
  await happened(page, 'confirmed');
  await hearTone(page, NATIVE_SAYS);
  /** In the page: each way there and back is recorded, too, and takes long on a busy machine. When it was commanded, and was so. */
  const record = async (act, wanted) => {
    const { stamps, did } = await page.evaluate(async ([act, wanted]) => {
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      const stamps = [performance.now()];
      const accepted = softphone.last[act]();
      for (let n = 0; n < 500 && softphone.last.status.recordStatus !== wanted; n += 1) await sleep(20);
      stamps.push(performance.now());
      const { recordStatus } = softphone.last.status;
      await sleep(1_500);
      return { stamps, did: [accepted, recordStatus] };
    }, [act, wanted]);
    assert.deepEqual(did, [true, wanted]);
    return stamps;
  };
  const begun = await record('startRecord', 'recording');
  const paused = await record('pauseRecord', 'pause');
  const again = await record('startRecord', 'recording');
  // Another microphone is recorded as well.
  await page.evaluate(async () => {
    softphone.say(660);
    await softphone.last.setInputDevice('another');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  });

  const recorded = await page.evaluate(async () => {
    const told = new Promise((resolve) => phone.once('recorded', resolve));
    const stamps = [performance.now()];
    softphone.last.on('ended', () => stamps.push(performance.now()));
    softphone.last.hangup();
    const { blob, mimeType, durationMs, callId } = await told;
    const audio = await new OfflineAudioContext(2, 48_000, 48_000).decodeAudioData(await blob.arrayBuffer());
    /** How much of this side's energy is this sine's. In pieces of 20 ms: a busy browser leaves gaps in a microphone's sound. */
    const share = (side, frequency, from, to) => {
      const samples = audio.getChannelData(side).subarray(from * 48_000, to * 48_000);
      let [of, all] = [0, 0];
      for (let at = 0; at + 960 <= samples.length; at += 960) {
        let [cosine, sine] = [0, 0];
        samples.subarray(at, at + 960).forEach((sample, n) => {
          const phase = (2 * Math.PI * frequency * n) / 48_000;
          cosine += sample * Math.cos(phase);
          sine += sample * Math.sin(phase);
          all += sample * sample;
        });
        of += (2 * (cosine ** 2 + sine ** 2)) / 960;
      }
      return of / all;
    };
    const end = audio.duration - 0.3;
    return {
      mimeType, durationMs, stamps, own: callId === softphone.last.callId, seconds: audio.duration,
      said: share(0, 440, 0.3, 1.2), heard: share(1, 1000, 0.3, 1.2), then: share(0, 660, end - 0.4, end),
    };
  });
  assert.match(recorded.mimeType, /^audio\/webm/);
  assert.ok(recorded.own);
  for (const share of ['said', 'heard', 'then']) assert.ok(recorded[share] > 0.8, JSON.stringify(recorded));
  // 1.5 s, a pause of as much, and 2.5 s, or what this machine has made of them.
  const { durationMs, stamps: ended } = recorded;
  const least = paused[0] - begun[1] + ended[0] - again[1];
  const most = paused[1] - begun[0] + ended[1] - again[0];
  assert.ok(durationMs > least - 500 && durationMs < most + 500, JSON.stringify([recorded, least, most]));
  assert.ok(Math.abs(recorded.seconds * 1_000 - recorded.durationMs) < 700, JSON.stringify(recorded));
  const names = (await journal(page)).map(({ name }) => name);
  assert.ok(names.indexOf('recorded') > names.indexOf('ended'), names.join(' '));
});

test('without an engine a page cannot record, and says why', async () => {
  const page = await scene.phone('1000');
  await page.evaluate(() => softphone.call('600'));
  await happened(page, 'confirmed');
  await page.evaluate(() => softphone.last.startRecord());
  const { payload } = await happened(page, 'warningMessage');
  assert.equal(payload[0].code, 'recording-failed');
  assert.match(payload[0].message, /offhook\/audio/);
  assert.equal(await page.evaluate(() => softphone.last.status.recordStatus), 'stop');
});

test('a conference of three calls: each hears all others, and who leaves is heard no more', async () => {
  const says = { 1001: 520, 1002: 700, 1003: 900 };
  const page = await scene.phone('1000', { engine: true });
  const others = {};
  for (const [number, frequency] of Object.entries(says)) {
    others[number] = await scene.phone(number);
    await others[number].evaluate((frequency) => softphone.say(frequency), frequency);
  }
  const calls = [];
  for (const number of Object.keys(says)) {
    // The third is one for a consultation: there may be no more than two others.
    const result = await page.evaluate(([number, parent]) => softphone.call(number, {}, parent), [number, calls[1]]);
    assert.equal(result.code, 200, JSON.stringify(result));
    calls.push(result.callId);
    await happened(others[number], 'incoming');
    await others[number].evaluate(() => softphone.answer());
    await until(page, (callId) => phone.getSession(callId)?.status.callStatus === 'talking', result.callId);
  }
  assert.equal(await page.evaluate((calls) => phone.conference(calls), calls), true);
  await until(page, () => phone.getSessions().length === 3 && phone.getSessions().every(({ status }) => status.isConference && !status.isHold));
  assert.equal(await page.evaluate(() => phone.getSessions().some(({ status }) => status.isTransfer)), false);

  /** Those of the frequencies that are clearly there. */
  const heard = (of, wanted, absent) => {
    const test = ([wanted, absent]) => {
      const levels = softphone.levels([...wanted, ...absent]);
      const [loud, quiet] = [levels.slice(0, wanted.length), levels.slice(wanted.length)];
      return Math.min(...loud) > -65 && Math.min(...loud) > Math.max(-150, ...quiet) + 15;
    };
    return until(of, test, [wanted, absent], 20_000);
  };
  await heard(others[1001], [440, 700, 900], [520]);
  await heard(others[1002], [440, 520, 900], [700]);
  await heard(others[1003], [440, 520, 700], [900]);

  await others[1003].evaluate(() => softphone.last.hangup());
  await until(page, () => phone.getSessions().length === 2);
  await heard(others[1001], [440, 700], [520, 900]);
  await heard(others[1002], [440, 520], [700, 900]);
  // Held, somebody is out of the mix; and one alone is a call as any other.
  await others[1002].evaluate(() => softphone.last.hangup());
  await until(page, () => phone.getSessions().length === 1 && !phone.getSessions()[0].status.isConference);
  await hearTone(others[1001], 440);
});

test('sound that the browser blocks is told, and plays after a click', async () => {
  const browser = await scene.browser(['--autoplay-policy=user-gesture-required']);
  try {
    await scene.native('1001', ['answer', '--once', '--play', scene.others.path('says.wav')]);
    // What a test evaluates in a page counts as a gesture of the user's: this page acts by itself, and says what it sees.
    const context = await browser.newContext();
    const page = await context.newPage();
    const said = [];
    page.on('console', (message) => said.push(message.text()));
    const says = async (text) => {
      const deadline = performance.now() + 15_000;
      while (!said.includes(text)) {
        if (performance.now() > deadline) throw new Error(`it did not say "${text}", but ${JSON.stringify(said)}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await page.addInitScript((account) => {
      addEventListener('load', async () => {
        await softphone.register(account);
        const element = new Audio();
        phone.on('newRTCSession', ({ session }) => {
          session.on('audioBlocked', () => console.log(`blocked ${element.paused}`));
          session.play(element);
        });
        addEventListener('keydown', async () => console.log(`still blocked ${await phone.unlockAudio()}`));
        addEventListener('click', async () => console.log(`unlocked ${await phone.unlockAudio()} ${element.paused}`));
        await softphone.call('1001');
        await softphone.journal.waitFor('audioBlocked');
        dispatchEvent(new KeyboardEvent('keydown'));
      });
    }, scene.account('1000'));
    await page.goto(scene.url);
    await says('blocked true');
    await says('still blocked false');
    await page.mouse.click(10, 10);
    await says('unlocked true false');
  } finally {
    await browser.close();
  }
});

test('tones are synthesised: what they sound like, and when they are heard', async () => {
  const page = await scene.phone('1000');
  const sound = await page.evaluate(async () => {
    const render = async (play, frequencies) => {
      const context = new OfflineAudioContext(1, 48_000 * 3, 48_000);
      play(new softphone.Tones({ context }));
      const samples = (await context.startRendering()).getChannelData(0);
      const level = (frequency, from, to) => {
        const part = samples.subarray(from * 48_000, to * 48_000);
        let [cosine, sine] = [0, 0];
        part.forEach((sample, n) => {
          cosine += sample * Math.cos((2 * Math.PI * frequency * n) / 48_000);
          sine += sample * Math.sin((2 * Math.PI * frequency * n) / 48_000);
        });
        return (2 * Math.hypot(cosine, sine)) / part.length;
      };
      return frequencies.map(([frequency, from, to]) => Number(level(frequency, from, to).toFixed(2)));
    };
    return {
      ringback: await render((tones) => tones.play('ringback'), [[425, 0.1, 0.9], [425, 1.1, 2.9]]),
      ring: await render((tones) => tones.play('ring'), [[440, 0, 0.4], [480, 0, 0.4], [440, 0.45, 0.55]]),
      key: await render((tones) => tones.key('5', 200), [[770, 0.05, 0.15], [1336, 0.05, 0.15], [770, 0.3, 0.4]]),
      none: await render((tones) => tones.key('x'), [[770, 0, 0.1]]),
      stopped: await render((tones) => (tones.play('busy'), tones.stop()), [[425, 0, 0.4]]),
    };
  });
  assert.deepEqual(sound, { ringback: [0.2, 0], ring: [0.1, 0.1, 0], key: [0.1, 0.1, 0], none: [0], stopped: [0] });

  await page.evaluate(() => {
    softphone.played = [];
    softphone.tones = new softphone.Tones();
    const { play, stop } = softphone.Tones.prototype;
    // That one tone takes the place of another is no end of it: only stops from outside `play` are told.
    let changing = false;
    const tell = (name) => softphone.played.push({ name, at: performance.now() });
    softphone.tones.play = function (name) {
      changing = true;
      play.call(this, name);
      changing = false;
      tell(name);
    };
    softphone.tones.stop = function () {
      stop.call(this);
      if (!changing) tell('stop');
    };
    softphone.unfollow = softphone.tones.follow(phone);
  });
  const order = [];
  /** Waits for the next that is played, which is looked at in the end. */
  const plays = (name) => until(page, (count) => softphone.played.length >= count, order.push(name));
  await page.evaluate(() => softphone.call('606'));
  await plays('ringback');
  await page.evaluate(() => softphone.last.hangup());
  await plays('stop');
  await page.evaluate(() => softphone.call('604'));
  await plays('busy');
  await plays('stop');
  const native = await scene.native('1001', ['call', '1000']);
  await plays('ring');
  native.interrupt();
  await plays('stop');
  await page.evaluate(() => softphone.unfollow());
  await plays('stop');
  const played = await page.evaluate(() => softphone.played);
  assert.deepEqual(played.map(({ name }) => name), order);
  const [busy, over] = [played[2].at, played[3].at];
  assert.ok(over - busy > 2_900, `busy for ${over - busy} ms`);
});

// The web phone: devices changed and lost in a call, recording, and a conference.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { PhoneScene, dial, focused, heard, idle, look, mayCall, state } from './lib/phone.js';
import { admin } from './lib/pseries.js';

let folder;
let scene;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'offhook-phone-'));
  const extensions = ['1000', '1001', '1002'].map((number) => `[[extension]]\nnumber = "${number}"\npassword = "secret-${number}"\nname = "${number}"\n`);
  await writeFile(join(folder, 'pbx.toml'), `recordings = ${JSON.stringify(join(folder, 'calls'))}\n${extensions.join('')}`);
  scene = await PhoneScene.open({ pbx: ['--config', join(folder, 'pbx.toml')] });
});
afterEach(() => scene.clear());
after(async () => {
  await scene?.close();
  await rm(folder, { recursive: true });
});

const control = (name) => `[data-control=${name}]`;

/** Before the page's scripts: what is asked of the microphone and what it gave. */
function microphones() {
  window.asked = [];
  window.tracks = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    window.asked.push(wanted);
    if (window.refusal) throw new DOMException('', window.refusal);
    const stream = await open(wanted);
    window.tracks.push(...stream.getAudioTracks());
    return stream;
  };
}

async function talking(options) {
  const page = await scene.phone('1000', { before: microphones, ...options });
  const far = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await heard(page, ({ received }) => received > 10);
  return { page, far };
}

test('another microphone and speaker in a call, at once; what cannot be had changes nothing', async () => {
  const { page } = await talking({ size: 'phone' });
  await page.focus(control('devices'));
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#call-microphone')?.options.length > 2);
  await look(page, 'devices');
  const second = (id) => page.locator(`${id} option`).nth(2).getAttribute('value');
  const microphone = await second('#call-microphone');
  await page.selectOption('#call-microphone', microphone);
  await page.waitForFunction((id) => window.asked.at(-1).audio.deviceId?.exact === id && window.tracks[0].readyState === 'ended', microphone);
  const speaker = await second('#call-speaker');
  await page.selectOption('#call-speaker', speaker);
  await page.waitForFunction((id) => window.players.some(({ sinkId, paused }) => sinkId === id && !paused), speaker);

  await page.evaluate(() => (window.refusal = 'NotReadableError'));
  await page.selectOption('#call-microphone', '');
  await page.click('dialog >> text=Done');
  assert.match(await focused(page), /Devices$/);
  await page.waitForSelector('.notice[data-about=device]');
  assert.match(await page.textContent('.notice'), /in use.*goes on with the one before/);
  // Nor does it stop the next call.
  assert.equal(await page.evaluate(() => JSON.parse(localStorage.getItem('offhook.settings')).microphone), microphone);
  assert.equal(await page.evaluate(() => window.tracks.at(-1).readyState), 'live');
});

test('a microphone that is pulled out is said in a sentence, and the call goes on', async () => {
  const { page } = await talking();
  const pull = () => page.evaluate(() => window.tracks.at(-1).dispatchEvent(new Event('ended')));
  await pull();
  await page.waitForSelector('.notice[data-about=device]');
  assert.match(await page.textContent('.notice'), /microphone was disconnected.*Another one is used/);
  await page.evaluate(() => (window.refusal = 'NotFoundError'));
  await pull();
  await page.waitForSelector('.notice >> text=Nobody hears you');
  assert.equal(await page.locator('.notice').count(), 1);
  await look(page, 'microphone-lost');
  await page.click('.notice >> text=Open settings');
  assert.ok(await page.isVisible('#microphone'));
  await state(page, 'talking');
});

test('a speaker that is pulled out in a call is said, and the call is heard elsewhere', async () => {
  const { page } = await talking();
  await page.click('#tab-settings');
  await page.waitForFunction(() => document.querySelector('#speaker').options.length > 2);
  const speaker = await page.locator('#speaker option').nth(1).getAttribute('value');
  await page.selectOption('#speaker', speaker);
  await page.waitForFunction((id) => window.players.some(({ sinkId }) => sinkId === id), speaker);
  await page.evaluate((speaker) => {
    const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(({ deviceId }) => deviceId !== speaker);
    const { setSinkId } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.setSinkId = function (id) {
      // As Chromium does: what it has is not looked for again.
      if (id === this.sinkId) return Promise.resolve();
      return id === speaker ? Promise.reject(new DOMException('', 'NotFoundError')) : setSinkId.call(this, id);
    };
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  }, speaker);
  await page.waitForSelector('.notice >> text=Your speaker was disconnected');
  await page.waitForFunction(() => window.players.every(({ sinkId, srcObject }) => !srcObject || sinkId === ''));
});

test('recording at the PBX: begun, paused, and only where it is permitted', async () => {
  const { page } = await talking();
  await page.click(control('record'));
  await page.waitForSelector('.recording >> text=Recording');
  assert.equal(await page.getAttribute(control('record'), 'aria-pressed'), 'true');
  await look(page, 'recording');
  await page.click(control('record'));
  await page.waitForSelector('.recording >> text=Recording paused');
  const pbx = new URL(scene.url).origin;
  await admin(pbx, 'PATCH', 'extensions/1000', { record: 0 });
  await page.waitForSelector(control('record'), { state: 'hidden' });
  await admin(pbx, 'PATCH', 'extensions/1000', { record: 2 });
  await page.waitForSelector(control('record'));
});

test('a PBX that cannot record: that is said, and the call goes on', async () => {
  const calls = join(folder, 'calls');
  await rm(calls, { recursive: true, force: true });
  await writeFile(calls, 'a file where the directory would be');
  const { page } = await talking();
  await page.click(control('record'));
  await page.waitForSelector('.notice >> text=The call is not recorded');
  assert.ok(await page.isHidden('.recording'));
  assert.equal(await page.getAttribute(control('record'), 'aria-pressed'), 'false');
  await state(page, 'talking');
  await rm(calls);
});

test('two calls are made one: both hear, nobody waits, and who leaves leaves the other', async () => {
  const { page, far } = await talking();
  const second = await scene.native('1002', ['answer', '--echo']);
  assert.ok(await page.isHidden(control('merge')));
  await mayCall(page);
  await page.click(control('add'));
  await dial(page, '1002');
  await page.waitForFunction(() => /On hold/.test(document.querySelector('.others').textContent));
  await second.event('confirmed');
  await page.click(control('merge'));
  await page.waitForSelector('#far >> text=Conference of 3');
  await page.waitForFunction(() => !/On hold/.test(document.querySelector('.others').textContent));
  await heard(page, ({ received, direction }) => received > 10 && direction === 'sendrecv');
  assert.ok(await page.isHidden(control('merge')));
  await look(page, 'conference');

  // Muted is muted for all.
  await page.click(control('mute'));
  await page.waitForSelector(`${control('mute')}[aria-pressed=true]`);
  await page.waitForFunction(() => window.tracks.filter(({ readyState }) => readyState === 'live').every(({ enabled }) => !enabled));
  await page.click(control('mute'));

  await page.click('.others [aria-label^="Hang up"]');
  await page.waitForSelector('.phone[data-calls="1"]');
  await page.waitForFunction(() => !/Conference/.test(document.querySelector('#far').textContent));
  await far.event('ended');
  assert.equal(far.events('ended').length + second.events('ended').length, 1);
  await page.click('[aria-label="Hang up"]');
  await idle(page);
});

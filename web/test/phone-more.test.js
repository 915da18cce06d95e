// The web phone: transfers, recording, the list of calls, devices, appearance.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { PhoneScene, dial, focused, heard, idle, look, mayCall, state, subscribed } from './lib/phone.js';

let scene;
before(async () => (scene = await PhoneScene.open()));
afterEach(() => scene.clear());
after(() => scene.close());

const control = (name) => `[data-control=${name}]`;

/** 1000 in the page talks with 1001. */
async function talking(size) {
  const page = await scene.phone('1000', { size });
  const ben = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await heard(page, ({ received }) => received > 10);
  return { page, ben };
}

test('a blind transfer by the keyboard connects the two and ends the call here', async () => {
  const { page, ben } = await talking();
  const cleo = await scene.native('1002', ['answer', '--echo']);
  await page.focus(control('transfer'));
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  assert.equal(await focused(page), 'INPUT#transfer-number');
  // Nothing entered: said, and nothing done.
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog .wrong:not(:empty)');
  await look(page, 'transfer');
  await page.keyboard.type('1002');
  await page.keyboard.press('Enter');
  await cleo.event('confirmed');
  await idle(page);
  await page.waitForSelector('.notice.good');
  assert.match(await page.textContent('.notice.good'), /Transferred to 1002/);
  assert.equal(ben.events('ended').length, 0);
});

test('a transfer that fails gives the call back', async () => {
  const { page } = await talking();
  await page.click(control('transfer'));
  await page.fill('#transfer-number', '604');
  await page.click('dialog button >> text=Transfer now');
  await page.waitForSelector('.notice');
  assert.match(await page.textContent('.notice'), /did not work.*busy.*connected again/i);
  await state(page, 'talking');
  await look(page, 'transfer-failed');
});

test('an attended transfer: ask first, then connect the two', async () => {
  const { page, ben } = await talking('phone');
  const cleo = await scene.native('1002', ['answer', '--echo']);
  await mayCall(page);
  await page.click(control('transfer'));
  await page.fill('#transfer-number', '1002');
  await page.click('dialog button >> text=Ask first');
  await page.waitForSelector('.consult:not([hidden])');
  await state(page, 'talking');
  await cleo.event('confirmed');
  assert.match(await page.textContent('.mark'), /Asking before/);
  await page.waitForFunction(() => /On hold/.test(document.querySelector('.others').textContent));
  await look(page, 'consulting');
  await page.click('text=Connect the two');
  await idle(page);
  await page.waitForSelector('.notice.good');
  await look(page, 'transferred');
  // The two talk on without us.
  assert.equal(ben.events('ended').length + cleo.events('ended').length, 0);
});

test('asked first and left at that: back to the one who waits', async () => {
  const { page } = await talking();
  const cleo = await scene.native('1002', ['answer', '--echo']);
  await mayCall(page);
  await page.click(control('transfer'));
  await page.fill('#transfer-number', '1002');
  await page.keyboard.press('Tab');
  for (let stop = 0; !/Ask first/.test(await focused(page)); stop++) {
    assert.ok(stop < 4, await focused(page));
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Enter');
  await cleo.event('confirmed');
  await page.click('.consult >> text=Cancel');
  await cleo.event('ended');
  await state(page, 'talking');
  assert.equal(await page.getAttribute('.phone', 'data-calls'), '1');
});

test('asked first and given up before the one who waits is on hold: back to them all the same', async () => {
  // What puts somebody on hold waits for the test.
  const before = () => {
    window.sent = [];
    window.WebSocket = class extends WebSocket {
      send(text) {
        window.sent.push(text);
        if (!/^INVITE [^]*a=sendonly/.test(text)) return super.send(text);
        window.holds = () => super.send(text);
      }
    };
  };
  const page = await scene.phone('1000', { before });
  await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await mayCall(page);
  await page.click(control('transfer'));
  await page.fill('#transfer-number', '606');
  await page.click('dialog button >> text=Ask first');
  await page.waitForFunction(() => window.holds);
  await page.click('.consult >> text=Cancel');
  await page.waitForSelector('.phone[data-calls="1"]');
  const marked = await page.evaluate(() => (window.holds(), window.sent.length));
  await page.waitForFunction((marked) => window.sent.slice(marked).some((text) => /^INVITE [^]*a=sendrecv/.test(text)), marked);
  await state(page, 'talking');
});

test('the list of calls: taken, called, missed; a click calls back', async () => {
  const page = await scene.phone('1003');
  await page.click('#tab-recent');
  await page.waitForSelector('.empty >> text=No calls yet');
  await look(page, 'recent-empty');
  await page.click('#tab-keypad');
  await dial(page, '600');
  await state(page, 'talking');
  await page.waitForFunction(() => /0:0[1-9]/.test(document.querySelector('.state').textContent));
  await page.click('[aria-label="Hang up"]');
  await idle(page);
  const caller = await scene.native('1001', ['call', '1003']);
  await page.waitForSelector('.ringing');
  caller.interrupt();
  await page.waitForSelector('.ringing', { state: 'detached' });
  await page.focus('#tab-keypad');
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(page), 'BUTTON#tab-recent');
  await page.waitForSelector('.row.missed');
  await page.waitForSelector('.row.outbound');
  assert.match(await page.textContent('.row.outbound'), /Called.*0:0\d/);
  await look(page, 'recent');
  await page.click('.row.outbound');
  await state(page, 'talking');
  // Loaded anew, it is still there.
  await page.click('[aria-label="Hang up"]');
  await idle(page);
  await page.reload();
  await page.fill('#user', '1003');
  await page.fill('#password', 'secret-1003');
  await page.click('button[type=submit]');
  await page.click('#tab-recent');
  await page.waitForSelector('.row.missed');
});

test('devices: chosen, tested, and used from the next call on', async () => {
  const page = await scene.phone();
  await page.evaluate(() => {
    window.asked = [];
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (wanted) => (window.asked.push(wanted), open(wanted));
  });
  await page.click('#tab-settings');
  await page.waitForFunction(() => document.querySelector('#microphone').options.length > 2);
  for (const id of ['microphone', 'speaker', 'camera']) assert.ok(await page.locator(`#${id} option`).count() > 1, id);
  const [, device] = await page.locator('#microphone option').evaluateAll((options) => options.map(({ value }) => value));
  await page.selectOption('#microphone', device);
  await page.click('text=Test the microphone');
  await page.waitForFunction(() => document.querySelector('meter').value > 0.1);
  await look(page, 'settings');
  await page.click('text=Stop the test');
  const [, speaker] = await page.locator('#speaker option').evaluateAll((options) => options.map(({ value }) => value));
  await page.selectOption('#speaker', speaker);
  await page.click('#tab-keypad');
  await dial(page, '600');
  await state(page, 'talking');
  assert.equal(await page.evaluate(() => window.asked.at(-1).audio.deviceId.exact), device);
  await page.waitForFunction((speaker) => window.players.at(-1)?.sinkId === speaker, speaker);
});

/** Before the page's scripts: what is asked of devices, and a microphone (`window.gone`) that is not there; `window.blank`: nor are ids. */
function unplugged() {
  window.asked = [];
  const { mediaDevices } = navigator;
  const [open, list] = [mediaDevices.getUserMedia.bind(mediaDevices), mediaDevices.enumerateDevices.bind(mediaDevices)];
  mediaDevices.getUserMedia = async (wanted) => {
    window.asked.push(wanted);
    if (wanted.audio.deviceId?.exact === window.gone && window.gone) throw new DOMException('', 'OverconstrainedError');
    window.blank = false;
    return open(wanted);
  };
  mediaDevices.enumerateDevices = async () => {
    const there = (await list()).filter(({ deviceId }) => deviceId !== window.gone);
    return window.blank ? there.map(({ kind, groupId }) => ({ kind, groupId, deviceId: '', label: '' })) : there;
  };
}

const microphoneAsked = (page) => page.evaluate(() => window.asked.at(-1).audio.deviceId?.exact ?? 'the usual one');

const microphoneKept = (page) => page.evaluate(() => JSON.parse(localStorage.getItem('offhook.settings')).microphone);

async function over(page) {
  await page.click('[aria-label="Hang up"]');
  await idle(page);
  await mayCall(page);
}

test('a chosen microphone that is gone stops no call, and is used again when it is back', async () => {
  const page = await scene.phone('1000', { before: unplugged });
  await page.click('#tab-settings');
  await page.waitForFunction(() => document.querySelector('#microphone').options.length > 2);
  const device = await page.locator('#microphone option').nth(2).getAttribute('value');
  await page.selectOption('#microphone', device);
  const plug = async (there) => {
    await page.evaluate((gone) => {
      window.gone = gone;
      navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
    }, there ? null : device);
    await page.waitForFunction(([device, there]) => [...document.querySelector('#microphone').options].some(({ value }) => value === device) === there, [device, there]);
  };
  await plug(false);
  await page.click('text=Test the microphone');
  await page.waitForSelector('text=Stop the test');
  await page.click('#tab-keypad');
  await dial(page, '600');
  await state(page, 'talking');
  assert.equal(await microphoneAsked(page), 'the usual one');
  await over(page);
  const caller = await scene.native('1001', ['call', '1000']);
  await page.click('.ringing button >> text="Answer"');
  await caller.event('confirmed');
  await state(page, 'talking');
  assert.equal(await page.locator('.notice').count(), 0);
  await over(page);

  await plug(true);
  await dial(page, '600');
  await state(page, 'talking');
  assert.equal(await microphoneAsked(page), device);
  assert.equal(await microphoneKept(page), device);
});

test('a chosen microphone that is gone stops no call where the browser names none before a call', async () => {
  const before = `window.gone = 'gone'; window.blank = true; localStorage.setItem('offhook.settings', '{"microphone":"gone"}'); (${unplugged})()`;
  const page = await scene.phone('1000', { before });
  await page.click('#tab-settings');
  await page.waitForFunction(() => document.querySelector('#microphone').disabled);
  await page.click('#tab-keypad');
  await dial(page, '600');
  await state(page, 'talking');
  assert.equal(await microphoneAsked(page), 'the usual one');
  assert.equal(await page.locator('.notice').count(), 0);
  assert.equal(await microphoneKept(page), 'gone');
});

/** Before the page's scripts: `window.tracks` of the microphone, which `window.held` has wait for permission; `allow()` gives it. */
function prompt() {
  window.tracks = [];
  const waiting = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (window.held) await new Promise((resolve) => waiting.push(resolve));
    const stream = await open(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
  window.allow = () => waiting.forEach((resolve) => resolve());
}

/** Waits until the microphone was opened so often, and is open `live` times. */
const opened = (page, times, live) =>
  page.waitForFunction(
    ([times, live]) => window.tracks.length === times && window.tracks.filter(({ readyState }) => readyState === 'live').length === live,
    [times, live],
  );

test('the test of the microphone ends with the log-in, whoever ends that', async () => {
  const page = await scene.phone('1000', { before: prompt });
  await page.click('#tab-settings');
  await page.click('text=Test the microphone');
  await page.waitForSelector('text=Stop the test');
  await opened(page, 1, 1);
  await page.click('text=Log out');
  await page.waitForSelector('#user');
  await opened(page, 1, 0);

  await page.fill('#user', '1000');
  await page.fill('#password', 'secret-1000');
  await page.click('button[type=submit]');
  await page.click('#tab-settings');
  await page.click('text=Test the microphone');
  await opened(page, 2, 1);
  // Another device logs in as the same extension.
  await subscribed(page);
  await scene.phone();
  await page.waitForSelector('.problem p');
  await opened(page, 2, 0);
});

test('a test of the microphone that is allowed when it is no longer wanted opens none', async () => {
  const page = await scene.phone('1000', { before: prompt });
  const hold = (is) => page.evaluate((is) => (is ? (window.held = true) : window.allow()), is);
  await page.click('#tab-settings');
  await hold(true);
  await page.click('text=Test the microphone');
  await page.click('#tab-keypad');
  await hold(false);
  await opened(page, 1, 0);
  await page.click('#tab-settings');
  assert.ok(await page.isHidden('meter'));

  // Asked for twice, it is open once, and can be stopped.
  await page.click('text=Test the microphone');
  await page.click('text=Test the microphone');
  await hold(false);
  await page.waitForSelector('text=Stop the test');
  await opened(page, 3, 1);
  await page.click('text=Stop the test');
  await opened(page, 3, 0);
});

test('every colour is there in every theme, also where the browser knows no light-dark() and no color-mix()', async () => {
  const page = await scene.phone();
  /** As such a browser reads the page's own sheets: without what it is asked whether it supports. */
  const unknown = await page.evaluate(() => {
    const left = [];
    for (const sheet of document.styleSheets) {
      [...sheet.cssRules].forEach((rule) => rule instanceof CSSSupportsRule && sheet.deleteRule([...sheet.cssRules].indexOf(rule)));
      left.push(...[...sheet.cssRules].map(({ cssText }) => cssText));
    }
    return left.filter((text) => /light-dark|color-mix|okl|color\(/.test(text));
  });
  assert.deepEqual(unknown, []);
  const colours = (theme) => page.evaluate((theme) => {
    const root = document.documentElement;
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    const names = [...document.styleSheets].flatMap(({ cssRules }) => [...cssRules].map(({ cssText }) => cssText).join().match(/var\(--[a-z-]+\)/g));
    const probe = document.body.appendChild(document.createElement('i'));
    const of = (name) => {
      probe.style.color = 'rgb(1, 2, 3)';
      probe.style.outlineColor = name;
      return [name, probe.style.outlineColor && getComputedStyle(probe).outlineColor];
    };
    const found = [...new Set(names)].filter((name) => !/round|shadow/.test(name)).map(of);
    probe.remove();
    return Object.fromEntries(found);
  }, theme);
  const seen = [];
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const theme of ['', 'light', 'dark']) seen.push(await colours(theme));
  }
  const [light, , dark] = seen;
  assert.ok(Object.keys(light).length > 15);
  for (const name of Object.keys(light)) {
    // What is no colour is what the text is.
    assert.notEqual(light[name], 'rgb(1, 2, 3)', name);
    assert.notEqual(dark[name], 'rgb(1, 2, 3)', name);
    assert.notEqual(light[name], dark[name], name);
  }
  assert.deepEqual(seen, [light, light, dark, dark, light, dark]);
});

test('appearance: chosen, and kept from the first moment of the next visit', async () => {
  const page = await scene.phone();
  await page.click('#tab-settings');
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.check('input[value=dark]', { force: true });
  const dark = await background();
  assert.notEqual(dark, light);
  await page.selectOption('#ringtone', 'soft');
  await page.reload();
  await page.waitForSelector('#user');
  assert.equal(await background(), dark);
  assert.equal(await page.evaluate(() => JSON.parse(localStorage.getItem('offhook.settings')).ringtone), 'soft');
});

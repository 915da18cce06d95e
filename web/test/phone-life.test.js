// The web phone: reloaded in a call, open in two tabs, and without a network.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { PhoneScene, dial, focused, heard, idle, look, state, subscribed } from './lib/phone.js';

let scene;
before(async () => (scene = await PhoneScene.open()));
afterEach(() => scene.clear());
after(() => scene.close());

const ready = (page) => page.waitForSelector('.line[data-state="ready"]');

/** Waits until the call has lasted so many seconds, as the page says; gives how many. */
async function lasts(page, least) {
  const handle = await page.waitForFunction((least) => {
    const [, minutes, seconds] = /(\d+):(\d\d)/.exec(document.querySelector('.state').textContent) ?? [];
    const lasted = minutes * 60 + Number(seconds);
    return lasted >= least && lasted;
  }, least);
  return handle.jsonValue();
}

async function logIn(page, user = '1000', password = `secret-${user}`) {
  await page.fill('#user', user);
  await page.fill('#password', password);
  await page.click('button[type=submit]');
}

test('a reload in a call keeps the call and asks for no password; one without asks', async () => {
  const page = await scene.phone();
  const far = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await heard(page, ({ received, energy }) => received > 20 && energy > 0);
  await lasts(page, 2);
  await page.reload();
  await state(page, 'talking', 20_000);
  await heard(page, ({ received, sent, energy, playing }) => received > 20 && sent > 20 && energy > 0 && playing);
  // It is the same call: it has lasted since before.
  await lasts(page, 3);
  assert.equal(far.events('ended').length, 0);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0, 'the log-in is not kept for longer');
  assert.ok(await page.isVisible('.quality'));
  await page.click('[aria-label="Hang up"]');
  await far.event('ended');
  await idle(page);
  await page.reload();
  await page.waitForSelector('#user');
});

test('a reload in a call keeps its microphone, or takes the usual one if that is gone', async () => {
  const before = () => {
    window.asked = [];
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (wanted) => {
      window.asked.push(wanted.audio.deviceId?.exact ?? null);
      return open(wanted);
    };
  };
  const page = await scene.phone('1000', { before });
  const far = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await page.click('#tab-settings');
  const chosen = await page.waitForFunction(() => document.querySelector('#microphone option:last-child:not([value=""])')?.value).then((found) => found.jsonValue());
  await page.selectOption('#microphone', chosen);
  await page.waitForFunction((chosen) => window.asked.at(-1) === chosen, chosen);
  await page.reload();
  await state(page, 'talking', 20_000);
  assert.deepEqual(await page.evaluate(() => window.asked), [chosen]);
  await page.evaluate(() => localStorage.setItem('offhook.settings', JSON.stringify({ microphone: 'gone' })));
  await page.reload();
  await state(page, 'talking', 20_000);
  assert.deepEqual(await page.evaluate(() => window.asked), ['gone', null]);
  assert.equal(far.events('ended').length, 0);
});

test('a reload in a call whose log-in finds no network keeps the call with the next reload', async () => {
  const page = await scene.phone();
  const far = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  let away = true;
  await page.route('**/v1.0/login', (route) => (away ? route.abort() : route.continue()));
  await page.reload();
  await page.waitForSelector('.problem p');
  away = false;
  await page.reload();
  await state(page, 'talking', 20_000);
  assert.equal(far.events('ended').length, 0);
});

test('a reload in a call that is reloaded before it has logged in keeps the call, too', async () => {
  const page = await scene.phone();
  const far = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  // Held for good; without a route, the browser would let it go on.
  let hold = true;
  const asked = new Promise((resolve) => page.route('**/v1.0/login', (route) => (hold ? resolve() : route.continue())));
  await page.reload();
  await asked;
  hold = false;
  await page.reload();
  await state(page, 'talking', 20_000);
  assert.equal(far.events('ended').length, 0);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0, 'the log-in is not kept for longer');
  await page.click('[aria-label="Hang up"]');
  await far.event('ended');
  await idle(page);
  await page.reload();
  await page.waitForSelector('#user');
});

test('a reload in a call that is reloaded once more while it registers for long keeps the call, too', async () => {
  // The second page's log-in is through, and its registration waits; the third comes half a minute later.
  const before = () => {
    window.late = () => {
      const now = Date.now;
      Date.now = () => now() + 25_000;
    };
    if (window.name === 'third') window.late();
    if (window.name !== 'second') return;
    window.WebSocket = class extends WebSocket {
      send(text) {
        if (!text.startsWith('REGISTER ')) super.send(text);
      }
    };
  };
  const page = await scene.phone('1000', { before });
  const far = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await page.evaluate(() => (window.name = 'second'));
  await page.reload();
  await page.waitForFunction(() => window.connections.length > 0);
  await page.evaluate(() => ((window.name = 'third'), window.late()));
  await page.reload();
  await state(page, 'talking', 20_000);
  assert.equal(far.events('ended').length, 0);
});

test('a second tab says that it waits, and is the phone when the first has gone', async () => {
  const first = await scene.phone();
  const second = await scene.page({ beside: first });
  await logIn(second);
  await second.waitForSelector('text=open in another tab');
  assert.equal(await focused(second), 'H1#waiting-title');
  await look(second, 'second-tab');
  // The first is none the worse for it.
  await dial(first, '600');
  await state(first, 'talking');
  // Nor is it when it is reloaded: it comes back, and the second waits on.
  await first.reload();
  await state(first, 'talking', 20_000);
  assert.ok(await second.isVisible('text=open in another tab'));
  await first.click('[aria-label="Hang up"]');
  await idle(first);
  await first.close();
  await ready(second);
  await scene.native('1001', ['call', '1000']);
  await second.waitForSelector('.ringing');
});

test('a second tab takes the phone over when its user wants, and the first one waits then', async () => {
  const first = await scene.phone();
  const second = await scene.page({ beside: first });
  await logIn(second);
  await second.click('text=Use it here');
  await ready(second);
  await first.waitForSelector('text=open in another tab');
  await dial(second, '600');
  await state(second, 'talking');
  // Another extension is another phone.
  const third = await scene.page({ beside: first });
  await logIn(third, '1002');
  await ready(third);
  assert.equal(await second.getAttribute('.phone', 'data-calls'), '1');
});

test('a second tab whose log-in fails after it has waited asks again, and says why', async () => {
  const first = await scene.phone();
  const second = await scene.page({ beside: first });
  await logIn(second, '1000', 'wrong');
  await second.waitForSelector('text=open in another tab');
  await first.close();
  await second.waitForSelector('.problem p');
  assert.match(await second.textContent('.problem'), /password is wrong/);
  assert.equal(await second.inputValue('#user'), '1000');
  assert.equal(await focused(second), 'INPUT#password');
  assert.equal(await second.locator('#waiting-title').count(), 0);
  await logIn(second);
  await ready(second);
});

test('a second tab that waits when the user logs in elsewhere asks again, and no reload undoes that', async () => {
  const first = await scene.phone();
  const second = await scene.page({ beside: first });
  await second.click('label[for=keep]');
  await logIn(second);
  await second.waitForSelector('text=open in another tab');
  await second.reload();
  await second.waitForSelector('text=open in another tab');
  await subscribed(first);
  const elsewhere = await scene.phone();
  await second.waitForSelector('.problem p');
  assert.match(await second.textContent('.problem'), /logged in elsewhere/);
  await second.reload();
  await second.waitForSelector('#user');
  assert.equal(await second.evaluate(() => sessionStorage.length), 0);
  await dial(elsewhere, '600');
  await state(elsewhere, 'talking');
});

test('a log-in after another has the page for itself: devices that change disturb no call', async () => {
  const page = await scene.phone();
  await page.click('#tab-settings');
  await page.click('text=Log out');
  await page.waitForSelector('#user');
  await logIn(page);
  await ready(page);
  await dial(page, '600');
  await state(page, 'talking');
  await heard(page, ({ playing }) => playing);
  const playing = () => page.evaluate(() => new Set(window.players.filter(({ paused, srcObject }) => !paused && srcObject?.active)).size);
  const before = await playing();
  const lasted = await lasts(page, 1);
  await page.evaluate(() => {
    window.titles = new Set();
    new MutationObserver(() => window.titles.add(document.title)).observe(document.querySelector('title'), { childList: true });
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  });
  // The page has drawn itself anew by then.
  await lasts(page, lasted + 2);
  assert.deepEqual(await page.evaluate(() => [...window.titles]), [await page.title()]);
  assert.match(await page.title(), /^Call with/);
  assert.equal(await playing(), before, 'the far end is heard as often as before');
});

test('a dialog goes with the phone to the other tab', async () => {
  const first = await scene.phone();
  await dial(first, '600');
  await state(first, 'talking');
  await first.click('[data-control=devices]');
  await first.waitForSelector('dialog[open]');
  const second = await scene.page({ beside: first });
  await logIn(second);
  await second.click('text=Use it here');
  await ready(second);
  await first.waitForSelector('text=open in another tab');
  await first.waitForSelector('dialog', { state: 'detached' });
});

test('without a network that is said, and it goes on when there is one again', async () => {
  const page = await scene.phone();
  await dial(page, '600');
  await state(page, 'talking');
  await page.context().setOffline(true);
  await page.waitForSelector('.line >> text=Offline');
  assert.match(await page.textContent('.notice'), /device is offline.*by themselves/);
  await look(page, 'offline');
  await page.context().setOffline(false);
  await ready(page);
  await page.waitForSelector('.notice[data-about=line]', { state: 'detached' });
  await state(page, 'talking', 20_000);
});

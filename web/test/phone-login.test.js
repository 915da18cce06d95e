// The web phone: logging in, being thrown out, and what a browser may refuse.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Native } from '../../interop/jssip/lib/native.js';
import { PhoneScene, dial, focused, look, state } from './lib/phone.js';

let scene;
before(async () => (scene = await PhoneScene.open()));
afterEach(() => scene.clear());
after(() => scene.close());

test('the page comes with a strict policy, and nothing in it breaks that', async () => {
  const response = await fetch(scene.url);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-security-policy'), /default-src 'none'; script-src 'self' 'wasm-unsafe-eval';/);
  const html = await response.text();
  assert.doesNotMatch(html, /<script(?![^>]*src=)|<style|style=|\son[a-z]+=/);
  const [, script] = html.match(/src="([^"]+main\.js)"/);
  const asset = await fetch(new URL(script, scene.url));
  assert.match(asset.headers.get('cache-control'), /immutable/);
  assert.ok(['gzip', 'br'].includes(asset.headers.get('content-encoding')), 'not compressed: node web/build.js, then cargo build -p offhook-cli');
  await scene.phone();
});

test('log-in by keyboard: a wrong password is explained and asked for again', async () => {
  const page = await scene.page();
  assert.equal(await focused(page), 'INPUT#user');
  await look(page, 'login');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.problem p');
  await page.keyboard.type('1000');
  await page.keyboard.press('Tab');
  await page.keyboard.type('wrong');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /password is wrong/.test(document.querySelector('.problem').textContent));
  assert.equal(await focused(page), 'INPUT#password');
  assert.equal(await page.getAttribute('#password', 'aria-invalid'), 'true');
  assert.equal(await page.getAttribute('#password', 'aria-describedby'), 'problem');
  await look(page, 'login-wrong');
  // The wrong password is selected: typing replaces it.
  await page.keyboard.type('secret-1000');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.line[data-state="ready"]');
  assert.match(await page.textContent('.line'), /1000 is ready/);
  assert.equal(await focused(page), 'INPUT#number');
  await look(page, 'idle');
});

test('log-in by click; logged out, it is forgotten; kept, it outlives a reload', async () => {
  const page = await scene.page({ size: 'phone' });
  await page.fill('#user', '1000');
  await page.fill('#password', 'secret-1000');
  await page.click('label[for=reveal]');
  assert.equal(await page.getAttribute('#password', 'type'), 'text');
  await page.click('label[for=keep]');
  await page.click('button[type=submit]');
  await page.waitForSelector('.line[data-state="ready"]');
  await page.reload();
  await page.waitForSelector('.line[data-state="ready"]');
  await page.click('#tab-settings');
  await page.click('text=Log out');
  await page.waitForSelector('#user');
  await page.reload();
  await page.waitForSelector('#user');
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test('a log-in that was kept is forgotten when it is no good, and not when the server cannot be asked', async () => {
  const page = await scene.page({ expected: /status of (429|500)/ });
  const keep = (password) => page.evaluate((password) => {
    sessionStorage.setItem('offhook.login', JSON.stringify({ user: '1000', password }));
  }, password);
  const problem = () => page.waitForSelector('.problem p').then((problem) => problem.textContent());
  await keep('wrong');
  await page.reload();
  assert.match(await problem(), /password is wrong/);
  assert.equal(await page.inputValue('#user'), '1000');
  await page.reload();
  await page.waitForSelector('#user');
  assert.equal(await page.locator('.problem p').count(), 0);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);

  await keep('secret-1000');
  const later = { errcode: 70004, errmsg: 'too many: try again in 60 s' };
  for (const [answer, said] of [
    [(route) => route.fulfill({ json: later }), /Too many attempts/],
    [(route) => route.abort(), /does not answer/],
    [(route) => route.fulfill({ status: 500, body: 'oops' }), /PBX has a problem.*try again/],
    [(route) => route.fulfill({ body: 'oops' }), /PBX has a problem.*try again/],
    [(route) => route.fulfill({ status: 429 }), /Too many attempts/],
  ]) {
    await page.route('**/v1.0/login', answer);
    await page.reload();
    assert.match(await problem(), said);
    await page.unroute('**/v1.0/login');
  }
  await page.reload();
  await page.waitForSelector('.line[data-state="ready"]');
});

test('a server that is not there is said so, with what to do', async () => {
  const pbx = new Native(['pbx', '--port', '0', '--tls-port', '0', '--until-stdin-closes']);
  const { web_phone } = await pbx.event('listening');
  const page = await scene.page({ url: web_phone[0] });
  await pbx.stop();
  await page.fill('#user', '1000');
  await page.fill('#password', 'secret-1000');
  await page.click('button[type=submit]');
  await page.waitForSelector('.problem p', { timeout: 30_000 });
  assert.match(await page.textContent('.problem'), /does not answer.*Start it/);
  await look(page, 'login-unreachable');
});

test('a connection that is lost is shown, and back by itself', async () => {
  const page = await scene.phone('1000', {
    before: () => {
      window.sockets = [];
      window.WebSocket = class extends WebSocket {
        constructor(...parameters) {
          super(...parameters);
          window.sockets.push(this);
        }
      };
    },
  });
  // Both at once and from before: they are gone when it is back.
  const lost = Promise.all(['.notice[data-about=line]', '.line[data-state="waiting"]'].map((shown) => page.waitForSelector(shown)));
  await page.evaluate(() => window.sockets.forEach((socket) => socket.close()));
  await lost;
  await look(page, 'lost');
  await page.waitForSelector('.line[data-state="ready"]', { timeout: 20_000 });
  await page.waitForSelector('.notice[data-about=line]', { state: 'detached' });
});

test('a server that stays away is told of once, not with each attempt', async () => {
  const page = await scene.phone('1000', {
    before: () => {
      window.sockets = [];
      window.WebSocket = class extends WebSocket {
        constructor(url, ...parameters) {
          super(window.down ? `ws://${location.host}/nowhere` : url, ...parameters);
          window.sockets.push(this);
        }
      };
    },
  });
  await page.evaluate(() => {
    window.down = true;
    window.lines = [];
    new MutationObserver(() => window.lines.push(document.querySelector('.line').textContent)).observe(document.querySelector('.line'), { subtree: true, childList: true });
    window.sockets.forEach((socket) => socket.close());
  });
  await page.waitForSelector('.notice[data-about=line]');
  await page.focus('.notice [aria-label=Dismiss]');
  await page.keyboard.press('Enter');
  // Read on from there, and not from nowhere.
  assert.match(await focused(page), /^H1 /);
  await page.waitForFunction(() => window.lines.filter((line) => /next try/.test(line)).length >= 2);
  assert.equal(await page.locator('.notice').count(), 0);
  await page.evaluate(() => (window.down = false));
  await page.waitForSelector('.line[data-state="ready"]', { timeout: 30_000 });
});

for (const [name, message, title] of [
  ['NotAllowedError', 'Permission denied', /microphone is blocked.*allow the microphone/],
  ['NotAllowedError', 'Permission dismissed', /not allowed.*choose Allow/],
  ['NotReadableError', 'Could not start audio source', /in use.*Close the other program/],
  ['NotFoundError', 'Requested device not found', /No microphone was found.*Plug one in/],
]) {
  test(`a microphone that cannot be had is explained: ${message}`, async () => {
    const page = await scene.phone();
    await page.evaluate(([name, message]) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException(message, name));
    }, [name, message]);
    await dial(page, '600');
    await page.waitForSelector('.notice');
    assert.match(await page.textContent('.notice'), title);
    assert.equal(await page.getAttribute('.phone', 'data-calls'), '0');
    // The number is still there, to try again.
    assert.equal(await page.inputValue('#number'), '600');
    if (message === 'Permission denied') await look(page, 'microphone-denied');
    if (/Open settings/.test(await page.textContent('.notice'))) {
      await page.focus('.notice >> text=Open settings');
      await page.keyboard.press('Enter');
      assert.equal(await focused(page), 'BUTTON#tab-settings');
      assert.ok(await page.isVisible('#page-settings'));
    } else {
      await page.click('.notice [aria-label=Dismiss]');
      assert.match(await focused(page), /^H1 /);
    }
    await page.waitForSelector('.notice', { state: 'detached' });
  });
}

test('where the browser plays nothing yet, a button turns the sound on', async () => {
  // As a browser is before the first click; a headless one always plays.
  const before = () => {
    let clicked = false;
    addEventListener('pointerdown', () => (clicked = true), true);
    const { play } = HTMLMediaElement.prototype;
    HTMLMediaElement.prototype.play = function () {
      return clicked ? play.call(this) : Promise.reject(new DOMException('play() failed', 'NotAllowedError'));
    };
    const state = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, 'state').get;
    Object.defineProperty(BaseAudioContext.prototype, 'state', {
      get() {
        return clicked ? state.call(this) : 'suspended';
      },
    });
  };
  const page = await scene.phone('1000', { before });
  const caller = await scene.native('1001', ['call', '1000']);
  await page.waitForSelector('.notice[data-about=sound]');
  await look(page, 'sound-blocked');
  await page.click('.notice[data-about=sound] >> text=Turn sound on');
  await page.waitForSelector('.notice[data-about=sound]', { state: 'detached' });
  await page.click('.ringing button >> text="Answer"');
  await state(page, 'talking');
  await caller.event('confirmed');
});

// The web phone: calls out and in, and what can be done in one.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { PhoneScene, calm, dial, focused, heard, idle, look, mayCall, spoken, state } from './lib/phone.js';

let scene;
before(async () => (scene = await PhoneScene.open()));
afterEach(() => scene.clear());
after(() => scene.close());

const control = (name) => `[data-control=${name}]`;

test('a call to 600 by the keyboard: sound both ways, measured and drawn, and hung up', async () => {
  const page = await scene.phone('1000', { before: calm });
  await dial(page, '600');
  await state(page, 'talking');
  assert.equal(await focused(page), 'H2#far');
  assert.match(await spoken(page), /Connected with/);
  assert.match(await page.title(), /^Call with .* – offhook$/);
  await heard(page, ({ received, sent, energy, playing }) => received > 50 && sent > 50 && energy > 0 && playing);

  // Two reports make a line; its figures are in words, too.
  await page.waitForFunction(() => document.querySelector('.graph.mos .line')?.getAttribute('d')?.split('L').length >= 3, null, { timeout: 15_000 });
  assert.match(await page.textContent('.quality h3'), /Excellent|Good/);
  for (const row of ['mos', 'loss', 'jitter', 'rtt']) {
    assert.match(await page.getAttribute(`.graph.${row} svg`, 'aria-label'), /over the call: between [\d.]+ .* now [\d.]+/, row);
    assert.match(await page.textContent(`.graph.${row} b`), /^[\d.]+$/, row);
  }
  await look(page, 'call');
  for (let stop = 0; !(await focused(page)).includes('Hang up'); stop++) {
    assert.ok(stop < 12, `Tab does not reach "Hang up": ${await focused(page)}`);
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Enter');
  await idle(page);
  assert.equal(await focused(page), 'INPUT#number');
  assert.match(await spoken(page), /ended/);
});

test('a number by click: keys, the last one taken back, ringing, and given up', async () => {
  const page = await scene.phone('1000', { size: 'phone' });
  for (const key of ['6', '0', '6', '#']) await page.click(`.keypad [data-key="${key}"]`);
  assert.equal(await page.inputValue('#number'), '606#');
  await look(page, 'dialled');
  await page.click('[aria-label="Delete the last digit"]');
  await page.click('[aria-label="Call"]');
  await state(page, 'ringing');
  await look(page, 'ringing');
  await page.click('[aria-label="Hang up"]');
  await idle(page);
  assert.equal(await page.locator('.notice').count(), 0);
  assert.ok(await page.isVisible('#number'));
});

test('what is typed while a call is being made stays', async () => {
  const page = await scene.phone();
  await page.evaluate(() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (wanted) => new Promise((resolve) => (window.allow = resolve)).then(() => open(wanted));
  });
  await dial(page, '600');
  await page.waitForFunction(() => window.allow);
  await page.fill('#number', '1002');
  await page.evaluate(() => window.allow());
  await state(page, 'talking');
  assert.equal(await page.inputValue('#number'), '1002');
});

test('zero for long is a plus, and the next zero a zero, wherever the pointer or the finger went', async () => {
  const page = await scene.phone();
  const value = (wanted) => page.waitForFunction((wanted) => document.querySelector('#number').value === wanted, wanted);
  const { x, y } = await page.locator('.keypad [data-key="0"]').boundingBox();
  // Time passes only in a long press: no other becomes one on a busy machine.
  await page.clock.install();
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1_000));
  const press = async () => {
    await page.mouse.move(x + 9, y + 9);
    await page.mouse.down();
    await page.clock.runFor(600);
  };
  await press();
  await value('+');
  await page.mouse.up();
  await page.click('.keypad [data-key="0"]');
  await value('+0');
  // Let go of beside the key: no click follows.
  await press();
  await value('+0+');
  await page.mouse.move(x + 9, y - 200);
  await page.mouse.up();
  await page.click('.keypad [data-key="0"]');
  await value('+0+0');
  await press();
  await value('+0+0+');
  await page.mouse.move(x + 9, y - 200);
  await page.mouse.up();
  await page.focus('.keypad [data-key="0"]');
  await page.keyboard.press('Enter');
  await value('+0+0+0');

  const touched = await page.context().newCDPSession(page);
  const touch = (type, ...touchPoints) => touched.send('Input.dispatchTouchEvent', { type, touchPoints });
  await touch('touchStart', { x: x + 9, y: y + 9 });
  await page.clock.runFor(600);
  await value('+0+0+0+');
  await touch('touchEnd');
  await page.click('.keypad [data-key="0"]');
  await value('+0+0+0+0');
});

test('what becomes of a call that is refused is said in words', async () => {
  const page = await scene.phone();
  for (const [number, text] of [
    ['604', /604 is busy.*Try again later/],
    ['609', /609 does not take the call/],
    ['4711', /There is no 4711.*Check the number/],
    ['1007', /cannot be reached.*Nobody is logged in/],
    ['605', /server could not connect the call/],
  ]) {
    await mayCall(page);
    await dial(page, number);
    await page.waitForFunction((source) => new RegExp(source).test(document.querySelector('.notices').textContent), text.source);
    await idle(page);
  }
  await look(page, 'refused');
  await dial(page, 'what?');
  await page.waitForFunction(() => /That is no number/.test(document.querySelector('.notices').textContent));
});

for (const way of ['click', 'keyboard']) {
  test(`an incoming call, answered by ${way}`, async () => {
    const page = await scene.phone();
    const caller = await scene.native('1001', ['call', '1000']);
    await page.waitForSelector('.ringing[role=alertdialog]');
    assert.match(await page.title(), /is calling – offhook$/);
    assert.match(await focused(page), /Answer$/);
    if (way === 'click') {
      await look(page, 'incoming');
      await page.click('.ringing button >> text="Answer"');
    } else {
      await page.keyboard.press('Enter');
    }
    await caller.event('confirmed');
    await state(page, 'talking');
    await heard(page, ({ received, sent, playing }) => received > 20 && sent > 20 && playing);
    caller.interrupt();
    await idle(page);
    await page.waitForSelector('.ringing', { state: 'detached' });
  });
}

/** Before the page's scripts: with `window.cut`, the far end knows nothing of a call that is changed. */
function forgetful() {
  window.WebSocket = class extends WebSocket {
    send(text) {
      if (!window.cut || !/^INVITE /.test(text)) return super.send(text);
      const headers = text.split('\r\n').filter((line) => /^(via|from|to|call-id|cseq):/i.test(line));
      this.dispatchEvent(new MessageEvent('message', { data: ['SIP/2.0 481 Gone', ...headers, 'Content-Length: 0', '', ''].join('\r\n') }));
    }
  };
}

for (const way of ['out', 'in']) {
  test(`a call ${way} that is cut off says so`, async () => {
    const page = await scene.phone('1000', { before: forgetful });
    const far = await scene.native('1001', way === 'out' ? ['answer', '--echo'] : ['call', '1000']);
    if (way === 'out') await dial(page, '1001');
    else await page.click('.ringing button >> text="Answer"');
    await far.event('confirmed');
    await state(page, 'talking');
    await heard(page, ({ received }) => received > 10);
    await page.evaluate(() => (window.cut = true));
    await page.click(control('hold'));
    await idle(page);
    assert.match(await page.textContent('.notice'), /The call was cut off.*Call again/);
  });
}

test('an incoming call, declined; and one whose caller gives up', async () => {
  const page = await scene.phone();
  const busy = await scene.native('1001', ['call', '1000']);
  await page.waitForSelector('.ringing');
  await page.click('.ringing >> text=Decline');
  assert.equal((await busy.event('failed')).code, 486);
  await page.waitForSelector('.ringing', { state: 'detached' });

  const missed = await scene.native('1002', ['call', '1000']);
  await page.waitForSelector('.ringing');
  missed.interrupt();
  await page.waitForSelector('.ringing', { state: 'detached' });
  await page.click('#tab-recent');
  await page.waitForFunction(() => document.querySelectorAll('.row.missed').length >= 2);
  assert.equal(await page.locator('.notice').count(), 0);
});

/** Waits until a call is read out. */
const saidCalling = (page, where = '') =>
  page.waitForFunction((where) => /is calling/.test(document.querySelector(`${where}#spoken`)?.textContent), where);

test('whoever types a number is not interrupted by a call', async () => {
  const page = await scene.phone();
  await page.keyboard.type('12');
  await scene.native('1001', ['call', '1000']);
  await page.waitForSelector('.ringing');
  await saidCalling(page);
  await page.keyboard.type('34');
  assert.equal(await page.inputValue('#number'), '1234');
});

test('hold and resume, mute and unmute: the far end and the microphone follow', async () => {
  const page = await scene.phone();
  const far = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await heard(page, ({ received, direction }) => received > 10 && direction === 'sendrecv');

  await page.click(control('hold'));
  await state(page, 'held');
  assert.equal(await page.getAttribute(control('hold'), 'aria-pressed'), 'true');
  await heard(page, ({ direction }) => direction !== 'sendrecv');
  assert.match(await spoken(page), /on hold/);
  await look(page, 'held');
  await page.focus(control('hold'));
  await page.keyboard.press('Space');
  await state(page, 'talking');
  await heard(page, ({ direction }) => direction === 'sendrecv');
  assert.equal(await page.getAttribute(control('hold'), 'aria-pressed'), 'false');

  const drawn = (name) => page.locator(`${control(name)} .icon`).evaluateAll((icons) => icons.map(({ innerHTML }) => innerHTML));
  const open = await drawn('mute');
  await page.click(control('mute'));
  await page.waitForSelector(`${control('mute')}[aria-pressed=true]`);
  assert.notDeepEqual(await drawn('mute'), open, 'not by colour alone');
  await heard(page, ({ microphone }) => microphone === false);
  assert.match(await spoken(page), /muted/);
  await page.keyboard.press('Enter');
  await page.waitForSelector(`${control('mute')}[aria-pressed=false]`);
  assert.deepEqual(await drawn('mute'), open);
  await heard(page, ({ microphone }) => microphone === true);
  await page.click('[aria-label="Hang up"]');
  await far.event('ended');
});

test('tones by click and by keyboard, and only where the keys are', async () => {
  const page = await scene.phone();
  const far = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await heard(page, ({ received }) => received > 10);
  // Digits typed elsewhere are none.
  await page.keyboard.type('9');
  await page.click(control('keys'));
  await page.click('.pad [data-key="1"]');
  await page.keyboard.type('2#');
  await far.event('dtmf', { fits: ({ tone }) => tone === '#' });
  assert.equal(far.events('dtmf').map(({ tone }) => tone).join(''), '12#');
  assert.equal(await page.textContent('.tones'), '12#');
  await look(page, 'keys');
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('.pad'));
  assert.match(await focused(page), /Keys$/);
});

test('a second call: announced, taken, switched to and fro', async () => {
  const page = await scene.phone();
  const first = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  const second = await scene.native('1002', ['call', '1000']);
  await page.waitForSelector('.ringing');
  assert.match(await page.textContent('.ringing'), /puts the present call on hold/);
  await look(page, 'incoming-second');
  await page.click('.ringing button >> text="Answer"');
  await second.event('confirmed');
  await page.waitForSelector('.others li');
  const front = () => page.textContent('#far');
  await page.waitForFunction(() => /On hold/.test(document.querySelector('.others').textContent));
  const name = await front();
  await look(page, 'two-calls');
  await page.click('.others >> text=Switch');
  await page.waitForFunction((name) => document.querySelector('#far').textContent !== name, name);
  await page.waitForFunction(() => /On hold/.test(document.querySelector('.others').textContent));
  await page.click('[aria-label="Hang up"]');
  await first.event('ended');
  await page.waitForFunction((name) => document.querySelector('#far').textContent === name, name);
  assert.equal(await page.getAttribute('.phone', 'data-calls'), '1');
});

/** Before the page's scripts: `window.tones`, the notes that the page itself has played, Hz. */
function notes() {
  window.tones = [];
  window.OscillatorNode = class extends OscillatorNode {
    constructor(context, options) {
      super(context, options);
      window.tones.push(options.frequency);
    }
  };
}

test('a call that comes while a dialog is open: heard, read out, and taken there or afterwards', async () => {
  const page = await scene.phone('1000', { before: notes });
  const first = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await page.click(control('devices'));
  await page.waitForSelector('dialog[open]');
  await page.evaluate(() => (window.tones = []));
  const early = await scene.native('1002', ['call', '1000']);
  await page.waitForSelector('dialog .ringing');
  await page.waitForFunction(() => window.tones.length > 0);
  assert.deepEqual(await page.evaluate(() => window.tones.slice(0, 2)), [425, 425]);
  assert.equal(await page.evaluate(() => !!document.activeElement.closest('dialog') && !document.activeElement.closest('.ringing')), true, 'the focus stays');
  await saidCalling(page, 'dialog ');
  await look(page, 'incoming-dialog');
  await page.click('dialog >> text=Done');
  await page.click('.phone > .above > .incoming >> text=Decline');
  await early.event('failed');
  assert.equal(await page.locator('body > #spoken').count(), 1);

  await page.click(control('transfer'));
  await page.keyboard.type('10');
  const second = await scene.native('1002', ['call', '1000']);
  await page.waitForSelector('dialog .ringing');
  await page.keyboard.type('01');
  assert.equal(await page.inputValue('#transfer-number'), '1001');
  await page.click('dialog .ringing button >> text="Answer"');
  await second.event('confirmed');
  await page.waitForSelector('dialog', { state: 'detached' });
  await page.waitForSelector('.others li');
  assert.equal(await focused(page), 'H2#far');
  assert.equal(first.events('ended').length, 0);
});

test('on a page that is scrolled, a call and a notice are in sight, and a slider that was moved is not typed in', async () => {
  const page = await scene.phone('1000', { size: 'phone' });
  await page.click('#tab-settings');
  await page.waitForFunction(() => document.querySelector('#microphone').options.length > 1);
  await page.focus('#volume');
  await page.keyboard.press('ArrowRight');
  const scroll = () => page.evaluate(() => {
    scrollTo(0, document.documentElement.scrollHeight);
    return scrollY;
  });
  assert.ok((await scroll()) > 100, 'there is something to scroll');
  /** What of it is covered or out of sight: the middle of each edge, just inside. */
  const unseen = (selector) => page.locator(selector).evaluate((node) => {
    const { left, right, top, bottom } = node.getBoundingClientRect();
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    return [[x, top + 2], [x, bottom - 2], [left + 2, y], [right - 2, y]].filter((point) => !node.contains(document.elementFromPoint(...point)));
  });
  await scene.native('1001', ['call', '1000']);
  await page.waitForSelector('.ringing');
  assert.match(await focused(page), /Answer$/);
  await scroll();
  assert.deepEqual(await unseen('.ringing'), []);
  await page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotReadableError'));
    document.querySelector('.settings .beside button').click();
  });
  await page.waitForSelector('.notice');
  await scroll();
  assert.deepEqual(await unseen('.notice'), []);
  assert.deepEqual(await unseen('.ringing'), []);
  await look(page, 'scrolled');
});

test('whoever sends tones is not interrupted by a call', async () => {
  const page = await scene.phone();
  const far = await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await heard(page, ({ received }) => received > 10);
  await page.click(control('keys'));
  await page.keyboard.type('1');
  await scene.native('1002', ['call', '1000']);
  await page.waitForSelector('.ringing');
  await saidCalling(page);
  await page.keyboard.type('2');
  await far.event('dtmf', { fits: ({ tone }) => tone === '2' });
  assert.equal(await page.textContent('.tones'), '12');
});

test('a second call that is made: the first waits', async () => {
  const page = await scene.phone('1000', { size: 'phone' });
  await scene.native('1001', ['answer', '--echo']);
  await dial(page, '1001');
  await state(page, 'talking');
  await mayCall(page);
  await page.click(control('add'));
  assert.match(await page.textContent('.hint'), /put on hold/);
  await look(page, 'adding');
  await page.click('.back');
  assert.ok(await page.isVisible('.call'));
  await page.click(control('add'));
  await dial(page, '600');
  await page.waitForSelector('.others li');
  await state(page, 'talking');
  await page.waitForFunction(() => /On hold/.test(document.querySelector('.others').textContent));
});

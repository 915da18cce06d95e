// The web phone as a user has it: the page that `offhook pbx` serves, driven by clicks and keys, and looked at.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Scene as Others } from '../../../interop/jssip/lib/scene.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const SHOTS = here('../../phone/screenshots/');
const AXE = readFileSync(here('../../node_modules/axe-core/axe.min.js'), 'utf8');
const SIZES = { desk: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };

/** Before the page's own scripts: keeps what a test measures and a user hears. */
function spy() {
  window.connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...parameters) {
      super(...parameters);
      window.connections.push(this);
      window.calledAt = performance.now();
    }
  };
  window.WebSocket = class extends WebSocket {
    constructor(...parameters) {
      super(...parameters);
      if (/subscribe/.test(this.url)) window.subscription = this;
    }
  };
  window.players = [];
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () {
    window.players.push(this);
    return play.call(this);
  };
  window.blocked = [];
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => window.blocked.push(`${violatedDirective} ${blockedURI}`));
}

/** Waits until the PBX tells this page what happens: a heartbeat is answered then. */
export async function subscribed(page) {
  await page.waitForFunction(() => window.subscription?.readyState === WebSocket.OPEN);
  await page.evaluate(() => new Promise((resolve) => {
    window.subscription.addEventListener('message', resolve, { once: true });
    window.subscription.send('heartbeat');
  }));
}

/** `before` of a page: what it measures is a calm network's, whatever a busy machine does to packets. */
export function calm() {
  const fields = {
    'inbound-rtp': { jitter: 0.001, packetsLost: 0, concealedSamples: 0, jitterBufferDelay: 0.04, jitterBufferEmittedCount: 1 },
    'remote-inbound-rtp': { jitter: 0.001, packetsLost: 0, roundTripTime: 0.001 },
  };
  const { getStats } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.getStats = async function () {
    const report = await getStats.call(this);
    return new Map([...report].map(([id, stats]) => [id, { ...stats, ...fields[stats.type] }]));
  };
}

export class PhoneScene {
  #contexts = [];
  #checks = [];

  /** `options`: of the scene of JsSIP, whose PBX it is. */
  static async open(options) {
    const scene = new PhoneScene();
    scene.others = await Others.open(options);
    [scene.url] = scene.others.urls.web_phone;
    assert.ok(scene.url, 'the command has no web phone: node web/build.js, then cargo build -p offhook-cli');
    return scene;
  }

  /** A page with the log-in. `before` runs in it before all else. `expected`: an error in its console that a test brings about. */
  async page({ size = 'desk', url = this.url, browser = this.others.browser, before, beside, expected, ...options } = {}) {
    // `beside`: another tab of the same browser as that page.
    const context = beside?.context() ?? (await browser.newContext({ viewport: SIZES[size], ignoreHTTPSErrors: true, ...options }));
    if (!beside) this.#contexts.push(context);
    const page = await context.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(error.stack ?? String(error)));
    const told = (text) => /40[0-9]|ERR_|WebSocket/.test(text) || expected?.test(text);
    page.on('console', (message) => message.type() === 'error' && !told(message.text()) && errors.push(message.text()));
    this.#checks.push(async () => {
      errors.push(...(await page.evaluate(() => window.blocked).catch(() => [])));
      assert.deepEqual(errors, [], 'the page had errors, or did what its policy forbids');
    });
    await page.addInitScript(spy);
    if (before) await page.addInitScript(before);
    await page.goto(url);
    await page.waitForSelector('#user, .phone');
    return page;
  }

  /** A page that is logged in, by the keyboard alone. */
  async phone(user = '1000', options = {}) {
    const page = await this.page(options);
    await page.keyboard.type(user);
    await page.keyboard.press('Tab');
    await page.keyboard.type(`secret-${user}`);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.line[data-state="ready"]');
    return page;
  }

  native(user, parameters) {
    return this.others.native(user, parameters);
  }

  async clear() {
    const checks = this.#checks.splice(0);
    const contexts = this.#contexts.splice(0);
    try {
      for (const check of checks) await check();
    } finally {
      for (const context of contexts) await context.close();
      await this.others.clear();
    }
  }

  async close() {
    await this.others.close();
  }
}

/** Looks at a state in both themes and sizes: a picture of each, and what axe finds, which must be nothing. */
export async function look(page, name) {
  mkdirSync(SHOTS, { recursive: true });
  const before = page.viewportSize();
  await page.evaluate(AXE);
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.screenshot({ path: `${SHOTS}${name}-${size}-${colorScheme}.png` });
      const found = await page.evaluate(async () => {
        const { violations } = await window.axe.run();
        const wide = document.documentElement.scrollWidth > innerWidth ? ['wider than the screen'] : [];
        return [...wide, ...violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`))];
      });
      assert.deepEqual(found, [], `${name}, ${size}, ${colorScheme}`);
      const small = await page.evaluate(tooSmall);
      assert.deepEqual(small, [], `targets below 44 px: ${name}, ${size}`);
    }
  }
  await page.setViewportSize(before);
}

/** What can be clicked and is smaller than a finger needs, 44 px each way. Of a box to tick, its label counts. */
function tooSmall() {
  const targets = [...document.querySelectorAll('button, select, input, summary, a')].filter((target) => target.checkVisibility());
  const small = [];
  for (const target of targets) {
    const shown = target.closest('label') ?? target;
    const { width, height } = shown.getBoundingClientRect();
    if (width < 43.5 || height < 43.5) small.push(`${shown.outerHTML.slice(0, 120)} ${width} × ${height}`);
  }
  return small;
}

/** Dials by the keyboard. */
export async function dial(page, number) {
  await page.focus('#number');
  await page.keyboard.type(number);
  await page.keyboard.press('Enter');
}

/** Waits until another call may be made: a second after the last. */
export function mayCall(page) {
  return page.waitForFunction(() => !(performance.now() - window.calledAt < 1_020));
}

/** Waits until the call in front is so: `ringing`, `talking`, `held` … */
export function state(page, wanted, timeout = 10_000) {
  return page.waitForSelector(`.state[data-state="${wanted}"]`, { timeout });
}

export function idle(page) {
  return page.waitForSelector('.phone[data-calls="0"]');
}

/** The last call's sound: packets both ways, whether what comes is sound, and whether it is being played. */
export function sound(page) {
  return page.evaluate(async () => {
    const connection = window.connections.at(-1);
    const report = [...(await connection.getStats()).values()];
    const of = (type) => report.find((stats) => stats.type === type && stats.kind === 'audio') ?? {};
    const [inbound, outbound] = [of('inbound-rtp'), of('outbound-rtp')];
    const playing = window.players.some((player) => !player.paused && player.srcObject?.getAudioTracks().some(({ readyState }) => readyState === 'live'));
    return {
      received: inbound.packetsReceived ?? 0, sent: outbound.packetsSent ?? 0, energy: inbound.totalAudioEnergy ?? 0, playing,
      microphone: connection.getSenders().find(({ track }) => track?.kind === 'audio')?.track.enabled,
      direction: connection.getTransceivers()[0]?.currentDirection,
    };
  });
}

/** Waits until what is measured fits. */
export async function heard(page, fits) {
  const end = performance.now() + 15_000;
  for (;;) {
    const measured = await sound(page);
    if (fits(measured)) return measured;
    if (performance.now() > end) throw new Error(`not heard: ${JSON.stringify(measured)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What has the focus, as `tag#id` or its name. */
export function focused(page) {
  return page.evaluate(() => {
    const { tagName, id, ariaLabel, textContent } = document.activeElement;
    return id ? `${tagName}#${id}` : `${tagName} ${ariaLabel ?? textContent.trim()}`;
  });
}

/** The texts that were read out, last first: what stands in the live region. */
export function spoken(page) {
  return page.textContent('#spoken');
}

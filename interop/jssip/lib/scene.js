// What every test of calls needs: a PBX, a browser, phones in it and outside of it.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { launch, openPage } from './browser.js';
import { Native } from './native.js';
import { servePage } from './server.js';

export class Scene {
  #natives = [];
  #pages = [];

  /// `pbx`: further arguments of the PBX.
  static async open({ pbx = [] } = {}) {
    const scene = new Scene();
    scene.folder = await mkdtemp(join(tmpdir(), 'offhook-interop-'));
    scene.pbx = new Native(['pbx', '--port', '0', '--tls-port', '0', '--until-stdin-closes', ...pbx]);
    // The PBX makes its own certificate, which no browser knows.
    [scene.browser, scene.pages, scene.urls] = await Promise.all([
      launch({ flags: ['--ignore-certificate-errors'] }),
      servePage(),
      scene.pbx.event('listening'),
    ]);
    return scene;
  }

  path(name) {
    return join(this.folder, name);
  }

  /// A page with a phone, not registered.
  async page() {
    const page = await openPage(this.browser, this.pages.url);
    this.#pages.push(page);
    return page;
  }

  /// A page with a phone that is registered as `user`.
  async phone(user, { server = this.urls.ws } = {}) {
    const page = await this.page();
    const account = { server, user, domain: 'localhost', password: `secret-${user}` };
    const answer = await page.evaluate((account) => softphone.register(account), account);
    if (answer.name !== 'registered') throw new Error(`not registered: ${JSON.stringify(answer)}`);
    return page;
  }

  /// `offhook call …` or `offhook answer …`, registered as `user`.
  async native(user, args) {
    const account = ['--server', this.urls.ws, '--user', user];
    const native = new Native([...args, ...account], { OFFHOOK_PASSWORD: `secret-${user}` });
    this.#natives.push(native);
    await native.event('registered');
    return native;
  }

  /// Ends the phones of one test. Fails if a page had an error.
  async clear() {
    for (const native of this.#natives.splice(0)) await native.stop();
    for (const page of this.#pages.splice(0)) {
      page.check();
      await page.context().close();
    }
  }

  async close() {
    await this.clear();
    await this.browser?.close();
    await this.pages?.close();
    await this.pbx?.stop();
    await rm(this.folder, { recursive: true });
  }
}

/// Waits in the page for an entry of its journal.
export function happened(page, name, options = {}) {
  return page.evaluate(([name, options]) => softphone.journal.waitFor(name, options), [name, options]);
}

/// Listens until the far end's sine of `frequency` Hz is heard; gives what was measured then.
export async function hearTone(page, frequency) {
  return hearUntil(page, (heard) => isTone(heard, frequency), `${frequency} Hz`);
}

/// Listens until the sine of `frequency` Hz is no longer heard.
export async function hearNoTone(page, frequency) {
  return hearUntil(page, (heard) => !isTone(heard, frequency), `anything but ${frequency} Hz`);
}

/// From now on (or as soon as there is a track) the page listens by itself, until the call is over, and keeps what it hears: what is
/// there for a moment only may be gone before a test can ask for it.
export function listen(page) {
  return page.evaluate(() => {
    softphone.heard = [];
    const listen = async () => {
      await Promise.race(['track', 'streamAdded'].map((name) => softphone.journal.waitFor(name)));
      for (;;) softphone.heard.push(await softphone.hear());
    };
    listen().catch(() => {});
  });
}

/// Waits until the sine of `frequency` Hz was heard since `listen`.
export async function heardTone(page, frequency) {
  return heard(page, (heard) => isTone(heard, frequency), `${frequency} Hz`);
}

/// Waits until the sine of `frequency` Hz was heard since `listen`, and then something else.
export async function heardNoTone(page, frequency) {
  const tone = (heard) => isTone(heard, frequency);
  return heard(page, (heard, index, all) => !tone(heard) && all.slice(0, index).some(tone), `anything but ${frequency} Hz after it`);
}

/// Waits until any sound was heard since `listen`.
export async function heardSound(page) {
  return heard(page, ({ rms }) => rms > 0.01, 'anything');
}

function isTone({ rms, frequency, purity }, wanted) {
  return rms > 0.05 && purity > 0.9 && Math.abs(frequency - wanted) < 8;
}

async function heard(page, fits, what) {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const windows = await page.evaluate(() => softphone.heard);
    const found = windows.find(fits);
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`wanted to hear ${what}, heard\n  ${windows.map((heard) => JSON.stringify(heard)).join('\n  ')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function hearUntil(page, fits, what) {
  // What is measured before anything has come is the silence before it.
  await page.evaluate(async () => {
    const end = performance.now() + 10_000;
    const come = ({ received, packetsReceived = received }) => packetsReceived > 0;
    // There may be no connection yet.
    while (!come(await softphone.stats().catch(() => ({}))) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  });
  const measured = [];
  for (let window = 0; window < 8; window++) {
    const heard = await page.evaluate(() => softphone.hear());
    if (fits(heard)) return heard;
    measured.push(JSON.stringify(heard));
  }
  throw new Error(`wanted to hear ${what}, heard\n  ${measured.join('\n  ')}`);
}

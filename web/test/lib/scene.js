// What every test needs: the PBX, a browser, pages with the package, and whoever else is at the other end.

import { createServer } from 'node:http';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { launch, openPage } from '../../../interop/jssip/lib/browser.js';
import { Scene as Others } from '../../../interop/jssip/lib/scene.js';
import { admin, sign } from './pseries.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TYPES = { js: 'text/javascript', html: 'text/html', wasm: 'application/wasm' };
const FILES = {
  '/': here('../page/index.html'),
  '/softphone.js': here('../page/softphone.js'),
  '/picture.js': here('../page/picture.js'),
  '/many.html': here('../page/many.html'),
  '/many.js': here('../page/many.js'),
  '/spies.js': here('../page/spies.js'),
  '/offhook.js': here('../../dist/offhook.js'),
  '/offhook.wasm': here('../../dist/offhook.wasm'),
  '/offhook-audio.js': here('../../dist/audio.js'),
  '/audio.js': here('../../../interop/jssip/page/audio.js'),
  '/journal.js': here('../../../interop/jssip/page/journal.js'),
  '/dtmf-worklet.js': here('../../../interop/jssip/page/dtmf-worklet.js'),
};

export class Scene {
  #pages = [];
  /** What stands between the pages and the PBX. */
  #between = [];

  /** `options`: of the scene of JsSIP, whose PBX it is. */
  static async open(options) {
    const scene = new Scene();
    [scene.others, scene.server] = await Promise.all([Others.open(options), serve()]);
    scene.url = `http://127.0.0.1:${scene.server.address().port}/`;
    scene.ws = scene.others.urls.ws;
    /** The P-Series API of the PBX. */
    scene.pbx = new URL(scene.ws.replace(/^ws/, 'http')).origin;
    return scene;
  }

  /** At a PBX that records, into `folder/calls`, and has the extensions 1000 to 1002. */
  static async recording() {
    const folder = await mkdtemp(join(tmpdir(), 'offhook-recording-'));
    const extensions = ['1000', '1001', '1002'].map((number) => `[[extension]]\nnumber = "${number}"\npassword = "secret-${number}"\nname = "${number}"\n`);
    await writeFile(join(folder, 'pbx.toml'), `recordings = ${JSON.stringify(join(folder, 'calls'))}\n${extensions.join('')}`);
    const scene = await Scene.open({ pbx: ['--config', join(folder, 'pbx.toml')] });
    scene.folder = folder;
    scene.place({ reset() {}, close: () => rm(folder, { recursive: true }) });
    return scene;
  }

  /** A `Wire` or a `PSeries`: as at its beginning after each `clear`, and closed with the scene. */
  place(between) {
    this.#between.push(between);
    return between;
  }

  /** A page with the package and no phone yet. */
  async page({ browser = this.others.browser, before, url = this.url } = {}) {
    const page = await openPage(browser, before ? `${url}?${before}` : url);
    this.#pages.push(page);
    return page;
  }

  /** A page with a phone that is registered as `user`. */
  async phone(user, config = {}) {
    const page = await this.page();
    const result = await page.evaluate((config) => softphone.register(config), { ...this.account(user), ...config });
    if (result.code !== 200) throw new Error(`not registered: ${JSON.stringify(result)}`);
    return page;
  }

  /** What `init` takes for this user, at the embedded PBX or one that stands before it. */
  async params(user, { pbxURL = this.pbx, ...more } = {}) {
    return { username: user, secret: await sign(this.pbx, user), pbxURL, ...more };
  }

  /** A page with a phone that is logged in as `user`, and registered. */
  async operator(user, more) {
    const page = await this.page();
    const refused = await page.evaluate((params) => softphone.init(params), await this.params(user, more));
    if (refused) throw new Error(`not logged in: ${JSON.stringify(refused)}`);
    const result = await page.evaluate(() => phone.start());
    if (result.code !== 200) throw new Error(`not registered: ${JSON.stringify(result)}`);
    return page;
  }

  admin(method, path, body) {
    return admin(this.pbx, method, path, body);
  }

  account(user) {
    return { server: this.ws, user, domain: 'localhost', password: `secret-${user}` };
  }

  native(user, parameters) {
    return this.others.native(user, parameters);
  }

  jssip(user) {
    return this.others.phone(user);
  }

  /** A browser of its own, for other flags. */
  browser(flags) {
    return launch({ flags });
  }

  async clear() {
    for (const page of this.#pages.splice(0)) {
      page.check();
      await page.context().close();
    }
    await this.others.clear();
    for (const between of this.#between) {
      // What the pages had is not taken for that of the next ones, however late it ends by itself.
      between.cut?.();
      between.reset();
    }
  }

  async close() {
    await this.clear();
    this.server.close();
    await this.others.close();
    for (const between of this.#between) await between.close();
  }
}

/** Waits in the page for an entry of its journal. */
export function happened(page, name, options = {}) {
  return page.evaluate(([name, options]) => softphone.journal.waitFor(name, options), [name, options]);
}

/** Waits until the embedded PBX tells this page what happens: a heartbeat is answered after the topics that were sent before it. */
export async function subscribed(page) {
  await until(page, () => softphone.sent('/subscribe').length > 0);
  await page.evaluate(() => new Promise((resolve) => {
    pbx.socket.addEventListener('message', () => resolve(), { once: true });
    pbx.socket.send('heartbeat');
  }));
}

/** Where the page's journal is now, for `after`. */
export function mark(page) {
  return page.evaluate(() => softphone.journal.mark());
}

/** The journal's entries so far, as `[name, first of the payload …]`. */
export function journal(page) {
  return page.evaluate(() => softphone.journal.entries());
}

/** Waits until `check`, run in the page, gives something true; gives that. */
export async function until(page, check, argument, timeoutMs = 10_000) {
  // Playwright takes a promise for something true.
  if (check.constructor.name === 'AsyncFunction') return untilAsync(page, check, argument, timeoutMs);
  const handle = await page.waitForFunction(check, argument, { timeout: timeoutMs, polling: 50 });
  return handle.jsonValue();
}

async function untilAsync(page, check, argument, timeoutMs) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await page.evaluate(check, argument);
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`within ${timeoutMs} ms there was not: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function serve() {
  const server = createServer(async (request, response) => {
    const path = FILES[new URL(request.url, 'http://localhost').pathname];
    if (!path) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[path.split('.').pop()] }).end(await readFile(path));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

// The examples, as their README says, in Chromium.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { after, afterEach, before, test } from 'node:test';

import { Scene } from '../../interop/jssip/lib/scene.js';

const example = (path) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

let scene;
before(async () => (scene = await Scene.open()));
afterEach(() => scene.clear());
after(() => scene.close());

test('examples/html makes a call to 600 and hangs up', async () => {
  const served = spawn(process.execPath, [example('html/serve.mjs'), '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const context = await scene.browser.newContext();
  try {
    const url = await new Promise((resolve) => createInterface({ input: served.stdout }).once('line', resolve));
    const page = await context.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(`${url}?server=${encodeURIComponent(scene.urls.ws)}`);
    const status = (wanted) => page.waitForFunction((wanted) => document.getElementById('status').textContent === wanted, wanted);
    await status('Ready');
    await page.click('text="Call"');
    await status('talking');
    await page.click('text="Hang up"');
    await status('Terminated');
    assert.deepEqual(errors, []);
  } finally {
    served.kill();
    await context.close();
  }
});

for (const name of ['react', 'vue']) {
  test(`examples/${name}, built: calls both ways, hold, tones, and unregistered when it is unmounted`, async () => {
    const folder = await mkdtemp(join(tmpdir(), `offhook-${name}-`));
    let server;
    let context;
    try {
      const vite = await import(new URL(`../../examples/${name}/node_modules/vite/dist/node/index.js`, import.meta.url));
      const options = { root: example(name), configFile: join(example(name), 'vite.config.js'), logLevel: 'error', build: { outDir: folder, emptyOutDir: true } };
      await vite.build(options);
      server = await vite.preview({ ...options, preview: { port: 0, host: '127.0.0.1' } });
      context = await scene.browser.newContext();
      const page = await context.newPage();
      const errors = [];
      page.on('pageerror', (error) => errors.push(String(error)));
      page.on('console', (message) => message.type() === 'error' && !/nowhere/.test(message.text()) && errors.push(message.text()));
      // Seen in the page: what Playwright tells of a WebSocket comes when it comes.
      await page.addInitScript((server) => {
        Object.assign(window, { sockets: [], registers: [] });
        window.WebSocket = class extends WebSocket {
          constructor(url, ...parameters) {
            super(window.away ? `${url}/nowhere` : url, ...parameters);
            if (this.url === server) window.sockets.push(this);
          }

          send(text) {
            if (/^REGISTER /.test(text)) window.registers.push(text);
            super.send(text);
          }
        };
      }, new URL(scene.urls.ws).href);
      const registers = () => page.evaluate(() => window.registers);
      const status = (wanted) => page.waitForFunction((wanted) => document.querySelector('[role=status]').textContent === wanted, wanted);
      const call = (wanted) => page.waitForFunction((wanted) => new RegExp(wanted).test(document.querySelector('section .state')?.textContent), wanted);
      await page.goto(`http://127.0.0.1:${server.httpServer.address().port}/?server=${encodeURIComponent(scene.urls.ws)}`);
      await status('ready');
      // Mounted twice (StrictMode), registered once: the second REGISTER of a phone answers the challenge.
      assert.equal(new Set((await registers()).map((text) => /^Call-ID: (.*)$/im.exec(text)[1])).size, 1);
      await page.waitForFunction(() => window.sockets.filter(({ readyState }) => readyState !== WebSocket.CLOSED).length === 1);

      // Out: heard, held, resumed, with a tone, hung up.
      const far = await scene.native('1001', ['answer', '--echo']);
      await page.fill('input', '1001');
      await page.click('text="Call"');
      await call('^talking, [1-9]');
      await page.waitForFunction(() => {
        const { paused, srcObject } = document.querySelector('audio');
        return !paused && srcObject.getAudioTracks()[0].readyState === 'live';
      });
      await page.click('text="Hold"');
      await call('^on hold$');
      await page.click('text="Resume"');
      await call('^talking');
      await page.click('[aria-label=Keys] >> text="5"');
      assert.equal((await far.event('dtmf')).tone, '5');
      await page.click('text="Hang up"');
      await far.event('ended');
      await page.waitForSelector('section', { state: 'detached' });

      // In: declined, and answered.
      const busy = await scene.native('1002', ['call', '1000']);
      await page.click('text="Decline"');
      assert.equal((await busy.event('failed')).code, 486);
      await page.waitForSelector('section', { state: 'detached' });
      const caller = await scene.native('1003', ['call', '1000']);
      await page.click('text="Answer"');
      await caller.event('confirmed');
      await call('^talking');

      // Unmounted in the call: that ends, and nobody is registered any more.
      await page.click('text="Turn the phone off"');
      await caller.event('ended');
      // Before it closes the connection, the PBX has answered that it is unregistered.
      await page.waitForFunction(() => window.sockets.every(({ readyState }) => readyState === WebSocket.CLOSED));
      const gone = await scene.native('1004', ['call', '1000']);
      assert.equal((await gone.event('failed')).code, 480);
      assert.match((await registers()).at(-1), /expires(=|: )0/i);
      assert.equal(await page.locator('section').count(), 0);

      // Turned on while the server is away: that is said until it is back.
      await page.evaluate(() => (window.away = true));
      await page.click('text="Turn the phone on"');
      await page.waitForFunction(() => !/^(off|connecting|ready)$/.test(document.querySelector('[role=status]').textContent));
      await page.evaluate(() => (window.away = false));
      await status('ready');
      assert.deepEqual(errors, []);
    } finally {
      await context?.close();
      await server?.close();
      await rm(folder, { recursive: true });
    }
  });
}

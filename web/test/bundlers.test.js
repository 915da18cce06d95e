// The package in pages as they are really built: each logs in to a P-Series PBX and registers.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { bundlers } from './bundlers/bundle.js';
import { Scene } from './lib/scene.js';

const TYPES = { html: 'text/html', js: 'text/javascript', wasm: 'application/wasm' };

let scene;

before(async () => {
  scene = await Scene.open();
});
after(() => scene?.close());

for (const [name, bundle] of Object.entries(bundlers)) {
  test(`a page made with ${name} logs in and registers`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'offhook-bundle-'));
    const server = await serve(folder);
    const context = await scene.others.browser.newContext();
    try {
      await bundle(folder);
      const page = await context.newPage();
      const errors = [];
      page.on('pageerror', (error) => errors.push(String(error)));
      await page.goto(`http://127.0.0.1:${server.address().port}/`);
      await page.waitForFunction(() => window.init);
      const registered = await page.evaluate(async (params) => {
        const { phone, destroy } = await window.init(params);
        const { code } = await phone.start();
        const registered = [code, phone.isRegistered];
        await destroy();
        return registered;
      }, await scene.params('1000'));
      assert.deepEqual(registered, [200, true]);
      assert.deepEqual(errors, []);
    } finally {
      await context.close();
      server.close();
      await rm(folder, { recursive: true });
    }
  });
}

/** `/sdk/NAME` is `sdk-NAME`. */
async function serve(folder) {
  const server = createServer(async (request, response) => {
    const name = new URL(request.url, 'http://localhost').pathname.slice(1).replace(/^sdk\//, 'sdk-') || 'index.html';
    const data = await readFile(join(folder, name)).catch(() => undefined);
    if (!data) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[name.split('.').pop()] ?? 'application/octet-stream' }).end(data);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

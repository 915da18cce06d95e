// The examples, as their README says, in Chromium.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';

import { Scene } from '../../interop/jssip/lib/scene.js';

let scene;
before(async () => (scene = await Scene.open()));
after(() => scene.close());

test('examples/html makes a call to 600 and hangs up', async () => {
  const script = fileURLToPath(new URL('../../examples/html/serve.mjs', import.meta.url));
  const served = spawn(process.execPath, [script, '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
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

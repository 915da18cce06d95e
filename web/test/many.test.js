// Many calls in one page, and what is left of them. `OFFHOOK_CALLS=500 node --test web/test/many.test.js` makes more of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Scene } from './lib/scene.js';

const CALLS = Number(process.env.OFFHOOK_CALLS ?? 60);
/** Before what is compared: code is compiled, caches are filled. */
const WARM_UP = 10;
/** Peer connections that are closed and that Chromium has not collected yet, each with two listeners: none was seen after 60 calls, nor
 * after 500. One that is kept by us would be one for each call. */
const LATE = 2;

test(`after ${CALLS} calls a page holds what it held before`, { timeout: 60_000 + CALLS * 3_000 }, async (t) => {
  const scene = await Scene.open();
  try {
    const page = await scene.page({ url: `${scene.url}many.html` });
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Performance.enable');
    const held = async () => {
      let [last, same] = ['', 0];
      // What one collection frees lets go of more, and a browser closes peer connections in its own time.
      for (let n = 0; n < 40 && same < 4; n += 1) {
        await devtools.send('HeapProfiler.collectGarbage');
        await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 500)));
        const now = JSON.stringify(await counted().then(({ listeners, left }) => [listeners, left]));
        same = now === last ? same + 1 : 0;
        last = now;
      }
      return counted();
    };
    const counted = async () => {
      const { metrics } = await devtools.send('Performance.getMetrics');
      const of = (name) => metrics.find((metric) => metric.name === name).value;
      const { connections, collected, answered } = await page.evaluate(() => made);
      return { heap: of('JSHeapUsedSize'), listeners: of('JSEventListeners'), nodes: of('Nodes'), left: connections - collected, answered };
    };
    await page.evaluate((account) => softphone.register(account), scene.account('1000'));
    await page.evaluate((count) => softphone.run(count), WARM_UP);
    const before = await held();
    await page.evaluate((count) => softphone.run(count), CALLS);
    const after = await held();
    t.diagnostic(`before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
    assert.equal(after.answered - before.answered, CALLS);
    assert.ok(after.left <= before.left + LATE, 'peer connections');
    assert.ok(after.listeners <= before.listeners + 2 * LATE, 'listeners');
    assert.ok(after.heap - before.heap < 150_000, `heap: ${after.heap - before.heap} bytes more`);
    assert.equal(await page.evaluate(() => phone.sessions.size), 0);
  } finally {
    await scene.close();
  }
});

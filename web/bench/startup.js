// How soon a page is registered, hears ringing, and hears the far end: the package beside JsSIP, at the same PBX, in the
// same browser, in turns.
//
//   node web/bench/startup.js [ROUNDS]     default 15; after cargo build -p offhook-cli && node web/build.js

import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { launch } from '../../interop/jssip/lib/browser.js';
import { Native } from '../../interop/jssip/lib/native.js';

const rounds = Number(process.argv[2] ?? 15);
const PRELOADS = ['package.js', 'heard.js']
  .map((name) => `<link rel="modulepreload" href="/${name}">`)
  .concat('<link rel="preload" href="/offhook.wasm" as="fetch" type="application/wasm" crossorigin>')
  .join('\n  ');
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

async function jssip() {
  const bundle = await build({
    entryPoints: [here('page/jssip.js')],
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
    nodePaths: [here('../../interop/jssip/node_modules')],
    define: { global: 'globalThis' },
  });
  return bundle.outputFiles[0].contents;
}

async function serve() {
  const page = await readFile(here('page/index.html'), 'utf8');
  const files = {
    // As the README of the package recommends.
    '/offhook/': ['text/html', page.replace('<script', `${PRELOADS}\n  <script`)],
    '/offhook/phone.js': ['text/javascript', await readFile(here('page/offhook.js'))],
    '/heard.js': ['text/javascript', await readFile(here('page/heard.js'))],
    '/package.js': ['text/javascript', await readFile(here('../dist/offhook.js'))],
    '/offhook.wasm': ['application/wasm', await readFile(here('../dist/offhook.wasm'))],
    '/jssip/': ['text/html', page],
    '/jssip/phone.js': ['text/javascript', await jssip()],
  };
  const server = createServer((request, response) => {
    // The page asks for its own script beside the other's: whose it is, the referring page tells.
    const name = request.url === '/phone.js' ? `${new URL(request.headers.referer).pathname}phone.js` : request.url;
    const file = files[name];
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': file[0] }).end(file[1]);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** A STUN server that never answers, as behind a firewall. */
async function silent() {
  const socket = createSocket('udp4');
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { socket, url: `stun:127.0.0.1:${socket.address().port}` };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const [browser, server, stun] = await Promise.all([launch(), serve(), silent()]);
const pbx = new Native(['pbx', '--port', '0', '--tls-port', '0', '--until-stdin-closes']);
const { ws } = await pbx.event('listening');
const far = new Native(['answer', '--server', ws, '--user', '1001', '--echo'], { OFFHOOK_PASSWORD: 'secret-1001' });
await far.event('registered');

/** `calls`: not only until it is registered. */
async function run(which, iceServers, calls) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const account = { server: ws, user: '1000', domain: 'localhost', password: 'secret-1000', iceServers };
    const mark = far.mark();
    await page.goto(`http://127.0.0.1:${server.address().port}/${which}/#${encodeURIComponent(JSON.stringify(account))}`);
    await page.waitForFunction(() => window.registered);
    const registered = await page.evaluate(() => window.registered);
    if (!calls) return { registered };
    const { dialled, ringing, heard } = await page.evaluate(() => window.dial('1001'));
    await page.evaluate(() => window.hangUp());
    await far.event('callSummary', { after: mark });
    return { ringing: ringing - dialled, heard: heard - dialled };
  } finally {
    await context.close();
  }
}

const OF_CALL = { ringing: 'dial → ringing', heard: 'dial → audio' };
const SCENES = [
  ['no call', [], 3 * rounds, { registered: 'page load → registered' }],
  ['no STUN server', [], rounds, OF_CALL],
  ['a STUN server that does not answer', [{ urls: stun.url }], Math.max(3, Math.ceil(rounds / 3)), OF_CALL],
];
console.log('| median of each, ms | rounds | offhook | JsSIP | ratio |\n| --- | ---: | ---: | ---: | ---: |');
let late = false;
for (const [scene, iceServers, count, titles] of SCENES) {
  const measured = { offhook: [], jssip: [] };
  // The first of each warms the browser up.
  for (let round = -1; round < count; round++) {
    process.stderr.write(`\r${scene}: ${Math.max(0, round)} of ${count} `);
    for (const which of round % 2 === 0 ? ['offhook', 'jssip'] : ['jssip', 'offhook']) {
      const times = await run(which, iceServers, titles === OF_CALL);
      if (round >= 0) measured[which].push(times);
    }
  }
  process.stderr.write('\r\x1b[K');
  for (const [name, title] of Object.entries(titles)) {
    const [ours, theirs] = [measured.offhook, measured.jssip].map((all) => median(all.map((times) => times[name])));
    late ||= ours / theirs > 1.1;
    console.log(`| ${title}, ${scene} | ${count} | ${ours.toFixed(0)} | ${theirs.toFixed(0)} | ${(ours / theirs).toFixed(2)} |`);
  }
}
if (late) console.log('\nmore than 1.1 times JsSIP in one of them');
await Promise.all([far.stop(), browser.close()]);
await pbx.stop();
server.close();
stun.socket.close();

// Serves the bundled page on loopback.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const page = (name) => fileURLToPath(new URL(`../page/${name}`, import.meta.url));

/// Bundles JsSIP with the page's own scripts and serves both at `url`.
export async function servePage() {
  const bundle = await build({
    entryPoints: [page('softphone.js')],
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'warning',
    define: { global: 'globalThis' },
  });
  const files = new Map([
    ['/', ['text/html', await readFile(page('index.html'))]],
    ['/dtmf-worklet.js', ['text/javascript', await readFile(page('dtmf-worklet.js'))]],
    ['/softphone.js', ['text/javascript', bundle.outputFiles[0].contents]],
  ]);
  const server = createServer((request, response) => {
    const file = files.get(request.url);
    if (!file) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': file[0] }).end(file[1]);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

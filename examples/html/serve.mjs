// node serve.mjs [PORT]: this page with the built package beside it, on http://127.0.0.1:5173/.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const file = (path) => new URL(path, import.meta.url);
const FILES = {
  '/': ['text/html; charset=utf-8', file('index.html')],
  '/offhook.js': ['text/javascript', file('../../web/dist/offhook.js')],
  '/offhook.wasm': ['application/wasm', file('../../web/dist/offhook.wasm')],
};

if (!Object.values(FILES).every(([, path]) => existsSync(path))) {
  console.error('the package is not built: run `npm ci --prefix web && node web/build.js` in the root of the repository first');
  process.exit(1);
}

const server = createServer(async ({ url }, response) => {
  const [type, path] = FILES[new URL(url, 'http://localhost').pathname] ?? [];
  if (!type) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': type }).end(await readFile(path));
});
server.listen(Number(process.argv[2] ?? 5173), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));

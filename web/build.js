// Makes dist/: the wasm module, and everything else in one ES module beside it. Tells what it weighs.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TARGET = 'wasm32-unknown-unknown';

const cargo = (...parameters) =>
  execFileSync('cargo', parameters, { cwd: here('..'), encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });

cargo('build', '--locked', '--package', 'offhook-web', '--target', TARGET, '--profile', 'web');
const { target_directory: target } = JSON.parse(cargo('metadata', '--format-version', '1', '--no-deps', '--locked'));
cargo('run', '--locked', '--quiet', '--package', 'offhook-web-build', '--', join(target, TARGET, 'web/offhook_web.wasm'), here('build'));
mkdirSync(here('dist'), { recursive: true });
copyFileSync(here('build/offhook_web_bg.wasm'), here('dist/offhook.wasm'));
await build({
  entryPoints: [here('src/index.js')],
  outfile: here('dist/offhook.js'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
  logOverride: { 'empty-import-meta': 'silent' },
});

const brotli = (data) =>
  brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 } });
const kB = (bytes) => (bytes / 1_000).toFixed(1).padStart(6);
let whole = 0;
for (const name of ['offhook.wasm', 'offhook.js']) {
  const data = readFileSync(here(`dist/${name}`));
  const small = brotli(data).length;
  whole += small;
  console.log(`${name.padEnd(13)} ${kB(data.length)} kB, gzip ${kB(gzipSync(data, { level: 9 }).length)} kB, brotli ${kB(small)} kB`);
}
console.log(`the package   brotli ${kB(whole)} kB`);

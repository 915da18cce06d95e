// Makes dist/: the wasm module, and everything else in one ES module or one script beside it. Tells what they weigh.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

import { build } from 'esbuild';

import { pack } from './pack.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TARGET = 'wasm32-unknown-unknown';
/** What may be fetched at most: wasm and script with brotli, kB. The aim is 70 (docs/performance.md). */
const MOST = 196;

const cargo = (parameters, env = process.env) =>
  execFileSync('cargo', parameters, { cwd: here('..'), env, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });

cargo(['fetch', '--locked', '--target', TARGET, '--quiet']);
// A panic names its source file: without the place of that on this machine, so that everybody builds the same bytes.
const sources = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry/src');
const remaps = readdirSync(sources).map((folder) => `--remap-path-prefix=${join(sources, folder)}/=`);
// Moves of 16 bytes at once are shorter; Chromium 91, Firefox 89 and Safari 16.4 have them, all of 2023 or before.
const flags = { ...process.env, CARGO_ENCODED_RUSTFLAGS: [...remaps, '-Ctarget-feature=+simd128'].join('\x1f') };
cargo(['build', '--locked', '--package', 'offhook-web', '--target', TARGET, '--profile', 'web'], flags);
const { target_directory: target } = JSON.parse(cargo(['metadata', '--format-version', '1', '--no-deps', '--locked']));
const module = join(target, TARGET, 'web/offhook_web.wasm');
cargo(['run', '--locked', '--quiet', '--package', 'offhook-web-build', '--', module, here('build')]);
mkdirSync(here('dist'), { recursive: true });
copyFileSync(here('build/offhook_web_bg.wasm'), here('dist/offhook.wasm'));
const bundle = (options) =>
  build({ entryPoints: [here('src/index.js')], bundle: true, minify: true, target: 'es2022', logLevel: 'warning', ...options });
await bundle({ outfile: here('dist/offhook.js'), format: 'esm' });
await bundle({ entryPoints: [here('src/audio.js')], outfile: here('dist/audio.js'), format: 'esm' });
// For a script element: a global, and the module beside the script.
await bundle({
  outfile: here('dist/offhook.global.js'),
  format: 'iife',
  globalName: 'offhook',
  define: { 'import.meta.url': 'here' },
  inject: [here('src/here.js')],
});

const brotli = (data) =>
  brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 } });
const kB = (bytes) => (bytes / 1_000).toFixed(1).padStart(6);
let whole = 0;
for (const name of ['offhook.wasm', 'offhook.js', 'audio.js', 'offhook.global.js']) {
  const data = readFileSync(here(`dist/${name}`));
  const small = brotli(data).length;
  // Who wants no recording, conference or tones does not fetch `audio.js`.
  if (!/global|audio/.test(name)) whole += small;
  console.log(`${name.padEnd(17)} ${kB(data.length)} kB, gzip ${kB(gzipSync(data, { level: 9 }).length)} kB, brotli ${kB(small)} kB`);
}
console.log(`wasm and ES module brotli ${kB(whole)} kB`);
pack();
if (whole > MOST * 1_000) {
  console.error(`more than ${MOST} kB`);
  process.exit(1);
}

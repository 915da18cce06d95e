// Compresses what `offhook pbx` serves, and tells what the web phone weighs. A copy of each file lies beside its compressed forms: so
// crates/offhook-cli/build.rs sees that they are of the same bytes.

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
/** What the page itself may weigh with brotli, kB, without the package. */
const MOST = 40;

export function pack() {
  rmSync(here('build/packed'), { recursive: true, force: true });
  mkdirSync(here('build/packed'), { recursive: true });
  const own = readdirSync(here('phone')).filter((name) => /\.(html|css|js|svg)$/.test(name));
  const whole = own.map((name) => store(`phone/${name}`, name)).reduce((sum, size) => sum + size, 0);
  for (const name of ['offhook.js', 'offhook.wasm', 'audio.js']) store(`dist/${name}`, name);
  console.log(`the web phone brotli ${(whole / 1_000).toFixed(1).padStart(6)} kB beside the package, in ${own.length} files`);
  if (whole > MOST * 1_000) throw new Error(`the web phone weighs more than ${MOST} kB`);
}

/** Gives the size with brotli. */
function store(path, name) {
  const data = readFileSync(here(path));
  const brotli = brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 } });
  writeFileSync(here(`build/packed/${name}`), data);
  writeFileSync(here(`build/packed/${name}.br`), brotli);
  writeFileSync(here(`build/packed/${name}.gz`), gzipSync(data, { level: 9 }));
  return brotli.length;
}

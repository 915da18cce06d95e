#!/usr/bin/env node
// Builds the sans-IO core for wasm32-unknown-unknown and checks that the module imports nothing
// (no clock, no random source, no socket can hide in it) and that, run with the same seed and
// inputs, it puts out the same bytes as the native build.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const probe = 'offhook-wasm-probe';
const target = 'wasm32-unknown-unknown';
const mark = Buffer.from(['offhook transcript ', 'begins here: '].join(''));

cargo('build', '-p', 'offhook-sip', '-p', 'offhook-core', '-p', probe, '--target', target);
const { target_directory: folder } = JSON.parse(cargo('metadata', '--format-version', '1', '--no-deps'));
const module = new WebAssembly.Module(readFileSync(join(folder, target, 'debug', `${probe}.wasm`)));

const imports = WebAssembly.Module.imports(module);
if (imports.length > 0) {
  for (const { module, name, kind } of imports) console.error(`imports the ${kind} "${module}.${name}"`);
  console.error('offhook-sip and offhook-core must import nothing in wasm');
  process.exit(1);
}

const inWasm = runInWasm();
// As ./test builds everything: of the whole workspace.
cargo('build', '-q', '--workspace', '--bin', probe);
const native = execFileSync(join(folder, 'debug', probe), { encoding: 'utf8', maxBuffer: 1 << 28 });
if (inWasm !== native) {
  const [a, b] = [inWasm.split('\n'), native.split('\n')];
  const line = a.findIndex((text, index) => text !== b[index]);
  console.error(`wasm and native part at line ${line + 1}:\n  wasm:   ${a[line]}\n  native: ${b[line]}`);
  process.exit(1);
}
const calls = /^(\d+) simulated calls$/m.exec(native);
if (!calls) throw new Error('the probe simulated no calls');
console.log(
  `no imports; ${native.split('\n').length - 1} lines of output, with the trace hashes of ${calls[1]} simulated calls, are the same natively and in wasm`,
);

function cargo(...parameters) {
  const [command, ...rest] = parameters;
  return execFileSync('cargo', [command, '--locked', ...rest], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function runInWasm() {
  const { exports } = new WebAssembly.Instance(module, {});
  exports.main(0, 0);
  const memory = Buffer.from(exports.memory.buffer);
  const start = memory.lastIndexOf(mark);
  if (start < 0) throw new Error('the probe left no transcript in memory');
  const from = start + mark.length + 8;
  const length = parseInt(memory.toString('latin1', from - 8, from), 16);
  return memory.toString('utf8', from, from + length);
}

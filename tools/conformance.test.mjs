// The check of docs/conformance.md finds what it is there to find.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faults, outcomes, parse, render } from './conformance.mjs';

const log = `
     Running unittests src/lib.rs (target/debug/deps/offhook_core-0123456789abcdef)
test cause::tests::each ... ok
     Running tests/hold.rs (target/debug/deps/hold-0123456789abcdef)
test holding ... ok
test resuming ... FAILED
   Doc-tests offhook_core
test crates/offhook-core/src/lib.rs - (line 1) ... ok
`;

const rows = (proof) => [parse(`# Session\n\n## Methods\nhold => ${proof}\n`)];

test('tests that passed prove a row', () => {
  assert.deepEqual(faults(rows('hold::holding, offhook_core::cause::tests::each'), outcomes(log)), []);
});

test('a row without a test is found', () => {
  assert.deepEqual(faults([parse('# Session\n## Methods\nhold\n')], outcomes(log)), [
    'Session, Methods: "hold" has no test',
  ]);
});

test('a test that is not there is found', () => {
  assert.match(faults(rows('hold::releasing'), outcomes(log))[0], /hold::releasing was not run/);
});

test('a test that failed is found, in whichever of two binaries of one name', () => {
  assert.match(faults(rows('hold::resuming'), outcomes(log))[0], /hold::resuming ended with FAILED/);
  const twice = `${log}     Running tests/hold.rs (target/debug/deps/hold-fedcba9876543210)\ntest resuming ... ok\n`;
  assert.match(faults(rows('hold::resuming'), outcomes(twice))[0], /FAILED/);
});

test('a row that is for another part says why', () => {
  const parts = rows('[with the browser]');
  assert.deepEqual(faults(parts, outcomes(log)), []);
  assert.match(render(parts), /\| hold \| – with the browser \|/);
});

test('what is no row is refused', () => {
  assert.throws(() => parse('# Session\nhold => hold::holding\n'), /no row/);
});

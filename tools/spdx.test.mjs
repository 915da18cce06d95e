import assert from 'node:assert/strict';
import { test } from 'node:test';

import { satisfied } from './spdx.mjs';

const allowed = ['MIT', 'Apache-2.0', 'ISC'];

test('one allowed alternative is enough', () => {
  assert.equal(satisfied('MIT OR GPL-3.0-only', allowed), true);
  assert.equal(satisfied('GPL-3.0-only OR MIT', allowed), true);
  assert.equal(satisfied('LGPL-2.1/MIT', allowed), true);
});

test('every part of a conjunction must be allowed', () => {
  assert.equal(satisfied('MIT AND ISC', allowed), true);
  assert.equal(satisfied('MIT AND GPL-3.0-only', allowed), false);
  assert.equal(satisfied('(MIT OR GPL-3.0-only) AND BSL-1.0', allowed), false);
  assert.equal(satisfied('(MIT OR GPL-3.0-only) AND ISC', allowed), true);
});

test('an exception is not the plain licence', () => {
  assert.equal(satisfied('Apache-2.0 WITH LLVM-exception', allowed), false);
  assert.equal(satisfied('Apache-2.0 WITH LLVM-exception OR MIT', allowed), true);
});

test('nonsense is refused, not allowed', () => {
  assert.throws(() => satisfied('MIT ISC', allowed));
  assert.throws(() => satisfied('(MIT', allowed));
});

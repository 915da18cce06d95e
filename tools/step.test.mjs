// The steps of ./test: how they count, and when they fail.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const script = readFileSync(fileURLToPath(new URL('../test', import.meta.url)), 'utf8');
const shellFunction = (name) => script.match(new RegExp(`^${name}\\(\\) \\{\\n.*?^\\}\\n`, 'ms'))[0];

/** Runs a step with a command that prints this. */
function step(least, output) {
  const lines = [
    'set -euo pipefail',
    'log=$(mktemp -d); trap \'rm -rf "$log"\' EXIT',
    'number=0 passed=0 failed=0 took=()',
    shellFunction('step'),
    shellFunction('count'),
    `${least} step 'a step' 1 printf '%s\\n' "$1"`,
    'echo "$passed in all"',
  ];
  // What the step that runs this test wants is not what this one wants.
  const { least: _, ...env } = process.env;
  const { status, stdout } = spawnSync('bash', ['-c', lines.join('\n'), '-', output], { encoding: 'utf8', env });
  return { status, stdout };
}

const none = 'test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 67 filtered out; finished in 0.00s';
const three = none.replace('0 passed', '3 passed');

test('what a step runs is added up', () => {
  const { status, stdout } = step('', `${three}\n# pass 4`);
  assert.equal(status, 0);
  assert.match(stdout, /^7 in all$/m);
});

test('a filter that finds no test any more fails where some are wanted, and only there', () => {
  const { status, stdout } = step('least=3', none);
  assert.equal(status, 1);
  assert.match(stdout, /^0 tests passed, and at least 3 should/m);
  assert.equal(step('least=4', three).status, 1);
  assert.equal(step('least=3', three).status, 0);
  assert.equal(step('', none).status, 0);
});

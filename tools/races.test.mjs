// Every row of docs/races.md names tests, and each of them exists where the row says.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const read = (path) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
const folders = {
  sip: 'crates/offhook-sip/tests',
  core: 'crates/offhook-core/tests',
  sim: 'crates/offhook-sim/tests',
  pbx: 'crates/offhook-pbx/src/switch/tests',
  media: 'crates/offhook-media/src/core/tests',
};

const rows = read('docs/races.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (---|crossing)/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));

test('the table of races has rows', () => assert.ok(rows.length > 40, `${rows.length} rows`));

for (const [, crossing, winner, tests] of rows) {
  test(`the tests of "${crossing}" exist`, () => {
    assert.ok(winner, 'says who wins');
    const named = [...tests.matchAll(/`([^`]+)`/g)].length;
    let found = 0;
    for (const [, crate, file, names] of tests.matchAll(/(\w+) (\w+): ((?:`\w+`(?:, )?)+)/g)) {
      const path = `${folders[crate]}/${file}.rs`;
      assert.ok(existsSync(fileURLToPath(new URL(`../${path}`, import.meta.url))), path);
      const source = read(path);
      for (const [, name] of names.matchAll(/`(\w+)`/g)) {
        assert.match(source, new RegExp(`#\\[test\\]\\s*fn ${name}\\(`), `${path}: ${name}`);
        found += 1;
      }
    }
    assert.ok(found > 0, 'names at least one test');
    assert.equal(found, named, `every test is named as "crate file: \`test\`": ${tests}`);
  });
}

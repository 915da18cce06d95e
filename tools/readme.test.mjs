// What the README shows is what is compiled.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const read = (path) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');

test('the Rust example of the README is examples/readme.rs', () => {
  const shown = read('README.md').match(/```rust\n(.*?)```/s)[1];
  const compiled = read('crates/offhook/examples/readme.rs');
  assert.equal(shown, compiled.slice(compiled.indexOf('use ')));
});

for (const page of ['README.md', 'CONTRIBUTING.md', 'docs/architecture.md', 'docs/decisions/README.md', 'fuzz/README.md']) {
  test(`the links of ${page} lead somewhere`, () => {
    const base = new URL(`../${page}`, import.meta.url);
    for (const [, target] of read(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      assert.ok(existsSync(fileURLToPath(new URL(target, base))), `${page}: ${target}`);
    }
  });
}

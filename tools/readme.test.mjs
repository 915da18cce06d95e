// What the README shows is what is compiled, and the links of all pages lead somewhere.

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const read = (path) => readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');

test('the Rust example of the README is examples/readme.rs', () => {
  const shown = read('README.md').match(/```rust\n(.*?)```/s)[1];
  const compiled = read('crates/offhook/examples/readme.rs');
  assert.equal(shown, compiled.slice(compiled.indexOf('use ')));
});

/** All pages below a folder, but for what is installed or built. */
function pages(folder = '') {
  const entries = readdirSync(fileURLToPath(new URL(`../${folder}`, import.meta.url)), { withFileTypes: true });
  return entries.flatMap((entry) => {
    if (entry.isDirectory()) return /^(\.|(node_modules|target|dist)$)/.test(entry.name) ? [] : pages(`${folder}${entry.name}/`);
    return entry.name.endsWith('.md') ? [`${folder}${entry.name}`] : [];
  });
}

test('all pages are looked at', () => {
  const found = pages();
  for (const page of ['README.md', 'docs/cli.md', 'docs/decisions/README.md', 'web/README.md']) assert.ok(found.includes(page), page);
});

for (const page of pages()) {
  test(`the links of ${page} lead somewhere`, () => {
    const base = new URL(`../${page}`, import.meta.url);
    for (const [, target] of read(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      assert.ok(existsSync(fileURLToPath(new URL(target, base))), `${page}: ${target}`);
    }
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseRun, parseTap, parseTargets, problems, render } from './conformance.mjs';

const hold = 'offhook-core::hold::a_held_call_is_held';
const run = `     Running unittests src/lib.rs (target/debug/deps/offhook_core-0a)
test timer::tests::it_ticks ... ok
     Running tests/hold.rs (target/debug/deps/hold-1b)
test a_held_call_is_held ... ok
test a_broken_one ... FAILED
test a_skipped_one ... ignored, not here
   Doc-tests offhook_core
test a_doc_test ... ok
     Running tests/hold.rs (target/debug/deps/hold-2c)
test a_held_call_is_held ... FAILED
`;
const artifact = (file, kind, name, crate) =>
  JSON.stringify({
    reason: 'compiler-artifact',
    executable: `/x/target/debug/deps/${file}`,
    manifest_path: `/x/crates/${crate}/Cargo.toml`,
    target: { kind: [kind], name },
    profile: { test: true },
  });
const targets = parseTargets(
  [
    artifact('offhook_core-0a', 'lib', 'offhook_core', 'offhook-core'),
    artifact('hold-1b', 'test', 'hold', 'offhook-core'),
    artifact('hold-2c', 'test', 'hold', 'offhook-pbx'),
    '{"reason":"build-finished","success":true}',
  ].join('\n'),
);
const results = parseRun(run, targets);

const list = (...rows) => [{ title: 'Session', sections: [{ title: 'Methods', rows }] }];
const row = (more) => ({ id: 'session.method.hold', says: 'a | b', ...more });
const check = (documents, page = render(documents)) => problems(documents, results, page);

const inPage = 'web/test/calls.test.js › a call # 1';
const tap = `TAP version 13
# file web/test/calls.test.js
TAP version 13
# Subtest: a call \\# 1
ok 1 - a call \\# 1
  ---
  duration_ms: 1
  ...
not ok 2 - a broken one
ok 3 - a skipped one # SKIP not here
# file web/test/init.test.js
ok 1 - a broken one
`;
const checkBrowser = (...tests) => {
  const documents = list(row({ tests: [hold], browserTests: tests }));
  return problems(documents, results, render(documents), parseTap(tap));
};

test('a run is read, and equal names in two packages are told apart', () => {
  assert.deepEqual(Object.fromEntries(results), {
    'offhook-core::lib::timer::tests::it_ticks': 'ok',
    [hold]: 'ok',
    'offhook-core::hold::a_broken_one': 'FAILED',
    'offhook-core::hold::a_skipped_one': 'ignored',
    'offhook-pbx::hold::a_held_call_is_held': 'FAILED',
  });
});

test('colours do not hide a result', () => {
  const coloured = run.replaceAll('ok', '\x1b[32mok\x1b[0m').replaceAll('Running', '\x1b[1m\x1b[92mRunning\x1b[0m');
  assert.deepEqual(parseRun(coloured, targets), results);
});

test('a proven row is no problem, nor is one for browsers only', () => {
  const inBrowser = { id: 'x', says: 'y', browserOnly: 'no tab natively', browserTests: [inPage] };
  assert.deepEqual(check(list(row({ tests: [hold] }), inBrowser)), []);
});

test('a row for browsers only needs a test in a browser', () => {
  const only = (more) => check(list({ id: 'x', says: 'y', browserOnly: 'no tab natively', ...more }));
  const problem = ['x: for browsers only, and no test in one'];
  assert.deepEqual([only({}), only({ browserTests: [] }), only({ tests: [hold] })], [problem, problem, problem]);
});

test('a row without a test is found, open or not', () => {
  assert.deepEqual(check(list(row({}))), ['session.method.hold: no test']);
  assert.deepEqual(check(list(row({ tests: [], open: 'not made' }))), ['session.method.hold: no test (open: not made)']);
});

test('a test that is missing, failed or ignored is found', () => {
  for (const [name, says] of [
    ['a_renamed_one', 'did not run'],
    ['a_broken_one', 'did not pass: FAILED'],
    ['a_skipped_one', 'did not pass: ignored'],
  ]) {
    const found = check(list(row({ tests: [hold, `offhook-core::hold::${name}`] })));
    assert.deepEqual(found, [`session.method.hold: offhook-core::hold::${name} ${says}`]);
  }
});

test('a run without any test proves nothing', () => {
  assert.match(problems([], new Map(), render([])).join(), /no test in it/);
});

test('a stale page is found, with the command that makes it anew', () => {
  const documents = list(row({ tests: [hold] }));
  const found = check(documents, `${render(documents)}more\n`);
  assert.deepEqual(found, ['docs/conformance.md is stale: run node tools/conformance.mjs --write']);
});

test('a run in a browser is read file by file', () => {
  assert.deepEqual(Object.fromEntries(parseTap(tap)), {
    [inPage]: 'ok',
    'web/test/calls.test.js › a broken one': 'not ok',
    'web/test/calls.test.js › a skipped one': 'skip',
    'web/test/init.test.js › a broken one': 'ok',
  });
});

test('a test in a browser that is missing, failed or skipped is found', () => {
  assert.deepEqual(checkBrowser(inPage, 'web/test/init.test.js › a broken one'), []);
  for (const [name, says] of [
    ['a renamed one', 'did not run'],
    ['a broken one', 'did not pass: not ok'],
    ['a skipped one', 'did not pass: skip'],
  ]) {
    const named = `web/test/calls.test.js › ${name}`;
    assert.deepEqual(checkBrowser(inPage, named), [`session.method.hold: ${named} ${says}`]);
  }
  assert.match(checkBrowser('calls › a call').join(), /is no test in a browser/);
  assert.match(problems([], results, render([]), new Map()).join(), /in a browser has no test in it/);
});

test('without a run in a browser its tests are not asked for, and a row without any is open there', () => {
  assert.deepEqual(check(list(row({ tests: [hold], browserTests: [inPage] }))), []);
  assert.deepEqual(check(list(row({ tests: [hold] }))), []);
  assert.match(render(list(row({ tests: [hold] }))), /\*\*open\*\* \|$/m);
  assert.match(check(list(row({ tests: [hold], browserTests: [inPage], nativeOnly: 'why' }))).join(), /native only and not/);
});

test('a section that is native only says so of its rows', () => {
  const documents = list(row({ tests: [hold] }));
  documents[0].sections[0].nativeOnly = 'a server is none in a page';
  assert.deepEqual(check(documents), []);
  assert.match(render(documents), /\| Session \| 1 \| 1 \| 0 \| 0 \| 0 \| 0 \| 1 \| 0 \|/);
  assert.match(render(documents), /native only: a server is none in a page/);
});

test('a row that is there twice, misspelt or proven and open is found', () => {
  const proven = row({ tests: [hold] });
  assert.match(check(list(proven, proven)).join(), /twice/);
  assert.match(check(list({ ...proven, test: [] })).join(), /unknown field test/);
  assert.match(check(list({ ...proven, open: 'why' })).join(), /still open/);
  assert.match(check(list(row({ browserOnly: true }))).join(), /gives the reason/);
});

test('the page counts, and a bar does not break its table', () => {
  const elsewhere = { id: 'z', says: 'w', elsewhere: 'the browser package' };
  const text = render(list(row({ tests: [hold] }), { id: 'x', says: 'y', open: 'later' }, elsewhere));
  assert.match(text, /\| Session \| 3 \| 1 \| 0 \| 1 \| 1 \| 0 \| 0 \| 3 \|/);
  assert.match(text, /belongs to the browser package/);
  assert.match(text, /a \\\| b \| `offhook-core::hold::a_held_call_is_held` \| \*\*open\*\* \|/);
});

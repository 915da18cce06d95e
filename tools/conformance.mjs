// docs/conformance.md: every requirement of the contract and the tests that prove it.
//
//   node tools/conformance.mjs --check BUILD RUN [TAP]   BUILD and RUN are the saved outputs of `cargo test --workspace`, the one with
//                                                        `--no-run --message-format=json`
//   node tools/conformance.mjs --write                   makes docs/conformance.md from docs/conformance/*.json
//
// A row names native tests as package::target::path, where target is `lib` for a library's own tests, and those of a browser
// (browserTests) as `web/test/calls.test.js › name`. A row without a native test fails the check, as does a named test that did
// not run and pass, and a stale page. One for browsers only (browserOnly) fails without a test in a browser. Another row without a test in a browser is open there, unless it says why it is native only
// (nativeOnly, of a row or of a whole section). TAP is the saved output of node's runner, each file's after a line `# file PATH`;
// without it nothing is asked of the browser's tests.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const page = 'docs/conformance.md';
const lists = ['docs/conformance/session.json', 'docs/conformance/phone.json', 'docs/conformance/pbx.json'];
const regenerate = 'node tools/conformance.mjs --write';

/** Everything wrong, as sentences; empty when the contract is proven. `browser`: as `results`, if those tests were run. */
export function problems(documents, results, written, browser) {
  const found = shapeProblems(documents);
  if (results.size === 0) found.push('the run of the native tests has no test in it');
  if (browser?.size === 0) found.push('the run of the tests in a browser has no test in it');
  for (const row of rows(documents)) {
    for (const name of browser ? (row.browserTests ?? []) : []) {
      const result = browser.get(name);
      if (result === undefined) found.push(`${row.id}: ${name} did not run`);
      else if (result !== 'ok') found.push(`${row.id}: ${name} did not pass: ${result}`);
    }
    if (notNative(row)) continue;
    const tests = row.tests ?? [];
    if (tests.length === 0) found.push(`${row.id}: no test${row.open ? ` (open: ${row.open})` : ''}`);
    for (const name of tests) {
      const result = results.get(name);
      if (result === undefined) found.push(`${row.id}: ${name} did not run`);
      else if (result !== 'ok') found.push(`${row.id}: ${name} did not pass: ${result}`);
    }
  }
  if (written !== render(documents)) found.push(`${page} is stale: run ${regenerate}`);
  return found;
}

/** The page, from the lists alone. */
export function render(documents) {
  const lines = [
    '# Conformance',
    '',
    `What the contract asks for and the tests that prove it, natively and in a browser. Made by \`${regenerate}\` from the lists in`,
    '[conformance](conformance); `./test` fails if a row has no native test, if a named test did not run and pass, or if this page is stale.',
    'A native test is named package, test binary (`lib`: the tests inside the library), path; one in a browser by its file and name.',
    '',
    '| list | rows | proven natively | browser only | belongs elsewhere | open | proven in a browser | native only | open in a browser |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...documents.map((document) => {
      const all = rows([document]);
      const count = (of) => all.filter(of).length;
      const [proven, browser] = [count(proved), count((row) => row.browserOnly)];
      const elsewhere = count((row) => row.elsewhere && !row.browserOnly);
      const native = [all.length, proven, browser, elsewhere, all.length - proven - browser - elsewhere];
      return `| ${[document.title, ...native, count(provedInBrowser), count((row) => row.nativeOnly), count(openInBrowser)].join(' | ')} |`;
    }),
  ];
  for (const document of documents) {
    lines.push('', `## ${document.title}`);
    for (const section of document.sections) {
      lines.push('', `### ${section.title}`, '', '| row | requirement | natively proven by | in a browser proven by |', '| --- | --- | --- | --- |');
      for (const row of rows([{ sections: [section] }])) {
        lines.push(`| \`${row.id}\` | ${cell(row.says)} | ${cell(proof(row))} | ${cell(browserProof(row))} |`);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

/** What node's runner said of each test: `file › name` → `ok`, or what else it is. */
export function parseTap(text) {
  const results = new Map();
  let file;
  for (const line of text.split(/\r?\n/)) {
    const begun = /^# file (.+)$/.exec(line);
    if (begun) [, file] = begun;
    const test = /^(ok|not ok) \d+ - (.*?)(?: # (SKIP|TODO)\b.*)?$/.exec(line);
    if (!file || !test) continue;
    const [, result, name, directive] = test;
    results.set(`${file} › ${name.replace(/\\([\\#])/g, '$1')}`, directive ? directive.toLowerCase() : result);
  }
  return results;
}

/** What `cargo test` said of each test. `targets` maps a test binary's file name to `package::target`. */
export function parseRun(text, targets) {
  const results = new Map();
  let target;
  for (const line of text.replace(/\x1b\[[0-9;]*m/g, '').split(/\r?\n/)) {
    const running = /^\s*Running .*\((.+)\)$/.exec(line);
    if (running) {
      target = targets.get(basename(running[1]));
      continue;
    }
    if (/^\s*Doc-tests /.test(line)) target = undefined;
    const test = /^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)/.exec(line);
    if (target && test) results.set(`${target}::${test[1]}`, test[2]);
  }
  return results;
}

/** From cargo's JSON messages: the test binaries, which its `Running` lines name without their package. */
export function parseTargets(messages) {
  const targets = new Map();
  for (const line of messages.split('\n')) {
    if (!line.startsWith('{')) continue;
    const { reason, executable, manifest_path: manifest, target, profile } = JSON.parse(line);
    if (reason !== 'compiler-artifact' || !executable || !profile.test) continue;
    const name = target.kind.includes('lib') ? 'lib' : target.name;
    targets.set(basename(executable), `${manifest.split('/').at(-2)}::${name}`);
  }
  return targets;
}

function shapeProblems(documents) {
  const found = [];
  const seen = new Set();
  const known = new Set(['id', 'says', 'tests', 'open', 'browserOnly', 'elsewhere', 'browserTests', 'nativeOnly']);
  for (const row of rows(documents)) {
    if (seen.has(row.id)) found.push(`${row.id}: twice in the lists`);
    seen.add(row.id);
    if (!row.id || !row.says) found.push(`${row.id}: a row has an id and says something`);
    for (const key of ['browserOnly', 'elsewhere', 'nativeOnly'])
      if (row[key] !== undefined && !(typeof row[key] === 'string' && row[key])) found.push(`${row.id}: ${key} gives the reason`);
    if (row.open && proved(row)) found.push(`${row.id}: has a test and is still open: ${row.open}`);
    if (row.browserOnly && !provedInBrowser(row)) found.push(`${row.id}: for browsers only, and no test in one`);
    if (row.nativeOnly && (row.browserOnly || provedInBrowser(row))) found.push(`${row.id}: is native only and not`);
    for (const name of row.browserTests ?? [])
      if (!/^web\/test\/\S+\.test\.js › \S/.test(name)) found.push(`${row.id}: ${name} is no test in a browser`);
    for (const key of Object.keys(row)) if (!known.has(key)) found.push(`${row.id}: unknown field ${key}`);
  }
  return found;
}

function proof(row) {
  if (row.browserOnly) return `browser only: ${row.browserOnly}`;
  if (row.elsewhere) return `belongs to ${row.elsewhere}`;
  if (proved(row)) return row.tests.map((name) => `\`${name}\``).join('<br>');
  return `**open**${row.open ? `: ${row.open}` : ''}`;
}

function browserProof(row) {
  if (row.nativeOnly) return `native only: ${row.nativeOnly}`;
  return provedInBrowser(row) ? row.browserTests.map((name) => `\`${name}\``).join('<br>') : '**open**';
}

const provedInBrowser = (row) => (row.browserTests ?? []).length > 0;
const openInBrowser = (row) => !provedInBrowser(row) && !row.nativeOnly;
const notNative = (row) => Boolean(row.browserOnly || row.elsewhere);
const proved = (row) => !notNative(row) && (row.tests ?? []).length > 0;
const rows = (documents) => documents.flatMap(({ sections }) => sections.flatMap(rowsOf));
/** A section's `nativeOnly` is that of its rows. */
const rowsOf = ({ nativeOnly, rows }) => (nativeOnly ? rows.map((row) => ({ nativeOnly, ...row })) : rows);
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function main(args) {
  const documents = lists.map((path) => JSON.parse(readFileSync(new URL(path, root), 'utf8')));
  const target = new URL(page, root);
  if (args[0] === '--write' && args.length === 1) {
    writeFileSync(target, render(documents));
    return 0;
  }
  const [check, ...saved] = args;
  if (check !== '--check' || saved.length < 2 || saved.length > 3) {
    console.error('usage: node tools/conformance.mjs --check BUILD RUN [TAP] | --write');
    return 2;
  }
  const [build, run, tap] = saved.map((path) => readFileSync(path, 'utf8'));
  const results = parseRun(run, parseTargets(build));
  const browser = tap && parseTap(tap);
  const found = problems(documents, results, existsSync(target) ? readFileSync(target, 'utf8') : '', browser);
  for (const problem of found) console.error(problem);
  const count = (of) => rows(documents).filter(of).length;
  const inBrowser = `${count(provedInBrowser)} with tests in a browser, ${count(openInBrowser)} open there`;
  console.log(`${rows(documents).length} rows, ${count(proved)} with native tests, ${inBrowser}, ${found.length} problems`);
  return found.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));

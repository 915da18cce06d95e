// docs/conformance.md: every requirement of the contract and the tests that prove it.
//
//   node tools/conformance.mjs --check RUN   RUN is the saved output of `cargo test --workspace`
//   node tools/conformance.mjs --write       makes docs/conformance.md from docs/conformance/*.json
//
// A row names tests as package::target::path, where target is `lib` for a library's own tests. A row
// without a test fails the check, as does a named test that did not run and pass, and a stale page.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const page = 'docs/conformance.md';
const lists = ['docs/conformance/session.json', 'docs/conformance/phone.json', 'docs/conformance/pbx.json'];
const regenerate = 'node tools/conformance.mjs --write';

/** Everything wrong, as sentences; empty when the contract is proven. */
export function problems(documents, results, written) {
  const found = shapeProblems(documents);
  if (results.size === 0) found.push('the run of the native tests has no test in it');
  for (const row of rows(documents)) {
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
    `What the contract asks for and the tests that prove it natively. Made by \`${regenerate}\` from the lists in`,
    '[conformance](conformance); `./test` fails if a row has no test, if a named test did not run and pass, or if this page is stale.',
    'A test is named package, test binary (`lib`: the tests inside the library), path.',
    '',
    '| list | rows | proven natively | browser only | belongs elsewhere | open |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...documents.map((document) => {
      const all = rows([document]);
      const browser = all.filter((row) => row.browserOnly).length;
      const elsewhere = all.filter((row) => row.elsewhere && !row.browserOnly).length;
      const proven = all.filter(proved).length;
      const open = all.length - proven - browser - elsewhere;
      return `| ${document.title} | ${all.length} | ${proven} | ${browser} | ${elsewhere} | ${open} |`;
    }),
  ];
  for (const document of documents) {
    lines.push('', `## ${document.title}`);
    for (const section of document.sections) {
      lines.push('', `### ${section.title}`, '', '| row | requirement | natively proven by |', '| --- | --- | --- |');
      for (const row of section.rows) lines.push(`| \`${row.id}\` | ${cell(row.says)} | ${cell(proof(row))} |`);
    }
  }
  return `${lines.join('\n')}\n`;
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
  const known = new Set(['id', 'says', 'tests', 'open', 'browserOnly', 'elsewhere']);
  for (const row of rows(documents)) {
    if (seen.has(row.id)) found.push(`${row.id}: twice in the lists`);
    seen.add(row.id);
    if (!row.id || !row.says) found.push(`${row.id}: a row has an id and says something`);
    for (const key of ['browserOnly', 'elsewhere'])
      if (row[key] !== undefined && !(typeof row[key] === 'string' && row[key])) found.push(`${row.id}: ${key} gives the reason`);
    if (row.open && proved(row)) found.push(`${row.id}: has a test and is still open: ${row.open}`);
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

const notNative = (row) => Boolean(row.browserOnly || row.elsewhere);
const proved = (row) => !notNative(row) && (row.tests ?? []).length > 0;
const rows = (documents) => documents.flatMap((document) => document.sections.flatMap((section) => section.rows));
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function main(args) {
  const documents = lists.map((path) => JSON.parse(readFileSync(new URL(path, root), 'utf8')));
  const target = new URL(page, root);
  if (args[0] === '--write' && args.length === 1) {
    writeFileSync(target, render(documents));
    return 0;
  }
  if (args[0] !== '--check' || args.length !== 2) {
    console.error('usage: node tools/conformance.mjs --check RUN | --write');
    return 2;
  }
  const messages = execFileSync(
    'cargo',
    ['test', '--locked', '--workspace', '--no-run', '--message-format=json'],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const results = parseRun(readFileSync(args[1], 'utf8'), parseTargets(messages));
  const found = problems(documents, results, existsSync(target) ? readFileSync(target, 'utf8') : '');
  for (const problem of found) console.error(problem);
  console.log(`${rows(documents).length} rows, ${rows(documents).filter(proved).length} with tests, ${found.length} problems`);
  return found.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));

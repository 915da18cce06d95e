// docs/conformance.md: every row of the contract and the tests that prove it, checked against a run of the tests.
//
//   node tools/conformance.mjs --check LOG    fails if a row has no test, a named test did not pass in LOG (what
//                                             `cargo test` printed), or the page is not what would be written
//   node tools/conformance.mjs --write        writes the page
//
// Rows are in docs/conformance/*.rows: `requirement => test, test`; `=> [reason]` where it is not this part's to do.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const folder = new URL('docs/conformance/', root);
const page = new URL('docs/conformance.md', root);

/// The rows of one file: `{title, sections: [{title, rows: [{requirement, tests, elsewhere}]}]}`.
export function parse(text) {
  const part = { title: '', sections: [] };
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    if (line.startsWith('# ')) {
      part.title = line.slice(2);
    } else if (line.startsWith('## ')) {
      part.sections.push({ title: line.slice(3), rows: [] });
    } else {
      const [requirement, proof, ...more] = line.split(' => ');
      if (more.length > 0 || part.sections.length === 0) throw new Error(`line ${index + 1} is no row: ${line}`);
      const elsewhere = /^\[(.+)\]$/.exec(proof ?? '')?.[1];
      const tests = elsewhere || !proof ? [] : proof.split(',').map((name) => name.trim());
      part.sections.at(-1).rows.push({ requirement, tests, elsewhere });
    }
  }
  return part;
}

/// What a run of `cargo test` says: the outcome of each test, by `binary::test`.
export function outcomes(log) {
  const results = new Map();
  let binary;
  for (const line of log.split('\n')) {
    const running = /Running .*\(.*[/\\]([A-Za-z0-9_]+)-[0-9a-f]+(?:\.exe)?\)/.exec(line);
    if (running) binary = running[1];
    if (/^\s*Doc-tests /.test(line)) binary = undefined;
    const test = /^test (\S+)(?: - should panic)? \.\.\. (\S+)/.exec(line);
    if (!test || !binary) continue;
    const name = `${binary}::${test[1]}`;
    // Two crates may have a binary of the same name: a test that failed in one has failed.
    if (results.get(name) !== 'FAILED') results.set(name, test[2]);
  }
  return results;
}

/// What is wrong with the rows, in words.
export function faults(parts, results) {
  const found = [];
  for (const part of parts) {
    for (const section of part.sections) {
      for (const row of section.rows) {
        const where = `${part.title}, ${section.title}: "${row.requirement}"`;
        if (row.tests.length === 0 && !row.elsewhere) found.push(`${where} has no test`);
        for (const test of row.tests) {
          const outcome = results.get(test);
          if (outcome === undefined) found.push(`${where}: the test ${test} was not run`);
          else if (outcome !== 'ok') found.push(`${where}: the test ${test} ended with ${outcome}`);
        }
      }
    }
  }
  return found;
}

/// The page.
export function render(parts) {
  const rows = parts.flatMap((part) => part.sections.flatMap((section) => section.rows));
  const proven = rows.filter((row) => row.tests.length > 0).length;
  const tests = new Set(rows.flatMap((row) => row.tests));
  const lines = [
    '# Conformance',
    '',
    '<!-- Written by `node tools/conformance.mjs --write` from docs/conformance/*.rows; ./test checks it against its own run. -->',
    '',
    `Every row of the contract of \`Session\` and \`Phone\`, and the tests that prove it natively: ${rows.length} rows, ${proven} of them`,
    `proven, by ${tests.size} tests. A row without a test, or with a test that does not pass, fails \`./test\`.`,
    '',
    'A test is named by its binary and its path there; `cargo test NAME` runs it.',
  ];
  for (const part of parts) {
    lines.push('', `## ${part.title}`);
    for (const section of part.sections) {
      lines.push('', `### ${section.title}`, '', '| requirement | proven by |', '| --- | --- |');
      for (const row of section.rows) {
        const proof = row.elsewhere ? `– ${row.elsewhere}` : row.tests.map((test) => `\`${test}\``).join('<br>');
        lines.push(`| ${row.requirement.replaceAll('|', '\\|')} | ${proof} |`);
      }
    }
  }
  return `${lines.join('\n')}\n`;
}

function main([mode, log]) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.rows')).sort().reverse();
  const parts = files.map((name) => parse(readFileSync(new URL(name, folder), 'utf8')));
  const text = render(parts);
  if (mode === '--write') {
    writeFileSync(page, text);
    return 0;
  }
  if (mode !== '--check' || !log || !existsSync(log)) {
    console.error('usage: node tools/conformance.mjs --write | --check LOG');
    return 2;
  }
  const found = faults(parts, outcomes(readFileSync(log, 'utf8')));
  if (!existsSync(page) || readFileSync(page, 'utf8') !== text) {
    found.push('docs/conformance.md is stale: run node tools/conformance.mjs --write');
  }
  for (const fault of found) console.error(`conformance: ${fault}`);
  if (found.length === 0) console.log(`conformance: ${parts.map((part) => part.title).join(' and ')}: every row is proven`);
  return found.length === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));

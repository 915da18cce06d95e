// The declarations: complete against what the package has, and the example of the README compiles with them.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { test } from 'node:test';

import ts from 'typescript';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const OPTIONS = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  types: [],
};

test('the examples of the README compile, and misuse of them does not', async () => {
  const readme = await readFile(here('../README.md'), 'utf8');
  const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, example]) => example);
  // What a page has from its back end.
  examples[1] = `declare const signature: string;\n${examples[1]}`;
  examples[2] = `import type { PhoneConfig } from 'offhook';
declare const account: PhoneConfig, first: string, second: string;
declare function keep(blob: Blob): void;
${examples[2]}`;
  assert.equal(examples.length, 3);
  const misuses = [
    [0, "phone.call('600')", 'phone.call(600)'],
    [0, '({ session }) => session.answer()', '({ sessions }) => sessions.answer()'],
    [0, 'before.callStatus', 'before.callstatus'],
    [0, "'streamAdded'", "'streamadded'"],
    [1, 'secret: signature, ', ''],
    [1, "'runtimeError'", "'runtimeerror'"],
    [1, "sortBy: 'time'", "sortBy: 'date'"],
    [1, 'disposition }', 'state }'],
    [2, 'new AudioEngine()', 'new Tones()'],
    [2, '({ blob })', '({ blobs })'],
    [2, '[first, second]', '[1, 2]'],
    [1, "pbxURL: 'https://pbx.example.com'", "pbxURL: 'https://pbx.example.com', userAgent: 'Web'"],
  ];
  const wrong = misuses.map(([of, right, wrong]) => examples[of].replace(right, wrong));
  const found = await problems([...examples, ...wrong]);
  assert.deepEqual(found.slice(0, 3), [[], [], []]);
  misuses.forEach(([of, right, wrong], index) => {
    assert.ok(examples[of].includes(right), right);
    assert.notDeepEqual(found[index + 3], [], wrong);
  });
});

test('what is declared of a phone, a session and a PBX is there, and the other way round', async () => {
  const program = ts.createProgram([here('../offhook.d.ts')], OPTIONS);
  const declared = (name) => {
    const source = program.getSourceFile(here('../offhook.d.ts'));
    const found = source.statements.find((node) => ts.isClassDeclaration(node) && node.name.text === name);
    return new Set(found.members.filter((member) => member.name).map((member) => member.name.text));
  };
  // A browser's globals that a class definition touches.
  const { Phone } = await import('../src/phone.js');
  const { Session } = await import('../src/session.js');
  const { PBXOperator } = await import('../src/pbx.js');
  const fields = { Phone: ['deviceIds', 'reRegistryPhoneTimes'], Session: ['callId', 'status', 'callReport', 'localStream', 'remoteStream'], PBXOperator: [] };
  const internal = { Phone: [], Session: ['keep', 'connect', 'tell', 'unlock'], PBXOperator: ['tell'] };
  for (const made of [Phone, Session, PBXOperator]) {
    const own = [made.prototype, Object.getPrototypeOf(made.prototype)].flatMap((prototype) => Object.getOwnPropertyNames(prototype));
    const real = new Set([...own, ...fields[made.name]].filter((name) => name !== 'constructor' && !internal[made.name].includes(name)));
    assert.deepEqual([...declared(made.name)].sort(), [...real].sort(), made.name);
  }
});

/** What the compiler says of each text. */
async function problems(texts) {
  // Within the package, so that it is found by its name, as in a page's project.
  const folder = await mkdtemp(here('../types-'));
  try {
    const files = texts.map((_, index) => join(folder, `example${index}.mts`));
    await Promise.all(files.map((file, index) => writeFile(file, texts[index])));
    const program = ts.createProgram(files, OPTIONS);
    const words = ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n');
    return files.map((file) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)).map(words));
  } finally {
    await rm(folder, { recursive: true });
  }
}

// The offhook command as a test drives it: started as a process, heard through its JSON lines.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const TIMEOUT_MS = 15_000;

/// The command under test: $OFFHOOK, or the debug build.
export function command() {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  return process.env.OFFHOOK ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug', 'offhook');
}

/// One running `offhook …`.
export class Native {
  #process;
  #events = [];
  #errors = '';
  #waiting = new Set();
  #ended;

  /// `within`: the network namespace that it runs in.
  constructor(args, env = {}, { within } = {}) {
    const [program, ...all] = [...(within ? ['ip', 'netns', 'exec', within] : []), command(), ...args, '--json'];
    this.#process = spawn(program, all, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#take(JSON.parse(line)));
    this.#process.stderr.on('data', (text) => (this.#errors += text));
    this.#ended = new Promise((resolve, reject) => {
      this.#process.on('error', reject);
      this.#process.on('close', (code, signal) => resolve({ code, signal }));
    });
    this.#ended.catch(() => {}); // told to whoever waits
  }

  /// The number of events so far: a mark for `event(…, {after})`.
  mark() {
    return this.#events.length;
  }

  /// All events of one name so far.
  events(name) {
    return this.#events.filter((event) => event.event === name);
  }

  /// The first event of this name that `fits`, past or to come, after a mark.
  event(name, { after = 0, fits = () => true } = {}) {
    const wanted = (event) => event.event === name && fits(event);
    const past = this.#events.slice(after).find(wanted);
    if (past) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      const waiter = (event) => {
        if (!wanted(event)) return;
        done();
        resolve(event);
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`no "${name}" from offhook within ${TIMEOUT_MS} ms\n${this.#told()}`));
      }, TIMEOUT_MS);
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiter);
      };
      this.#waiting.add(waiter);
    });
  }

  /// The exit code, once it has ended.
  async exit() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`offhook does not end\n${this.#told()}`)), TIMEOUT_MS);
    });
    const { code, signal } = await Promise.race([this.#ended, late]).finally(() => clearTimeout(timer));
    if (code === null) throw new Error(`offhook was ended by ${signal}\n${this.#told()}`);
    return code;
  }

  /// Ctrl-C.
  interrupt() {
    this.#process.kill('SIGINT');
  }

  /// Ends it whatever it does.
  async stop() {
    this.#process.stdin.end();
    if (this.#process.exitCode === null) this.#process.kill('SIGINT');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5_000);
    await this.#ended.finally(() => clearTimeout(timer));
  }

  #take(event) {
    this.#events.push(event);
    for (const waiter of [...this.#waiting]) waiter(event);
  }

  #told() {
    const events = this.#events.map((event) => JSON.stringify(event).slice(0, 200)).join('\n  ');
    return `  ${events}\n${this.#errors}`;
  }
}

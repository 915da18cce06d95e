// A PBX and a browser with nothing but a bad path between them: two network namespaces and `offhook-network-link` (root is needed).

import { execFile, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { CHROMIUM, launch } from '../../jssip/lib/browser.js';
import { Native, command } from '../../jssip/lib/native.js';

/** Where the PBX is, on the right. */
const RIGHT = '10.7.0.2';
export const PASSWORD = 'correct-horse-battery-staple';

const ip = (...parameters) => promisify(execFile)('ip', parameters);
let number = 0;

export class BadPath {
  #prefix = `ohw${process.pid}-${(number += 1)}`;
  #link;
  #lines;
  #folder;
  #pbx;
  #browser;

  /** A scenario of `offhook-netem`, and a seed. */
  static async build(scenario, seed) {
    const path = new BadPath();
    try {
      await path.#build(scenario, seed);
    } catch (error) {
      await path.close();
      throw error;
    }
    return path;
  }

  async #build(scenario, seed) {
    const [left, right] = this.#namespaces;
    for (const namespace of this.#namespaces) {
      await ip('netns', 'add', namespace);
      await ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    this.#link = spawn(join(dirname(command()), 'offhook-network-link'), [left, right, scenario, seed], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#link.stdout })[Symbol.asyncIterator]();
    await this.#lines.next();
    this.#folder = await mkdtemp(join(tmpdir(), 'offhook-bad-path-'));
    const file = async (name, text) => {
      await writeFile(join(this.#folder, name), text);
      return join(this.#folder, name);
    };
    // Beyond loopback it refuses the passwords that it has built in.
    const config = await file('pbx.toml', `bind = "${RIGHT}"
ws_port = false
wss_port = 0
domain = "pbx.example"
data_dir = ${JSON.stringify(join(this.#folder, 'data'))}

[[extension]]
number = "1000"
name = "Ada"
password = "${PASSWORD}"
`);
    this.#pbx = new Native(['pbx', '--config', config, '--until-stdin-closes'], {}, { within: right });
    const { wss } = await this.#pbx.event('listening');
    this.server = wss;
    const within = await file('chromium', `#!/bin/sh\nexec ip netns exec ${left} '${CHROMIUM}' "$@"\n`);
    await chmod(within, 0o755);
    // The PBX makes its own certificate, which no browser knows.
    this.#browser = await launch({ flags: ['--ignore-certificate-errors'], executablePath: within });
  }

  /** A page of the PBX, which has the package beside it. */
  async page() {
    const page = await this.#browser.newPage({ ignoreHTTPSErrors: true });
    await page.goto(new URL('/', this.server.replace(/^ws/, 'http')).href);
    return page;
  }

  /** `{ms, left, right}`: since it began; of each way, by where it leads, how many packets were `sent` and how many `arrived`. */
  async counters() {
    this.#link.stdin.write('\n');
    return JSON.parse((await this.#lines.next()).value);
  }

  async close() {
    await this.#browser?.close();
    await this.#pbx?.stop();
    this.#link?.kill('SIGKILL');
    for (const namespace of this.#namespaces) await ip('netns', 'del', namespace).catch(() => {});
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }

  get #namespaces() {
    return [`${this.#prefix}l`, `${this.#prefix}r`];
  }
}

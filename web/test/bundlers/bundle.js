// One page, made by each bundler as its users would.

import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const app = (name) => fileURLToPath(new URL(`app/${name}`, import.meta.url));
const page = (script) => `<!doctype html>\n<link rel="icon" href="data:,">\n${script}\n`;

/** By name: puts `index.html` and what it needs into a folder. */
export const bundlers = {
  async esbuild(folder) {
    const { build } = await import('esbuild');
    const options = { bundle: true, minify: true, format: 'esm', loader: { '.wasm': 'file' }, logLevel: 'error' };
    await build({ ...options, entryPoints: { main: app('wasm.js') }, outdir: folder });
    await writeFile(join(folder, 'index.html'), page('<script type="module" src="main.js"></script>'));
  },

  async vite(folder) {
    const { build } = await import('vite');
    await build({ root: app(''), base: './', configFile: false, logLevel: 'error', build: { outDir: folder, emptyOutDir: false } });
  },

  async webpack(folder) {
    const { default: webpack } = await import('webpack');
    const compiler = webpack({ mode: 'production', context: app(''), entry: './main.js', output: { path: folder, filename: 'main.js' } });
    await new Promise((resolve, reject) => {
      compiler.run((error, stats) => {
        if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString({ all: false, errors: true })));
        else compiler.close(resolve);
      });
    });
    await writeFile(join(folder, 'index.html'), page('<script src="main.js"></script>'));
  },

  /** The package's files as they are, in one folder. */
  async none(folder) {
    for (const name of ['offhook.js', 'offhook.wasm']) await copyFile(fileURLToPath(new URL(`../../dist/${name}`, import.meta.url)), join(folder, name));
    await writeFile(join(folder, 'index.html'), page(`<script type="module">import { init } from './offhook.js'; window.init = init;</script>`));
  },

  /** The script that is one global; the page is elsewhere than the script and its wasm. */
  async 'a script element'(folder) {
    for (const name of ['offhook.global.js', 'offhook.wasm']) await copyFile(fileURLToPath(new URL(`../../dist/${name}`, import.meta.url)), join(folder, `sdk-${name}`));
    const sdk = page('<script src="sdk/offhook.global.js"></script><script>window.init = offhook.init;</script>');
    await writeFile(join(folder, 'index.html'), sdk);
  },
};

// The same for a bundler that does not follow `new URL('./offhook.wasm', import.meta.url)`.

import { init } from 'offhook';
import wasm from 'offhook/offhook.wasm';

window.init = (params) => init({ ...params, wasm });

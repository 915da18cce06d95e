// The package: makes phones.

import load, { Core } from '../build/offhook_web.js';
import { Phone } from './phone.js';

export { Phone } from './phone.js';
export { Session } from './session.js';

let module;

/** A phone at any SIP-over-WebSocket server; see the declarations. */
export async function createPhone(config) {
  const { server, user, domain, displayName, authorizationUser, password, ha1, userAgent, disableCallWaiting, wasm } = config;
  // Once per page, however many phones.
  module ??= load({ module_or_path: wasm ?? new URL('./offhook.wasm', import.meta.url) });
  try {
    await module;
  } catch (error) {
    module = undefined;
    throw error;
  }
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const offset = -new Date().getTimezoneOffset();
  const attempts = config.reRegistryPhoneTimes;
  const account = [server, user, domain, displayName, authorizationUser, password, ha1, userAgent];
  let core;
  try {
    if (!/^wss?:\/\//i.test(server)) throw `${server}: a server is written wss://host[:port][/path]`;
    core = new Core(...account, attempts, !disableCallWaiting, offset, seed);
  } catch (detail) {
    throw Object.assign(new TypeError(detail), { code: -2, name: 'INVALID_PBX_URL' });
  }
  return new Phone(core, config);
}

// The package: makes phones.

import load, { Core, Login } from '../build/offhook_web.js';
import { Driver } from './driver.js';
import { hasKept, nameOf } from './life.js';
import { PBXError, PBXOperator } from './pbx.js';
import { Phone } from './phone.js';
import { Tab } from './tab.js';

export { PBXError, PBXOperator } from './pbx.js';
export { Phone } from './phone.js';
export { Session } from './session.js';

let module;

/** A phone at any SIP-over-WebSocket server; see the declarations. */
export async function createPhone(config) {
  const { server, user, domain, displayName, authorizationUser, password, ha1, userAgent, disableCallWaiting } = config;
  const driver = new Driver();
  // Whoever waits for another tab to go needs none.
  if (!config.oneTab) driver.openAhead(server);
  const { reRegistryPhoneTimes: attempts, dtmf, record, rtpTimeout, allowTransfer } = config;
  const more = [dtmf === 'info', record, rtpTimeout, allowTransfer !== false];
  const account = [server, user, domain, displayName, authorizationUser, password, ha1, userAgent];
  let core;
  try {
    await loaded(config);
    if (!/^wss?:\/\//i.test(server)) throw `${server}: a server is written wss://host[:port][/path]`;
    core = new Core(...account, attempts, !disableCallWaiting, ...more, offset(), seed());
  } catch (error) {
    driver.stop();
    // What is wrong with an account is said in words.
    if (typeof error !== 'string') throw error;
    throw Object.assign(new TypeError(error), { code: -2, name: 'INVALID_PBX_URL' });
  }
  return phoneOf(driver, core, server, config, new Tab(nameOf(user, server)));
}

/** Logs in to a P-Series PBX: `{phone, pbx, destroy}`; see the declarations. */
export async function init(params) {
  const { username, secret, pbxURL, enableLog, reRegistryPhoneTimes, userAgent, disableCallWaiting, oneTab } = params ?? {};
  await loaded(params).catch(({ message: detail }) => {
    throw new PBXError({ code: -1, message: 'UNKNOWN_ERROR', detail });
  });
  const name = nameOf(username, pbxURL);
  const tab = new Tab(name);
  // Each log-in ends the one before: who is not the phone may not even log in.
  if (oneTab) await turn(tab, { ...Object(oneTab), kept: hasKept(name) });
  const driver = new Driver();
  tab.lost = () => driver.stop();
  const account = [pbxURL, username, secret].map((text) => String(text ?? ''));
  let login;
  let refusal;
  try {
    const options = [enableLog !== false, reRegistryPhoneTimes, userAgent === 'WebPC', !!disableCallWaiting];
    login = new Login(...driver.now(), ...account, ...options, seed());
  } catch (text) {
    refusal = JSON.parse(text);
  }
  refusal ??= await driver.logIn(login);
  const displaced = oneTab && !tab.mine;
  if (refusal || displaced) {
    driver.stop();
    if (displaced) return init({ ...params, oneTab: { ...Object(oneTab), steal: false } });
    tab.letGo();
    throw new PBXError(refusal);
  }
  const core = login.phone(offset());
  login.free();
  let pbx;
  const phone = phoneOf(driver, core, JSON.parse(core.pbx()).server, params, tab, (payload) => pbx.tell(payload));
  pbx = new PBXOperator(driver, phone);
  return { phone, pbx, destroy: () => pbx.destroy() };
}

/** Waits until this tab is the phone. One that brings calls along comes first. */
async function turn(tab, { kept, steal, waits, signal }) {
  signal?.throwIfAborted();
  const since = Date.now();
  if (await tab.take(steal || kept)) return;
  waits?.();
  if (!(await tab.wait(signal))) throw signal.reason;
  const error = tab.ended(since);
  if (!error) return;
  tab.letGo();
  throw new PBXError(error);
}

function phoneOf(driver, core, server, config, tab, tellPBX) {
  const phone = new Phone(driver, config, tab, tellPBX);
  driver.take(core, server);
  return phone;
}

/** Once per page, however many phones. */
async function loaded({ wasm } = {}) {
  module ??= load({ module_or_path: wasm ?? new URL('./offhook.wasm', import.meta.url) });
  try {
    await module;
  } catch (error) {
    module = undefined;
    throw error;
  }
}

/** Local time minus UTC, minutes. */
function offset() {
  return -new Date().getTimezoneOffset();
}

function seed() {
  return crypto.getRandomValues(new Uint8Array(32));
}

// The one place where a phone is made. Logs in to the PBX that this page came from.

import { AudioEngine } from './audio.js';
import * as offhook from './offhook.js';

/** What the phone does besides: recordings and conferences in the page, and calls that outlive a reload. */
const more = () => ({ keepCalls: true, audio: new AudioEngine() });

/**
 * `{phone, pbx, close}`, or throws `{code, cause?, detail?}`. `pbx` is the P-Series operator (call records, contacts), or `null` where the
 * phone speaks SIP alone. `made(phone)`: before it is started, to hear of calls that the page before this one has left.
 */
export async function connect({ user, password }, made) {
  return offhook.init ? byLogin(user, password, made) : bySip(user, password, made);
}

async function byLogin(username, secret, told) {
  const made = await offhook.init({ username, secret, pbxURL: location.origin, ...more() });
  const { phone, pbx } = made;
  told(phone);
  await started(phone, () => made.destroy());
  const close = async () => {
    await pbx.logout();
    await made.destroy();
  };
  return { phone, pbx, close, destroy: () => made.destroy() };
}

async function bySip(user, password, told) {
  const server = `${location.origin.replace(/^http/, 'ws')}/ws`;
  const phone = await offhook.createPhone({ server, user, password, ...more() });
  told(phone);
  await started(phone, () => phone.destroy());
  return { phone, pbx: null, close: () => phone.destroy(), destroy: () => phone.destroy() };
}

/** Waits for the registration. */
async function started(phone, undo) {
  let cause;
  phone.once('registrationFailed', (told) => (cause = told));
  const result = await phone.start();
  if (result.code === 200) return;
  await undo();
  throw { ...result, cause };
}

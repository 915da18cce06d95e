// The one place where a phone is made. Logs in to the PBX that this page came from.

import * as offhook from './offhook.js';

/**
 * `{phone, pbx, close}`, or throws `{code, cause?, detail?}`. `pbx` is the P-Series operator (call records, contacts), or `null` where the
 * phone speaks SIP alone.
 */
export async function connect({ user, password }) {
  return offhook.init ? byLogin(user, password) : bySip(user, password);
}

async function byLogin(username, secret) {
  const made = await offhook.init({ username, secret, pbxURL: location.origin });
  const { phone, pbx } = made;
  await started(phone, () => made.destroy());
  const close = async () => {
    await pbx.logout();
    await made.destroy();
  };
  return { phone, pbx, close };
}

async function bySip(user, password) {
  const server = `${location.origin.replace(/^http/, 'ws')}/ws`;
  const phone = await offhook.createPhone({ server, user, password });
  await started(phone, () => phone.destroy());
  return { phone, pbx: null, close: () => phone.destroy() };
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

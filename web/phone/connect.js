// The one place where a phone is made. Logs in to the PBX that this page came from.

import { AudioEngine } from './audio.js';
import { settings } from './kept.js';
import { init } from './offhook.js';

/**
 * `{phone, pbx, close, destroy}`, or throws `{code, cause?, detail?}`. `turn`: how this tab waits while another is the phone.
 * `made(phone)`: before it is started, to hear of calls that the page before this one has left.
 */
export async function connect({ user, password }, turn, made) {
  // Conferences in the page, calls that outlive a reload, and one tab at a time.
  const more = { keepCalls: true, oneTab: turn, audio: new AudioEngine() };
  const deviceIds = { microphoneId: settings.microphone, cameraId: settings.camera };
  const { phone, pbx, destroy } = await init({ username: user, secret: password, pbxURL: location.origin, deviceIds, ...more });
  made(phone);
  let cause;
  phone.once('registrationFailed', (told) => (cause = told));
  const result = await phone.start();
  if (result.code !== 200) {
    await destroy();
    throw { ...result, cause };
  }
  const close = async () => {
    await pbx.logout();
    await destroy();
  };
  return { phone, pbx, close, destroy };
}

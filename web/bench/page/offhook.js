import { createPhone } from '/package.js';

import { account, heard } from '/heard.js';

const phone = await createPhone(account);
const registered = new Promise((resolve) => phone.on('registered', () => resolve(performance.now())));
phone.start();

window.registered = registered;
window.dial = async (number) => {
  const times = {};
  const audio = new Promise((resolve) =>
    phone.on('newRTCSession', ({ session }) => {
      session.on('progress', () => (times.ringing ??= performance.now()));
      session.on('peerconnection', ({ peerconnection }) => resolve(heard(() => peerconnection)));
    }),
  );
  times.dialled = performance.now();
  const made = await phone.call(number, { iceServers: account.iceServers });
  if (made.code !== 200) throw new Error(made.detail);
  times.heard = await audio;
  return times;
};

window.hangUp = () => phone.getCurrentSession().hangup();

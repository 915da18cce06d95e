import * as JsSIP from 'jssip';

import { account, heard } from './heard.js';

const { server, user, domain, password, iceServers } = account;
const ua = new JsSIP.UA({ sockets: [new JsSIP.WebSocketInterface(server)], uri: `sip:${user}@${domain}`, password });
window.registered = new Promise((resolve) => ua.on('registered', () => resolve(performance.now())));
ua.start();

window.dial = async (number) => {
  const times = { dialled: performance.now() };
  const session = ua.call(number, { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers } });
  session.on('progress', ({ originator }) => {
    if (originator === 'remote') times.ringing ??= performance.now();
  });
  times.heard = await heard(() => session.connection ?? { getReceivers: () => [] });
  return times;
};

window.hangUp = () => ua.terminateSessions();

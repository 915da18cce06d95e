// A page that makes one call after the other and keeps nothing of them, so that what is left is the package's.

import { createPhone } from '/offhook.js';

const calls = new WeakSet();

window.made = { connections: 0, collected: 0, answered: 0 };
const collected = new FinalizationRegistry(() => (made.collected += 1));
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...parameters) {
    super(...parameters);
    made.connections += 1;
    collected.register(this, undefined);
  }
};

window.softphone = {
  async register(config) {
    window.phone = await createPhone(config);
    return phone.start();
  },

  /** So many calls to the echo, each until it is connected. */
  async run(count) {
    for (let n = 0; n < count; n += 1) {
      const over = new Promise((resolve) => phone.once('deleteSession', resolve));
      const { code, callId } = await phone.call('600');
      if (code !== 200) throw new Error(`call ${n}: ${code}`);
      const begun = performance.now();
      const session = phone.getSession(callId);
      calls.add(session);
      session.once('confirmed', () => {
        made.answered += 1;
        settled(session.RTCSession.connection, () => session.hangup());
      });
      await over;
      // A second call within a second is refused.
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, begun + 1_100 - performance.now())));
    }
  },
};

/**
 * Once nothing of the connection changes any more. Chromium keeps for ever what is closed while an event of it waits to be told: the event
 * is never told, and holds the connection that holds it.
 */
function settled(connection, then) {
  const look = () => {
    if (connection.connectionState !== 'connected' || connection.iceGatheringState !== 'complete') return;
    connection.onconnectionstatechange = connection.onicegatheringstatechange = null;
    then();
  };
  connection.onconnectionstatechange = connection.onicegatheringstatechange = look;
  look();
}

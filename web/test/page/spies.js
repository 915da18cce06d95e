// Counts what the package makes of the browser's, so that a test can see that nothing is left.

export const made = { sockets: [], connections: [], workers: 0, listeners: 0 };
/** Every text that was sent: `{url, protocol, text}`. */
export const sent = [];

window.WebSocket = class extends WebSocket {
  constructor(...parameters) {
    super(...parameters);
    made.sockets.push(this);
  }

  send(text) {
    sent.push({ url: this.url, protocol: this.protocol, text });
    super.send(text);
  }
};

window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...parameters) {
    super(...parameters);
    made.connections.push(this);
  }
};

window.Worker = class extends Worker {
  constructor(...parameters) {
    super(...parameters);
    made.workers += 1;
  }

  terminate() {
    made.workers -= 1;
    super.terminate();
  }
};

for (const target of [window, navigator.mediaDevices, document].filter(Boolean)) {
  const { addEventListener, removeEventListener } = target;
  target.addEventListener = function (...parameters) {
    made.listeners += 1;
    parameters[2]?.signal?.addEventListener('abort', () => (made.listeners -= 1));
    return addEventListener.apply(target, parameters);
  };
  target.removeEventListener = function (...parameters) {
    made.listeners -= 1;
    return removeEventListener.apply(target, parameters);
  };
}

// A background tab's timers, as far as a page can have them: the page's own come once a minute.
if (location.search === '?background') {
  const { setTimeout } = window;
  window.setTimeout = (act, delay = 0, ...rest) => setTimeout(act, delay <= 50 ? delay : Math.max(delay, 60_000), ...rest);
}

/** What is still there: open sockets and peer connections, running workers, listeners on what outlives the phone. */
export function left() {
  return {
    sockets: made.sockets.filter((socket) => socket.readyState < WebSocket.CLOSING).length,
    connections: made.connections.filter((connection) => connection.connectionState !== 'closed').length,
    workers: made.workers,
    listeners: made.listeners,
  };
}

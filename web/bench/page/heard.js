// What both pages measure in the same way. Times are of `performance.now()`: ms since the navigation began.

/** What the page was opened with: `{server, user, domain, password, iceServers}`. */
export const account = JSON.parse(decodeURIComponent(location.hash.slice(1)));

/** When the far end's first audio is played. */
export function heard(connection) {
  return new Promise((resolve) => {
    const audio = new Audio();
    const timer = setInterval(() => {
      const receiver = connection().getReceivers()[0];
      if (!receiver) return;
      if (!audio.srcObject) {
        audio.srcObject = new MediaStream([receiver.track]);
        audio.play();
      }
      // There are none before a packet has gone through the jitter buffer.
      if (receiver.getSynchronizationSources().length === 0) return;
      clearInterval(timer);
      resolve(performance.now());
    }, 2);
  });
}

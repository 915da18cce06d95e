// The measuring kit against itself: two peer connections in this page, no server.

import { Listener, ToneSource } from './audio.js';

/// So many windows are measured until one has no gap of a busy machine's in it.
const WINDOWS = 8;

/// Sends a sine of `tone` Hz from one peer connection to another and measures it there, again
/// after a change of pitch to `retuneTo`, and again after the level went to 0. Then sends `digits` as telephone-events (RFC 4733).
export async function loopback({ tone, retuneTo, digits }) {
  const context = new AudioContext();
  const source = new ToneSource(context, tone);
  const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
  near.onicecandidate = ({ candidate }) => far.addIceCandidate(candidate);
  far.onicecandidate = ({ candidate }) => near.addIceCandidate(candidate);
  const arrived = new Promise((resolve) => {
    far.ontrack = ({ streams }) => resolve(streams[0]);
  });
  const sender = near.addTrack(source.stream.getAudioTracks()[0], source.stream);
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);

  const listener = new Listener(context, await arrived);
  await connected(far);
  let heardDigits = '';
  await listener.watchDtmf((digit) => (heardDigits += digit));
  await listener.measure(); // the first packets and the jitter buffer's start
  const first = await measured(listener, isClean(tone));
  source.setFrequency(retuneTo);
  await listener.measure();
  const second = await measured(listener, isClean(retuneTo));
  source.setLevel(0);
  await listener.measure();
  const silent = await measured(listener, ({ rms }) => rms < 0.005);

  const sent = new Promise((resolve) => {
    sender.dtmf.ontonechange = ({ tone: next }) => next === '' && resolve();
  });
  sender.dtmf.insertDTMF(digits, 100, 100);
  await sent;
  await listener.measure();

  listener.close();
  source.stop();
  near.close();
  far.close();
  await context.close();
  return { first, second, silent, digits: heardDigits };
}

/// The first measurement that fits, or the last.
async function measured(listener, fits) {
  for (let window = 1; ; window++) {
    const heard = await listener.measure();
    if (fits(heard) || window === WINDOWS) return heard;
  }
}

function isClean(wanted) {
  return ({ rms, frequency, purity }) => Math.abs(frequency - wanted) < 8 && rms > 0.1 && rms < 0.35 && purity > 0.9;
}

function connected(connection) {
  return new Promise((resolve) => {
    const check = () => connection.connectionState === 'connected' && resolve();
    connection.addEventListener('connectionstatechange', check);
    check();
  });
}

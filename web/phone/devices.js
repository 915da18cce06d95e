// Microphones, speakers and cameras: what there is, and how loud a microphone is.

/** `{microphones, speakers, cameras}`, each `[{deviceId, label}]`. Without permission labels are empty. */
export async function devices() {
  const all = await navigator.mediaDevices?.enumerateDevices().catch(() => []);
  // The browser's own names for its choice are ours already: "as the system says".
  const of = (kind) =>
    (all ?? []).filter((device) => device.kind === kind && device.deviceId !== 'default' && device.deviceId !== 'communications');
  return { microphones: of('audioinput'), speakers: of('audiooutput'), cameras: of('videoinput') };
}

/** A chosen device, if it is among these: one that is gone blocks nothing. Before a permission ids are blank, and say nothing. */
export function present(id, found) {
  return found.some(({ deviceId }) => !deviceId || deviceId === id) ? id : '';
}

export const canChooseSpeaker = () => 'setSinkId' in HTMLMediaElement.prototype;

/** Gives what ends it. */
export function onDevices(listener) {
  const end = new AbortController();
  navigator.mediaDevices?.addEventListener('devicechange', listener, { signal: end.signal });
  return () => end.abort();
}

/** Opens a microphone and tells its level, 0 to 1, until it is stopped. Throws what the browser throws. */
export async function listen(deviceId, tell) {
  const audio = deviceId ? { deviceId: { exact: deviceId } } : true;
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1_024 });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
    // -60 dB is nothing, 0 dB is all.
    tell(Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60)));
  }, 80);
  return () => {
    clearInterval(timer);
    for (const track of stream.getTracks()) track.stop();
    context.close();
  };
}

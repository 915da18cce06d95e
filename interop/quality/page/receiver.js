// Receives streams as any page would, keeps every sample of them, and gives both to the program that served this page.

const streams = new Map();

const send = (path, body) => fetch(path, { method: 'POST', body });

/// How far the monotonic clock of audio data is from the clock of the machine, ms: the shortest time from its making to here.
class Clock {
  offset = Infinity;

  see(timestamp) {
    this.offset = Math.min(this.offset, performance.timeOrigin + performance.now() - timestamp / 1000);
  }
}

async function keep(track, stream) {
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 1000 }).readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    stream.clock.see(value.timestamp);
    const samples = new Int16Array(value.numberOfFrames);
    const floats = new Float32Array(value.numberOfFrames);
    value.copyTo(floats, { planeIndex: 0, format: 'f32-planar' });
    floats.forEach((x, n) => (samples[n] = Math.max(-32768, Math.min(32767, Math.round(x * 32768)))));
    stream.rate = value.sampleRate;
    stream.blocks.push({ at: value.timestamp / 1000, samples });
    value.close();
  }
}

async function start({ id, offer }) {
  const peer = new RTCPeerConnection();
  const stream = { peer, clock: new Clock(), rate: 0, blocks: [] };
  streams.set(id, stream);
  peer.ontrack = ({ track }) => {
    // Nothing is fetched from the jitter buffer of a track that nobody plays.
    stream.audio = Object.assign(new Audio(), { srcObject: new MediaStream([track]), muted: true });
    stream.audio.play();
    keep(track, stream);
  };
  await peer.setRemoteDescription({ type: 'offer', sdp: offer });
  await peer.setLocalDescription();
  if (peer.iceGatheringState !== 'complete') {
    await new Promise((resolve) => {
      peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && resolve();
    });
  }
  await send(`answer/${id}`, peer.localDescription.sdp);
}

async function stop({ id }) {
  const { peer, clock, rate, blocks } = streams.get(id);
  streams.delete(id);
  const reports = [...(await peer.getStats()).values()];
  const stats = reports.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio');
  // Its element is not paused: the tracks of a page share what fetches their sound, and it may end with the first that is paused.
  peer.close();
  const lengths = blocks.map(({ samples }) => samples.length);
  const times = blocks.map(({ at }) => at + clock.offset);
  const head = new TextEncoder().encode(JSON.stringify({ rate, lengths, times, stats }));
  await send(`heard/${id}`, new Blob([new Uint32Array([head.length]), head, ...blocks.map(({ samples }) => samples)]));
}

try {
  for (;;) {
    const tasks = await (await fetch('tasks')).json();
    for (const task of tasks) {
      (task.offer ? start(task) : stop(task)).catch((error) => send(`failed/${task.id}`, String(error?.stack ?? error)));
    }
  }
} catch {
  // The program is gone: so is the reason to be here.
}

// What is seen: pixels of a remote video, and a screen whose colour is known.

const [WIDTH, HEIGHT] = [64, 48];

/** `{width, colour, moved}` of a stream's video: its mean colour, and which share of the pixels changes within a second; `null` if none is seen. */
export async function picture(stream) {
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = new MediaStream(stream.getVideoTracks());
  try {
    await within(2_000, video.play());
    const first = await frame(video);
    const until = performance.now() + 1_000;
    let moved = 0;
    while (performance.now() < until) moved = Math.max(moved, difference(first, await frame(video)));
    const colour = [0, 1, 2].map((channel) => Math.round(mean(first, channel)));
    return { width: video.videoWidth, colour, moved };
  } catch (error) {
    return { width: 0, colour: null, moved: null, why: error.message };
  } finally {
    video.srcObject = null;
  }
}

/** A canvas that is drawn ten times a second: a screen to be shared. */
export class Screen {
  constructor(colour) {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
    const context = canvas.getContext('2d');
    let n = 0;
    this.timer = setInterval(() => {
      context.fillStyle = colour;
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.fillStyle = 'white';
      context.fillRect((n++ * 8) % canvas.width, 0, 8, 8);
    }, 100);
    this.stream = canvas.captureStream(10);
  }

  /** The user presses the browser's button. */
  end() {
    const [track] = this.stream.getTracks();
    track.stop();
    track.dispatchEvent(new Event('ended'));
  }
}

async function frame(video) {
  await within(1_000, new Promise((resolve) => video.requestVideoFrameCallback(resolve)));
  const context = new OffscreenCanvas(WIDTH, HEIGHT).getContext('2d');
  context.drawImage(video, 0, 0, WIDTH, HEIGHT);
  return context.getImageData(0, 0, WIDTH, HEIGHT).data;
}

function mean(pixels, channel) {
  let sum = 0;
  for (let at = channel; at < pixels.length; at += 4) sum += pixels[at];
  return sum / (pixels.length / 4);
}

function difference(one, other) {
  let changed = 0;
  for (let at = 0; at < one.length; at += 4) {
    if (Math.abs(one[at] - other[at]) + Math.abs(one[at + 1] - other[at + 1]) + Math.abs(one[at + 2] - other[at + 2]) > 60) changed += 1;
  }
  return changed / (one.length / 4);
}

function within(ms, promise) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`no picture within ${ms} ms`)), ms));
  return Promise.race([promise, late]);
}

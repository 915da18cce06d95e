// Microphones and cameras, and why one cannot be had.

const KINDS = {
  NotAllowedError: 'denied',
  SecurityError: 'denied',
  NotFoundError: 'noDevice',
  NotReadableError: 'busy',
  AbortError: 'busy',
  OverconstrainedError: 'overConstrained',
};

/** Why local media could not be had. `kind` is one of those in the declarations (`MediaFaultKind`). */
export class MediaFault extends Error {
  constructor(kind, cause) {
    super(cause?.message || kind, { cause });
    this.name = 'MediaFault';
    this.kind = kind;
  }

  /** What of the browser's errors it is. */
  static of(error) {
    if (error instanceof MediaFault) return error;
    return new MediaFault(/dismissed/i.test(error.message) ? 'dismissed' : (KINDS[error.name] ?? 'other'), error);
  }

  /** The result of a call that it prevents. */
  result(video) {
    const [code, message] = {
      denied: [-202, 'GET_AGREE_CHROME_USER_MEDIA_ROLE_ERROR'],
      noDevice: video ? [-291, 'NOT_FOUND_VIDEO_INPUT_DEVICE'] : [-290, 'NOT_FOUND_AUDIO_INPUT_DEVICE'],
      device: [-203, 'GET_LOCAL_STREAM_ERROR'],
    }[this.core];
    return { code, message, detail: this.message, media: this.kind };
  }

  /** What the core calls it. */
  get core() {
    if (this.kind === 'noDevice') return 'noDevice';
    return ['denied', 'dismissed', 'insecureContext'].includes(this.kind) ? 'denied' : 'device';
  }
}

/** Which fault it is that the core has refused a call for, from what `survey` said; `undefined`: none of media. */
export function faultOf({ code }) {
  const insecure = !navigator.mediaDevices && 'insecureContext';
  return { [-202]: 'denied', [-206]: insecure || 'other', [-290]: 'noDevice', [-291]: 'noDevice' }[code];
}

/** Opens a microphone, a camera or both. Throws a `MediaFault`. */
export async function acquire({ audio, video, microphoneId, cameraId }) {
  const media = navigator.mediaDevices;
  if (!media?.getUserMedia) throw new MediaFault('insecureContext');
  const device = (wanted, id) => wanted && (id ? { deviceId: { exact: id } } : true);
  try {
    return await media.getUserMedia({ audio: device(audio, microphoneId), video: device(video, cameraId) });
  } catch (error) {
    throw MediaFault.of(error);
  }
}

/** As `acquire`, with the usual devices if a chosen one is gone. */
export function acquireAny({ audio, video, ...ids }) {
  return acquire({ audio, video, ...ids }).catch((fault) => {
    if (fault.kind !== 'overConstrained') throw fault;
    return acquire({ audio, video });
  });
}

/** What it is of is used no more. */
export function letGo(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** What the user chooses of the screen. Throws a `MediaFault`. */
export async function capture(options) {
  const media = navigator.mediaDevices;
  if (!media?.getDisplayMedia) throw new MediaFault(media ? 'noDevice' : 'insecureContext');
  return media.getDisplayMedia({ video: true, ...options }).catch((error) => {
    throw MediaFault.of(error);
  });
}

/** `[microphones, cameras, denied]`; the first below 0: the list cannot be read. `listed(devices)`: what there is. */
export async function survey(listed) {
  const denied = await navigator.permissions
    ?.query({ name: 'microphone' })
    .then(({ state }) => state === 'denied')
    .catch(() => false);
  try {
    const devices = await navigator.mediaDevices.enumerateDevices();
    listed?.(devices);
    const count = (kind) => devices.filter((device) => device.kind === kind).length;
    return [count('audioinput'), count('videoinput'), !!denied];
  } catch {
    return [-1, 0, !!denied];
  }
}

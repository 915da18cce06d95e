// What went wrong, in words, and what to do about it: `{title, text, action?}`.

/** The reasons that lie with a microphone or camera, by `result.media`. */
const MEDIA = {
  denied: {
    title: 'The microphone is blocked',
    text: 'Click the symbol left of the address, allow the microphone, and call again.',
  },
  dismissed: { title: 'The microphone was not allowed', text: 'Call again, and choose Allow when the browser asks.' },
  noDevice: { title: 'No microphone was found', text: 'Plug one in, or switch the headset on, and call again.', action: 'settings' },
  busy: { title: 'The microphone is in use', text: 'Close the other program or tab that uses it, and call again.', action: 'settings' },
  overConstrained: {
    title: 'The chosen microphone is not there',
    text: 'Plug it in again, or choose another one in the settings.',
    action: 'settings',
  },
  insecureContext: {
    title: 'A browser gives no microphone to this page',
    text: 'Open it by https://, or on the machine itself as http://127.0.0.1.',
  },
  other: { title: 'The microphone could not be opened', text: 'Choose another one in the settings.', action: 'settings' },
};

const CAMERA = {
  noDevice: { title: 'No camera was found', text: 'Plug one in, or call without video.', action: 'settings' },
  dismissed: { title: 'The camera was not allowed', text: 'Try again, and choose Allow when the browser asks.' },
  denied: { title: 'The camera is blocked', text: 'Click the symbol left of the address and allow it, or call without video.' },
};
const NO_CAMERA = { title: 'The camera could not be opened', text: 'Close the other program or tab that uses it, or choose another one.', action: 'settings' };

/** By the code of a result. */
const RESULTS = {
  [-205]: { title: 'There are two calls already', text: 'End one of them first.' },
  [-207]: { title: 'That call is over', text: 'The transfer is not possible any more.' },
  [-208]: { title: 'One call after the other', text: 'Wait a second between two calls.' },
  [-209]: { title: 'That is no number', text: 'Use digits, * and #. A + may stand in front.' },
  [-210]: { title: 'A call is still being connected', text: 'Wait until it is answered, or end it.' },
  [-211]: { title: 'That call is over', text: 'The other side has hung up.' },
  [-106]: { title: 'Calls from a browser are switched off', text: 'The administrator of the PBX can allow them for your extension.' },
  [-107]: { title: 'You have logged in elsewhere', text: 'Only one page at a time can be logged in. Log in again to take over.' },
  [-108]: { title: 'Your extension was deleted', text: 'Ask the administrator of the PBX.' },
  [-109]: { title: 'Your log-in has ended', text: 'Log in again.' },
  [-110]: { title: 'Calls from a browser are switched off', text: 'The administrator of the PBX has switched the SDK off.' },
};

const UNREACHABLE = {
  title: 'The server does not answer',
  text: 'Is it running, and are you on its network? Start it, then log in again.',
};
const FAULTY = { title: 'The PBX has a problem', text: 'It is not your password. Wait a moment, then try again.' };
const WRONG = { title: 'Extension or password is wrong', text: 'Check both, and try again.' };

/** Why a call could not be made or answered. `video`: it was to have some. */
export function ofCall(result, video) {
  const { code, media, detail } = result;
  if (media) return (video && CAMERA[media]) || MEDIA[media] || MEDIA.other;
  if (code === -291) return CAMERA.noDevice;
  if (code === -202) return MEDIA.denied;
  if (code === -290) return MEDIA.noDevice;
  return RESULTS[code] ?? { title: 'The call could not be made', text: detail || 'Try again.' };
}

/** Whether the PBX has refused nothing, but failed itself: an HTTP status, or an answer that is none. */
export function isFaulty({ code, detail }) {
  return code === -103 && /answered (429|5\d\d) |answered (0|200) \(/.test(detail);
}

/** Why there is no log-in. */
export function ofLogin(failure) {
  // The package itself could not be fetched.
  if (failure instanceof TypeError && failure.code === undefined) return UNREACHABLE;
  const { code, cause, detail = '' } = failure;
  if (RESULTS[code]) return RESULTS[code];
  if (/too many|answered 429 /.test(detail)) return { title: 'Too many attempts', text: 'Wait a minute, then try again.' };
  if (isFaulty(failure)) return FAULTY;
  if (code === -103 || cause === 'Authentication Error') return WRONG;
  if ([-4, -102, -204].includes(code) || cause === 'Connection Error' || cause === 'Request Timeout') return UNREACHABLE;
  if (code === -201) return cause ? { title: 'The server refused the log-in', text: `It said: ${cause}.` } : UNREACHABLE;
  return { title: 'The log-in failed', text: detail || 'Try again.' };
}

/** Why a call that somebody took is over though nobody has hung up. */
const CUT = {
  'Connection Error': 'The connection to the server is lost. It comes back by itself as soon as the server answers.',
  'RTP Timeout': 'No sound came through any more. Call again.',
};

/** Why a call that was made came to nothing, or was cut off; `null`: the user knows. */
export function ofEnd({ cause, code, inbound, answered }, name) {
  if (answered) return { title: 'The call was cut off', text: CUT[cause] ?? `${code ? `${cause} (${code})` : cause}. Call again.` };
  if (inbound || cause === 'Canceled') return null;
  if (cause === 'Busy') return { title: `${name} is busy`, text: 'Try again later.' };
  if (code === 404) return { title: `There is no ${name}`, text: 'Check the number.' };
  if (code === 480 || cause === 'Unavailable') return { title: `${name} cannot be reached`, text: 'Nobody is logged in there at the moment.' };
  if (cause === 'No Answer' || cause === 'Request Timeout' || code === 408) return { title: `${name} does not answer`, text: 'Try again later.' };
  if (cause === 'Rejected' || code === 403) return { title: `${name} does not take the call`, text: 'It was declined.' };
  if (cause === 'Connection Error') return { title: 'The connection to the server is lost', text: 'It comes back by itself as soon as the server answers.' };
  if (cause === 'RTP Timeout') return { title: 'The connection to the far end is lost', text: 'No sound came through any more. Call again.' };
  if (/Media|WebRTC|SDP/.test(cause)) return { title: 'No connection for sound', text: 'A firewall may be in the way. Try another network.' };
  if (code >= 500) return { title: 'The server could not connect the call', text: `It answered with an error (${code}). Try again later.` };
  return { title: 'The call was not connected', text: code ? `${cause} (${code}).` : `${cause}.` };
}

export const BLOCKED_SOUND = {
  title: 'The browser plays no sound yet',
  text: 'It waits for a click on this page.',
  action: 'sound',
};
export const TRANSFER_FAILED = (status) => ({
  title: 'The transfer did not work',
  text: `${status === 486 ? 'They are busy' : status === 404 ? 'There is no such number' : `The far end said ${status}`}. You are connected again.`,
});
export const NOT_POSSIBLE = { title: 'That does not work at the moment', text: 'Wait until the last step is done, and try again.' };
export const NO_VIDEO = { title: 'There is no video in this call', text: 'The far end, or the PBX between you, takes none. The call goes on without.' };
export const LOST = { title: 'The connection to the server is lost', text: 'Calls go on. It comes back by itself as soon as the server answers.' };
export const OFFLINE = { title: 'This device is offline', text: 'Calls go on by themselves once it is back on a network.' };
export const NOT_SHARED = { title: 'The screen is not shared', text: 'Nothing was chosen, or the system does not let the browser see the screen.' };
export const NOT_RECORDED = { title: 'The call is not recorded', text: 'The PBX did not begin to: it may have no place for recordings. The call goes on.' };
export const SPEAKER_LOST = {
  title: 'Your speaker was disconnected',
  text: 'You hear the call where the system plays now.',
  action: 'settings',
};

/** A microphone or camera is gone in a call. `replaced`: by the usual one. */
export function ofLost({ kind, replaced }) {
  if (kind === 'audio') {
    return replaced
      ? { title: 'Your microphone was disconnected', text: 'Another one is used now, and the call goes on.', action: 'settings' }
      : { title: 'Your microphone was disconnected', text: 'Nobody hears you. Plug one in and choose it in the settings.', action: 'settings' };
  }
  return replaced
    ? { title: 'Your camera was disconnected', text: 'Another one is used now, and the call goes on.', action: 'settings' }
    : { title: 'Your camera was disconnected', text: 'Nobody sees you. The call goes on.', action: 'settings' };
}

/** Why there is no camera for a video that was to come. */
export function ofCamera(kind) {
  const { title, text, action } = inCall(kind);
  return { title, text: `${text} The call goes on without video.`, action };
}

/** Why another device could not be taken in a call: all is as before. */
export function ofChoice(result, kind) {
  const { title, text } = kind === 'camera' ? inCall(result.media) : (MEDIA[result.media] ?? MEDIA.other);
  return { title, text: `The call goes on with the one before. ${text.replace(/,? and call again/, '')}` };
}

/** Of a camera, to whoever is in a call. */
function inCall(kind) {
  const { text, ...rest } = CAMERA[kind] ?? NO_CAMERA;
  return { ...rest, text: text.replace(/,? or call without video/, '') };
}

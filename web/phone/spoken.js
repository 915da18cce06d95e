// What a screen reader says of calls: each change once, in a short sentence.

import { nameOf } from './calls.js';
import { announce } from './dom.js';
import { texts } from './texts.js';

export function speak(calls) {
  const t = texts.spoken;
  /** What was said of a call last. */
  const said = new Map();
  calls.addEventListener('change', () => {
    for (const { callId, status } of calls.all) {
      const before = said.get(callId) ?? {};
      said.set(callId, status);
      const text = changed(before, status);
      if (text) announce(text);
    }
  });
  calls.addEventListener('ended', ({ detail: { call } }) => {
    said.delete(call.callId);
    announce(t.ended(nameOf(call.status)));
  });

  const changed = (before, status) => {
    const name = nameOf(status);
    // An incoming call is an alert dialog, which is read out by itself.
    if (status.isRing) return null;
    if (before.callStatus !== status.callStatus) return t[status.callStatus]?.(name);
    if (before.isHold !== status.isHold) return status.isHold ? t.held(name) : t.resumed(name);
    if (before.isRemoteHold !== status.isRemoteHold) return status.isRemoteHold ? t.heldByFar(name) : t.resumed(name);
    if (before.isMute !== status.isMute) return status.isMute ? t.muted : t.unmuted;
    if (before.isConference !== status.isConference && status.isConference) return t.conference;
    if (before.isVideo !== status.isVideo && before.callStatus === 'talking') return status.isVideo ? t.video(name) : t.noVideo;
    if (before.recordStatus !== status.recordStatus) return status.recordStatus === 'recording' ? t.recording : t.stopped;
    return null;
  };
}

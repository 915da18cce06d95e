// Which codecs of the audio a call has.

/** Those of these names that the browser has, in this order, and telephone-events; without any of them all. */
export function prefer(transceiver, names = []) {
  const { codecs } = RTCRtpReceiver.getCapabilities('audio');
  const of = (name) => codecs.filter(({ mimeType }) => mimeType.toLowerCase() === `audio/${name}`.toLowerCase());
  const wanted = names.flatMap(of);
  if (wanted.length) transceiver.setCodecPreferences?.([...wanted, ...of('telephone-event')]);
}

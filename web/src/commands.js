/** Commands of a call that take its callId and at most one text, and tell by a boolean whether they are carried out. */
export const COMMANDS = [
  'reject',
  'hangup',
  'blindTransfer',
  'attendedTransfer',
  'hold',
  'unhold',
  'dtmf',
  'mute',
  'unmute',
  'startRecord',
  'pauseRecord',
  'audioToVideo',
  'videoToAudio',
];

// The contract of the package. Durations in seconds, times in milliseconds since 1970-01-01 UTC, unless said otherwise.

/**
 * A phone at any SIP-over-WebSocket server (RFC 7118); not started: add listeners, then `start()`. The connection is opened at once,
 * beside the fetch of the module, and closed again unless `start()` follows within 10 s; not with `oneTab`.
 */
export function createPhone(config: PhoneConfig): Promise<Phone>;

/**
 * Logs in to a P-Series PBX, reads its settings, subscribes to what happens there, and makes the phone, which is not started:
 * add listeners, then `phone.start()`. Rejects with a `PBXError`: −1 (`offhook.wasm` cannot be loaded), −2, −3, −4,
 * −101 to −104, −106, −110; with `oneTab` −107 to −109 as well.
 */
export function init(params: InitParams): Promise<Operator>;

export interface InitParams {
  username: string;
  /** The login signature, which an app's back end gets from the PBX's open API. */
  secret: string;
  /** `https://host[:port]`; `http://` for a PBX on this machine only. It has to let pages of this origin ask (CORS). */
  pbxURL: string;
  /** `false`: this SDK's own log does not go to the PBX. Nothing else of the page ever does. */
  enableLog?: boolean;
  /** Attempts to register in a row before giving up; without it there is no limit. */
  reRegistryPhoneTimes?: number;
  /** As which kind of client; `WebClient` unless given. */
  userAgent?: 'WebClient' | 'WebPC';
  deviceIds?: DeviceIds;
  /** At most one call at a time, whatever the PBX says. */
  disableCallWaiting?: boolean;
  /** Besides the STUN server that the PBX names. */
  iceServers?: RTCIceServer[];
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** These as in `PhoneConfig`. */
  keepCalls?: PhoneConfig['keepCalls'];
  /**
   * Of several tabs, one logs in; `init` of the others waits until it has gone (Web Locks). A tab that brings calls along comes first.
   * When another tab takes its place, the phone tells so by `standby` and is unregistered: `destroy` it, and `init` waits for the next turn.
   * When the PBX ends the phone (`runtimeError`), `init` of those that wait rejects with that error: a log-in would undo it.
   */
  oneTab?: boolean | Turn;
  audio?: PhoneConfig['audio'];
  wasm?: PhoneConfig['wasm'];
}

/** How a tab waits for its turn. */
export interface Turn {
  /** Takes the place of the tab that is logged in, which then gets `standby`. */
  steal?: boolean;
  /** Called when this tab has to wait. */
  waits?(): void;
  /** Ends the waiting: `init` rejects with its reason. */
  signal?: AbortSignal;
}

export interface Operator {
  phone: Phone;
  pbx: PBXOperator;
  /** Ends both, as `pbx.destroy()` does. */
  destroy(): Promise<void>;
}

/** A P-Series PBX that took us in. It and its phone end together, however that begins. */
export class PBXOperator implements Events<PBXEvents> {
  private constructor();
  on<Name extends keyof PBXEvents>(event: Name, listener: Listener<PBXEvents[Name]>): void;
  once<Name extends keyof PBXEvents>(event: Name, listener: Listener<PBXEvents[Name]>): void;
  off<Name extends keyof PBXEvents>(event: Name, listener?: Listener<PBXEvents[Name]>): void;

  /** As it was given. */
  readonly url: string;
  readonly username: string;
  /** The login signature. */
  readonly secret: string;
  /** The present access token. */
  readonly token: string;
  /** The subscription's, while there is one. */
  readonly socket: WebSocket | null;
  readonly extensionNumber: string;
  readonly extensionId: string;
  readonly extensionName: string;

  /** Refused with −105: it is initialised as long as it lives. */
  init(): Promise<never>;
  /** A page of the list of calls. Rejects with a `PBXError`: −100 (a query that cannot be made), −102, −103. */
  cdrQuery(query: CdrQuery): Promise<CdrPage>;
  /** Hangs up, unregisters, logs out and closes everything, in at most 10 s. Listeners hear all of it. */
  logout(): Promise<void>;
  /** The same, but no listener is told any more. Again it does nothing. */
  destroy(): Promise<void>;
}

/** Why the PBX refused: `message` is the word of the `code`, such as `PBX_API_ERROR`. */
export class PBXError extends Error {
  readonly code: number;
  readonly message: string;
  /** What happened and what to do about it, in words. */
  readonly detail: string;
}

export type PBXEvents = {
  /** Phone and PBX end themselves now: −107 logged in elsewhere, −108 extension deleted, −109 log in anew, −106 and −110
   * switched off by the administrator. Told before anything of the end. */
  runtimeError: { code: number; message: string; detail: string };
  /** There is a new call in the list. */
  cdrChange: { ext_num: string; personal_cdr: Pick<CdrRow, 'date' | 'time' | 'timestamp' | 'number' | 'talk_duration'> };
  /** The last event: all is given back. */
  destroyed: {};
};

export interface CdrQuery {
  /** From 1. */
  page: number;
  /** Rows of a page, 1 to 1000. */
  size: number;
  /** 0 all (unless given), 1 inbound, 2 missed, 3 outbound. */
  status?: 0 | 1 | 2 | 3;
  sortBy: 'time' | 'id';
  /** `desc` unless given: the newest first. */
  orderBy?: 'desc' | 'asc';
  /** Only numbers that contain this; at most 128 characters. */
  filter?: string;
}

export interface CdrPage {
  personal_cdr_list: CdrRow[];
  /** Rows on all pages. */
  total_number: number;
}

/** What the PBX did not send is empty or 0. */
export interface CdrRow {
  id: number;
  /** As the PBX writes it. */
  date: string;
  time: string;
  /** Seconds since 1970-01-01 UTC. */
  timestamp: number;
  /** The other side. */
  number: string;
  number_type: string;
  /** The other side, where it is an extension. */
  extension: {
    ext_id: number;
    ext_num: string;
    caller_id_name: string;
    photo: string;
    status: string;
    presence_status: string;
  } | null;
  /** 1 inbound, 2 missed, 3 outbound. */
  status: number;
  talk_duration: number;
  call_type: string;
  uniqueid: string;
  disposition: 'ANSWERED' | 'NO ANSWER' | 'BUSY' | 'FAILED' | 'VOICEMAIL' | (string & {});
  dcontext: string;
  caller_id: string;
  clid: string;
}

export interface PhoneConfig {
  /** `wss://host[:port][/path]`. */
  server: string;
  user: string;
  /** Domain of the addresses; the server's host unless given. */
  domain?: string;
  /** What the other side is shown. */
  displayName?: string;
  /** For the digest; `user` unless given. */
  authorizationUser?: string;
  password?: string;
  /** Instead of the password: `md5(user:realm:password)` in hex. */
  ha1?: string;
  userAgent?: string;
  /** At most one call at a time. */
  disableCallWaiting?: boolean;
  /** Attempts to register before giving up; without it there is no limit. */
  reRegistryPhoneTimes?: number;
  deviceIds?: DeviceIds;
  /** How tones are sent: as telephone-events (RFC 4733) unless given, or as SIP INFO (`application/dtmf-relay`). */
  dtmf?: 'rfc4733' | 'info';
  /** Who records: the page unless given (`audio`), or the server, asked by SIP INFO with `Record: on` or `off` (`'info'`) or by the
   * feature code that is given, `'*1'`. */
  record?: 'info' | (string & {});
  /** A call in which the far end should be heard and is not for so long ends, `RTP Timeout`; whole seconds. Unless given: never. */
  rtpTimeout?: number;
  /** `false`: the far end may not transfer us (its REFER is refused, 603). */
  allowTransfer?: boolean;
  /**
   * The page goes on with its calls when it is reloaded, or another page of this site is opened in the tab, and makes a phone
   * of the same user and server there and starts it within 20 s: later they are ended. Without it they end with the page. Calls
   * of a tab that is closed are then not ended by this side: what is not heard of any more, the server has to end.
   * A call keeps its ICE policy and codecs, and not ICE servers of its own: those have passwords. It goes over the phone's then.
   */
  keepCalls?: boolean;
  /** Of several tabs, one registers; the others wait until it has gone (Web Locks). A tab that brings calls along comes first. */
  oneTab?: boolean;
  /** To record and mix calls in the page: of `offhook/audio`. */
  audio?: import('offhook/audio').AudioEngine;
  iceServers?: RTCIceServer[];
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** Where `offhook.wasm` is, or what it is; beside the script unless given. */
  wasm?: RequestInfo | URL | Response | BufferSource | WebAssembly.Module;
}

export interface DeviceIds {
  cameraId?: string;
  microphoneId?: string;
}

/** What became of a command. Success: 0, 100 (`STANDBY`: another tab is registered) and 200. */
export interface Result {
  code: number;
  /** The name of the code, such as `MAX_LIMIT_CALL`. */
  message: string;
  /** What happened and what to do about it, in words. */
  detail?: string;
  /** Of a call that was made or answered. */
  callId?: string;
  /** Why there is no microphone or camera, where that is the reason. */
  media?: MediaFaultKind;
}

/** `denied` by the user, the system or the page's policy; `dismissed` unanswered; `busy`: used by another program; `overConstrained`: the
 * wanted device is not there; `insecureContext`: the page came neither over https nor from this machine. */
export type MediaFaultKind = 'denied' | 'dismissed' | 'noDevice' | 'busy' | 'overConstrained' | 'insecureContext' | 'other';

export interface CallOptions {
  video?: boolean;
  offerToReceiveVideo?: boolean;
  /** `Name: value` each, for the INVITE or its 200. */
  extraHeaders?: string[];
  iceServers?: RTCIceServer[];
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** The id of a microphone, for this call. */
  inputDevice?: string;
  /** The only codecs of the audio, by name in order of preference: `['PCMU', 'opus']`. Those that the browser does not have are left
   * out; with none of them it offers all. */
  codecs?: string[];
}

/** Listeners by name. One that throws harms no other: the page's handler of errors hears of it. */
interface Events<Map> {
  on<Name extends keyof Map>(event: Name, listener: Listener<Map[Name]>): void;
  once<Name extends keyof Map>(event: Name, listener: Listener<Map[Name]>): void;
  /** Without a listener: all of the event. */
  off<Name extends keyof Map>(event: Name, listener?: Listener<Map[Name]>): void;
}

type Listener<Payload> = (...payload: Payload extends unknown[] ? Payload : [Payload]) => void;

export class Phone implements Events<PhoneEvents> {
  private constructor();
  on<Name extends keyof PhoneEvents>(event: Name, listener: Listener<PhoneEvents[Name]>): void;
  once<Name extends keyof PhoneEvents>(event: Name, listener: Listener<PhoneEvents[Name]>): void;
  off<Name extends keyof PhoneEvents>(event: Name, listener?: Listener<PhoneEvents[Name]>): void;

  readonly currentSessionID: string | null;
  readonly currentSession: Session | null;
  readonly sessions: Map<string, Session>;
  readonly incomingList: Session[];
  readonly isRegistered: boolean;
  readonly reRegistryPhoneTimes: number | undefined;
  /** Used from the next call on, and when video is added to one. */
  deviceIds: DeviceIds;
  /** 0: none, 1: pause and resume, 2: all. */
  readonly recordPermissions: 0 | 1 | 2;
  readonly isMaxCall: boolean;
  readonly isNoneCamera: boolean;
  /** Whether the plan of the PBX has video; `false` without a PBX. */
  readonly videoPlan: boolean;
  /** What it was made with, but for passwords and secrets. */
  readonly config: Omit<PhoneConfig, 'password' | 'ha1'> | Omit<InitParams, 'secret'>;

  /** Connects and registers, and stays so. Resolves with the first registration or the first failure. Calls that the page
   * before this one has left (`keepCalls`) come back as `newRTCSession`, `startSession`, and in the call `peerconnection`,
   * `reconnecting`; `reconnected` and `streamAdded` when the far end is heard again. −200 if it is told to stop meanwhile. */
  start(): Promise<Result>;
  /** Registers again at once; with both parameters by another user name and HA1. */
  reRegister(authorizationUser?: string, ha1?: string): Promise<Result>;
  /** Ends the calls, unregisters and closes the connection; a tab that waits for its turn (`oneTab`) waits no more. */
  disconnect(): Promise<Result>;
  /** Ends everything and lets go of everything, the PBX too; no listener is told any more. */
  destroy(): Promise<void>;

  /** Opens the microphone, then calls. Resolves when the call exists: what becomes of it, its events tell. `transferId`: the
   * call that it is a consultation for. */
  call(number: string, options?: CallOptions, transferId?: string): Promise<Result>;
  /** Opens the microphone, then answers. Resolves when the call is confirmed. */
  answer(callId: string, options?: CallOptions): Promise<Result>;
  reject(callId: string): boolean;
  hangup(callId: string): boolean;
  terminate(callId: string, type?: TerminateType): boolean;
  hold(callId: string): boolean;
  unhold(callId: string): boolean;
  mute(callId: string): boolean;
  unmute(callId: string): boolean;
  /** `0123456789*#ABCD`, and `,` for a pause of 2 s. */
  dtmf(callId: string, tones: string): boolean;
  blindTransfer(callId: string, number: string): boolean;
  /** Connects the parent of this consultation call with its far end. */
  attendedTransfer(callId: string, number?: string): boolean;
  startRecord(callId: string): boolean;
  pauseRecord(callId: string): boolean;
  renegotiate(callId: string, offerToReceiveVideo?: boolean): boolean;
  audioToVideo(callId: string): boolean;
  videoToAudio(callId: string): boolean;

  /**
   * Makes a conference of two to four calls, or brings them into the one there is, mixed here (needs `audio`): held ones are
   * unheld, consultation calls become calls as any other. Without calls: unholds those of a conference that is held.
   */
  conference(callIds?: Iterable<string>): boolean;
  /** Plays what `audioBlocked` told of: call it when the user clicks. Whether all of it plays now. */
  unlockAudio(): Promise<boolean>;

  getSession(callId: string): Session | undefined;
  getSessions(): Session[];
  getCurrentSession(): Session | null;
  setCurrentSession(callId: string | null): boolean;
  setSessionStaticStatus(callId: string, status: Partial<StaticCallStatus>, startManualModel?: boolean): boolean;
}

export class Session implements Events<SessionEvents> {
  private constructor();
  on<Name extends keyof SessionEvents>(event: Name, listener: Listener<SessionEvents[Name]>): void;
  once<Name extends keyof SessionEvents>(event: Name, listener: Listener<SessionEvents[Name]>): void;
  off<Name extends keyof SessionEvents>(event: Name, listener?: Listener<SessionEvents[Name]>): void;

  readonly callId: string;
  /** A snapshot: replaced, never changed. */
  readonly status: CallStatus;
  readonly timer: TimerType;
  /** `null` before the answer. */
  readonly callReport: Report | null;
  /** The phone's calls that ring inbound. */
  readonly incomingList: Session[];
  readonly RTCSession: RTCSession;
  /** The camera, without audio. */
  readonly localStream: MediaStream | null;
  readonly remoteStream: MediaStream | null;
  /** Asked when the far end wants to add video; without it video is refused. */
  agreeChangeVideo: ((request: { callId: string; name: string }) => boolean | Promise<boolean>) | undefined;

  answer(options?: CallOptions): Promise<Result>;
  reject(): boolean;
  hangup(): boolean;
  terminate(type?: TerminateType): boolean;
  hold(): boolean;
  unhold(): boolean;
  mute(): boolean;
  unmute(): boolean;
  dtmf(tones: string): boolean;
  blindTransfer(number: string): boolean;
  attendedTransfer(number?: string): boolean;
  startRecord(): boolean;
  pauseRecord(): boolean;
  renegotiate(offerToReceiveVideo?: boolean): boolean;
  audioToVideo(): boolean;
  videoToAudio(): boolean;
  /** Another microphone (or, with `'video'`, camera), at once; without an id the usual one. All is as before if it cannot be had. */
  setInputDevice(deviceId?: string, kind?: 'audio' | 'video'): Promise<Result>;
  /** Where the elements of `play` are heard, from now on. */
  setOutputDevice(deviceId: string): Promise<Result>;
  /** How loud they are: 0 to 1. */
  setVolume(volume: number): boolean;
  /** Plays the far end in an element (a new `Audio`, or one of the page's; a `<video>` shows it, too), now or as soon as there
   * is something to play. `false`: the browser wants a click of the user's first, see `audioBlocked`. */
  play(element?: HTMLMediaElement): Promise<boolean>;
  /** Sends what the user chooses of the screen instead of the camera; adds video to a call without. It ends with `stopSharing`,
   * or the browser's own button. `localStream` follows. */
  shareScreen(options?: DisplayMediaStreamOptions): Promise<Result>;
  /** The camera again, or no video where there was none. */
  stopSharing(): Promise<Result>;
  restartIce(): boolean;
  sendInfo(contentType: string, body: string): boolean;
  sendMessage(contentType: string, body: string): boolean;
  getStats(): Promise<RTCStatsReport | null>;
  stopTimer(): this;
  /** What signalling decides (how far the call is, holding, muting) is not changed by it. */
  setStatus(status: Partial<CallStatus>): this;
  setStaticStatus(status: Partial<StaticCallStatus>, startManualModel?: boolean): this;
  /** Drops all listeners and ends the call. */
  destroy(): void;
}

export type TerminateType = 'hangup' | 'reject' | 'terminate';

/** The dialog and the peer connection under a call. */
export interface RTCSession {
  /** `null` until the event `peerconnection`. */
  readonly connection: RTCPeerConnection | null;
  readonly callId?: string;
  readonly localTag?: string | null;
  readonly remoteTag?: string | null;
  readonly localUri?: string | null;
  readonly remoteUri?: string | null;
  readonly direction?: CommunicationType;
  readonly localSdp?: string | null;
  readonly remoteSdp?: string | null;
  readonly signalingState: 'stable' | 'have-local-offer' | 'have-remote-offer' | 'closed';
}

export type CommunicationType = 'outbound' | 'inbound';

export interface StaticCallStatus {
  name: string;
  avatar: string;
  company: string;
}

export interface CallStatus extends StaticCallStatus {
  number: string;
  callId: string;
  communicationType: CommunicationType;
  isVideo: boolean;
  isRing: boolean;
  isHold: boolean;
  isRemoteHold: boolean;
  isMute: boolean;
  callStatus: 'calling' | 'ringing' | 'connecting' | 'talking';
  callStartTime: number;
  recordStatus: 'stop' | 'recording' | 'pause';
  isTransfer: boolean;
  transferParent?: {
    callId: string;
    avatar: string;
    name: string;
    number: string;
    callDuration: number;
    holdDuration: number;
  };
  isConference: boolean;
}

export interface TimerType {
  ringDuration: number;
  callingDuration: number;
  callDuration: number;
  holdDuration: number;
}

type Measured = 'Codec' | 'Rx' | 'RxLost' | 'RxMaxjitter' | 'RxAvgjitter' | 'Tx' | 'TxLost' | 'TxMaxjitter' | 'TxAvgjitter';

/** Quality as strings, `"0"` where nothing is known, and as numbers in `stats`. */
export type Report = Record<`lks${'Audio' | 'Video'}${Measured}`, string> & {
  lksTimestamp: string;
  lksDate: string;
  callId: string;
  extension: string;
  iceResult: string;
  lksNetworkType: string;
  lksDeviceType: string;
  lksDuration: string;
  stats: ReportStats;
};

/** Of the audio. Shares are 0 to 1. */
export interface ReportStats {
  remoteCandidate: RTCIceCandidateType | null;
  codec: string;
  packetsReceived: number;
  packetsLost: number;
  loss: number;
  jitterMs: number;
  packetsSent: number;
  remoteLoss: number | null;
  rttMs: number | null;
  jitterBufferDelayMs: number;
  concealment: number;
  /** Rating of the E-model (ITU-T G.107). */
  rating: number | null;
  /** 1 to 4.5. */
  mos: number | null;
}

interface OfCall {
  callId: string;
}

interface WithSession extends OfCall {
  session: Session;
}

export type PhoneEvents = {
  connected: [];
  disconnected: { reason: string };
  registered: [];
  registrationFailed: [cause: string, more: { statusCode?: number; code: number }];
  isRegisteredChange: [isRegistered: boolean];
  recordPermissionsChange: [permissions: 0 | 1 | 2];
  videoPlanChange: [videoPlan: boolean];
  newRTCSession: WithSession;
  incoming: WithSession;
  startSession: WithSession;
  deleteSession: OfCall & { cause: string };
  /** Devices were connected or taken away. */
  deviceChange: { devices: MediaDeviceInfo[] };
  /** Another tab is registered, this one waits (`oneTab`). Of a phone of `init`: it is to be destroyed. */
  standby: [];
  /** The other tab has gone: this one registers. */
  active: [];
  /** A recording of the page's own is complete: after the call's end. In stereo, left what was sent, right what was heard. */
  recorded: OfCall & { blob: Blob; mimeType: string; durationMs: number };
  reconnecting: { attempt: number; delayMs: number };
};

export type SessionEvents = {
  callReport: OfCall & { callReport: Report };
  streamAdded: OfCall & { communicationType: CommunicationType; stream: MediaStream };
  updateLocalStream: OfCall & { localStream: MediaStream | null };
  updateRemoteStream: OfCall & { remoteStream: MediaStream | null };
  peerconnection: OfCall & { peerconnection: RTCPeerConnection };
  /** A listener may replace `sdp`. */
  sdp: OfCall & { originator: 'local' | 'remote'; type: 'offer' | 'answer'; sdp: string };
  /** The value of an `a=candidate` line. */
  icecandidate: OfCall & { candidate: string };
  progress: OfCall & { statusCode: number };
  accepted: WithSession;
  confirmed: WithSession;
  reinvite: WithSession & { isInviteVideo: boolean };
  newInfo: OfCall & { originator: 'local' | 'remote'; contentType: string; body: string };
  newMessage: OfCall & { originator: 'local' | 'remote'; contentType: string; body: string };
  ended: OfCall & { cause: string; type?: TerminateType };
  failed: OfCall & { cause: string; code?: number };
  clientError: OfCall & { cause: string };
  statusChange: [newStatus: CallStatus, oldStatus: CallStatus];
  staticStatusChange: [newStatus: StaticCallStatus, oldStatus: StaticCallStatus];
  updateTimer: OfCall & { timer: TimerType };
  /** Of its quality and devices. `camera-failed`: `message` is the kind of the fault (`denied`, `busy` …). */
  warningMessage: OfCall & { code: string; message: string };
  transferProgress: OfCall & { statusCode: number };
  transferFailed: OfCall & { statusCode: number };
  reconnecting: OfCall;
  reconnected: OfCall;
  /** The browser plays nothing before the user has clicked: `phone.unlockAudio()`, then. */
  audioBlocked: OfCall;
  /** The microphone (or camera) in use is gone, and the usual one is used instead (`replaced`), or there is none: `media` says
   * why. The call goes on in any case. */
  deviceLost: OfCall & { kind: 'audio' | 'video'; replaced: boolean; media?: MediaFaultKind };
  dtmf: OfCall & { tone: string; duration: number };
};

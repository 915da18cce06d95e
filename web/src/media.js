// The peer connection of one call: does what the core's media commands say, in order, and tells what came of it.

import { prefer } from './codecs.js';
import { MediaFault, acquire, acquireAny, capture, letGo } from './devices.js';
import { measure } from './stats.js';

/** An offer or answer waits so long for more candidates, once it has one; ms. */
const GATHERING = 500;
/** And so long for the first; ms. */
const FIRST_CANDIDATE = 5_000;
/** The addresses of all interfaces come within this of the first; ms. */
const INTERFACES = 20;
/** Tones wait so long for the media to be connected, less than the core waits for them; ms. */
const TONES_WAIT = 9_000;
/** A browser does not take them in the very moment of it; ms. */
const TONES_SETTLE = 1_000;

export class Media {
  connection;
  remoteStream = null;
  /** The camera (or what of the screen is shared) alone. */
  localStream = null;
  /** What of the screen is shared, and the camera that waits meanwhile. */
  #screen;
  #camera;
  #recorder;
  #conferring = false;
  options;
  #tell;
  /** What the microphone's track is sent with. */
  #stream = new MediaStream();
  #acquired = [];
  #chain = Promise.resolve();
  /** Counts rollbacks: what was begun before one is of no use after it. */
  #generation = 0;
  /** Ends the waiting for a microphone or camera; and one for a camera was ended so. */
  #abandon;
  #dismissed = false;
  /** Counts choices of a device; by kind, the last that is in use. */
  #choices = 0;
  #chosen = {};
  #muted = false;
  /** We hold, from the description under way on; and as it was agreed last. */
  #holds = false;
  #held = false;
  /** Commands whose tones wait for the media. */
  #untoned = [];
  /** Requests whose tones are not all sent. */
  #toned = [];
  /** When the media was connected first; ms. */
  #connected;
  /** What is shared is in no description yet. */
  #unoffered = false;
  #early;
  #hostsOnly;

  /**
   * `tell.event(kind, request, text)`: to the core. `stats(request, …)`: likewise. `localStream()`: it is another.
   * `lost(kind)`: of a device. `shared(stop)`: the screen is not shared any more; `stop`: nor is there a camera. `recorded(blob)`. `warn(code, message)`: to listeners.
   * `options`: of the call, with the phone's `audio`; `devices()`: which ones are to be used now.
   */
  constructor(tell, options) {
    this.#tell = tell;
    this.options = options;
    const { iceServers = [], iceTransportPolicy = 'all' } = options;
    const connection = (this.connection = new RTCPeerConnection({ iceServers, iceTransportPolicy }));
    this.#hostsOnly = iceServers.length === 0;
    connection.ontrack = ({ track }) => {
      this.remoteStream ??= new MediaStream();
      // Resumed after a hold, it is told anew, and is the same.
      if (this.remoteStream.getTracks().includes(track)) return;
      this.remoteStream.addTrack(track);
      // A video that was taken away.
      track.onended = () => this.remoteStream.removeTrack(track);
      tell.event(track.kind);
    };
    connection.oniceconnectionstatechange = () => {
      const state = connection.iceConnectionState;
      if (state !== 'new' && state !== 'closed') tell.event(state);
    };
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === 'connected') this.#connected ??= performance.now();
    };
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) tell.event('candidate', undefined, candidate.candidate);
    };
  }

  /** A stream from the microphone, the camera or both, to be sent from the next description on. */
  take(stream) {
    this.#keep(stream);
    for (const track of stream.getTracks()) track.addEventListener('ended', () => this.#lost(track));
    for (const track of stream.getAudioTracks()) this.#stream.addTrack(track);
    this.setMuted(this.#muted);
    const [camera] = stream.getVideoTracks();
    if (camera && this.#screen) this.#camera = camera;
    else if (camera) this.#show(camera);
  }

  /** Another microphone (`audio`) or camera (`video`): its id, or the usual one. Throws a `MediaFault`; all is as before then. */
  async replace(kind, id) {
    const video = kind === 'video';
    const choice = ++this.#choices;
    const seen = this.localStream;
    const stream = await acquire(video ? { video, cameraId: id } : { audio: true, microphoneId: id });
    // What was chosen later may be there sooner; and a camera is not switched on by it when the video has ended meanwhile.
    if (choice < this.#chosen[kind] || (video && seen && !this.localStream)) return letGo(stream);
    this.#chosen[kind] = choice;
    const camera = this.#screen ? this.#camera : this.localStream?.getVideoTracks()[0];
    const old = video ? camera : this.#stream.getAudioTracks()[0];
    if (old) this.#drop(old);
    this.take(stream);
    const [track] = stream.getTracks();
    if (video) {
      if (!this.#screen) await this.#transceiver('video')?.sender.replaceTrack(track);
      return;
    }
    this.options.inputDevice = id;
    this.#recorder?.setLocal(this.#stream);
    if (this.#conferring) this.setConference(true);
    else await this.#transceiver('audio')?.sender.replaceTrack(track);
  }

  /** Sends what the user chooses of the screen instead of the camera. Throws a `MediaFault`. */
  async share(options) {
    const stream = await capture(options);
    const [track] = stream.getVideoTracks();
    for (const other of stream.getAudioTracks()) other.stop();
    if (this.connection.signalingState === 'closed') return track.stop();
    if (this.#screen) this.#drop(this.#screen);
    else [this.#camera] = this.localStream?.getVideoTracks() ?? [];
    this.#screen = track;
    this.#unoffered = true;
    this.#acquired.push(track);
    // The browser's own button.
    track.addEventListener('ended', () => this.unshare());
    this.#show(track);
    await this.#transceiver('video')?.sender.replaceTrack(track);
  }

  /** The camera again, or nothing where there was none. `false`: nothing was shared. */
  async unshare() {
    const [screen, camera] = [this.#screen, this.#camera];
    if (!screen) return false;
    this.#screen = this.#camera = undefined;
    this.#drop(screen);
    this.#show(camera);
    if (camera) await this.#transceiver('video')?.sender.replaceTrack(camera);
    this.#tell.shared(!camera);
    return true;
  }

  carryOut(name, command) {
    try {
      this[name]?.(command);
    } catch (error) {
      this.#tell.event('other', command?.request, error.message);
    }
  }

  // --- commands, by their names ---

  createOffer({ request, direction, video, iceRestart }) {
    this.#later(request, async () => {
      await this.#local(video?.startsWith('send'));
      this.#direct(direction, video, true);
      await this.connection.setLocalDescription(await this.connection.createOffer({ iceRestart }));
      await this.#gathered();
      return ['description', request, this.connection.localDescription.sdp];
    });
  }

  acceptOffer({ request, sdp, direction, video }) {
    this.#later(request, async () => {
      await this.#local(video?.startsWith('send'));
      const [track] = this.#stream.getAudioTracks();
      if (track && !this.#transceiver('audio')) this.connection.addTrack(track, this.#stream);
      await this.#remote('offer', sdp);
      this.#direct(direction, video, false);
      await this.connection.setLocalDescription(await this.connection.createAnswer());
      this.#held = this.#holds;
      await this.#gathered();
      return ['description', request, this.connection.localDescription.sdp];
    });
  }

  acceptAnswer({ request, sdp, early }) {
    this.#later(request, async () => {
      if (early) await this.#remote('pranswer', (this.#early = sdp));
      else await this.#answered(sdp);
      return ['applied', request];
    });
  }

  confirmEarly() {
    this.#later(undefined, () => this.#answered(this.#early));
  }

  rollback() {
    this.#giveUp();
    this.#later(undefined, async () => {
      const { connection } = this;
      const description = { type: 'rollback' };
      if (connection.signalingState === 'have-local-offer') await connection.setLocalDescription(description);
      if (connection.signalingState === 'have-remote-offer') await connection.setRemoteDescription(description);
      this.#veil(this.#held);
    });
  }

  endVideo() {
    if (!this.#unoffered) this.#hide();
    this.#later(undefined, () => {
      if (this.#dismissed) this.#tell.warn('camera-failed', 'dismissed');
      this.#dismissed = false;
    });
  }

  startRecording({ request }) {
    const { audio } = this.options;
    if (!audio) {
      const message = "to record in the page, createPhone needs `audio`: an AudioEngine of 'offhook/audio'";
      this.#tell.warn('recording-failed', message);
      return this.#tell.event('other', request, message);
    }
    const tell = this.#tell;
    this.#recorder = audio.record(this.#stream, this.remoteStream, {
      recorded: (recording) => tell.recorded(recording),
      failed: (error) => this.#tell.event('recordingFailed', undefined, error.message),
    });
    this.#tell.event('recordingStarted', request);
  }

  pauseRecording(paused) {
    this.#recorder?.setPaused(paused);
  }

  /** Whether what is sent is mixed with what the phone's other calls say. */
  setConference(mixed) {
    const { audio } = this.options;
    const [microphone] = this.#stream.getAudioTracks();
    this.#conferring = mixed && !!audio;
    audio?.leave(this);
    const track = this.#conferring ? audio.join(this, this.#stream, this.remoteStream) : microphone;
    this.#transceiver('audio')?.sender.replaceTrack(track ?? null);
  }

  setMuted(muted) {
    this.#muted = muted;
    for (const track of this.#stream.getAudioTracks()) track.enabled = !muted;
  }

  sendDtmf(command) {
    this.#untoned.push({ ...command, until: performance.now() + TONES_WAIT });
    if (this.#untoned.length === 1) this.#sayTones();
  }

  takeStats({ request }) {
    measure(this.connection).then(
      (measured) => this.#tell.stats(request, ...measured),
      (error) => this.#tell.event('other', request, error.message),
    );
  }

  unsupported({ request }) {
    this.#tell.event('other', request, 'a browser cannot do it');
  }

  close() {
    const { connection } = this;
    this.#giveUp();
    connection.ontrack = connection.oniceconnectionstatechange = connection.onconnectionstatechange = connection.onicecandidate = null;
    this.#untoned = [];
    this.#recorder?.stop();
    this.options.audio?.leave(this);
    connection.close();
    for (const track of this.#acquired.splice(0)) track.stop();
    this.#tell = { event() {}, stats() {}, localStream() {}, lost() {}, shared() {}, warn() {} };
  }

  // --- inside ---

  /** A call is confirmed before its media is connected; before that a browser takes no tones. */
  #sayTones() {
    if (this.#untoned.length === 0) return;
    const [{ request, tones, durationMs, gapMs, until }] = this.#untoned;
    const dtmf = this.#transceiver('audio')?.sender.dtmf;
    const now = performance.now();
    if (!dtmf?.canInsertDTMF && now < until && !(now - this.#connected > TONES_SETTLE)) {
      setTimeout(() => this.#sayTones(), 50);
      return;
    }
    this.#untoned.shift();
    if (dtmf?.canInsertDTMF) {
      this.#toned.push(request);
      dtmf.ontonechange = ({ tone }) => {
        if (tone !== '') return;
        for (const sent of this.#toned.splice(0)) this.#tell.event('dtmfSent', sent);
      };
      // What waits to be sent would be replaced: keys are pressed faster than tones are said.
      dtmf.insertDTMF(dtmf.toneBuffer + tones, durationMs, gapMs);
    } else this.#tell.event('other', request, 'no telephone-event was agreed with the far end');
    this.#sayTones();
  }

  /** Does one thing after the other. */
  #later(request, act) {
    const generation = this.#generation;
    this.#chain = this.#chain.then(async () => {
      const fresh = () => generation === this.#generation;
      if (!fresh()) return;
      try {
        const told = await act();
        if (told && fresh()) this.#tell.event(...told);
      } catch (error) {
        if (!fresh()) return;
        const kind = error instanceof MediaFault ? error.core : error.badSdp ? 'sdp' : 'other';
        this.#tell.event(kind, request, error.message);
      }
    });
  }

  /** What was begun is of no use any more, and a question of the browser that is still open holds nothing up. */
  #giveUp() {
    this.#generation += 1;
    this.#abandon?.(new Error());
  }

  /** Opens what is to be sent and is not open yet. A call that was made or answered here has its microphone already. */
  async #local(camera) {
    const audio = this.#stream.getAudioTracks().length === 0;
    const video = !!camera && !this.localStream;
    if (!audio && !video) return;
    const generation = this.#generation;
    const fresh = () => generation === this.#generation;
    this.#dismissed = false;
    // Nobody waits any more for what comes too late.
    const opened = acquireAny({ ...this.options.devices(), audio, video }).then((stream) => (fresh() ? this.take(stream) : letGo(stream)));
    try {
      await Promise.race([opened, new Promise((_, reject) => (this.#abandon = reject))]);
    } catch (error) {
      if (video && fresh()) this.#tell.warn('camera-failed', error.kind);
      this.#dismissed = video && !fresh();
      throw error;
    }
  }

  /** Says what is sent and received from the next description on. */
  #direct(direction, video, ours) {
    this.#directOne('audio', direction, this.#stream, ours);
    if (video) this.#directOne('video', video, this.localStream, ours);
    else {
      this.#withoutVideo(ours);
      this.#hide();
    }
    this.#unoffered = false;
    this.#veil(direction === 'sendonly' || direction === 'inactive');
  }

  /** Whom we hold is not to see us, whatever becomes of the packets on their way. */
  #veil(holds) {
    this.#holds = holds;
    for (const track of this.#seen()) track.enabled = !holds;
  }

  /** The self view, and the camera that waits. */
  #seen() {
    return [...(this.localStream?.getTracks() ?? []), this.#camera].filter(Boolean);
  }

  /** Lets go of the camera and the screen. */
  #hide() {
    if (!this.localStream) return;
    for (const track of this.#seen()) this.#drop(track);
    this.#screen = this.#camera = undefined;
    this.#show();
  }

  #withoutVideo(ours) {
    const transceiver = this.#transceiver('video');
    // What is only refused may be offered again on the same line.
    if (ours) transceiver?.stop();
    else if (transceiver) transceiver.direction = 'inactive';
    for (const track of this.remoteStream?.getVideoTracks() ?? []) this.remoteStream.removeTrack(track);
  }

  /** This is the self view now. */
  #show(track) {
    if (this.#holds && track) track.enabled = false;
    this.localStream = track ? new MediaStream([track]) : null;
    this.#tell.localStream();
  }

  /** To be stopped at the end, which may have been meanwhile. */
  #keep(stream) {
    this.#acquired.push(...stream.getTracks());
    if (this.connection.signalingState !== 'closed') return;
    for (const track of this.#acquired.splice(0)) track.stop();
  }

  #drop(track) {
    this.#acquired = this.#acquired.filter((other) => other !== track);
    this.#stream.removeTrack(track);
    track.stop();
  }

  /** A device is gone, which ends no call. */
  #lost(track) {
    if (!this.#acquired.includes(track)) return;
    if (track === this.#camera || this.#screen === undefined || track.kind === 'audio') this.#tell.lost(track.kind);
  }

  #directOne(kind, direction, stream, ours) {
    const [track] = stream?.getTracks().filter((track) => track.kind === kind) ?? [];
    const transceiver = this.#transceiver(kind);
    if (transceiver) {
      if (kind === 'audio') prefer(transceiver, this.options.codecs);
      transceiver.direction = direction;
      const mixed = kind === 'audio' && this.#conferring;
      if (track && !mixed && transceiver.sender.track !== track) {
        transceiver.sender.replaceTrack(track);
        transceiver.sender.setStreams?.(this.#stream);
      }
    } else if (ours) {
      const made = this.connection.addTransceiver(track ?? kind, { direction, streams: [this.#stream] });
      if (kind === 'audio') prefer(made, this.options.codecs);
    }
  }

  #transceiver(kind) {
    const fits = ({ receiver, currentDirection, direction }) =>
      receiver.track.kind === kind && currentDirection !== 'stopped' && direction !== 'stopped';
    return this.connection.getTransceivers().find(fits);
  }

  /** The answer is final. */
  async #answered(sdp) {
    await this.#remote('answer', sdp);
    this.#held = this.#holds;
  }

  async #remote(type, sdp) {
    try {
      await this.connection.setRemoteDescription({ type, sdp });
    } catch (error) {
      error.badSdp = true;
      throw error;
    }
  }

  /** Waits until there is a candidate to be found by, and a moment for more. */
  #gathered() {
    const { connection } = this;
    if (connection.iceGatheringState === 'complete') return;
    const found = () => /^a=candidate:/m.test(connection.localDescription?.sdp);
    return new Promise((resolve) => {
      let late = false;
      const timers = [
        setTimeout(() => {
          late = true;
          if (found()) done();
        }, GATHERING),
        setTimeout(() => done(), FIRST_CANDIDATE),
      ];
      const look = ({ candidate }) => {
        // Without servers there are no better ones to come; and what is seen from outside is reached wherever anything is.
        const enough = candidate?.type === 'host' ? this.#hostsOnly : candidate?.candidate;
        if (late || connection.iceGatheringState === 'complete') done();
        else if (enough) timers.push(setTimeout(done, INTERFACES));
      };
      const done = () => {
        timers.forEach((timer) => clearTimeout(timer));
        connection.removeEventListener('icecandidate', look);
        connection.removeEventListener('icegatheringstatechange', look);
        resolve();
      };
      connection.addEventListener('icecandidate', look);
      connection.addEventListener('icegatheringstatechange', look);
    });
  }
}

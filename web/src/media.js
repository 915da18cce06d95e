// The peer connection of one call: does what the core's media commands say, in order, and tells what came of it.

import { MediaFault, acquire } from './devices.js';
import { measure } from './stats.js';

/** An offer or answer waits so long for more candidates, once it has one; ms. */
const GATHERING = 500;
/** And so long for the first; ms. */
const FIRST_CANDIDATE = 5_000;
/** The addresses of all interfaces come within this of the first; ms. */
const INTERFACES = 20;

export class Media {
  connection;
  remoteStream = null;
  /** The camera alone. */
  localStream = null;
  #tell;
  #options;
  /** What the microphone's track is sent with. */
  #stream = new MediaStream();
  #acquired = [];
  #chain = Promise.resolve();
  /** Counts rollbacks: what was begun before one is of no use after it. */
  #generation = 0;
  #muted = false;
  /** Requests whose tones are not all sent. */
  #toned = [];
  #early;
  #hostsOnly;

  /**
   * `tell(kind, request, text)`: to the core. `stats(request, …)`: likewise. `localStream()`: it is another.
   * `options`: of the call, with the devices.
   */
  constructor(tell, options) {
    this.#tell = tell;
    this.#options = options;
    const { iceServers = [], iceTransportPolicy = 'all' } = options;
    const connection = (this.connection = new RTCPeerConnection({ iceServers, iceTransportPolicy }));
    this.#hostsOnly = iceServers.length === 0;
    connection.ontrack = ({ track }) => {
      this.remoteStream ??= new MediaStream();
      // Resumed after a hold, it is told anew, and is the same.
      if (this.remoteStream.getTracks().includes(track)) return;
      this.remoteStream.addTrack(track);
      tell.event(track.kind);
    };
    connection.oniceconnectionstatechange = () => {
      const state = connection.iceConnectionState;
      if (state !== 'new' && state !== 'closed') tell.event(state);
    };
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) tell.event('candidate', undefined, candidate.candidate);
    };
  }

  /** A stream from the microphone, the camera or both, to be sent from the next description on. */
  take(stream) {
    this.#acquired.push(...stream.getTracks());
    if (this.connection.signalingState === 'closed') {
      for (const track of this.#acquired.splice(0)) track.stop();
    }
    for (const track of stream.getAudioTracks()) this.#stream.addTrack(track);
    this.setMuted(this.#muted);
    const cameras = stream.getVideoTracks();
    if (cameras.length > 0) {
      this.localStream = new MediaStream(cameras);
      this.#tell.localStream();
    }
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
      await this.#gathered();
      return ['description', request, this.connection.localDescription.sdp];
    });
  }

  acceptAnswer({ request, sdp, early }) {
    this.#later(request, async () => {
      if (early) this.#early = sdp;
      await this.#remote(early ? 'pranswer' : 'answer', sdp);
      return ['applied', request];
    });
  }

  confirmEarly() {
    this.#later(undefined, () => this.#remote('answer', this.#early));
  }

  rollback() {
    this.#generation += 1;
    this.#later(undefined, async () => {
      const { connection } = this;
      const description = { type: 'rollback' };
      if (connection.signalingState === 'have-local-offer') await connection.setLocalDescription(description);
      if (connection.signalingState === 'have-remote-offer') await connection.setRemoteDescription(description);
    });
  }

  setMuted(muted) {
    this.#muted = muted;
    for (const track of this.#stream.getAudioTracks()) track.enabled = !muted;
  }

  sendDtmf({ request, tones, durationMs, gapMs }) {
    const dtmf = this.#transceiver('audio')?.sender.dtmf;
    if (!dtmf?.canInsertDTMF) return this.#tell.event('other', request, 'no telephone-event was agreed with the far end');
    this.#toned.push(request);
    dtmf.ontonechange = ({ tone }) => {
      if (tone !== '') return;
      for (const sent of this.#toned.splice(0)) this.#tell.event('dtmfSent', sent);
    };
    // What waits to be sent would be replaced: keys are pressed faster than tones are said.
    dtmf.insertDTMF(dtmf.toneBuffer + tones, durationMs, gapMs);
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
    this.#generation += 1;
    connection.ontrack = connection.oniceconnectionstatechange = connection.onicecandidate = null;
    connection.close();
    for (const track of this.#acquired.splice(0)) track.stop();
    this.#tell = { event() {}, stats() {}, localStream() {} };
  }

  // --- inside ---

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

  /** Opens what is to be sent and is not open yet. A call that was made or answered here has its microphone already. */
  async #local(camera) {
    const audio = this.#stream.getAudioTracks().length === 0;
    const video = !!camera && !this.localStream;
    if (audio || video) this.take(await acquire({ audio, video, ...this.#options }));
  }

  /** Says what is sent and received from the next description on. */
  #direct(direction, video, ours) {
    this.#directOne('audio', direction, this.#stream, ours);
    if (video) this.#directOne('video', video, this.localStream, ours);
    else this.#transceiver('video')?.stop();
  }

  #directOne(kind, direction, stream, ours) {
    const [track] = stream?.getTracks().filter((track) => track.kind === kind) ?? [];
    const transceiver = this.#transceiver(kind);
    if (transceiver) {
      transceiver.direction = direction;
      if (track && transceiver.sender.track !== track) {
        transceiver.sender.replaceTrack(track);
        transceiver.sender.setStreams?.(this.#stream);
      }
    } else if (ours) {
      this.connection.addTransceiver(track ?? kind, { direction, streams: [this.#stream] });
    }
  }

  #transceiver(kind) {
    const fits = ({ receiver, currentDirection, direction }) =>
      receiver.track.kind === kind && currentDirection !== 'stopped' && direction !== 'stopped';
    return this.connection.getTransceivers().find(fits);
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

//! The peer connection without sockets, tasks and clocks.
//!
//! Four kinds of methods. Commands change what is wanted. `receive`, `relayed` and `handle_timeout` tell what happened
//! and when. After any of these the driver takes [`PeerCore::poll_output`] until it is `None`, then waits for the
//! network or for [`PeerCore::timeout`].

mod engine;
mod events;
mod inbound;
mod noise;
mod outbound;
mod pace;
mod playout;
mod reception;
mod relaying;
mod taps;
#[cfg(test)]
mod tests;
mod tones;
mod video;

pub(crate) use self::playout::Playout;
pub(crate) use self::reception::Reception;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use self::engine::{Engine, EngineOutput, RtpIn};
use self::inbound::{Arrived, Inbound};
use self::outbound::Outbound;
use self::pace::{Due, Pace};
use self::taps::Taps;
use self::video::Video;
use crate::audio::{AudioSink, AudioSource, Mixer, Seat, Tap};
use crate::codec::Codec;
use crate::config::{PeerConfig, Wanted};
use crate::dtmf::Tones;
use crate::error::MediaError;
use crate::event::PeerEvent;
use crate::guard::Guarded;
use crate::peer::{Reply, SourceId, TapId};
use crate::reach::LocalCandidate;
use crate::relay::{LinkId, Relayed};
use crate::sdp::{Answered, Negotiation, RemoteTransport};
use crate::stats::{DtlsState, IceState, PeerStats};
use crate::video::{CLOCK, VideoFrame, VideoSink};

/// What becomes of tones while nothing is sent.
const HELD: MediaError = MediaError::WrongState("no tones can be sent while the call is held");

/// What the driver is to do.
pub(crate) enum Output {
    Transmit {
        source: SocketAddr,
        destination: SocketAddr,
        data: Vec<u8>,
    },
    Event(PeerEvent),
    /// For the bridged peer.
    Relay(Relayed),
}

/// Random numbers a peer begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeds {
    pub(crate) session_id: u64,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
}

pub(crate) struct PeerCore {
    connect_timeout: Duration,
    candidates: Vec<LocalCandidate>,
    pace: Pace,
    started: Instant,
    engine: Option<Engine>,
    engine_timeout: Option<Instant>,
    negotiation: Negotiation,
    inbound: Inbound,
    outbound: Outbound,
    video: Video,
    /// How loud the sink hears the far end, 0.0 to 1.0.
    volume: f32,
    quieter: Vec<i16>,
    sink: Option<Guarded<dyn AudioSink>>,
    taps: Taps,
    link: Option<LinkId>,
    seat: Option<Seat>,
    outputs: VecDeque<Output>,
    connect_by: Option<Instant>,
    /// What is agreed may not be the last word, and may come up when the call is answered.
    early: bool,
    closed: bool,
}

impl PeerCore {
    /// A peer with these candidates. `grid` is a moment in the past from which frames are counted.
    pub(crate) fn new(
        config: &PeerConfig,
        candidates: Vec<LocalCandidate>,
        grid: Instant,
        now: Instant,
        seeds: Seeds,
    ) -> Self {
        Self {
            connect_timeout: config.connect_timeout,
            candidates,
            pace: Pace::new(grid),
            started: now,
            engine: None,
            engine_timeout: None,
            negotiation: Negotiation::new(&config.codecs, config.comfort_noise, seeds.session_id),
            inbound: Inbound::new(config.jitter),
            outbound: Outbound::new(config.opus.clone(), config.dtx, config.jitter, seeds.seq, seeds.timestamp),
            video: Video::new(seeds.seq.rotate_left(7)),
            volume: 1.0,
            quieter: Vec::new(),
            sink: None,
            taps: Taps::default(),
            link: None,
            seat: None,
            outputs: VecDeque::new(),
            connect_by: None,
            early: false,
            closed: false,
        }
    }

    // ---- getters ----

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Where our end of the path is, while there is one.
    pub(crate) fn path(&self) -> Option<SocketAddr> {
        let engine = self.engine.as_ref()?;
        let lost = matches!(engine.ice, IceState::New | IceState::Disconnected | IceState::Failed | IceState::Closed);
        engine.candidate_pair().filter(|_| !lost).map(|pair| pair.local)
    }

    /// When [`PeerCore::handle_timeout`] must be called next.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        // Once connected the ticks are frequent enough for the engine: fewer wake-ups.
        let connected = self.engine.as_ref().is_some_and(Engine::is_connected);
        let engine = self.engine_timeout.filter(|_| !connected || !self.pace.is_running());
        [self.pace.next(), engine, self.connect_by].into_iter().flatten().min()
    }

    /// What that will be afterwards, if nothing happens meanwhile.
    pub(crate) fn timeout_after(&self) -> Option<Instant> {
        self.pace.after_next()
    }

    pub(crate) fn stats(&self, now: Instant) -> PeerStats {
        let engine = self.engine.as_ref();
        PeerStats {
            age_ms: now.saturating_duration_since(self.started).as_millis() as u64,
            direction: self.negotiation.agreed().map(|agreed| agreed.direction),
            ice: if self.closed { IceState::Closed } else { engine.map_or(IceState::New, |e| e.ice) },
            dtls: if self.closed { DtlsState::Closed } else { engine.map_or(DtlsState::New, |e| e.dtls) },
            cipher: None,
            candidate_pair: engine.and_then(Engine::candidate_pair),
            inbound: self.inbound.stats(),
            outbound: self.outbound.stats(engine),
            video: self.video.stats(),
        }
    }

    // ---- commands ----

    pub(crate) fn create_offer(&mut self, now: Instant, wanted: impl Into<Wanted>) -> Result<String, MediaError> {
        self.check_open()?;
        let wanted: Wanted = wanted.into();
        if self.engine.is_none() {
            self.engine = Some(Engine::new(now, &self.candidates, &[])?);
        }
        let Some(engine) = &mut self.engine else { return Err(MediaError::Closed) };
        let restarted = (wanted.ice_restart && engine.is_started()).then(|| engine.offer_restart());
        if restarted.is_none() {
            engine.drop_restart();
        }
        let transport = restarted.as_ref().unwrap_or(engine.local());
        Ok(self.negotiation.offer(wanted.direction, wanted.video, transport))
    }

    pub(crate) fn accept_offer(
        &mut self,
        now: Instant,
        sdp: &str,
        wanted: impl Into<Wanted>,
    ) -> Result<String, MediaError> {
        self.check_open()?;
        let wanted: Wanted = wanted.into();
        let remote = self.negotiation.read_offer(sdp)?;
        // Another certificate is another peer (a transfer behind a B2BUA): its transport begins anew. So does one that
        // was only offered, or that the far end has closed.
        let fresh = self.engine.as_ref().is_none_or(|e| !e.is_started() || e.is_replaced_by(&remote.transport));
        if fresh {
            let rates: Vec<_> = remote
                .events
                .iter()
                .copied()
                .chain(remote.noise.map(|pt| (pt, 8_000)))
                .chain(remote.codecs.iter().map(|&(codec, pt)| (pt, codec.clock_rate())))
                .chain(remote.video.iter().flat_map(|video| &video.codecs).map(|&(_, pt)| (pt, CLOCK)))
                .collect();
            self.engine = Some(Engine::new(now, &self.candidates, &rates)?);
            self.outbound.rekeyed();
            self.video.rekeyed();
        }
        let Some(engine) = &mut self.engine else { return Err(MediaError::Closed) };
        engine.drop_restart();
        if engine.is_restarted_by(&remote.transport) {
            engine.renew_credentials();
        }
        let answer = self.negotiation.answer(&remote, wanted.direction, wanted.video, engine.local(), fresh);
        self.start(now, &remote.transport, false)?;
        Ok(answer)
    }

    pub(crate) fn accept_answer(&mut self, now: Instant, sdp: &str) -> Result<(), MediaError> {
        self.check_open()?;
        match self.negotiation.answer_received(sdp)? {
            Answered::Repeated => Ok(()),
            Answered::Applied { remote, again } => {
                let mut fork = false;
                if let Some(engine) = &mut self.engine {
                    engine.apply_restart();
                    fork = again && engine.is_elsewhere(&remote.transport);
                }
                self.start(now, &remote.transport, fork)
            }
        }
    }

    pub(crate) fn rollback(&mut self) -> Result<(), MediaError> {
        self.check_open()?;
        self.negotiation.rollback();
        if let Some(engine) = &mut self.engine {
            engine.drop_restart();
        }
        Ok(())
    }

    /// While early, nothing fails for want of a path. When it is over, the path is there in the time allowed.
    pub(crate) fn set_early(&mut self, now: Instant, early: bool) {
        if std::mem::replace(&mut self.early, early) == early || self.closed {
            return;
        }
        let Some(engine) = self.engine.as_ref().filter(|engine| !early && !engine.is_connected()) else {
            self.connect_by = None;
            return;
        };
        let Some(remote) = engine.remote().cloned() else { return };
        self.connect_by = Some(now + self.connect_timeout);
        // All paths were tried in vain, or it was closed, before whoever answers now was there.
        let gone = engine.is_closed() || engine.ice == IceState::Disconnected;
        if gone && let Err(error) = self.start(now, &remote, true) {
            self.fail(error);
        }
    }

    pub(crate) fn set_muted(&mut self, muted: bool) {
        self.outbound.muted = muted;
    }

    /// These are our candidates now.
    pub(crate) fn set_candidates(&mut self, now: Instant, candidates: Vec<LocalCandidate>) {
        if let Some(engine) = &mut self.engine {
            engine.set_candidates(&candidates);
        }
        self.candidates = candidates;
        if self.engine.as_ref().is_some_and(Engine::is_started) && !self.closed {
            // Those of a call under way are tried at once.
            self.flush(now);
        }
    }

    pub(crate) fn set_volume(&mut self, volume: f32) {
        self.volume = volume;
    }

    pub(crate) fn set_video_sink(&mut self, sink: Option<Box<dyn VideoSink>>) {
        self.video.sink = sink.map(|sink| Guarded::new("video sink", sink));
    }

    /// Sends a picture, if video is sent at all and in this codec.
    pub(crate) fn send_video(&mut self, now: Instant, frame: &VideoFrame) {
        let (Some(engine), Some(agreed)) = (&mut self.engine, self.negotiation.agreed()) else { return };
        let Some(video) = agreed.video.as_ref().filter(|video| video.direction.sends()) else { return };
        if engine.is_connected() && self.video.send(engine, now, frame, video) {
            self.flush(now);
        }
    }

    pub(crate) fn set_source(&mut self, id: SourceId, source: AudioSource) {
        self.outbound.set_source(id, source.into());
    }

    pub(crate) fn set_sink(&mut self, sink: Option<Box<dyn AudioSink>>) {
        self.sink = sink.map(|sink| Guarded::new("sink", sink));
    }

    pub(crate) fn add_tap(&mut self, id: TapId, tap: Box<dyn Tap>) {
        self.taps.add(id, tap);
    }

    pub(crate) fn remove_tap(&mut self, id: TapId) {
        self.taps.remove(id);
    }

    pub(crate) fn send_dtmf(&mut self, tones: Tones, reply: Reply<()>) {
        match self.negotiation.agreed() {
            Some(agreed) if agreed.events.is_empty() => reply.send(Err(MediaError::DtmfNotNegotiated)),
            Some(agreed) if !agreed.direction.sends() => {
                reply.send(Err(HELD));
            }
            // Before the connection is up they wait.
            _ if self.is_over() => reply.send(Err(MediaError::Closed)),
            _ => self.outbound.events.push(tones, reply),
        }
    }

    /// Sends tones in the audio.
    pub(crate) fn send_tones(&mut self, tones: Tones, reply: Reply<()>) {
        match self.negotiation.agreed() {
            Some(agreed) if !agreed.direction.sends() => {
                reply.send(Err(HELD));
            }
            _ if self.is_over() => reply.send(Err(MediaError::Closed)),
            _ => self.outbound.tones.push(tones, reply),
        }
    }

    /// Hears and is heard by the other members of a conference.
    pub(crate) fn join(&mut self, mixer: Mixer) {
        self.seat = Some(Seat::new(mixer)).filter(|_| !self.closed);
    }

    /// Leaves the conference.
    pub(crate) fn leave(&mut self) {
        self.seat = None;
    }

    /// What is heard goes to the peer at the other end of this link, and what that one hears is sent.
    pub(crate) fn bridge(&mut self, link: LinkId) {
        self.link = Some(link);
        self.video.relinked();
        self.outbound.replace_source(AudioSource::Relay.into());
    }

    /// Ends a link; gives whether it was the present one.
    pub(crate) fn unbridge(&mut self, link: LinkId) -> bool {
        let present = self.link == Some(link);
        if present {
            self.link = None;
            if self.outbound.is_relaying() {
                self.outbound.replace_source(AudioSource::Silence.into());
            }
        }
        present
    }

    /// Ends the connection, telling the far end.
    pub(crate) fn close(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        if let Some(engine) = &mut self.engine {
            engine.close();
        }
        self.drain(now);
        self.finish();
    }

    // ---- what happened ----

    /// A datagram arrived at one of our addresses.
    pub(crate) fn receive(&mut self, now: Instant, source: SocketAddr, destination: SocketAddr, data: &[u8]) {
        let Some(engine) = &mut self.engine else { return };
        let connected = engine.is_connected();
        match engine.receive(now, source, destination, data) {
            // Anyone can send garbage to a port; only the handshake itself can fail by it.
            Err(error) if !connected => self.break_off(error),
            _ => self.drain(now),
        }
    }

    /// The bridged peer heard something.
    pub(crate) fn relayed(&mut self, now: Instant, relayed: Relayed) {
        let link = match &relayed {
            Relayed::Audio { link, .. } | Relayed::Event { link, .. } | Relayed::Video { link, .. } => *link,
            Relayed::Keyframe(link) => *link,
            Relayed::Unlink(link) => {
                self.unbridge(*link);
                return;
            }
        };
        if self.link != Some(link) {
            return;
        }
        let micros = self.micros(now);
        let listened = !self.taps.is_empty();
        let (Some(engine), Some(agreed)) = (&mut self.engine, self.negotiation.agreed()) else { return };
        if !engine.is_connected() {
            if agreed.direction.sends() {
                self.outbound.relay_later(micros, &relayed);
            }
            return;
        }
        if matches!(relayed, Relayed::Video { .. } | Relayed::Keyframe(_)) {
            // Who is played something else (hold music) sees nobody either.
            let visible = self.outbound.is_relaying();
            let video = agreed.video.as_ref().filter(|_| visible);
            let wants_keyframe = video.is_some_and(|video| self.video.relayed(engine, now, relayed, video));
            if wants_keyframe {
                self.outputs.push_back(Output::Relay(Relayed::Keyframe(link)));
            }
            return self.flush(now);
        }
        if !agreed.direction.sends() {
            return;
        }
        self.outbound.relay(engine, now, micros, agreed, relayed, listened);
        self.flush(now);
    }

    /// Time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        if self.connect_by.is_some_and(|by| now >= by) {
            self.fail(MediaError::ConnectTimeout { seconds: self.connect_timeout.as_secs() });
            return;
        }
        for _ in 0..self.pace.give_up(now) {
            self.outbound.idle(self.negotiation.agreed());
        }
        // An echo and a conference send what is heard; where nobody listens there is nothing to hear.
        let together = self.seat.is_some() || self.outbound.needs_heard() || !self.decodes();
        self.pace.keep_together(together);
        let mut sent = false;
        while !self.closed
            && let Some((at, due)) = self.pace.due(now)
        {
            self.tick(at, due);
            sent |= due != Due::Hear;
        }
        if !together && let Some(earlier) = self.inbound.earlier(self.pace.micros(now)) {
            self.pace.hear_earlier(earlier);
        }
        if sent || self.engine_timeout.is_some_and(|at| now >= at) {
            self.flush(now);
        }
    }

    // ---- outputs ----

    /// The next thing to do; `None` when there is nothing left.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    // ---- private ----

    /// Whether nothing can be sent any more, at least until another description comes.
    fn is_over(&self) -> bool {
        self.closed || self.engine.as_ref().is_some_and(Engine::is_closed)
    }

    fn check_open(&self) -> Result<(), MediaError> {
        if self.closed { Err(MediaError::Closed) } else { Ok(()) }
    }

    fn micros(&self, now: Instant) -> i64 {
        self.pace.micros(now)
    }

    /// Both descriptions are known: the transport starts, or takes what is new. `anew`: it is to begin again in any case.
    fn start(&mut self, now: Instant, remote: &RemoteTransport, anew: bool) -> Result<(), MediaError> {
        let Some(agreed) = self.negotiation.agreed() else { return Ok(()) };
        let Some(engine) = &mut self.engine else { return Ok(()) };
        if anew || engine.is_replaced_by(remote) {
            // Another far end answers the same offer: a fork of the call, or the new party behind a B2BUA; or the one before
            // has closed its side. What the offer said of our transport holds for it too.
            *engine = engine.again(now)?;
            self.engine_timeout = None;
            self.outbound.rekeyed();
            self.video.rekeyed();
        }
        engine.set_events(&agreed.events);
        if let Some(video) = &agreed.video {
            engine.set_video(video);
        }
        if !engine.is_started() && !self.early {
            self.connect_by = Some(now + self.connect_timeout);
        }
        engine.set_remote(remote, agreed.active, agreed.offerer)?;
        self.pace.start(now);
        self.flush(now);
        Ok(())
    }

    /// What is due of 20 ms of audio.
    fn tick(&mut self, at: Instant, due: Due) {
        if due != Due::Send {
            self.hear(at);
        }
        if due != Due::Hear {
            self.send(at);
        }
        if self.closed {
            return;
        }
        if due != Due::Send {
            self.hand_out(at);
        }
        if due != Due::Hear {
            let (local, rate) = self.outbound.sent();
            self.taps.sent(at, local, rate);
        }
    }

    fn hear(&mut self, at: Instant) {
        let micros = self.micros(at);
        let decode = self.decodes();
        let Some(agreed) = self.negotiation.agreed() else { return };
        let default = agreed.codecs.first().map_or(Codec::Opus, |codec| codec.0);
        self.inbound.tick(micros, decode, default);
        if let Some(received) = self.inbound.event_timeout(micros) {
            self.outputs.push_back(dtmf(received));
        }
        self.outbound.event_timeout(micros);
        if let Some(seat) = &mut self.seat {
            let (heard, rate) = self.inbound.heard();
            seat.say(self.pace.tick(at), rate, heard);
        }
    }

    fn send(&mut self, at: Instant) {
        let micros = self.micros(at);
        let Some(agreed) = self.negotiation.agreed() else { return };
        let connected = self.engine.as_mut().filter(|engine| engine.is_connected());
        if connected.is_some() && !agreed.direction.sends() {
            // Whoever waits for them has given up when the call is resumed; before it is connected, they wait.
            self.outbound.fail_events(&HELD);
        }
        let tick = self.pace.tick(at);
        let seat = self.seat.as_mut().map(|seat| (seat, tick));
        match connected.filter(|_| agreed.direction.sends()) {
            Some(engine) => match self.outbound.tick(engine, at, micros, agreed, self.inbound.heard(), seat) {
                Ok(None) => {}
                Ok(Some(id)) => self.outputs.push_back(Output::Event(PeerEvent::SourceEnded(id))),
                Err(error) => self.fail(error),
            },
            None => self.outbound.idle(Some(agreed)),
        }
    }

    /// What was heard, to those who listen here.
    fn hand_out(&mut self, at: Instant) {
        let (remote, rate) = self.inbound.heard();
        self.taps.heard(at, remote, rate);
        let Some(sink) = &mut self.sink else { return };
        let mut heard = remote;
        if self.volume < 1.0 {
            self.quieter.clear();
            // Quieter only: it stays in range.
            self.quieter.extend(remote.iter().map(|&sample| (f32::from(sample) * self.volume) as i16));
            heard = &self.quieter;
        }
        if sink.run(|sink| sink.write(rate, heard)).is_none() {
            self.sink = None;
        }
    }

    /// Whether anyone listens to what is received. A bridged peer whose packets are passed on as they are needs no decoder.
    fn decodes(&self) -> bool {
        self.link.is_none() || self.sink.is_some() || !self.taps.is_empty() || self.outbound.needs_heard()
    }

    /// Lets the engine send what is queued and do what is due.
    fn flush(&mut self, now: Instant) {
        if let Some(engine) = &mut self.engine
            && let Err(error) = engine.handle_timeout(now)
        {
            self.break_off(error);
            return;
        }
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        loop {
            let Some(engine) = &mut self.engine else { return };
            match engine.poll(now) {
                Err(error) => return self.break_off(error),
                Ok(EngineOutput::Timeout(at)) => {
                    self.engine_timeout = Some(at);
                    return;
                }
                Ok(EngineOutput::Transmit { source, destination, data }) => {
                    self.outputs.push_back(Output::Transmit { source, destination, data });
                }
                Ok(EngineOutput::Ice(state)) => self.outputs.push_back(Output::Event(PeerEvent::IceState(state))),
                Ok(EngineOutput::Connected) => {
                    self.connect_by = None;
                    self.outputs.push_back(Output::Event(PeerEvent::Connected));
                }
                Ok(EngineOutput::Packet(rtp)) => self.packet(now, &rtp),
                Ok(EngineOutput::KeyframeRequested) => {
                    self.outputs.extend(self.link.map(|link| Output::Relay(Relayed::Keyframe(link))));
                    self.outputs.push_back(Output::Event(PeerEvent::KeyframeRequested));
                }
                Ok(EngineOutput::Closed) => {
                    // What the engine still has to say comes first.
                    while let Some(Ok(output)) = self.engine.as_mut().map(|engine| engine.poll(now)) {
                        match output {
                            EngineOutput::Transmit { source, destination, data } => {
                                self.outputs.push_back(Output::Transmit { source, destination, data });
                            }
                            EngineOutput::Timeout(_) => break,
                            _ => {}
                        }
                    }
                    return self.lose_far_end();
                }
            }
        }
    }

    fn packet(&mut self, now: Instant, rtp: &RtpIn) {
        let micros = self.micros(now);
        let decode = self.decodes();
        let Some(agreed) = self.negotiation.agreed() else { return };
        if let Some(video) = agreed.video.as_ref().filter(|video| video.codecs.iter().any(|codec| codec.1 == rtp.pt)) {
            if !self.negotiation.receives_video() {
                self.video.pass_by(rtp);
            } else if let Some(engine) = &mut self.engine {
                let (first, relayed) = self.video.packet(engine, now, micros, rtp, video, self.link);
                let event = first.map(|codec| PeerEvent::RemoteVideo { ssrc: rtp.ssrc, codec });
                self.outputs.extend(event.map(Output::Event));
                self.outputs.extend(relayed.map(Output::Relay));
            }
            return;
        }
        if !self.negotiation.receives() {
            return self.inbound.pass_by(micros, rtp, agreed);
        }
        match self.inbound.packet(micros, rtp, agreed, decode) {
            Arrived::Nothing => {}
            Arrived::Audio { codec, packet } => {
                if packet.first {
                    self.outputs.push_back(Output::Event(PeerEvent::RemoteTrack { ssrc: rtp.ssrc, codec }));
                }
                if let Some(link) = self.link {
                    self.outputs.push_back(Output::Relay(Relayed::Audio {
                        link,
                        codec,
                        seq: packet.seq,
                        timestamp: packet.timestamp,
                        epoch: packet.epoch,
                        marker: rtp.marker,
                        payload: rtp.payload.clone(),
                    }));
                }
            }
            Arrived::Event { clock_rate, packet, tones } => {
                self.outputs.extend(tones.into_iter().flatten().map(dtmf));
                let payload = rtp.payload.first_chunk::<4>().copied();
                if let (Some(link), Some(payload)) = (self.link, payload) {
                    self.outputs.push_back(Output::Relay(Relayed::Event {
                        link,
                        clock_rate,
                        seq: packet.seq,
                        timestamp: rtp.timestamp,
                        epoch: packet.epoch,
                        marker: rtp.marker,
                        payload,
                    }));
                }
            }
        }
    }

    /// The far end has closed its side for good, but may come back with another description: a page that was reloaded, another
    /// fork of the call, whoever takes it over. Until then there is nothing to hear, and nobody to send to.
    fn lose_far_end(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.disconnect();
        }
        self.engine_timeout = None;
        self.connect_by = None;
        self.outbound.fail_events(&MediaError::Closed);
        self.outputs.push_back(Output::Event(PeerEvent::RemoteClosed));
    }

    /// The transport is broken. An early one may be that of a fork which never answers: another may, or the same one anew.
    fn break_off(&mut self, error: MediaError) {
        if self.early && !self.closed {
            tracing::debug!(%error, "early media given up");
            self.lose_far_end();
        } else {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: MediaError) {
        if !self.closed {
            self.outputs.push_back(Output::Event(PeerEvent::Failed(error)));
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.closed = true;
        self.pace.stop();
        self.engine_timeout = None;
        self.connect_by = None;
        self.outbound.fail_events(&MediaError::Closed);
        self.seat = None;
        // Sinks and taps complete their files when they are dropped.
        self.sink = None;
        self.video.sink = None;
        self.taps.clear();
    }
}

fn dtmf(received: events::Received) -> Output {
    Output::Event(PeerEvent::Dtmf { tone: received.tone, duration_ms: received.duration_ms })
}

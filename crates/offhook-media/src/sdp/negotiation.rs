//! Offer and answer of one audio line (RFC 3264, RFC 8829 in spirit), without the transport itself.

use std::net::SocketAddr;

use super::parse::{MediaLine, RemoteDescription, Setup};
use super::write::Local;
use crate::codec::Codec;
use crate::config::Direction;
use crate::error::{MediaError, SdpRefusal};

/// Payload types we offer where the peer has not chosen (dynamic ones as browsers use them).
const OPUS_PT: u8 = 111;
const EVENT_48K_PT: u8 = 110;
const EVENT_8K_PT: u8 = 101;

/// Our end of the transport, as descriptions tell it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transport {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    /// `sha-256 AA:BB…`.
    pub(crate) fingerprint: String,
    /// `candidate:…` values.
    pub(crate) candidates: Vec<String>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) ssrc: u32,
    pub(crate) cname: String,
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) direction: Direction,
    /// Common codecs; the first is sent.
    pub(crate) codecs: Vec<(Codec, u8)>,
    /// telephone-event payload types, each with its clock rate.
    pub(crate) events: Vec<(u8, u32)>,
    /// Our DTLS role.
    pub(crate) active: bool,
    /// Whether the first description was ours.
    pub(crate) offerer: bool,
}

/// State of the negotiation. Text in, text out; the caller tells the transport.
#[derive(Debug)]
pub(crate) struct Negotiation {
    ours: Vec<Codec>,
    session_id: u64,
    version: u64,
    /// The m-lines of the session so far; empty before the first description.
    lines: Vec<MediaLine>,
    audio: usize,
    bundled: bool,
    /// Payload types of all codecs ever agreed on: a payload type keeps its meaning (RFC 3264 §8.3.2).
    pts: Vec<(Codec, u8)>,
    event_pts: Vec<(u8, u32)>,
    agreed: Option<Agreed>,
    pending: Option<Pending>,
    /// The offer of ours that was answered last, and the answer, while nothing came after it.
    answered: Option<(Pending, String)>,
}

/// An offer of ours.
#[derive(Debug, Clone)]
struct Pending {
    direction: Direction,
    codecs: Vec<(Codec, u8)>,
    events: Vec<(u8, u32)>,
}

/// An answer that was understood.
#[derive(Debug)]
pub(crate) enum Answered {
    /// It is in force; the transport must be told.
    Applied(Box<RemoteDescription>),
    /// It says what is in force already.
    Repeated,
}

impl Negotiation {
    pub(crate) fn new(codecs: &[Codec], session_id: u64) -> Self {
        let mut ours = Vec::new();
        for &codec in codecs {
            if !ours.contains(&codec) {
                ours.push(codec);
            }
        }
        Self {
            ours,
            session_id,
            version: 0,
            lines: Vec::new(),
            audio: 0,
            bundled: true,
            pts: Vec::new(),
            event_pts: Vec::new(),
            agreed: None,
            pending: None,
            answered: None,
        }
    }

    pub(crate) fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// An offer; it stays pending.
    pub(crate) fn offer(&mut self, direction: Direction, transport: &Transport) -> String {
        let codecs: Vec<_> = self.ours.iter().map(|&codec| (codec, self.payload_type(codec))).collect();
        let mut events = self.event_pts.clone();
        for (pt, clock) in [(EVENT_48K_PT, 48_000), (EVENT_8K_PT, 8_000)] {
            let wanted = clock == 8_000 || self.ours.contains(&Codec::Opus);
            let taken = codecs.iter().any(|c| c.1 == pt) || events.iter().any(|e| e.0 == pt);
            if wanted && !taken && events.iter().all(|e| e.1 != clock) {
                events.push((pt, clock));
            }
        }
        self.version += 1;
        let fallback = [MediaLine {
            kind: "audio".to_owned(),
            port: 9,
            profile: "UDP/TLS/RTP/SAVPF".to_owned(),
            formats: Vec::new(),
            mid: Some("0".to_owned()),
        }];
        let text = Local {
            session_id: self.session_id,
            version: self.version,
            lines: if self.lines.is_empty() { &fallback } else { &self.lines },
            audio: self.audio,
            bundled: self.bundled,
            codecs: &codecs,
            events: &events,
            direction,
            setup: Setup::ActPass,
            transport,
        }
        .write();
        self.pending = Some(Pending { direction, codecs, events });
        text
    }

    /// The pending offer was refused.
    pub(crate) fn rollback(&mut self) {
        self.pending = None;
    }

    /// Reads an answer to the pending offer. A second, different answer to an offer already answered (a 200 after a 183)
    /// is applied as well.
    pub(crate) fn answer_received(&mut self, text: &str) -> Result<Answered, MediaError> {
        let pending = match (&self.pending, &self.answered) {
            (Some(pending), _) => pending.clone(),
            (None, Some((_, earlier))) if earlier == text => return Ok(Answered::Repeated),
            (None, Some((pending, _))) => pending.clone(),
            (None, None) => return Err(MediaError::WrongState("an answer without an offer of ours")),
        };
        let remote = RemoteDescription::parse(text)?;
        let expected = self.lines.len().max(1);
        if remote.lines.len() != expected {
            let why = format!("it has {} media lines, the offer has {expected}", remote.lines.len());
            return Err(SdpRefusal::AnswerMismatch(why).into());
        }
        if !self.lines.is_empty() && remote.audio != self.audio {
            return Err(SdpRefusal::AnswerMismatch("its audio line is not the offered one".to_owned()).into());
        }
        // The answerer's order counts (RFC 3264 §6.1); the payload types must be ours.
        let codecs: Vec<_> = remote.codecs.iter().filter(|codec| pending.codecs.contains(codec)).copied().collect();
        if codecs.is_empty() {
            return Err(self.no_common_codec(&remote).into());
        }
        let events = remote.events.iter().filter(|event| pending.events.contains(event)).copied().collect();
        let active = match (remote.transport.setup, &self.agreed) {
            (Some(Setup::Active), _) => false,
            (Some(Setup::Passive | Setup::ActPass), _) => true,
            // Nothing said: as it was, or the default of RFC 4145 §4.1, a passive answerer.
            (None, agreed) => agreed.as_ref().is_none_or(|agreed| agreed.active),
        };
        if self.lines.is_empty() {
            self.lines = remote.lines.clone();
            self.audio = remote.audio;
            // A peer that dropped mid or group is not shown them again.
            self.bundled = remote.bundled;
        }
        let direction = pending.direction.intersection(remote.direction.reversed());
        let offerer = self.agreed.as_ref().is_none_or(|agreed| agreed.offerer);
        self.settle(Agreed { direction, codecs, events, active, offerer });
        self.pending = None;
        self.answered = Some((pending, text.to_owned()));
        Ok(Answered::Applied(Box::new(remote)))
    }

    /// Checks an offer without changing anything.
    pub(crate) fn read_offer(&self, text: &str) -> Result<RemoteDescription, MediaError> {
        let remote = RemoteDescription::parse(text)?;
        if self.common(&remote).is_empty() {
            return Err(self.no_common_codec(&remote).into());
        }
        Ok(remote)
    }

    /// Answers an offer that [`Negotiation::read_offer`] accepted; `fresh` says that the transport begins anew.
    pub(crate) fn answer(
        &mut self,
        remote: &RemoteDescription,
        direction: Direction,
        transport: &Transport,
        fresh: bool,
    ) -> String {
        let active = match (remote.transport.setup, &self.agreed) {
            (Some(Setup::Active), _) => false,
            (Some(Setup::Passive), _) => true,
            // A running association keeps its roles (RFC 5763 §6.6).
            (_, Some(agreed)) if !fresh => agreed.active,
            // The recommended answer (RFC 5763 §5).
            (Some(Setup::ActPass), _) => true,
            // RFC 4145 §4.1: an offerer that says nothing is active.
            (None, _) => false,
        };
        let codecs = self.common(remote);
        let opus = codecs.iter().any(|c| c.0 == Codec::Opus);
        let events: Vec<_> = remote.events.iter().filter(|e| e.1 == 8_000 || opus).copied().collect();
        let direction = direction.intersection(remote.direction.reversed());
        self.lines = remote.lines.clone();
        self.audio = remote.audio;
        self.bundled = remote.bundled;
        self.version += 1;
        let text = Local {
            session_id: self.session_id,
            version: self.version,
            lines: &self.lines,
            audio: self.audio,
            bundled: self.bundled,
            codecs: &codecs,
            events: &events,
            direction,
            setup: if active { Setup::Active } else { Setup::Passive },
            transport,
        }
        .write();
        let offerer = self.agreed.as_ref().is_some_and(|agreed| agreed.offerer && !fresh);
        self.settle(Agreed { direction, codecs, events, active, offerer });
        self.pending = None;
        self.answered = None;
        text
    }

    fn settle(&mut self, agreed: Agreed) {
        for &(codec, pt) in &agreed.codecs {
            self.pts.retain(|known| known.0 != codec);
            self.pts.push((codec, pt));
        }
        for &(pt, clock) in &agreed.events {
            self.event_pts.retain(|known| known.1 != clock);
            self.event_pts.push((pt, clock));
        }
        self.agreed = Some(agreed);
    }

    /// Codecs of both sides in our order, with the peer's payload types.
    fn common(&self, remote: &RemoteDescription) -> Vec<(Codec, u8)> {
        self.ours.iter().filter_map(|ours| remote.codecs.iter().find(|theirs| theirs.0 == *ours).copied()).collect()
    }

    fn payload_type(&self, codec: Codec) -> u8 {
        self.pts.iter().find(|known| known.0 == codec).map_or(
            match codec {
                Codec::Opus => OPUS_PT,
                Codec::Pcmu => 0,
                Codec::Pcma => 8,
            },
            |known| known.1,
        )
    }

    fn no_common_codec(&self, remote: &RemoteDescription) -> SdpRefusal {
        let ours: Vec<_> = self.ours.iter().map(|codec| codec.name()).collect();
        SdpRefusal::NoCommonCodec { theirs: remote.codec_names.clone(), ours: ours.join(", ") }
    }
}

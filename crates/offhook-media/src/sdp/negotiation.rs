//! Offer and answer of one audio line (RFC 3264, RFC 8829 in spirit), without the transport itself.

use std::net::SocketAddr;

use super::parse::{MediaLine, RemoteDescription, Setup};
use super::write::{Local, LocalVideo};
use crate::codec::Codec;
use crate::config::Direction;
use crate::error::{MediaError, SdpRefusal};
use crate::video::VideoCodec;

/// Payload types we offer where the peer has not chosen (dynamic ones as browsers use them).
const OPUS_PT: u8 = 111;
const EVENT_48K_PT: u8 = 110;
const EVENT_8K_PT: u8 = 101;
const NOISE_PT: u8 = 13;
const VP8_PT: u8 = 96;
const H264_PT: u8 = 97;

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
    pub(crate) video_ssrc: u32,
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
    /// Payload type of comfort noise (RFC 3389).
    pub(crate) noise: Option<u8>,
    pub(crate) video: Option<AgreedVideo>,
    /// Our DTLS role.
    pub(crate) active: bool,
    /// Whether the first description was ours.
    pub(crate) offerer: bool,
}

/// The video both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgreedVideo {
    pub(crate) direction: Direction,
    /// Common codecs; the first is preferred.
    pub(crate) codecs: Vec<(VideoCodec, u8)>,
}

/// State of the negotiation. Text in, text out; the caller tells the transport.
#[derive(Debug)]
pub(crate) struct Negotiation {
    ours: Vec<Codec>,
    /// Comfort noise is understood here.
    noise: bool,
    session_id: u64,
    version: u64,
    /// The m-lines of the session so far; empty before the first description.
    lines: Vec<MediaLine>,
    audio: usize,
    /// The video line that was ever in use.
    video: Option<usize>,
    /// Payload types of video ever agreed on.
    video_pts: Vec<(VideoCodec, u8)>,
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
    /// Nothing was described before it: what its answer says of the m-lines holds, also if it is another fork's.
    first: bool,
    direction: Direction,
    codecs: Vec<(Codec, u8)>,
    events: Vec<(u8, u32)>,
    noise: Option<u8>,
    /// The m-lines that it has.
    lines: Vec<MediaLine>,
    video: Option<PendingVideo>,
}

#[derive(Debug, Clone)]
struct PendingVideo {
    line: usize,
    direction: Direction,
    codecs: Vec<(VideoCodec, u8)>,
}

/// An answer that was understood.
#[derive(Debug)]
pub(crate) enum Answered {
    /// It is in force; the transport must be told. `again`: the offer was answered before, in another way.
    Applied { remote: Box<RemoteDescription>, again: bool },
    /// It says what is in force already.
    Repeated,
}

impl Negotiation {
    pub(crate) fn new(codecs: &[Codec], noise: bool, session_id: u64) -> Self {
        let mut ours = Vec::new();
        for &codec in codecs {
            if !ours.contains(&codec) {
                ours.push(codec);
            }
        }
        Self {
            ours,
            noise,
            session_id,
            version: 0,
            lines: Vec::new(),
            audio: 0,
            video: None,
            video_pts: Vec::new(),
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

    /// Whether audio is received: as agreed, or as offered, from the offer on (RFC 3264 §5.1).
    pub(crate) fn receives(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| agreed.direction.receives())
            || self.pending.as_ref().is_some_and(|pending| pending.direction.receives())
    }

    /// The same of video.
    pub(crate) fn receives_video(&self) -> bool {
        let agreed = self.agreed.as_ref().and_then(|agreed| agreed.video.as_ref()).map(|video| video.direction);
        let pending = self.pending.as_ref().and_then(|pending| pending.video.as_ref()).map(|video| video.direction);
        agreed.into_iter().chain(pending).any(Direction::receives)
    }

    /// An offer; it stays pending.
    pub(crate) fn offer(&mut self, direction: Direction, video: Option<Direction>, transport: &Transport) -> String {
        let noise_pt = self.agreed.as_ref().and_then(|agreed| agreed.noise).unwrap_or(NOISE_PT);
        let mut taken = self.known_payload_types();
        taken.push(noise_pt);
        let mut codecs = Vec::with_capacity(self.ours.len());
        for &codec in &self.ours {
            let known = self.pts.iter().find(|known| known.0 == codec).map(|known| known.1);
            codecs.push((codec, known.unwrap_or_else(|| take(usual_payload_type(codec), &mut taken))));
        }
        let mut events = self.event_pts.clone();
        for (pt, clock) in [(EVENT_48K_PT, 48_000), (EVENT_8K_PT, 8_000)] {
            let wanted = clock == 8_000 || self.ours.contains(&Codec::Opus);
            if wanted && events.iter().all(|e| e.1 != clock) {
                events.push((take(pt, &mut taken), clock));
            }
        }
        let noise = self.noise_for(&codecs).then_some(noise_pt);
        self.version += 1;
        let mut lines =
            if self.lines.is_empty() { vec![fresh_line("audio", "0".to_owned())] } else { self.lines.clone() };
        // One transport is all there is: without BUNDLE, video cannot be offered.
        let video = video.filter(|_| self.bundled).map(|direction| PendingVideo {
            line: self.video_line(&mut lines),
            direction,
            codecs: VideoCodec::ALL.map(|codec| (codec, self.video_payload_type(codec, &codecs, &events))).to_vec(),
        });
        let text = Local {
            session_id: self.session_id,
            version: self.version,
            lines: &lines,
            audio: self.audio,
            video: video.as_ref().map(|video| LocalVideo {
                line: video.line,
                direction: video.direction,
                codecs: &video.codecs,
            }),
            bundled: self.bundled,
            codecs: &codecs,
            events: &events,
            noise,
            direction,
            setup: Setup::ActPass,
            transport,
        }
        .write();
        let first = self.lines.is_empty();
        self.pending = Some(Pending { first, direction, codecs, events, noise, lines, video });
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
        let expected = pending.lines.len();
        if remote.lines.len() != expected {
            let why = format!("it has {} media lines, the offer has {expected}", remote.lines.len());
            return Err(SdpRefusal::AnswerMismatch(why).into());
        }
        if !pending.first && remote.audio != self.audio {
            return Err(SdpRefusal::AnswerMismatch("its audio line is not the offered one".to_owned()).into());
        }
        // The answerer's order counts (RFC 3264 §6.1); the payload types must be ours.
        let codecs: Vec<_> = remote.codecs.iter().filter(|codec| pending.codecs.contains(codec)).copied().collect();
        if codecs.is_empty() {
            return Err(self.no_common_codec(&remote).into());
        }
        let events = remote.events.iter().filter(|event| pending.events.contains(event)).copied().collect();
        let noise = remote.noise.filter(|noise| pending.noise == Some(*noise));
        let active = match (remote.transport.setup, &self.agreed) {
            (Some(Setup::Active), _) => false,
            (Some(Setup::Passive | Setup::ActPass), _) => true,
            // Nothing said: as it was, or the default of RFC 4145 §4.1, a passive answerer.
            (None, agreed) => agreed.as_ref().is_none_or(|agreed| agreed.active),
        };
        let video = pending.video.as_ref().and_then(|offered| {
            let theirs = remote.video.as_ref().filter(|video| video.line == offered.line)?;
            let codecs: Vec<_> = theirs.codecs.iter().filter(|codec| offered.codecs.contains(codec)).copied().collect();
            let direction = offered.direction.intersection(theirs.direction.reversed());
            (!codecs.is_empty()).then_some(AgreedVideo { direction, codecs })
        });
        if let (Some(offered), true) = (&pending.video, video.is_some()) {
            self.video = Some(offered.line);
        }
        if !pending.first {
            self.lines.clone_from(&pending.lines);
            self.mark_refused(&remote);
        } else {
            self.lines = remote.lines.clone();
            self.audio = remote.audio;
            // A peer that dropped mid or group is not shown them again.
            self.bundled = remote.bundled;
        }
        let direction = pending.direction.intersection(remote.direction.reversed());
        let offerer = self.agreed.as_ref().is_none_or(|agreed| agreed.offerer);
        self.settle(Agreed { direction, codecs, events, noise, video, active, offerer });
        let again = self.pending.take().is_none();
        self.answered = Some((pending, text.to_owned()));
        Ok(Answered::Applied { remote: Box::new(remote), again })
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
        video: Option<Direction>,
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
        let noise = remote.noise.filter(|_| self.noise_for(&codecs));
        let direction = direction.intersection(remote.direction.reversed());
        self.lines = remote.lines.clone();
        self.audio = remote.audio;
        self.bundled = remote.bundled;
        let video = video.zip(remote.video.as_ref()).and_then(|(wanted, theirs)| {
            let common = |ours: VideoCodec| theirs.codecs.iter().find(|codec| codec.0 == ours).copied();
            let codecs: Vec<_> = VideoCodec::ALL.into_iter().filter_map(common).collect();
            let direction = wanted.intersection(theirs.direction.reversed());
            (!codecs.is_empty()).then_some((theirs.line, AgreedVideo { direction, codecs }))
        });
        self.video = video.as_ref().map(|(line, _)| *line);
        for (index, line) in self.lines.iter_mut().enumerate() {
            if line.kind == "video" && self.video != Some(index) {
                line.port = 0;
            }
        }
        self.version += 1;
        let text = Local {
            session_id: self.session_id,
            version: self.version,
            lines: &self.lines,
            audio: self.audio,
            video: video.as_ref().map(|(line, video)| LocalVideo {
                line: *line,
                direction: video.direction,
                codecs: &video.codecs,
            }),
            bundled: self.bundled,
            codecs: &codecs,
            events: &events,
            noise,
            direction,
            setup: if active { Setup::Active } else { Setup::Passive },
            transport,
        }
        .write();
        let offerer = self.agreed.as_ref().is_some_and(|agreed| agreed.offerer && !fresh);
        let video = video.map(|(_, video)| video);
        self.settle(Agreed { direction, codecs, events, noise, video, active, offerer });
        self.pending = None;
        self.answered = None;
        text
    }

    fn settle(&mut self, agreed: Agreed) {
        let audio = agreed.codecs.iter().map(|codec| codec.1).chain(agreed.events.iter().map(|event| event.0));
        let video = agreed.video.iter().flat_map(|video| &video.codecs).map(|codec| codec.1);
        // What the peer calls by a number now is called nothing else any more.
        for pt in audio.chain(agreed.noise).chain(video) {
            self.pts.retain(|known| known.1 != pt);
            self.event_pts.retain(|known| known.0 != pt);
            self.video_pts.retain(|known| known.1 != pt);
        }
        for &(codec, pt) in &agreed.codecs {
            self.pts.retain(|known| known.0 != codec);
            self.pts.push((codec, pt));
        }
        for &(pt, clock) in &agreed.events {
            self.event_pts.retain(|known| known.1 != clock);
            self.event_pts.push((pt, clock));
        }
        for &(codec, pt) in agreed.video.iter().flat_map(|video| &video.codecs) {
            self.video_pts.retain(|known| known.0 != codec);
            self.video_pts.push((codec, pt));
        }
        self.agreed = Some(agreed);
    }

    /// The line to offer video on: the one there is, or a new one at the end.
    fn video_line(&self, lines: &mut Vec<MediaLine>) -> usize {
        // A name of its own: one that was refused may not come back under its old name (RFC 8829 §5.2.2).
        let mid = format!("video{}", self.version);
        match lines.iter().position(|line| line.kind == "video") {
            Some(index) => {
                if let Some(line) = lines.get_mut(index).filter(|line| line.port == 0) {
                    *line = MediaLine { profile: line.profile.clone(), ..fresh_line("video", mid) };
                }
                index
            }
            None => {
                lines.push(fresh_line("video", mid));
                lines.len() - 1
            }
        }
    }

    /// Lines that the answer refuses may be used for something else later.
    fn mark_refused(&mut self, remote: &RemoteDescription) {
        for (ours, theirs) in self.lines.iter_mut().zip(&remote.lines) {
            if theirs.kind == "video" && theirs.port == 0 {
                ours.port = 0;
            }
        }
    }

    fn video_payload_type(&self, codec: VideoCodec, audio: &[(Codec, u8)], events: &[(u8, u32)]) -> u8 {
        let known = self.video_pts.iter().find(|known| known.0 == codec).map(|known| known.1);
        let taken = |pt: u8| {
            audio.iter().any(|known| known.1 == pt)
                || events.iter().any(|known| known.0 == pt)
                || self.video_pts.iter().any(|known| known.1 == pt)
        };
        let first = match codec {
            VideoCodec::Vp8 => VP8_PT,
            VideoCodec::H264 => H264_PT,
        };
        // Odd ones for the one, even ones for the other: the two never meet.
        known.unwrap_or_else(|| (first..128).step_by(2).find(|&pt| !taken(pt)).unwrap_or(first))
    }

    /// Codecs of both sides in our order, with the peer's payload types.
    fn common(&self, remote: &RemoteDescription) -> Vec<(Codec, u8)> {
        self.ours.iter().filter_map(|ours| remote.codecs.iter().find(|theirs| theirs.0 == *ours).copied()).collect()
    }

    /// Whether comfort noise goes with these: Opus has its own.
    fn noise_for(&self, codecs: &[(Codec, u8)]) -> bool {
        self.noise && codecs.iter().any(|(codec, _)| *codec != Codec::Opus)
    }

    /// All payload types that mean something.
    fn known_payload_types(&self) -> Vec<u8> {
        let audio = self.pts.iter().map(|known| known.1).chain(self.event_pts.iter().map(|known| known.0));
        audio.chain(self.video_pts.iter().map(|known| known.1)).collect()
    }

    fn no_common_codec(&self, remote: &RemoteDescription) -> SdpRefusal {
        let ours: Vec<_> = self.ours.iter().map(|codec| codec.name()).collect();
        SdpRefusal::NoCommonCodec { theirs: remote.codec_names.clone(), ours: ours.join(", ") }
    }
}

/// The payload type under which a codec is offered to who has not named one.
fn usual_payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => OPUS_PT,
        Codec::Pcmu => 0,
        Codec::G722 => 9,
        Codec::Pcma => 8,
    }
}

/// This payload type, or where it means something else already, one that means nothing; far from those that are usual.
fn take(usual: u8, taken: &mut Vec<u8>) -> u8 {
    let free = |pt: &u8| !taken.contains(pt);
    let pt = std::iter::once(usual).chain((98..128).rev()).find(free).unwrap_or(usual);
    taken.push(pt);
    pt
}

fn fresh_line(kind: &str, mid: String) -> MediaLine {
    let (kind, profile) = (kind.to_owned(), "UDP/TLS/RTP/SAVPF".to_owned());
    // A line that is refused later must still have a format (RFC 3264 §6).
    MediaLine { kind, port: 9, profile, formats: vec!["0".to_owned()], mid: Some(mid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiation(codecs: &[Codec]) -> Negotiation {
        Negotiation::new(codecs, true, 1)
    }

    fn transport() -> Transport {
        let fingerprint = format!("sha-256 {}", ["AB"; 32].join(":"));
        Transport { ufrag: "user".to_owned(), password: "p".repeat(24), fingerprint, ..Transport::default() }
    }

    fn lines<'a>(sdp: &'a str, start: &str) -> Vec<&'a str> {
        sdp.lines().filter(|line| line.starts_with(start)).collect()
    }

    /// An offer, as our own side writes it, changed; and the answer of another.
    fn answered(offer: &str, codecs: &[Codec], video: Option<Direction>) -> String {
        let mut far = negotiation(codecs);
        let remote = far.read_offer(offer).unwrap();
        far.answer(&remote, Direction::SendRecv, video, &transport(), true)
    }

    /// Payload types of what is offered next, by name.
    fn offered(ours: &mut Negotiation) -> Vec<(u8, String)> {
        let offer = ours.offer(Direction::SendRecv, Some(Direction::SendRecv), &transport());
        ours.rollback();
        let maps: Vec<_> = lines(&offer, "a=rtpmap:")
            .into_iter()
            .filter_map(|line| line["a=rtpmap:".len()..].split_once(' '))
            .map(|(pt, name)| (pt.parse().unwrap(), name.to_owned()))
            .collect();
        let mut pts: Vec<u8> = maps.iter().map(|map| map.0).collect();
        pts.sort_unstable();
        pts.dedup();
        assert_eq!(pts.len(), maps.len(), "no payload type means two things: {offer}");
        maps
    }

    #[test]
    fn what_the_peer_calls_by_the_number_of_ours_leaves_ours_another() {
        let base = negotiation(&[Codec::Pcmu]).offer(Direction::SendRecv, None, &transport());
        let usual = "a=rtpmap:101 telephone-event/8000\r\n";
        assert!(base.contains(usual) && base.contains(" 101\r\n"), "{base}");
        for pt in [111u8, 110, 96, 97, 127] {
            // The peer has events where we would offer Opus, events at its clock, or video.
            let theirs = base
                .replace(usual, &format!("a=rtpmap:{pt} telephone-event/8000\r\n"))
                .replace(" 101\r\n", &format!(" {pt}\r\n"))
                .replace("a=fmtp:101", &format!("a=fmtp:{pt}"));
            let mut ours = negotiation(&[Codec::Opus, Codec::Pcmu]);
            let remote = ours.read_offer(&theirs).unwrap();
            ours.answer(&remote, Direction::SendRecv, None, &transport(), true);
            let maps = offered(&mut ours);
            assert!(maps.contains(&(pt, "telephone-event/8000".to_owned())), "{maps:?}");
            for name in ["opus/48000/2", "telephone-event/48000", "VP8/90000", "H264/90000"] {
                assert!(maps.iter().any(|map| map.1 == name), "{name} is offered with {pt}: {maps:?}");
            }
        }
    }

    #[test]
    fn a_number_that_the_peer_gives_another_meaning_in_the_call_has_only_that() {
        let full = negotiation(&[Codec::Opus, Codec::Pcmu]).offer(Direction::SendRecv, None, &transport());
        let mut ours = negotiation(&[Codec::Opus, Codec::Pcmu]);
        let remote = ours.read_offer(&full).unwrap();
        ours.answer(&remote, Direction::SendRecv, None, &transport(), true);
        let before = offered(&mut ours);
        assert!(before.contains(&(111, "opus/48000/2".to_owned())));
        assert_eq!(offered(&mut ours), before, "they keep their meaning");
        // Another far end behind the same server: 111 are its events, and it has no Opus.
        let base = negotiation(&[Codec::Pcmu]).offer(Direction::SendRecv, None, &transport());
        let theirs = base
            .replace("a=rtpmap:101", "a=rtpmap:111")
            .replace(" 101\r\n", " 111\r\n")
            .replace("a=fmtp:101", "a=fmtp:111");
        let remote = ours.read_offer(&theirs).unwrap();
        ours.answer(&remote, Direction::SendRecv, None, &transport(), false);
        assert!(offered(&mut ours).contains(&(111, "telephone-event/8000".to_owned())));
    }

    #[test]
    fn of_two_forks_that_answer_the_first_offer_the_later_one_says_what_is_offered_again() {
        let mut ours = negotiation(&[Codec::Opus, Codec::Pcmu]);
        let both = Some(Direction::SendRecv);
        let offer = ours.offer(Direction::SendRecv, both, &transport());
        let full = answered(&offer, &[Codec::Opus], both);
        // A PBX that knows nothing of BUNDLE.
        let plain: String = answered(&offer, &[Codec::Pcmu], None)
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("a=group") && !line.starts_with("a=mid"))
            .collect();
        for (answer, bundled) in [(&plain, false), (&full, true), (&plain, false)] {
            ours.answer_received(answer).unwrap();
            let again = ours.offer(Direction::SendRecv, both, &transport());
            for what in ["a=group", "a=mid"] {
                assert_eq!(!lines(&again, what).is_empty(), bundled, "{what}: {again}");
            }
            assert_eq!(lines(&again, "m=video").iter().any(|line| !line.starts_with("m=video 0")), bundled, "{again}");
            ours.rollback();
        }
    }

    #[test]
    fn what_a_later_offer_was_answered_with_twice_keeps_its_lines() {
        let mut ours = negotiation(&[Codec::Pcmu]);
        let offer = ours.offer(Direction::SendRecv, None, &transport());
        ours.answer_received(&answered(&offer, &[Codec::Pcmu], None)).unwrap();
        let offer = ours.offer(Direction::SendRecv, None, &transport());
        let answer = answered(&offer, &[Codec::Pcmu], None);
        ours.answer_received(&answer).unwrap();
        ours.answer_received(&answer.replace("a=mid:0\r\n", "a=mid:other\r\n")).unwrap();
        assert_eq!(lines(&ours.offer(Direction::SendRecv, None, &transport()), "a=mid"), ["a=mid:0"]);
    }
}

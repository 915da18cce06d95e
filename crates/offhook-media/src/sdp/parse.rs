//! Reading the far end's description (RFC 8866).

use std::net::{IpAddr, SocketAddr};

use crate::MAX_SDP_BYTES;
use crate::codec::Codec;
use crate::config::Direction;
use crate::error::SdpRefusal;
use crate::video::VideoCodec;

/// Bounds of what is taken from one description.
const MAX_LINES: usize = 2_000;
const MAX_MEDIA: usize = 16;
const MAX_CANDIDATES: usize = 32;
const MAX_FORMATS: usize = 64;

/// DTLS role of a side (RFC 4145 §4, RFC 5763 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    Active,
    Passive,
    ActPass,
}

impl Setup {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        }
    }
}

/// One m-line, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaLine {
    pub(crate) kind: String,
    pub(crate) port: u16,
    pub(crate) profile: String,
    pub(crate) formats: Vec<String>,
    pub(crate) mid: Option<String>,
}

/// Where and how the far end wants its packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteTransport {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    /// SHA-256 of the certificate.
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) setup: Option<Setup>,
    /// Values of `a=candidate`, component 1 over UDP only.
    pub(crate) candidates: Vec<String>,
    /// Address of the c- and m-line, for peers that list no candidates.
    pub(crate) default_address: Option<SocketAddr>,
    pub(crate) ice_lite: bool,
}

impl RemoteTransport {
    /// Where it can be reached: address and port as they are written, of each candidate, or of the description.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (String, String)> {
        let of = |candidate: &String| {
            // foundation component transport priority address port (RFC 8839 §5.1)
            let mut fields = candidate.split_ascii_whitespace().skip(4).map(str::to_owned);
            fields.next().zip(fields.next())
        };
        let default = self.default_address.filter(|_| self.candidates.is_empty());
        let default = default.map(|address| (address.ip().to_string(), address.port().to_string()));
        self.candidates.iter().filter_map(of).chain(default)
    }
}

/// What the far end's description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteDescription {
    pub(crate) lines: Vec<MediaLine>,
    /// Index of the audio line among `lines`.
    pub(crate) audio: usize,
    /// Whether the audio line's mid is in a BUNDLE group.
    pub(crate) bundled: bool,
    pub(crate) direction: Direction,
    /// Codecs known here, with their payload types, in the peer's order.
    pub(crate) codecs: Vec<(Codec, u8)>,
    /// telephone-event payload types and their clock rates.
    pub(crate) events: Vec<(u8, u32)>,
    /// Payload type of comfort noise for codecs with a clock of 8 kHz (RFC 3389).
    pub(crate) noise: Option<u8>,
    /// Names of all codecs, for the refusal's text.
    pub(crate) codec_names: String,
    pub(crate) transport: RemoteTransport,
    /// Its first video line, if it is in use and shares the audio's transport.
    pub(crate) video: Option<RemoteVideo>,
}

/// The far end's video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteVideo {
    /// Index among the lines.
    pub(crate) line: usize,
    pub(crate) direction: Direction,
    /// Codecs known here, with their payload types, in the peer's order.
    pub(crate) codecs: Vec<(VideoCodec, u8)>,
}

impl RemoteDescription {
    pub(crate) fn parse(text: &str) -> Result<Self, SdpRefusal> {
        if text.len() > MAX_SDP_BYTES {
            return Err(SdpRefusal::TooLarge { bytes: text.len(), limit: MAX_SDP_BYTES });
        }
        let (session, media) = split(text)?;
        // The first audio line in use; port 0 with bundle-only is in use too (RFC 9143 §6).
        let audio = media
            .iter()
            .position(|m| m.line.kind == "audio" && (m.line.port != 0 || m.has("bundle-only")))
            .ok_or(SdpRefusal::NoAudio)?;
        let section = media.get(audio).ok_or(SdpRefusal::NoAudio)?;
        let transport = transport(&session, section)?;
        let bundled = is_bundled(&session, section);
        let (codecs, events, noise, codec_names) = codecs(section);
        let direction = section.direction().or(session.direction()).unwrap_or(Direction::SendRecv);
        let lines = media.iter().map(|m| m.line.clone()).collect();
        let video = video(&session, &media).filter(|_| bundled);
        Ok(Self { lines, audio, bundled, direction, codecs, events, noise, codec_names, transport, video })
    }
}

fn is_bundled(session: &Attributes<'_>, section: &Section<'_>) -> bool {
    section.line.mid.as_deref().is_some_and(|mid| {
        session.values("group").any(|group| {
            let mut words = group.split_whitespace();
            words.next() == Some("BUNDLE") && words.any(|word| word == mid)
        })
    })
}

/// The first video line in use, if it can share the audio's transport.
fn video(session: &Attributes<'_>, media: &[Section<'_>]) -> Option<RemoteVideo> {
    let used = |m: &Section<'_>| m.line.kind == "video" && (m.line.port != 0 || m.has("bundle-only"));
    let line = media.iter().position(used)?;
    let section = media.get(line).filter(|section| is_bundled(session, section))?;
    let value = |name: &str, pt: u8| {
        section.attributes.values(name).find_map(|text| {
            let (number, rest) = text.split_once(' ')?;
            (number.parse() == Ok(pt)).then(|| rest.trim())
        })
    };
    let mut codecs = Vec::new();
    // The transport knows the dynamic payload types of RFC 3551 §3.
    for pt in
        section.line.formats.iter().filter_map(|format| format.parse::<u8>().ok()).filter(|pt| (96..128).contains(pt))
    {
        let codec = match value("rtpmap", pt).map(str::to_ascii_uppercase).as_deref() {
            Some("VP8/90000") => VideoCodec::Vp8,
            Some("H264/90000") if is_plain_h264(value("fmtp", pt).unwrap_or_default()) => VideoCodec::H264,
            _ => continue,
        };
        if codecs.iter().all(|(known, _)| *known != codec) {
            codecs.push((codec, pt));
        }
    }
    let direction = section.direction().or(session.direction()).unwrap_or(Direction::SendRecv);
    Some(RemoteVideo { line, direction, codecs })
}

/// Packetization mode 1 and a baseline profile (RFC 6184 §8.1).
fn is_plain_h264(fmtp: &str) -> bool {
    let parameter = |name: &str| {
        fmtp.split(';').find_map(|part| part.trim().split_once('=').filter(|(n, _)| n.eq_ignore_ascii_case(name)))
    };
    let mode = parameter("packetization-mode").is_some_and(|(_, mode)| mode == "1");
    // Baseline is what nothing else is said to be.
    mode && parameter("profile-level-id").is_none_or(|(_, profile)| profile.starts_with("42"))
}

/// Attributes of the session or of one m-line.
#[derive(Default)]
struct Attributes<'a> {
    list: Vec<(&'a str, &'a str)>,
    connection: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.list.iter().filter(move |(n, _)| *n == name).map(|&(_, value)| value)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.list.iter().find(|(n, _)| *n == name).map(|&(_, value)| value)
    }

    fn direction(&self) -> Option<Direction> {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|direction| self.value(direction.name()).is_some())
    }
}

struct Section<'a> {
    line: MediaLine,
    attributes: Attributes<'a>,
}

impl<'a> Section<'a> {
    fn has(&self, name: &str) -> bool {
        self.attributes.value(name).is_some()
    }

    fn direction(&self) -> Option<Direction> {
        self.attributes.direction()
    }
}

fn split(text: &str) -> Result<(Attributes<'_>, Vec<Section<'_>>), SdpRefusal> {
    let malformed = |why: &str| SdpRefusal::Malformed(why.to_owned());
    let mut session = Attributes::default();
    let mut media: Vec<Section<'_>> = Vec::new();
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err(malformed("it does not begin with v=0"));
    }
    for (number, line) in lines.enumerate() {
        if number >= MAX_LINES {
            return Err(malformed("it has too many lines"));
        }
        let Some((kind, value)) = line.split_once('=') else {
            return Err(malformed("a line has no '='"));
        };
        if kind == "m" {
            if media.len() >= MAX_MEDIA {
                return Err(malformed("it has more than 16 media lines"));
            }
            let line = media_line(value).ok_or_else(|| malformed("a media line is incomplete"))?;
            media.push(Section { line, attributes: Attributes::default() });
            continue;
        }
        let mid_of = media.last_mut();
        match (kind, mid_of) {
            ("a", Some(section)) => {
                let (name, value) = attribute(value);
                if name == "mid" {
                    section.line.mid = Some(value.to_owned());
                }
                section.attributes.list.push((name, value));
            }
            ("a", None) => session.list.push(attribute(value)),
            ("c", Some(section)) => section.attributes.connection = Some(value),
            ("c", None) => session.connection = Some(value),
            // Everything else (o, s, t, b, i, k, r …) has no bearing on the audio.
            _ => {}
        }
    }
    Ok((session, media))
}

fn attribute(value: &str) -> (&str, &str) {
    let (name, value) = value.split_once(':').unwrap_or((value, ""));
    (name.trim(), value.trim())
}

fn media_line(value: &str) -> Option<MediaLine> {
    let mut words = value.split_whitespace();
    let kind = words.next()?.to_owned();
    // "port/count" is legal; the count has no meaning here.
    let port = words.next()?.split('/').next()?.parse().ok()?;
    let profile = words.next()?.to_owned();
    let formats: Vec<String> = words.take(MAX_FORMATS).map(str::to_owned).collect();
    if formats.is_empty() {
        return None;
    }
    Some(MediaLine { kind, port, profile, formats, mid: None })
}

/// ICE, DTLS and address of the audio line; session-level values hold where the line has none.
fn transport(session: &Attributes<'_>, section: &Section<'_>) -> Result<RemoteTransport, SdpRefusal> {
    let line = &section.attributes;
    let value = |name: &str| line.value(name).or_else(|| session.value(name));
    let mut prints: Vec<&str> = line.values("fingerprint").collect();
    if prints.is_empty() {
        prints = session.values("fingerprint").collect();
    }
    if prints.is_empty() {
        return Err(SdpRefusal::NotDtls { profile: section.line.profile.clone() });
    }
    let fingerprint = sha256(&prints)?;
    let (Some(ufrag), Some(password)) = (value("ice-ufrag"), value("ice-pwd")) else {
        return Err(SdpRefusal::NoIce);
    };
    // RFC 8839 §5.4.
    if !(4..=256).contains(&ufrag.len()) || !(22..=256).contains(&password.len()) {
        return Err(SdpRefusal::Malformed("ice-ufrag or ice-pwd has an impossible length".to_owned()));
    }
    if line.value("rtcp-mux").is_none() && line.value("rtcp-mux-only").is_none() {
        return Err(SdpRefusal::NoRtcpMux);
    }
    let setup = match value("setup") {
        None => None,
        Some("active") => Some(Setup::Active),
        Some("passive") => Some(Setup::Passive),
        Some("actpass") => Some(Setup::ActPass),
        Some(other) => return Err(SdpRefusal::Setup { setup: other.chars().take(32).collect() }),
    };
    let candidates = line
        .values("candidate")
        .filter(|candidate| {
            let mut words = candidate.split_whitespace().skip(1);
            words.next() == Some("1") && words.next().is_some_and(|proto| proto.eq_ignore_ascii_case("udp"))
        })
        .take(MAX_CANDIDATES)
        .map(str::to_owned)
        .collect();
    let default_address = line
        .connection
        .or(session.connection)
        .and_then(|c| c.split_whitespace().nth(2))
        .and_then(|address| address.split('/').next()?.parse::<IpAddr>().ok())
        .filter(|address| !address.is_unspecified() && section.line.port != 0)
        .map(|address| SocketAddr::new(address, section.line.port));
    Ok(RemoteTransport {
        ufrag: ufrag.to_owned(),
        password: password.to_owned(),
        fingerprint,
        setup,
        candidates,
        default_address,
        ice_lite: session.value("ice-lite").is_some() || line.value("ice-lite").is_some(),
    })
}

/// The SHA-256 among the fingerprints: the only hash the engine verifies, and the one RFC 8122 §5 requires.
fn sha256(prints: &[&str]) -> Result<Vec<u8>, SdpRefusal> {
    let mut other = None;
    for print in prints {
        let (hash, hex) = print.split_once(' ').unwrap_or((print, ""));
        if !hash.eq_ignore_ascii_case("sha-256") {
            other = Some(hash);
            continue;
        }
        let bytes: Result<Vec<u8>, _> = hex.trim().split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
        return match bytes {
            Ok(bytes) if bytes.len() == 32 => Ok(bytes),
            _ => Err(SdpRefusal::Malformed("the fingerprint is not 32 bytes in hexadecimal".to_owned())),
        };
    }
    Err(SdpRefusal::FingerprintHash { hash: other.unwrap_or_default().chars().take(32).collect() })
}

type Codecs = (Vec<(Codec, u8)>, Vec<(u8, u32)>, Option<u8>, String);

fn codecs(section: &Section<'_>) -> Codecs {
    let mut codecs = Vec::new();
    let mut events = Vec::new();
    let mut noise = None;
    let mut names: Vec<String> = Vec::new();
    for format in &section.line.formats {
        let Some(pt) = format.parse::<u8>().ok().filter(|&pt| pt < 128) else { continue };
        let map = section.attributes.values("rtpmap").find_map(|map| {
            let (number, encoding) = map.split_once(' ')?;
            (number.parse() == Ok(pt)).then(|| encoding.trim())
        });
        // Static payload types need no map (RFC 3551 §6).
        let encoding = match (map, pt) {
            (Some(encoding), _) => encoding,
            (None, 0) => "PCMU/8000",
            (None, 8) => "PCMA/8000",
            (None, 9) => "G722/8000",
            (None, 13) => "CN/8000",
            (None, _) => continue,
        };
        let mut parts = encoding.split('/');
        let name = parts.next().unwrap_or_default();
        let Some(clock) = parts.next().and_then(|clock| clock.parse::<u32>().ok()) else { continue };
        if name.eq_ignore_ascii_case("CN") {
            noise = noise.or(Some(pt).filter(|_| clock == 8_000));
            continue;
        }
        names.push(name.chars().take(24).collect());
        if name.eq_ignore_ascii_case("telephone-event") {
            if matches!(clock, 8_000 | 48_000) {
                events.push((pt, clock));
            }
        } else if let Some(codec) = name.parse::<Codec>().ok().filter(|codec| codec.clock_rate() == clock)
            && codecs.iter().all(|&(known, _)| known != codec)
        {
            codecs.push((codec, pt));
        }
    }
    (codecs, events, noise, names.join(", "))
}

//! The little that the switch reads in a description itself; the rest is the media engine's.

use offhook_media::{Codec, Direction};

/// The known codecs of the first audio line, in the peer's order of preference.
pub(crate) fn codecs(sdp: &str) -> Vec<Codec> {
    let Some((line, attributes)) = audio(sdp) else { return Vec::new() };
    let mut codecs = Vec::new();
    for payload_type in line.split_ascii_whitespace().skip(2).take(64) {
        let mapped = attributes.iter().find_map(|attribute| {
            let (number, name) = attribute.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            (number == payload_type).then(|| name.split('/').next().unwrap_or(name))
        });
        // Static payload types need no rtpmap (RFC 3551 §6).
        let name = mapped.unwrap_or(match payload_type {
            "0" => "PCMU",
            "8" => "PCMA",
            "9" => "G722",
            _ => "",
        });
        if let Ok(codec) = name.parse::<Codec>()
            && !codecs.contains(&codec)
        {
            codecs.push(codec);
        }
    }
    codecs
}

/// Whether this offer or answer puts us on hold: its writer does not want to hear us (RFC 3264 §8.4), or it has the old
/// form of a hold, the address 0.0.0.0 (RFC 2543).
pub(crate) fn is_hold(sdp: &str) -> bool {
    let Some((_, attributes)) = audio(sdp) else { return false };
    let session: Vec<&str> = sdp.lines().take_while(|line| !line.starts_with("m=")).map(str::trim_end).collect();
    let direction = |lines: &[&str]| {
        lines.iter().find_map(|line| match *line {
            "a=sendrecv" | "a=recvonly" => Some(false),
            "a=sendonly" | "a=inactive" => Some(true),
            _ => None,
        })
    };
    let ours = direction(&attributes).or_else(|| direction(&session)).unwrap_or(false);
    // With ICE the address in the c-line says nothing: a browser writes 0.0.0.0 before it has candidates.
    let has_ice = attributes.iter().chain(&session).any(|line| line.starts_with("a=ice-ufrag:"));
    let nowhere = |lines: &[&str]| lines.contains(&"c=IN IP4 0.0.0.0");
    ours || (!has_ice && (nowhere(&attributes) || nowhere(&session)))
}

/// The direction of the video in this offer or answer, as its writer sees it; `None`: it has none, or refuses it, which some
/// do by inactive video beside audio that flows. Port 0 with bundle-only is in use (RFC 9143 §6).
pub(crate) fn video(sdp: &str) -> Option<Direction> {
    let (_, audio) = audio(sdp)?;
    let lines = || sdp.lines().map(str::trim_end);
    let mut sections = lines();
    while let Some(line) = sections.next() {
        let Some(video) = line.strip_prefix("m=video ") else { continue };
        let section = || sections.clone().take_while(|line| !line.starts_with("m="));
        if video.starts_with("0 ") && !section().any(|line| line == "a=bundle-only") {
            continue;
        }
        let session = || lines().take_while(|line| !line.starts_with("m="));
        let video = section().chain(session()).find_map(direction).unwrap_or_default();
        let audio = audio.iter().copied().chain(session()).find_map(direction).unwrap_or_default();
        return Some(video).filter(|video| *video != Direction::Inactive || audio != Direction::SendRecv);
    }
    None
}

fn direction(line: &str) -> Option<Direction> {
    match line {
        "a=sendrecv" => Some(Direction::SendRecv),
        "a=sendonly" => Some(Direction::SendOnly),
        "a=recvonly" => Some(Direction::RecvOnly),
        "a=inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

/// The first audio line that is not refused, without `m=audio `, and the lines of its section.
fn audio(sdp: &str) -> Option<(&str, Vec<&str>)> {
    let mut lines = sdp.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(audio) = line.strip_prefix("m=audio ") else { continue };
        if audio.starts_with("0 ") {
            continue;
        }
        let section = lines.clone().take_while(|line| !line.starts_with("m=")).take(512).collect();
        return Some((audio, section));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8 111 0 126\r\na=rtpmap:111 opus/48000/2\r\n\
                         a=rtpmap:126 telephone-event/8000\r\na=sendrecv\r\nm=video 9 X 96\r\na=sendonly\r\n";

    #[test]
    fn codecs_come_in_the_peers_order() {
        assert_eq!(codecs(OFFER), [Codec::Pcma, Codec::Opus, Codec::Pcmu]);
        assert!(codecs("v=0\r\nm=video 9 X 96\r\n").is_empty());
        assert!(codecs("m=audio").is_empty());
        assert!(codecs("garbage").is_empty());
    }

    #[test]
    fn the_direction_of_the_video_is_its_own_or_the_sessions() {
        assert_eq!(video(OFFER), Some(Direction::SendOnly));
        assert_eq!(video("v=0\r\na=inactive\r\nm=audio 9 X 0\r\nm=video 9 X 96\r\n"), Some(Direction::Inactive));
        assert_eq!(video("v=0\r\nm=audio 9 X 0\r\nm=video 0 X 96\r\nm=video 9 X 96\r\n"), Some(Direction::SendRecv));
        assert_eq!(video("v=0\r\nm=audio 9 X 0\r\nm=video 0 X 96\r\na=bundle-only\r\n"), Some(Direction::SendRecv));
        assert_eq!(video("v=0\r\nm=audio 9 X 0\r\na=sendonly\r\nm=video 0 X 96\r\n"), None);
        assert_eq!(video("v=0\r\nm=video 9 X 96\r\n"), None);
        assert_eq!(video("v=0\r\nm=audio 9 X 0\r\nm=video 9 X 96\r\na=inactive\r\n"), None);
    }

    #[test]
    fn a_hold_is_seen_on_the_audio_line_or_the_session() {
        assert!(!is_hold(OFFER));
        for attribute in ["a=sendonly", "a=inactive"] {
            assert!(is_hold(&OFFER.replacen("a=sendrecv", attribute, 1)), "{attribute}");
        }
        assert!(!is_hold(&OFFER.replacen("a=sendrecv", "a=recvonly", 1)));
        assert!(is_hold("v=0\r\na=sendonly\r\nm=audio 9 X 0\r\n"));
        assert!(!is_hold("v=0\r\na=sendonly\r\nm=audio 9 X 0\r\na=sendrecv\r\n"));
        assert!(is_hold("v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 9 X 0\r\n"));
        assert!(!is_hold("v=0\r\nm=audio 9 X 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:x\r\n"));
    }
}

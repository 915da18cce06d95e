//! The little that call control must know of an SDP: the direction of the audio, and whether there is video.

use crate::media::Direction;

/// The direction of the first audio line as its writer sees it: `a=` of the media, else of the session, else sendrecv
/// (RFC 8866 §6.7). An address of 0.0.0.0 is the hold of RFC 2543 and counts as not receiving (RFC 3264 §8.4).
pub(crate) fn direction(sdp: &str) -> Direction {
    let (mut session, mut media) = (None, None);
    let (mut session_zero, mut media_zero) = (false, None);
    let mut section = Section::Session;
    for line in sdp.lines() {
        if let Some(rest) = line.strip_prefix("m=") {
            if section == Section::Audio {
                break;
            }
            section = if rest.starts_with("audio") { Section::Audio } else { Section::Other };
            continue;
        }
        let found = line.strip_prefix("a=").and_then(|name| attribute(name.trim_end()));
        let zero = line.strip_prefix("c=").map(|address| address.trim_end() == "IN IP4 0.0.0.0");
        match section {
            Section::Session => {
                session = session.or(found);
                session_zero |= zero == Some(true);
            }
            Section::Audio => {
                media = media.or(found);
                media_zero = media_zero.or(zero);
            }
            Section::Other => {}
        }
    }
    let direction = media.or(session).unwrap_or(Direction::SendRecv);
    // A trickling WebRTC peer writes 0.0.0.0 with the discard port 9, and means nothing by it (RFC 8840 §4.1.1).
    let zero = media_zero.unwrap_or(session_zero) && !sdp.contains("a=ice-ufrag");
    Direction::new(direction.sends(), direction.receives() && !zero)
}

/// The direction of the first video line that is in use, as its writer sees it; `None` when there is none, or it is
/// refused. Port 0 with bundle-only is in use (RFC 9143 §6).
pub(crate) fn video(sdp: &str) -> Option<Direction> {
    let mut session = None;
    let mut in_media = false;
    // Of the video line being read: whether it has a port, and its direction.
    let mut line: Option<(bool, Option<Direction>)> = None;
    for text in sdp.lines().map(str::trim_end) {
        if let Some(rest) = text.strip_prefix("m=") {
            if let Some((true, direction)) = line {
                return Some(direction.or(session).unwrap_or(Direction::SendRecv));
            }
            in_media = true;
            let mut words = rest.split_whitespace();
            line = (words.next() == Some("video")).then(|| (words.next().is_some_and(|port| port != "0"), None));
            continue;
        }
        let Some(name) = text.strip_prefix("a=") else { continue };
        match &mut line {
            Some((used, _)) if name == "bundle-only" => *used = true,
            Some((_, direction)) => *direction = direction.or(attribute(name)),
            None if !in_media => session = session.or(attribute(name)),
            None => {}
        }
    }
    line.filter(|(used, _)| *used).map(|(_, direction)| direction.or(session).unwrap_or(Direction::SendRecv))
}

/// Whether an answer takes the video that was offered. Inactive beside audio that flows is how some (browsers) refuse it.
pub(crate) fn takes_video(answer: &str) -> bool {
    video(answer).is_some_and(|video| video != Direction::Inactive || direction(answer) != Direction::SendRecv)
}

/// Whether video flows or is to flow, in one direction at least.
pub(crate) fn has_video(sdp: &str) -> bool {
    video(sdp).is_some_and(|direction| direction != Direction::Inactive)
}

#[derive(PartialEq, Eq)]
enum Section {
    Session,
    Audio,
    Other,
}

fn attribute(name: &str) -> Option<Direction> {
    match name {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audio_lines_own_direction_wins() {
        let sdp =
            "v=0\r\na=inactive\r\nm=video 9 RTP/SAVPF 96\r\na=recvonly\r\nm=audio 9 RTP/SAVPF 0\r\na=sendonly\r\n";
        assert_eq!(direction(sdp), Direction::SendOnly);
        assert_eq!(direction("v=0\r\na=inactive\r\nm=audio 9 RTP/AVP 0\r\n"), Direction::Inactive);
        assert_eq!(
            direction("v=0\nm=audio 9 RTP/AVP 0\na=mid:0\nm=video 9 RTP/AVP 96\na=inactive\n"),
            Direction::SendRecv
        );
    }

    #[test]
    fn an_address_of_zeroes_is_a_hold_only_without_ice() {
        let hold = "v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n";
        assert_eq!(direction(hold), Direction::SendOnly);
        let overruled = "v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n";
        assert_eq!(direction(overruled), Direction::SendRecv);
        let trickle = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:x\r\n";
        assert_eq!(direction(trickle), Direction::SendRecv);
    }

    #[test]
    fn a_refused_video_line_is_no_video() {
        assert!(has_video("v=0\r\nm=audio 9 X 0\r\nm=video 9 X 96\r\n"));
        assert!(!has_video("v=0\r\nm=audio 9 X 0\r\nm=video 0 X 96\r\n"));
        assert!(has_video("v=0\r\nm=video 0 X 96\r\na=bundle-only\r\nm=audio 9 X 0\r\n"));
    }

    #[test]
    fn inactive_video_beside_audio_that_flows_is_refused() {
        let answer = "v=0\r\nm=audio 9 X 0\r\na=sendrecv\r\nm=video 9 X 96\r\na=inactive\r\n";
        assert!(!takes_video(answer));
        assert!(takes_video(&answer.replacen("sendrecv", "recvonly", 1)), "held");
        assert!(takes_video(&answer.replacen("inactive", "recvonly", 1)));
    }

    #[test]
    fn the_video_lines_own_direction_wins() {
        let sdp = "v=0\r\na=sendonly\r\nm=audio 9 X 0\r\na=inactive\r\nm=video 9 X 96\r\n";
        assert_eq!(video(sdp), Some(Direction::SendOnly));
        assert_eq!(video(&format!("{sdp}a=inactive\r\n")), Some(Direction::Inactive));
        assert!(!has_video(&format!("{sdp}a=inactive\r\n")));
        assert_eq!(video("v=0\r\nm=video 0 X 96\r\nm=video 9 X 96\r\na=recvonly\r\n"), Some(Direction::RecvOnly));
        assert_eq!(video("v=0\r\nm=audio 9 X 0\r\na=sendonly\r\n"), None);
    }
}

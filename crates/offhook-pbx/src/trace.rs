//! SIP traces without secrets.

use offhook_sip::ConnectionId;

/// Headers whose values prove who somebody is.
const SECRET: [&str; 2] = ["authorization", "proxy-authorization"];

/// Traces a message at the level `TRACE`.
pub(crate) fn message(direction: &str, connection: ConnectionId, data: &[u8]) {
    if tracing::enabled!(tracing::Level::TRACE) {
        tracing::trace!(connection = connection.0, "{direction}:\n{}", redacted(&String::from_utf8_lossy(data)));
    }
}

/// The message with the values of credentials cut out, folded lines included (RFC 3261 §7.3.1).
fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut hiding, mut in_body) = (false, false);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\r', '\n']);
        in_body |= bare.is_empty();
        let is_folded = bare.starts_with([' ', '\t']);
        if in_body {
            out.push_str(line);
            continue;
        }
        if !is_folded {
            let name = bare.split(':').next().unwrap_or_default().trim_end();
            hiding = SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret));
            if hiding {
                out.push_str(name);
                out.push_str(": [redacted]\n");
            }
        }
        if !hiding {
            out.push_str(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_cut_out_in_any_spelling() {
        let text = "REGISTER sip:x SIP/2.0\r\nauthorization : Digest username=\"1000\",\r\n response=\"abc\"\r\n\
                    Proxy-Authorization: Digest response=\"def\"\r\nCSeq: 1 REGISTER\r\n\r\nbody";
        let redacted = redacted(text);
        assert!(!redacted.contains("abc") && !redacted.contains("def") && !redacted.contains("1000"), "{redacted}");
        assert!(redacted.contains("CSeq: 1 REGISTER") && redacted.ends_with("body"));
    }
}

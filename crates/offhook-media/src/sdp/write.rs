//! Writing our description.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::negotiation::Transport;
use super::parse::{MediaLine, Setup};
use crate::codec::Codec;
use crate::config::Direction;
use crate::video::VideoCodec;

/// Everything a description of ours says.
pub(super) struct Local<'a> {
    pub(super) session_id: u64,
    pub(super) version: u64,
    /// All m-lines in order; those other than `audio` and `video` are refused.
    pub(super) lines: &'a [MediaLine],
    pub(super) audio: usize,
    pub(super) video: Option<LocalVideo<'a>>,
    pub(super) bundled: bool,
    pub(super) codecs: &'a [(Codec, u8)],
    pub(super) events: &'a [(u8, u32)],
    /// Payload type of comfort noise.
    pub(super) noise: Option<u8>,
    pub(super) direction: Direction,
    pub(super) setup: Setup,
    pub(super) transport: &'a Transport,
}

/// The video line.
pub(super) struct LocalVideo<'a> {
    /// Its index.
    pub(super) line: usize,
    pub(super) direction: Direction,
    pub(super) codecs: &'a [(VideoCodec, u8)],
}

impl Local<'_> {
    pub(super) fn write(&self) -> String {
        let mut text = String::with_capacity(1_500);
        // Writing into a String cannot fail.
        let _ = self.write_to(&mut text);
        text
    }

    fn write_to(&self, out: &mut String) -> std::fmt::Result {
        let address = default_address(&self.transport.addresses);
        let (family, ip) = (family(address.ip()), address.ip());
        write!(out, "v=0\r\no=- {} {} IN {family} {ip}\r\ns=-\r\n", self.session_id, self.version)?;
        write!(out, "c=IN {family} {ip}\r\nt=0 0\r\n")?;
        let mid = |index: usize| self.lines.get(index).and_then(|line| line.mid.as_deref());
        if let Some(audio) = mid(self.audio).filter(|_| self.bundled) {
            write!(out, "a=group:BUNDLE {audio}")?;
            if let Some(video) = self.video.as_ref().and_then(|video| mid(video.line)) {
                write!(out, " {video}")?;
            }
            out.push_str("\r\n");
        }
        for (index, line) in self.lines.iter().enumerate() {
            if index == self.audio {
                self.write_audio(out, line, address)?;
            } else if let Some(video) = self.video.as_ref().filter(|video| video.line == index) {
                self.write_video(out, line, video, address)?;
            } else {
                // RFC 3264 §6: a refused line keeps its place and its formats.
                write!(out, "m={} 0 {} {}\r\n", line.kind, line.profile, line.formats.join(" "))?;
                if let Some(mid) = &line.mid {
                    write!(out, "a=mid:{mid}\r\n")?;
                }
            }
        }
        Ok(())
    }

    fn write_audio(&self, out: &mut String, line: &MediaLine, address: SocketAddr) -> std::fmt::Result {
        write!(out, "m=audio {} {}", address.port(), line.profile)?;
        for pt in self.codecs.iter().map(|&(_, pt)| pt).chain(self.noise).chain(self.events.iter().map(|&(pt, _)| pt)) {
            write!(out, " {pt}")?;
        }
        out.push_str("\r\n");
        for &(codec, pt) in self.codecs {
            match codec {
                Codec::Opus => write!(
                    out,
                    "a=rtpmap:{pt} opus/48000/2\r\na=fmtp:{pt} minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0\r\n"
                )?,
                Codec::G722 | Codec::Pcmu | Codec::Pcma => write!(out, "a=rtpmap:{pt} {}/8000\r\n", codec.name())?,
            }
        }
        if let Some(pt) = self.noise {
            write!(out, "a=rtpmap:{pt} CN/8000\r\n")?;
        }
        for &(pt, clock) in self.events {
            write!(out, "a=rtpmap:{pt} telephone-event/{clock}\r\na=fmtp:{pt} 0-15\r\n")?;
        }
        write!(out, "a=ptime:20\r\na=maxptime:120\r\na={}\r\n", self.direction.name())?;
        self.write_transport(out, line)?;
        let transport = self.transport;
        write!(out, "a=msid:offhook audio\r\na=ssrc:{} cname:{}\r\n", transport.ssrc, transport.cname)
    }

    fn write_video(
        &self,
        out: &mut String,
        line: &MediaLine,
        video: &LocalVideo<'_>,
        address: SocketAddr,
    ) -> std::fmt::Result {
        write!(out, "m=video {} {}", address.port(), line.profile)?;
        for (_, pt) in video.codecs {
            write!(out, " {pt}")?;
        }
        out.push_str("\r\n");
        for (codec, pt) in video.codecs {
            write!(out, "a=rtpmap:{pt} {}/90000\r\n", codec.name())?;
            if *codec == VideoCodec::H264 {
                write!(out, "a=fmtp:{pt} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n")?;
            }
            write!(out, "a=rtcp-fb:{pt} nack pli\r\na=rtcp-fb:{pt} ccm fir\r\n")?;
        }
        write!(out, "a={}\r\n", video.direction.name())?;
        self.write_transport(out, line)?;
        let transport = self.transport;
        write!(out, "a=msid:offhook video\r\na=ssrc:{} cname:{}\r\n", transport.video_ssrc, transport.cname)
    }

    fn write_transport(&self, out: &mut String, line: &MediaLine) -> std::fmt::Result {
        if let Some(mid) = &line.mid {
            write!(out, "a=mid:{mid}\r\n")?;
        }
        let transport = self.transport;
        write!(out, "a=rtcp-mux\r\na=setup:{}\r\n", self.setup.name())?;
        write!(out, "a=fingerprint:{}\r\n", transport.fingerprint)?;
        write!(out, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", transport.ufrag, transport.password)?;
        for candidate in &transport.candidates {
            write!(out, "a={candidate}\r\n")?;
        }
        out.push_str("a=end-of-candidates\r\n");
        Ok(())
    }
}

/// The default candidate (RFC 8839 §4.2.1): IPv4 first, since a peer without ICE for IPv6 may still reach that.
fn default_address(addresses: &[SocketAddr]) -> SocketAddr {
    addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())
        .copied()
        .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9))
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IP4" } else { "IP6" }
}

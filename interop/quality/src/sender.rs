//! A stream to one receiver: ICE, DTLS and SRTP, with packets of the caller's numbers at the caller's times.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::Codec;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::net::UdpSocket;

/// What the first packet's number is; not 0, so that nothing depends on it.
const FIRST_NUMBER: u64 = 1_000;

pub(crate) struct Stream {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    mid: Mid,
    pt: Pt,
    codec: Codec,
    pending: Option<SdpPendingOffer>,
    /// When the engine wants to be called.
    due: Instant,
    connected: bool,
}

impl Stream {
    /// A stream of one codec, and its offer.
    pub(crate) async fn offer(codec: Codec) -> (Self, String) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let now = Instant::now();
        let mut config = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .clear_extension_map()
            .set_crypto_provider(Arc::new(str0m::crypto::from_feature_flags()));
        let formats = config.codec_config();
        match codec {
            Codec::Opus => formats.enable_opus(true, false),
            Codec::G722 => formats.enable_g722(true, false),
            Codec::Pcma => formats.enable_pcma(true, false),
            _ => formats.enable_pcmu(true, false),
        }
        let pt = formats.params().first().expect("a codec").pt();
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).expect("a candidate"));
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let (offer, pending) = changes.apply().expect("something changed");
        (
            Self { rtc, socket, address, mid, pt, codec, pending: Some(pending), due: now, connected: false },
            offer.to_sdp_string(),
        )
    }

    /// Takes the answer; then it connects.
    pub(crate) fn answered(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let pending = self.pending.take().expect("it is the first answer");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer fits");
    }

    /// Sends a packet now.
    pub(crate) fn send(&mut self, number: u32, payload: &[u8]) {
        let now = Instant::now();
        let timestamp = number.wrapping_mul(self.codec.frame_ticks());
        let number = SeqNo::from(FIRST_NUMBER + u64::from(number));
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(self.mid, None).expect("a stream");
        stream.write_rtp(RtpWrite::new(self.pt, number, timestamp, now, payload));
        self.rtc.handle_input(Input::Timeout(now)).expect("the engine runs");
        self.turn();
    }

    /// Does what is due and takes what comes, until `until`.
    pub(crate) async fn run(&mut self, until: Instant) {
        let mut datagram = [0; 2_000];
        loop {
            self.turn();
            let wake = self.due.min(until);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(wake.into()) => {
                    if Instant::now() >= until {
                        return;
                    }
                    self.rtc.handle_input(Input::Timeout(Instant::now())).expect("the engine runs");
                }
                received = self.socket.recv_from(&mut datagram) => {
                    let Ok((length, source)) = received else { continue };
                    let Ok(receive) = Receive::new(Protocol::Udp, source, self.address, &datagram[..length]) else { continue };
                    let input = Input::Receive(Instant::now(), receive);
                    if self.rtc.accepts(&input) {
                        self.rtc.handle_input(input).expect("the engine runs");
                    }
                }
            }
        }
    }

    /// Runs until it is connected.
    pub(crate) async fn connect(&mut self) {
        let begun = Instant::now();
        while !self.connected {
            assert!(begun.elapsed() < Duration::from_secs(20), "not connected in 20 s");
            self.run(Instant::now() + Duration::from_millis(20)).await;
        }
    }

    fn turn(&mut self) {
        loop {
            match self.rtc.poll_output().expect("the engine runs") {
                Output::Timeout(at) => {
                    self.due = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    // A full socket loses it, as a network would; on loopback it is never full.
                    let _ = self.socket.try_send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(_) => {}
            }
        }
    }
}

//! Audio codecs.

mod g711;
mod g722;

use std::fmt;
use std::str::FromStr;

use self::g711::Concealment;
pub(crate) use self::g711::Law;
use crate::config::OpusConfig;
use crate::error::MediaError;

/// An audio codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Codec {
    /// Opus (RFC 6716, RFC 7587), 48 kHz mono here.
    Opus,
    /// G.722 at 64 kbit/s, 16 kHz; its RTP clock runs at 8 kHz all the same (RFC 3551 §4.5.2).
    G722,
    /// G.711 µ-law (RFC 3551), 8 kHz.
    Pcmu,
    /// G.711 A-law (RFC 3551), 8 kHz.
    Pcma,
}

impl Codec {
    /// Encoding name as in `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// RTP clock, Hz.
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Samples a second.
    pub fn sample_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 => 16_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Samples in a frame of 20 ms.
    pub fn frame_samples(self) -> usize {
        (self.sample_rate() / 50) as usize
    }

    /// What the RTP timestamp grows by in 20 ms.
    pub fn frame_ticks(self) -> u32 {
        self.clock_rate() / 50
    }

    /// Rate at which sound made of samples at `source` is encoded, Hz: of those that the codec takes, the lowest that holds it.
    pub(crate) fn encoding_rate(self, source: u32) -> u32 {
        match self {
            Self::Opus => OPUS_RATES.into_iter().find(|rate| *rate >= source).unwrap_or(48_000),
            Self::G722 | Self::Pcmu | Self::Pcma => self.sample_rate(),
        }
    }
}

/// Rates of the samples that an Opus encoder takes (RFC 6716 §2.1.3), Hz. Its packets are the same to the far end at each.
const OPUS_RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no codec known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown codec \"{0}\": use opus, G722, PCMU or PCMA")]
pub struct UnknownCodec(pub String);

impl FromStr for Codec {
    type Err = UnknownCodec;

    /// Case-insensitive, as RFC 8866 §6.6 wants.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma]
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownCodec(text.chars().take(32).collect()))
    }
}

/// Longest packet decoded: RFC 6716 allows 120 ms.
const MAX_PACKET_MS: usize = 120;

/// Encodes frames of 20 ms.
pub(crate) enum Encoder {
    Opus(Box<Opus>),
    G722(Box<g722::Encoder>),
    G711(Law),
}

/// An Opus encoder for samples at this rate, which codes no band that they cannot hold. Samples at another get another encoder: one that is
/// told of a new bandwidth takes up to 5 s to get there while somebody speaks.
pub(crate) struct Opus {
    encoder: ropus::Encoder,
    rate: u32,
    config: OpusConfig,
    /// Silence makes packets of a byte or two, which need not be sent.
    dtx: bool,
    /// What the far end reports, 0–1: the largest of late.
    loss: f64,
}

/// Of the largest loss reported, what is left at the next report: half of it after 14 s at one in 2 s.
const LOSS_KEPT: f64 = 0.9;

impl Opus {
    fn new(config: &OpusConfig, dtx: bool, rate: u32) -> Result<Self, MediaError> {
        let mut encoder = ropus::Encoder::builder(rate, ropus::Channels::Mono, ropus::Application::Voip)
            .bitrate(ropus::Bitrate::Bits(config.bitrate.clamp(6_000, 128_000)))
            .complexity(config.complexity.min(10))
            .signal(ropus::Signal::Voice)
            .inband_fec(ropus::InbandFec::Enabled)
            .packet_loss_perc(config.expected_loss.min(50))
            .build()
            .map_err(|e| failed(Codec::Opus, e))?;
        encoder.set_dtx(dtx).map_err(|e| failed(Codec::Opus, e))?;
        Ok(Self { encoder, rate, config: config.clone(), dtx, loss: 0.0 })
    }

    /// In-band FEC costs bits and, from 6 % on, bandwidth: as much of it as the path needs.
    fn expect_loss(&mut self) -> Result<(), MediaError> {
        let percent = (self.loss * 100.0).ceil().clamp(0.0, 50.0) as u8;
        let percent = percent.max(self.config.expected_loss.min(50));
        self.encoder.set_packet_loss_perc(percent).map_err(|e| failed(Codec::Opus, e))
    }
}

impl Encoder {
    /// One of samples at this rate, a [`Codec::encoding_rate`].
    pub(crate) fn new(codec: Codec, opus: &OpusConfig, dtx: bool, rate: u32) -> Result<Self, MediaError> {
        Ok(match codec {
            Codec::Pcmu => Self::G711(Law::Mu),
            Codec::Pcma => Self::G711(Law::A),
            Codec::G722 => Self::G722(Box::default()),
            Codec::Opus => Self::Opus(Box::new(Opus::new(opus, dtx, rate)?)),
        })
    }

    /// What is encoded from now on are samples at this rate, a [`Codec::encoding_rate`]. Half of the work for a source at 8 kHz, and more
    /// bits for the band that is there (docs/decisions/0006).
    pub(crate) fn set_rate(&mut self, rate: u32) -> Result<(), MediaError> {
        if let Self::Opus(opus) = self
            && rate != opus.rate
        {
            let loss = opus.loss;
            **opus = Opus { loss, ..Opus::new(&opus.config, opus.dtx, rate)? };
            opus.expect_loss()?;
        }
        Ok(())
    }

    /// The far end reports that it lost this share of packets, 0–1, since its last report: Opus sends more copies, or fewer.
    pub(crate) fn loss_reported(&mut self, share: f64) -> Result<(), MediaError> {
        let Self::Opus(opus) = self else { return Ok(()) };
        opus.loss = (opus.loss * LOSS_KEPT).max(share);
        opus.expect_loss()
    }

    /// Encodes one frame into `out`, which is emptied first.
    pub(crate) fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) -> Result<(), MediaError> {
        out.clear();
        match self {
            Self::G711(law) => law.encode(samples, out),
            Self::G722(encoder) => encoder.encode(samples, out),
            Self::Opus(opus) => {
                // The largest packet of one frame (RFC 6716 §3.4).
                out.resize(1_275, 0);
                let length = opus.encoder.encode(samples, out).map_err(|e| failed(Codec::Opus, e))?;
                out.truncate(length);
            }
        }
        Ok(())
    }
}

/// Decodes packets and makes up for lost ones.
pub(crate) enum Decoder {
    Opus(Box<ropus::Decoder>),
    G722(Box<g722::Decoder>, Box<Concealment>),
    G711(Law, Box<Concealment>),
}

impl Decoder {
    pub(crate) fn new(codec: Codec) -> Result<Self, MediaError> {
        Ok(match codec {
            Codec::Pcmu => Self::G711(Law::Mu, Box::new(Concealment::new(8_000))),
            Codec::Pcma => Self::G711(Law::A, Box::new(Concealment::new(8_000))),
            Codec::G722 => Self::G722(Box::default(), Box::new(Concealment::new(16_000))),
            Codec::Opus => Self::Opus(Box::new(
                ropus::Decoder::new(48_000, ropus::Channels::Mono).map_err(|e| failed(Codec::Opus, e))?,
            )),
        })
    }

    /// Appends the samples of a packet.
    pub(crate) fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) -> Result<(), MediaError> {
        let start = out.len();
        match self {
            Self::G711(law, concealment) => {
                law.decode(packet.get(..packet.len().min(MAX_PACKET_MS * 8)).unwrap_or(packet), out);
                concealment.good(out.get_mut(start..).unwrap_or(&mut []));
                Ok(())
            }
            Self::G722(decoder, concealment) => {
                decoder.decode(packet.get(..packet.len().min(MAX_PACKET_MS * 8)).unwrap_or(packet), out);
                concealment.good(out.get_mut(start..).unwrap_or(&mut []));
                Ok(())
            }
            Self::Opus(decoder) => opus(decoder, packet, MAX_PACKET_MS * 48, ropus::DecodeMode::Normal, out),
        }
    }

    /// Appends `samples` made up for a lost packet. `next`, the packet after the lost one, may carry a copy of it.
    pub(crate) fn conceal(
        &mut self,
        samples: usize,
        next: Option<&[u8]>,
        out: &mut Vec<i16>,
    ) -> Result<(), MediaError> {
        match self {
            Self::G711(_, concealment) | Self::G722(_, concealment) => {
                concealment.lost(samples, out);
                Ok(())
            }
            Self::Opus(decoder) => match next {
                Some(next) => opus(decoder, next, samples, ropus::DecodeMode::Fec, out),
                None => opus(decoder, &[], samples, ropus::DecodeMode::Normal, out),
            },
        }
    }
}

fn opus(
    decoder: &mut ropus::Decoder,
    packet: &[u8],
    room: usize,
    mode: ropus::DecodeMode,
    out: &mut Vec<i16>,
) -> Result<(), MediaError> {
    let start = out.len();
    out.resize(start + room, 0);
    let result = decoder.decode(packet, out.get_mut(start..).unwrap_or(&mut []), mode);
    out.truncate(start + *result.as_ref().unwrap_or(&0));
    result.map(|_| ()).map_err(|e| failed(Codec::Opus, e))
}

fn failed(codec: Codec, error: impl fmt::Display) -> MediaError {
    MediaError::Codec { codec: codec.name(), reason: error.to_string() }
}

/// Duration of a packet, in ticks of the RTP clock; none if it cannot be decoded.
pub(crate) fn packet_ticks(codec: Codec, payload: &[u8]) -> Option<u32> {
    match codec {
        // Of G.722, an octet is two samples and one tick.
        Codec::G722 | Codec::Pcmu | Codec::Pcma => {
            Some(payload.len() as u32).filter(|&n| n > 0 && n as usize <= MAX_PACKET_MS * 8)
        }
        Codec::Opus => {
            // RFC 6716 §3.1: configuration gives the frame size, the two lowest bits the number of frames.
            let toc = *payload.first()?;
            let config = toc >> 3;
            let frame = match config {
                0..=11 => [480, 960, 1_920, 2_880].get(usize::from(config & 3)).copied()?,
                12..=15 => [480, 960].get(usize::from(config & 1)).copied()?,
                _ => [120, 240, 480, 960].get(usize::from(config & 3)).copied()?,
            };
            let frames = match toc & 3 {
                0 => 1,
                1 | 2 => 2,
                _ => u32::from(payload.get(1)? & 0x3f),
            };
            Some(frame * frames).filter(|&n| n > 0 && n as usize <= MAX_PACKET_MS * 48)
        }
    }
}

/// Whether a packet says that nothing follows for a while: Opus's DTX makes them of the first byte alone, or with an empty frame
/// (RFC 6716 §3.2.1).
pub(crate) fn is_pause(codec: Codec, payload: &[u8]) -> bool {
    codec == Codec::Opus && payload.len() <= 2
}

/// Whether a packet carries a copy of the one before it (Opus in-band FEC: the LBRR flag of its first frame).
pub(crate) fn carries_copy(codec: Codec, payload: &[u8]) -> bool {
    let Some(&toc) = payload.first() else { return false };
    // RFC 6716 §4.2.3: SILK frames (also of hybrid packets) begin with a flag for each frame's voice activity and then one for LBRR,
    // so behind one flag of 10 or 20 ms, two of 40 ms, three of 60 ms.
    let config = toc >> 3;
    if codec != Codec::Opus || config >= 16 {
        return false;
    }
    let frames = match config {
        0..=11 => [1, 1, 2, 3].get(usize::from(config & 3)).copied().unwrap_or(1),
        _ => 1,
    };
    // Where the first frame begins depends on how the packet is made (§3.2); that of one frame begins at once.
    let start = match toc & 3 {
        0 | 1 => 1,
        2 => 2 + usize::from(payload.get(1).is_some_and(|&length| length >= 252)),
        _ => return false,
    };
    payload.get(start).is_some_and(|&first| first & (0x80 >> frames) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voiced sound with a gliding pitch and syllables: what the encoder takes for speech.
    fn speechlike(samples: usize, rate: f64) -> Vec<i16> {
        let mut phase = 0.0;
        (0..samples)
            .map(|n| {
                let t = n as f64 / rate;
                phase += std::f64::consts::TAU * (140.0 + 20.0 * (t * 5.0).sin()) / rate;
                let syllable = (t * 12.0).sin().max(0.0).sqrt();
                let voice: f64 = (1..20).map(|k| (f64::from(k) * phase).sin() / f64::from(k)).sum();
                (5_000.0 * syllable * voice) as i16
            })
            .collect()
    }

    fn similarity(a: &[i16], b: &[i16]) -> f64 {
        let product = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
        product(a, b) / (product(a, a) * product(b, b)).sqrt().max(1.0)
    }

    #[test]
    fn opus_recovers_a_lost_packet_from_the_copy_in_the_next_better_than_by_concealment() {
        let config = OpusConfig { expected_loss: 20, ..OpusConfig::default() };
        let mut encoder = Encoder::new(Codec::Opus, &config, false, 48_000).unwrap();
        let packets: Vec<Vec<u8>> = speechlike(96_000, 48_000.0)
            .chunks(960)
            .map(|frame| {
                let mut out = Vec::new();
                encoder.encode(frame, &mut out).unwrap();
                assert_eq!(packet_ticks(Codec::Opus, &out), Some(960));
                out
            })
            .collect();
        // Lost is the first packet of a syllable: nothing before it tells what it was.
        let run = |lost: usize, fec: bool| {
            let mut decoder = Decoder::new(Codec::Opus).unwrap();
            let mut out = Vec::new();
            for (index, packet) in packets.iter().enumerate() {
                if index == lost {
                    let next = packets.get(index + 1).filter(|_| fec).map(Vec::as_slice);
                    decoder.conceal(960, next, &mut out).unwrap();
                } else {
                    decoder.decode(packet, &mut out).unwrap();
                }
            }
            assert_eq!(out.len(), packets.len() * 960);
            out[lost * 960..(lost + 1) * 960].to_vec()
        };
        let mut whole = Vec::new();
        let mut decoder = Decoder::new(Codec::Opus).unwrap();
        packets.iter().for_each(|packet| decoder.decode(packet, &mut whole).unwrap());
        let (mut with, mut without) = (0.0, 0.0);
        for lost in 20..80 {
            let original = &whole[lost * 960..(lost + 1) * 960];
            with += similarity(original, &run(lost, true)) / 60.0;
            without += similarity(original, &run(lost, false)) / 60.0;
        }
        assert!(with > 0.5 && with > without + 0.3, "with FEC {with}, without {without}");
    }

    /// Audio bandwidth of a packet (RFC 6716 §3.1, table 2), Hz.
    fn band(packet: &[u8]) -> u32 {
        match packet[0] >> 3 {
            0..=3 | 16..=19 => 4_000,
            4..=7 => 6_000,
            8..=11 | 20..=23 => 8_000,
            12..=13 | 24..=27 => 12_000,
            _ => 20_000,
        }
    }

    #[test]
    fn opus_codes_no_band_above_what_the_source_can_hold_and_the_sound_goes_on_through_the_changes() {
        let rates = [48_000, 8_000, 16_000, 12_000, 8_000, 48_000, 24_000];
        let said = speechlike(48_000 * rates.len(), 8_000.0);
        let mut encoder = Encoder::new(Codec::Opus, &OpusConfig::default(), false, 48_000).unwrap();
        let mut decoder = Decoder::new(Codec::Opus).unwrap();
        let (mut bands, mut heard, mut packet) = (Vec::new(), Vec::new(), Vec::new());
        for (second, rate) in said.chunks(48_000).zip(rates) {
            encoder.set_rate(rate).unwrap();
            let mut narrow = Vec::new();
            let mut convert = crate::Resampler::new(48_000, rate).unwrap();
            convert.process(second, &mut narrow);
            convert.finish(&mut narrow);
            for samples in narrow.chunks(rate as usize / 50) {
                encoder.encode(samples, &mut packet).unwrap();
                assert_eq!(packet_ticks(Codec::Opus, &packet), Some(960));
                decoder.decode(&packet, &mut heard).unwrap();
            }
            bands.push(band(&packet));
        }
        assert_eq!(bands, [20_000, 4_000, 8_000, 6_000, 4_000, 20_000, 12_000]);
        assert_eq!(heard.len(), said.len());
        for (second, said) in said.chunks(48_000).enumerate() {
            let best = (0..600)
                .step_by(3)
                .filter_map(|delay| heard.get(second * 48_000 + delay..)?.get(..said.len() - 960))
                .map(|heard| similarity(&said[..said.len() - 960], heard))
                .fold(0.0, f64::max);
            assert!(best > 0.8, "second {second}: similarity {best}");
        }
    }

    #[test]
    fn a_source_is_encoded_at_the_lowest_rate_that_holds_it() {
        let rates = [4_000, 8_000, 11_025, 16_000, 22_050, 44_100, 192_000];
        let expected = [8_000, 8_000, 12_000, 16_000, 24_000, 48_000, 48_000];
        assert_eq!(rates.map(|rate| Codec::Opus.encoding_rate(rate)), expected);
        assert_eq!([Codec::Pcma, Codec::G722].map(|codec| codec.encoding_rate(48_000)), [8_000, 16_000]);
    }

    #[test]
    fn packets_that_cannot_be_decoded_have_no_samples() {
        assert_eq!(packet_ticks(Codec::Opus, &[]), None);
        assert_eq!(packet_ticks(Codec::Opus, &[0x03]), None, "code 3 without a frame count");
        assert_eq!(packet_ticks(Codec::Opus, &[0x1b, 0x3f]), None, "63 frames of 60 ms");
        assert_eq!(packet_ticks(Codec::Pcmu, &[]), None);
        assert_eq!(packet_ticks(Codec::Pcma, &[0; 2_000]), None);
        assert_eq!(packet_ticks(Codec::Pcmu, &[0; 160]), Some(160));
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!("OPUS".parse(), Ok(Codec::Opus));
        assert_eq!("pcma".parse(), Ok(Codec::Pcma));
        assert_eq!("g729".parse::<Codec>(), Err(UnknownCodec("g729".to_owned())));
    }
}

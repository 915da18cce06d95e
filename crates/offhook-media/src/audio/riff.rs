//! What a WAV file says before its samples.

use std::io::Read;

use crate::codec::Law;

/// Longest `fmt ` chunk that is read, bytes: the longest of those that are understood has 40.
const MAX_FORMAT: u32 = 1_024;
/// From this length on nobody means it: who writes into a pipe cannot go back to say how long it became, and says this or
/// more (or 0). As a length, it would be beyond what is read in any format.
const UNKNOWN: u32 = 0x7fff_0000;

const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
/// The format follows.
const EXTENSIBLE: u16 = 0xfffe;

/// What a WAV file says before its samples.
pub(super) struct Header {
    /// As hound reads it: nothing but the format, and a length.
    pub(super) bytes: Vec<u8>,
    /// Samples of 8 bits that are G.711, which hound does not read.
    pub(super) law: Option<Law>,
    pub(super) channels: u16,
    pub(super) sample_rate: u32,
    /// Bytes of samples; `None`: up to the end of the file.
    pub(super) length: Option<u32>,
}

impl Header {
    /// Reads up to the first sample; an error says what is wrong.
    pub(super) fn read(reader: &mut impl Read) -> Result<Self, String> {
        let [r, i, f, f2, s, i2, z, e2, w, a, v, e] = bytes::<12>(reader)?;
        // What follows the first eight bytes, if whoever wrote it knew.
        let whole = u64::from(u32::from_le_bytes([s, i2, z, e2]));
        let mut read = 4;
        if [r, i, f, f2] != *b"RIFF" || [w, a, v, e] != *b"WAVE" {
            return Err("it is no WAV file".to_owned());
        }
        let mut format = None;
        loop {
            let [a, b, c, d, length @ ..] = bytes::<8>(reader)?;
            let length = u32::from_le_bytes(length);
            read += 8 + u64::from(length) + u64::from(length % 2);
            match &[a, b, c, d] {
                b"fmt " if length <= MAX_FORMAT => {
                    let mut chunk = vec![0; length as usize];
                    reader.read_exact(&mut chunk).map_err(|error| ended(&error))?;
                    skip(reader, length % 2)?;
                    format = Some(chunk);
                }
                b"data" => {
                    let format = format.ok_or("its format is missing before the samples")?;
                    // Other chunks follow: it is meant.
                    let empty = length == 0 && (read + 1..u64::from(UNKNOWN)).contains(&whole);
                    return Self::new(&format, length, empty);
                }
                _ => {
                    skip(reader, length)?;
                    skip(reader, length % 2)?;
                }
            }
        }
    }

    fn new(format: &[u8], length: u32, empty: bool) -> Result<Self, String> {
        let too_short = "its format is shorter than one is";
        let (first, rest) = format.split_first_chunk::<16>().ok_or(too_short)?;
        let [tag, tag2, channels, channels2, r, a, t, e, _, _, _, _, block, block2, bits, bits2] = *first;
        let (channels, bits) = (u16::from_le_bytes([channels, channels2]), u16::from_le_bytes([bits, bits2]));
        let block = u32::from(u16::from_le_bytes([block, block2]));
        let tag = match u16::from_le_bytes([tag, tag2]) {
            // The first two bytes of the GUID, after three other fields.
            EXTENSIBLE => {
                rest.get(8..10).and_then(|tag| tag.try_into().ok()).map(u16::from_le_bytes).ok_or(too_short)?
            }
            tag => tag,
        };
        let law = match (tag, bits) {
            (A_LAW, 8) => Some(Law::A),
            (MU_LAW, 8) => Some(Law::Mu),
            _ => None,
        };
        let known = (empty || (1..UNKNOWN).contains(&length)).then_some(length);
        // A whole number of frames.
        let said = known.unwrap_or(u32::MAX - u32::MAX % block.max(1));
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
        bytes.extend((format.len() as u32).to_le_bytes());
        bytes.extend(format);
        bytes.extend(b"data");
        bytes.extend(said.to_le_bytes());
        Ok(Self { bytes, law, channels, sample_rate: u32::from_le_bytes([r, a, t, e]), length: known })
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(|error| ended(&error))?;
    Ok(bytes)
}

fn skip(reader: &mut impl Read, length: u32) -> Result<(), String> {
    std::io::copy(&mut reader.take(length.into()), &mut std::io::sink()).map(drop).map_err(|error| ended(&error))
}

fn ended(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it ends before its samples".to_owned(),
        _ => error.to_string(),
    }
}

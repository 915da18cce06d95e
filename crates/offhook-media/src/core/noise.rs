//! Comfort noise (RFC 3389), its level only: what a pause sounds like, and when to send nothing else.

/// A frame this much above the quietest of late is speech, dB.
const ABOVE_FLOOR_DB: f64 = 9.0;
/// What is quieter is never speech, what is louder always, dBFS.
const QUIET_DBFS: f64 = -60.0;
const LOUD_DBFS: f64 = -35.0;
const LOWEST_FLOOR: f64 = QUIET_DBFS - ABOVE_FLOOR_DB;
/// The quietest of late is forgotten by so much a frame: 1 dB in a second.
const FORGET_DB: f64 = 0.02;
/// Speech is taken to go on for so many frames of 20 ms.
const HANGOVER: u32 = 10;
/// The noise is described again after so many frames, or sooner after these when it changed by so much, dB.
const REPEAT: u32 = 25;
const SOONER: u32 = 5;
const CHANGE_DB: f64 = 4.0;

/// White noise of a level.
#[derive(Debug)]
pub(super) struct Noise {
    peak: f64,
    state: u64,
}

impl Noise {
    /// `level` is the first octet of the payload: the noise's power, −dBov (§3.1).
    pub(super) fn new(level: u8, seed: u64) -> Self {
        let power = 32_767.0 * 10f64.powf(-f64::from(level & 0x7f) / 20.0);
        // Numbers spread evenly have a mean square of a third of the largest one's.
        Self { peak: (power * 3f64.sqrt()).min(32_767.0), state: seed | 1 }
    }

    pub(super) fn sample(&mut self) -> i16 {
        // Xorshift: nobody can hear how random it is.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let even = (self.state >> 11) as f64 / (1u64 << 53) as f64;
        ((even * 2.0 - 1.0) * self.peak) as i16
    }
}

/// What to send of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    /// The frame: somebody speaks, or has just spoken.
    Yes,
    /// The description of the noise, its payload.
    Noise([u8; 1]),
    /// Nothing.
    No,
}

/// Tells speech from what is heard between words.
#[derive(Debug)]
pub(super) struct Detector {
    floor: f64,
    hangover: u32,
    /// The noise as described last, and how many frames ago.
    told: Option<(f64, u32)>,
}

impl Default for Detector {
    fn default() -> Self {
        Self { floor: LOWEST_FLOOR, hangover: HANGOVER, told: None }
    }
}

impl Detector {
    /// The next frame, of this level, dBFS.
    pub(super) fn frame(&mut self, dbfs: f64) -> Speaks {
        // Digital silence says nothing of the room.
        self.floor = dbfs.clamp(LOWEST_FLOOR, self.floor + FORGET_DB);
        let speech = dbfs > QUIET_DBFS && (dbfs > LOUD_DBFS || dbfs > self.floor + ABOVE_FLOOR_DB);
        self.hangover = if speech { HANGOVER } else { self.hangover.saturating_sub(1) };
        if self.hangover > 0 {
            self.told = None;
            return Speaks::Yes;
        }
        if let Some((known, ago)) = &mut self.told {
            *ago += 1;
            let changed = *ago >= SOONER && (*known - dbfs).abs() >= CHANGE_DB;
            if *ago < REPEAT && !changed {
                return Speaks::No;
            }
        }
        self.told = Some((dbfs, 0));
        Speaks::Noise([(-dbfs).round().clamp(0.0, 127.0) as u8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_level_that_was_described() {
        for level in [20u8, 45, 70] {
            let mut noise = Noise::new(level, 7);
            let energy: f64 = (0..16_000).map(|_| f64::from(noise.sample()).powi(2)).sum();
            let dbov = 10.0 * (energy / 16_000.0 / 32_767f64.powi(2)).log10();
            assert!((dbov + f64::from(level)).abs() < 0.5, "{dbov} for {level}");
        }
        assert!((0..1_000).map(|_| Noise::new(127, 1).sample()).all(|sample| sample == 0));
    }

    #[test]
    fn words_are_whole_and_pauses_are_described_now_and_then() {
        let mut detector = Detector::default();
        // A second of speech with short gaps, 10 s of a quiet room, and speech again.
        let speech = |n: u32| if n % 10 < 6 { -20.0 } else { -55.0 };
        assert!((0..50).all(|n| detector.frame(speech(n)) == Speaks::Yes));
        let pause: Vec<Speaks> = (0..500).map(|n| detector.frame(-58.0 + f64::from(n % 2))).collect();
        assert!(pause[..4].iter().all(|speaks| *speaks == Speaks::Yes), "the end of a word");
        // How loud the room is has to be learned first.
        let sent = pause.iter().rposition(|speaks| *speaks == Speaks::Yes).map_or(0, |last| last + 1);
        let described = pause[sent..].iter().filter(|speaks| matches!(speaks, Speaks::Noise([57 | 58]))).count();
        assert!(sent < 150 && (10..20).contains(&described), "{sent} sent, {described} described");
        assert_eq!(detector.frame(-25.0), Speaks::Yes, "the first frame of a word");
    }

    #[test]
    fn a_change_of_the_noise_is_told_soon_and_what_is_loud_is_never_left_out() {
        let mut detector = Detector::default();
        while detector.frame(-80.0) != Speaks::Noise([80]) {}
        assert!((0..4).all(|_| detector.frame(-70.0) == Speaks::No));
        assert_eq!(detector.frame(-70.0), Speaks::Noise([70]));
        let mut music = Detector::default();
        assert!((0..10_000).all(|_| music.frame(-30.0) == Speaks::Yes));
        let mut silence = Detector::default();
        assert!((0..12).map(|_| silence.frame(-127.0)).any(|speaks| speaks == Speaks::Noise([127])));
    }
}

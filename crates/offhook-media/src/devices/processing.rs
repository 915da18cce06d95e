//! What is done to a microphone's sound: echo cancellation, noise suppression, gain control.

use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, NoiseSuppression, NoiseSuppressionLevel,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use super::{FRAME, RATE};

/// What is done to a microphone's sound; default: everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessingConfig {
    /// Takes out what the loudspeaker plays.
    pub echo_cancellation: bool,
    /// Takes out noise that goes on, such as a fan's.
    pub noise_suppression: bool,
    /// Makes a low voice louder, and limits a loud one.
    pub gain_control: bool,
}

impl Default for ProcessingConfig {
    fn default() -> Self {
        Self { echo_cancellation: true, noise_suppression: true, gain_control: true }
    }
}

impl ProcessingConfig {
    /// The sound as it is.
    pub fn none() -> Self {
        Self { echo_cancellation: false, noise_suppression: false, gain_control: false }
    }
}

/// Runs on frames of 10 ms: first what is played, then what the microphone heard.
pub(super) struct Processing(Option<Box<AudioProcessing>>);

impl Processing {
    pub(super) fn new(wanted: ProcessingConfig) -> Self {
        if wanted == ProcessingConfig::none() {
            return Self(None);
        }
        let config = Config {
            high_pass_filter: Some(HighPassFilter::default()),
            echo_canceller: wanted.echo_cancellation.then(EchoCanceller::default),
            noise_suppression: wanted
                .noise_suppression
                .then(|| NoiseSuppression { level: NoiseSuppressionLevel::High, ..NoiseSuppression::default() }),
            gain_controller2: wanted.gain_control.then(|| GainController2 {
                adaptive_digital: Some(AdaptiveDigital::default()),
                ..GainController2::default()
            }),
            ..Config::default()
        };
        let stream = StreamConfig::new(RATE, 1);
        let made = AudioProcessing::builder().config(config).capture_config(stream).render_config(stream).build();
        Self(Some(Box::new(made)))
    }

    /// What is about to be heard from the loudspeaker, and for how long it has yet to wait, ms, together with what the
    /// microphone's samples have waited.
    pub(super) fn played(&mut self, frame: &[i16; FRAME], delay_ms: f64) {
        let Some(processing) = &mut self.0 else { return };
        let mut unused = [0; FRAME];
        // Both refuse only formats and delays, which are in range here; the canceller finds the exact delay itself.
        let _ = processing.set_stream_delay_ms(delay_ms.clamp(0.0, 500.0) as i32);
        let _ = processing.process_render_i16(frame, &mut unused);
    }

    /// Cleans what the microphone heard.
    pub(super) fn heard(&mut self, frame: &mut [i16; FRAME]) {
        let Some(processing) = &mut self.0 else { return };
        let mut clean = [0; FRAME];
        if processing.process_capture_i16(frame, &mut clean).is_ok() {
            *frame = clean;
        }
    }
}

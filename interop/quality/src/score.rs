//! PESQ, by tools/score.py and the package `pesq` from PyPI, where both are.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::run::{NARROW, Outcome};

/// A Python with the package `pesq`.
#[derive(Debug, Clone)]
pub struct Scorer(String);

impl Scorer {
    /// With this Python, if the package is there.
    pub fn find(python: &str) -> Option<Self> {
        let found = Command::new(python).args(["-c", "import pesq, numpy"]).output();
        found.is_ok_and(|output| output.status.success()).then(|| Self(python.to_owned()))
    }

    /// The score of each pair that [`write_wavs`] wrote into the folder, by name.
    pub fn scores(&self, folder: &Path) -> HashMap<String, f64> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/score.py");
        let output = Command::new(&self.0).arg(script).arg("--json").arg(folder).output().expect("Python");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {words}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

/// Writes what was said and heard, 8 kHz.
pub fn write_wavs(folder: &Path, name: &str, outcome: &Outcome) {
    for (what, samples) in [("said", &outcome.said), ("heard", &outcome.heard)] {
        let spec = WavSpec { channels: 1, sample_rate: NARROW, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut file = WavWriter::create(folder.join(format!("{name}.{what}.wav")), spec).expect("a file");
        samples.iter().try_for_each(|&sample| file.write_sample(sample)).expect("room for it");
        file.finalize().expect("room for it");
    }
}

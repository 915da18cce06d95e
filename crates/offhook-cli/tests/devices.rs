//! `offhook devices` through ALSA, on devices that are files.

#![cfg(target_os = "linux")]

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Finished, Offhook};

/// A folder with an ALSA configuration: a loudspeaker that writes a file, and one that nothing comes of.
struct Sound(PathBuf);

impl Sound {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("offhook-devices-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let tape = folder.join("tape.raw");
        let config = format!(
            "pcm.!default {{ type null hint {{ show on description \"Nowhere\" }} }}\n\
             pcm.tape {{ type file slave.pcm default file {} format raw hint {{ show on description \"Tape\" }} }}\n",
            tape.display()
        );
        std::fs::write(folder.join("asound.conf"), config).expect("a configuration");
        Self(folder)
    }

    fn run(&self, args: &[&str]) -> Finished {
        let config = self.0.join("asound.conf");
        let prepare = |command: &mut Command| {
            command.env("ALSA_CONFIG_PATH", config);
        };
        Offhook::start_with(args, prepare).finish()
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn devices_are_listed_with_their_names_and_the_default() {
    let sound = Sound::new("list");
    let listed = sound.run(&["devices", "--json"]);
    listed.succeeds();
    let lines: Vec<serde_json::Value> =
        listed.stdout.iter().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    for kind in ["microphone", "speaker"] {
        let of_kind = |name: &str| lines.iter().find(|line| line["kind"] == kind && line["name"] == name);
        assert_eq!(of_kind("Nowhere").map(|line| line["default"] == true), Some(true), "{lines:?}");
        assert_eq!(of_kind("Tape").map(|line| line["default"] == true), Some(false), "{lines:?}");
    }
}

#[test]
fn a_tone_is_played_on_the_loudspeaker_that_was_chosen() {
    let sound = Sound::new("tone");
    sound.run(&["devices", "--tone", "--speaker", "Tape"]).succeeds();
    let tape = std::fs::read(sound.0.join("tape.raw")).expect("something was played");
    let loud = tape.chunks_exact(2).filter(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs() > 1_000).count();
    // A second, on one channel at least, at 8 kHz at least.
    assert!(loud > 4_000, "{loud} loud samples of {}", tape.len() / 2);
    let wrong = sound.run(&["devices", "--tone", "--speaker", "none"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(wrong.stderr.join("\n").contains("Nowhere, Tape"), "{wrong:?}");
}

//! A build without devices: says how to get one.

use offhook::{Init, PhoneBuilder};

use crate::args::{DevicesArgs, SoundArgs};
use crate::exit::{Failure, Reason};

const WITHOUT: &str = "this build has no microphone and loudspeakers: build with `cargo build --release --features devices` \
                       (on Linux with libasound2-dev installed)";

/// The devices of a call: none.
pub(crate) struct Chosen;

impl Chosen {
    pub(crate) async fn open(args: &SoundArgs) -> Result<Self, Failure> {
        if args.devices { Err(Failure::new(Reason::Usage, WITHOUT)) } else { Ok(Self) }
    }

    /// For a phone that has nothing to do with devices.
    pub(crate) fn none() -> Self {
        Self
    }

    /// Whether there is a microphone that could be silent.
    pub(crate) fn are_used(&self) -> bool {
        false
    }

    pub(crate) fn for_phone(self, builder: PhoneBuilder) -> PhoneBuilder {
        builder
    }

    pub(crate) fn for_pbx(self, init: Init) -> Init {
        init
    }
}

pub(crate) async fn run(_args: DevicesArgs) -> Result<(), Failure> {
    Err(Failure::new(Reason::Usage, WITHOUT))
}

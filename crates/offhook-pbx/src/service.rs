//! The numbers that the PBX answers itself.

/// A service of the PBX: a number that any extension can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Service {
    /// 600: sends back what it hears.
    Echo,
    /// 601: a tone of 440 Hz for three seconds, then BYE.
    Tone,
    /// 603: music on hold, until the caller hangs up.
    Music,
    /// 604: 486 Busy Here.
    Busy,
    /// 605: 503 Service Unavailable with Retry-After.
    Unavailable,
    /// 606: 180 Ringing, and never an answer: 480 after the no-answer time.
    RingsForever,
    /// 607: 183 with early media for three seconds, then 603 Decline.
    EarlyMedia,
    /// 609: 403 Forbidden.
    Forbidden,
    /// 612: rings for one second, then 480 Temporarily Unavailable.
    NoAnswer,
}

impl Service {
    /// All of them, by number.
    pub const ALL: [Self; 9] = [
        Self::Echo,
        Self::Tone,
        Self::Music,
        Self::Busy,
        Self::Unavailable,
        Self::RingsForever,
        Self::EarlyMedia,
        Self::Forbidden,
        Self::NoAnswer,
    ];

    /// The service of this number.
    #[must_use]
    pub fn of(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.number() == number)
    }

    /// The number to call.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::Echo => "600",
            Self::Tone => "601",
            Self::Music => "603",
            Self::Busy => "604",
            Self::Unavailable => "605",
            Self::RingsForever => "606",
            Self::EarlyMedia => "607",
            Self::Forbidden => "609",
            Self::NoAnswer => "612",
        }
    }

    /// Whether calls to it are answered.
    pub(crate) fn answers(self) -> bool {
        matches!(self, Self::Echo | Self::Tone | Self::Music)
    }

    /// What it does, in a few words.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Echo => "echo: sends back what it hears",
            Self::Tone => "a 440 Hz tone for 3 s, then hangs up",
            Self::Music => "music on hold",
            Self::Busy => "busy: 486",
            Self::Unavailable => "out of service: 503 with Retry-After",
            Self::RingsForever => "rings and is never answered (480 after the no-answer time)",
            Self::EarlyMedia => "early media (183) for 3 s, then 603 Decline",
            Self::Forbidden => "forbidden: 403",
            Self::NoAnswer => "rings for 1 s, then 480",
        }
    }
}

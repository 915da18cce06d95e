//! What a program gives to log in.

use offhook_sip::{Secret, Seed};

/// What [`Login`](super::Login) begins with. `deviceIds` of the contract is the browser's.
#[derive(Debug, Clone)]
pub struct InitParams {
    /// User name at the PBX.
    pub username: String,
    /// The login signature, which the program's backend gets from the PBX's open API.
    pub secret: Secret,
    /// `https://HOST[:PORT]`, with or without a slash at its end; `http` only for a loopback host.
    pub pbx_url: String,
    /// Whether this SDK's own log goes to the PBX too; `None`: it does.
    pub enable_log: Option<bool>,
    /// Attempts to register in a row before the phone gives up; `None`: no limit.
    pub re_registry_phone_times: Option<u32>,
    /// As which kind of client.
    pub user_agent: ClientKind,
    /// One call at a time, whatever the PBX says of call waiting.
    pub disable_call_waiting: bool,
    /// Seed of every random choice. It must be secret and never used twice outside tests.
    pub seed: Seed,
}

impl InitParams {
    /// Those that every program has to give; the others as the contract has them.
    #[must_use]
    pub fn new(
        username: impl Into<String>,
        secret: impl Into<Secret>,
        pbx_url: impl Into<String>,
        seed: impl Into<Seed>,
    ) -> Self {
        Self {
            username: username.into(),
            secret: secret.into(),
            pbx_url: pbx_url.into(),
            enable_log: None,
            re_registry_phone_times: None,
            user_agent: ClientKind::default(),
            disable_call_waiting: false,
            seed: seed.into(),
        }
    }
}

/// Kind of client: a PBX allows each extension the one, the other, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientKind {
    /// `WebClient`.
    #[default]
    WebClient,
    /// `WebPC`: a desktop client.
    WebPc,
}

impl ClientKind {
    /// The contract's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WebClient => "WebClient",
            Self::WebPc => "WebPC",
        }
    }
}

//! The command line of `offhook doctor`.

use std::path::PathBuf;

use clap::Args;

use crate::args::ServerArgs;

/// `offhook doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Where and as whom to register.
    #[command(flatten)]
    pub server: ServerArgs,

    /// The number that sends back what it hears; called for 5 s.
    #[arg(long, value_name = "NUMBER", default_value = "600")]
    pub echo: String,

    /// Call nobody.
    #[arg(long, conflicts_with = "echo")]
    pub no_call: bool,

    /// Ask this STUN server, and use it in the call; may be given several times.
    #[arg(long, value_name = "stun:HOST[:PORT]")]
    pub stun: Vec<String>,

    /// Get a relay address of this TURN server, and use it in the call; may be given several times:
    /// `turn:HOST[:PORT][?transport=udp|tcp]`, or `turns:HOST[:PORT]`.
    #[arg(long, value_name = "URL", requires = "turn_user")]
    pub turn: Vec<String>,

    /// The user at the TURN servers.
    #[arg(long, value_name = "USER", requires = "turn")]
    pub turn_user: Option<String>,

    /// The password at the TURN servers. Seen by everybody on this computer: better --turn-password-file or the environment.
    #[arg(long, value_name = "PASSWORD", env = "OFFHOOK_TURN_PASSWORD", hide_env_values = true)]
    pub turn_password: Option<String>,

    /// A file with the password at the TURN servers in its first line. It counts before the environment.
    #[arg(long, value_name = "FILE")]
    pub turn_password_file: Option<PathBuf>,

    /// Make the call through the TURN servers only.
    #[arg(long, requires = "turn")]
    pub relay: bool,

    /// Print one JSON object for each check, and a summary as the last.
    #[arg(long)]
    pub json: bool,
}

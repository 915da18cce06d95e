//! The command line of `offhook doctor`.

use clap::Args;

use crate::args::{IceArgs, ServerArgs};

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

    /// STUN and TURN servers: each is looked at, and used in the call.
    #[command(flatten)]
    pub ice: IceArgs,

    /// Print one JSON object for each check, and a summary as the last.
    #[arg(long)]
    pub json: bool,
}

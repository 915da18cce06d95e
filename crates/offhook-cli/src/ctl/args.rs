//! The command line of `offhook pbx ctl`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `offhook pbx ctl`.
#[derive(Debug, Args)]
pub struct CtlArgs {
    /// The PBX.
    #[command(flatten)]
    pub server: CtlServer,

    /// Print one JSON object.
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// Which PBX, and what proves that one may.
#[derive(Debug, Args)]
pub struct CtlServer {
    /// The PBX: https://host:port, or http://host:port on this machine.
    #[arg(long, value_name = "URL", env = "OFFHOOK_PBX_URL", default_value = "http://127.0.0.1:8088", global = true)]
    pub url: String,

    /// A file with the admin token in its first line (the PBX says at its start where it is). Without it the environment
    /// variable OFFHOOK_ADMIN_TOKEN counts, and on this machine the built-in token.
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,

    /// Trust the certificates in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum CtlCommand {
    /// Extensions: list, show, add, set, enable, disable, delete, reset, photo.
    #[command(subcommand)]
    Extension(ExtensionCommand),
    /// Contacts: list, add, set, delete.
    #[command(subcommand)]
    Contact(ContactCommand),
    /// Settings of the whole PBX: show, set.
    #[command(subcommand)]
    Setting(SettingCommand),
    /// Set a new secret of the open API or of the admin API. Without a file a random one is made and printed.
    Secret {
        /// Which.
        which: SecretKind,
        /// A file with the secret in its first line: 16 to 256 visible characters.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Have the clients of an extension log in again.
    Logout {
        /// Its number.
        number: String,
        /// Only this kind of client.
        #[arg(long)]
        client: Option<ClientKind>,
        /// Which notification they are sent: 20010 or 20154.
        #[arg(long, value_name = "TYPE", default_value_t = 20010)]
        r#type: u32,
    },
    /// What is going on: load, calls, devices.
    Status,
    /// Call records, the newest first.
    Cdr {
        /// Of this extension; without it of all, with a row for each extension that has to do with a call.
        number: Option<String>,
        /// From 1.
        #[arg(long, default_value_t = 1)]
        page: u32,
        /// Rows of a page, 1 to 1000.
        #[arg(long, default_value_t = 20)]
        size: u32,
        /// Only these.
        #[arg(long)]
        status: Option<CdrStatus>,
        /// Only those whose other side has this in its number.
        #[arg(long, value_name = "DIGITS")]
        filter: Option<String>,
    },
    /// The last call reports of an extension's clients.
    Report {
        /// Its number.
        number: String,
    },
    /// The last lines of the log of an extension's clients.
    Log {
        /// Its number.
        number: String,
    },
}

/// `extension …`.
#[derive(Debug, Subcommand)]
pub enum ExtensionCommand {
    /// All.
    List,
    /// One.
    Show {
        /// Its number.
        number: String,
    },
    /// Add one. Without a password a random one is made and printed.
    Add {
        /// Its number.
        number: String,
        /// What it is like.
        #[command(flatten)]
        fields: ExtensionFields,
    },
    /// Change what is given of one. With another password its clients have to log in again.
    Set {
        /// Its number.
        number: String,
        /// What is to change.
        #[command(flatten)]
        fields: ExtensionFields,
        /// With another password: its clients stay logged in, and are told what to register with.
        #[arg(long)]
        stay_logged_in: bool,
    },
    /// Switch one on.
    Enable {
        /// Its number.
        number: String,
    },
    /// Switch one off: it is kept, and to everybody as if it did not exist.
    Disable {
        /// Its number.
        number: String,
    },
    /// Delete one.
    Delete {
        /// Its number.
        number: String,
    },
    /// Forget what was changed: what the configuration says counts again.
    Reset {
        /// Its number.
        number: String,
    },
    /// Give one a photo (PNG, JPEG or WebP up to 256 KiB), or take it away.
    Photo {
        /// Its number.
        number: String,
        /// The picture; without it the photo is taken away.
        file: Option<PathBuf>,
    },
}

/// What can be said of an extension.
#[derive(Debug, Args)]
pub struct ExtensionFields {
    /// What those it calls are shown.
    #[arg(long)]
    pub name: Option<String>,
    /// A file with the password in its first line. Or set OFFHOOK_EXTENSION_PASSWORD.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// What it may do about recording: 0 nothing, 1 pause and resume, 2 all.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub record: Option<u8>,
    /// A second call while there is one.
    #[arg(long)]
    pub call_waiting: Option<Switch>,
    /// Clients in a browser.
    #[arg(long)]
    pub web_client: Option<Switch>,
    /// Clients on a desktop.
    #[arg(long)]
    pub desktop_client: Option<Switch>,
    /// Calls that are not answered go to voicemail.
    #[arg(long)]
    pub voicemail: Option<Switch>,
}

/// `contact …`.
#[derive(Debug, Subcommand)]
pub enum ContactCommand {
    /// Everybody's, and with --owner those of an extension too.
    List {
        /// An extension.
        #[arg(long, value_name = "NUMBER")]
        owner: Option<String>,
        /// From 1; each page has up to 100.
        #[arg(long, default_value_t = 1)]
        page: u32,
    },
    /// Add one.
    Add {
        /// Its name.
        name: String,
        /// The rest.
        #[command(flatten)]
        fields: ContactFields,
    },
    /// Change what is given of one.
    Set {
        /// Its id, as `list` tells it.
        id: u64,
        /// Its name.
        #[arg(long)]
        name: Option<String>,
        /// The rest.
        #[command(flatten)]
        fields: ContactFields,
    },
    /// Delete one.
    Delete {
        /// Its id, as `list` tells it.
        id: u64,
    },
}

/// What can be said of a contact.
#[derive(Debug, Args)]
pub struct ContactFields {
    /// A number; can be given several times.
    #[arg(long = "number", value_name = "NUMBER")]
    pub numbers: Vec<String>,
    /// Company.
    #[arg(long)]
    pub company: Option<String>,
    /// Mail address.
    #[arg(long)]
    pub email: Option<String>,
    /// Anything else.
    #[arg(long)]
    pub remark: Option<String>,
    /// The extension whose contact it is; without it, everybody's.
    #[arg(long, value_name = "NUMBER")]
    pub owner: Option<String>,
}

/// `setting …`.
#[derive(Debug, Subcommand)]
pub enum SettingCommand {
    /// All.
    Show,
    /// Change what is given.
    Set(SettingFields),
    /// Forget what was changed: what the configuration says counts again.
    Reset,
    /// Tell all clients to subscribe again, as when another machine has taken over.
    HotStandby,
}

/// Settings.
#[derive(Debug, Args)]
pub struct SettingFields {
    /// The digits in a call that switch its recording.
    #[arg(long, value_name = "DIGITS")]
    pub record_feature_code: Option<String>,
    /// Whether clients outside take STUN from --fqdn-domain.
    #[arg(long)]
    pub nat_fqdn: Option<Switch>,
    /// Where STUN is.
    #[arg(long, value_name = "HOST")]
    pub fqdn_domain: Option<String>,
    /// Its port.
    #[arg(long, value_name = "PORT")]
    pub turn_port: Option<u16>,
    /// The licence of the service fqdn.
    #[arg(long)]
    pub fqdn_licence: Option<Switch>,
    /// The licence of video.
    #[arg(long)]
    pub video_licence: Option<Switch>,
    /// Whether clients may be used in plan mode cn.
    #[arg(long)]
    pub internal_client: Option<Switch>,
    /// Whether clients of the SDK may log in.
    #[arg(long)]
    pub sdk_plan: Option<Switch>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl Switch {
    pub(crate) fn is_on(self) -> bool {
        self == Self::On
    }
}

/// The secrets of programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SecretKind {
    /// The client secret of the open API; its tokens end.
    Client,
    /// The token of the admin API.
    Admin,
}

/// Kinds of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientKind {
    /// In a browser.
    Web,
    /// On a desktop.
    Desktop,
}

/// Kinds of call records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CdrStatus {
    /// Called and answered.
    Inbound,
    /// Called and not answered.
    Missed,
    /// Calling.
    Outbound,
}

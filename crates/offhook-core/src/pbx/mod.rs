//! The P-Series protocol without its input and output: logging in, the settings, the subscription, and what a PBX does
//! for a phone besides calls.
//!
//! # How a driver uses it
//!
//! 1. [`Login::new`] checks the parameters. The driver sends each [`LoginOutput::Http`] below [`Login::base`] over HTTPS
//!    and hands back what came with [`Login::handle_http`], in any order, until [`LoginOutput::Done`].
//! 2. [`Phone::with_pbx`](crate::Phone::with_pbx) makes the phone, not started. From then on there are
//!    [`Output::Http`](crate::Output::Http), [`Output::Subscription`](crate::Output::Subscription),
//!    [`Output::Pbx`](crate::Output::Pbx) and [`Output::Cdr`](crate::Output::Cdr) besides the phone's other outputs.
//!
//! A request that is not answered within [`HttpRequest::deadline_ms`] is given up by the core itself; the driver need not
//! tell it. What comes later is ignored. Nothing here shows a secret in its `Debug`.

mod api;
mod cdr;
mod contacts;
mod error;
mod event;
mod http;
mod json;
mod log;
mod login;
mod notice;
mod operator;
mod params;
mod product;
mod settings;
mod subscription;
mod uploads;
mod url;

pub use cdr::{CdrExtension, CdrOrder, CdrPage, CdrQuery, CdrRow, CdrSort, CdrStatus};
pub(crate) use contacts::Contact;
pub use error::{Fault, PbxError, RESULTS};
pub use event::{CdrChange, PbxEvent};
pub use http::{HttpFailure, HttpId, HttpMethod, HttpRequest, HttpResponse, MAX_RESPONSE_BYTES};
pub(crate) use log::line_of;
pub use login::{LoggedIn, Login, LoginOutput};
pub(crate) use notice::CallStatus as CallStatusNotice;
pub(crate) use operator::Effect;
pub use operator::PbxOperator;
pub use params::{ClientKind, InitParams};
pub use subscription::{MAX_SUBSCRIPTION_BYTES, SubscriptionInput, SubscriptionOutput};

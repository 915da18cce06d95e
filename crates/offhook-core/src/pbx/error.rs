//! Why the PBX's side of things was refused or came to nothing.

use thiserror::Error;

use super::http::HttpFailure;
use super::params::ClientKind;

/// Why logging in, a request or the whole operation at a PBX came to nothing. [`code`](Self::code) is the contract's number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PbxError {
    /// The PBX's URL cannot be used.
    #[error("the PBX's URL {url:?} cannot be used: {why}. Write https://HOST[:PORT]")]
    InvalidUrl {
        /// What was given, cut at 80 characters, without a user or password in it.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The PBX's URL is not https.
    #[error("{host} must be reached over https: plain http is for loopback hosts only")]
    NotHttps {
        /// Its host.
        host: String,
    },
    /// The product behind the URL could not be had, or is none that is known.
    #[error("no supported PBX answers there: {detail}")]
    GetProduct {
        /// What came instead.
        detail: String,
        /// If nothing came: why not.
        failure: Option<HttpFailure>,
    },
    /// A request failed on the network.
    #[error("{request}: {failure}")]
    Network {
        /// Which: the last part of its path.
        request: &'static str,
        /// How.
        failure: HttpFailure,
    },
    /// The PBX refused a request, or its answer cannot be understood.
    #[error("{request}: the PBX answered {errcode} {errmsg}")]
    Api {
        /// Which: the last part of its path.
        request: &'static str,
        /// `errcode` of the answer; the HTTP status where there was none.
        errcode: i64,
        /// `errmsg` of the answer, cut at 200 characters.
        errmsg: String,
    },
    /// The user has no extension.
    #[error("this user has no extension on the PBX")]
    PersonalNotFound,
    /// The operator is made already.
    #[error("the PBX is initialised already: destroy it first")]
    AlreadyInitialized,
    /// The extension may not use this kind of client.
    #[error("the PBX does not let this extension use a {}: its administrator can enable it", .client.name())]
    ClientDisabled {
        /// Which kind.
        client: ClientKind,
    },
    /// The same user logged in somewhere else.
    #[error("this user has logged in somewhere else")]
    LoggedInElsewhere,
    /// The extension is deleted.
    #[error("the extension was deleted from the PBX")]
    ExtensionDeleted,
    /// The token is no longer good, and logging in again did not help.
    #[error("the PBX wants a new login: {detail}. Get a new login signature and initialise again")]
    ReLogin {
        /// Why it did not help.
        detail: String,
    },
    /// The PBX's plan does not include the SDK.
    #[error("the plan of the PBX does not include this SDK: its administrator can enable it")]
    SdkPlanDisabled,
    /// The settings that the PBX gave do not make a phone.
    #[error("the PBX's settings do not make a phone: {detail}")]
    Registry {
        /// What is wrong with them.
        detail: String,
    },
    /// A query cannot be made like this.
    #[error("{detail}")]
    InvalidQuery {
        /// What is wrong with it.
        detail: String,
    },
    /// An option or argument cannot be used.
    #[error("{detail}")]
    InvalidArgument {
        /// What is wrong with it.
        detail: String,
    },
    /// The operator was destroyed or logged out before it was done.
    #[error("the PBX's operator is destroyed")]
    Destroyed,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The program used it wrongly.
    Usage,
    /// The network, or a PBX that does not answer.
    Network,
    /// The PBX said something that it should not.
    Peer,
    /// How the PBX, the extension or its plan is administered.
    Administration,
}

impl PbxError {
    /// The number that stands for it in the JavaScript contract; −100 (unknown) for those that have none there.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::InvalidUrl { .. } => -2,
            Self::NotHttps { .. } => -3,
            Self::GetProduct { .. } => -4,
            Self::Registry { .. } => -101,
            Self::Network { .. } => -102,
            Self::Api { .. } => -103,
            Self::PersonalNotFound => -104,
            Self::AlreadyInitialized => -105,
            Self::ClientDisabled { .. } => -106,
            Self::LoggedInElsewhere => -107,
            Self::ExtensionDeleted => -108,
            Self::ReLogin { .. } => -109,
            Self::SdkPlanDisabled => -110,
            Self::InvalidQuery { .. } | Self::InvalidArgument { .. } | Self::Destroyed => -100,
        }
    }

    /// The word that the contract has for [`code`](Self::code).
    #[must_use]
    pub fn name(&self) -> &'static str {
        let code = self.code();
        RESULTS.iter().find(|(known, _)| *known == code).map_or("UNKNOWN_ERROR", |(_, name)| *name)
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::InvalidUrl { .. }
            | Self::NotHttps { .. }
            | Self::AlreadyInitialized
            | Self::InvalidQuery { .. }
            | Self::InvalidArgument { .. }
            | Self::Destroyed => Fault::Usage,
            Self::Network { .. } | Self::GetProduct { failure: Some(_), .. } => Fault::Network,
            Self::GetProduct { .. } | Self::Api { .. } | Self::Registry { .. } => Fault::Peer,
            Self::PersonalNotFound
            | Self::ClientDisabled { .. }
            | Self::LoggedInElsewhere
            | Self::ExtensionDeleted
            | Self::ReLogin { .. }
            | Self::SdkPlanDisabled => Fault::Administration,
        }
    }
}

/// Every number of the contract with its word: those of [`PbxError`] and of [`PhoneError`](crate::PhoneError).
pub const RESULTS: [(i32, &str); 29] = [
    (-1, "UNKNOWN_ERROR"),
    (-2, "INVALID_PBX_URL"),
    (-3, "PBX_URL_NOT_HTTPS"),
    (-4, "GET_PRODUCT_FAILED"),
    (-100, "UNKNOWN_ERROR"),
    (-101, "REGISTRY_FAILED"),
    (-102, "PBX_NETWORK_ERROR"),
    (-103, "PBX_API_ERROR"),
    (-104, "GET_PERSONAL_NOT_FOUND_DATA"),
    (-105, "PBX_ALREADY_INITIALIZED"),
    (-106, "LINKUS_DISABLED"),
    (-107, "LOGGED_IN_ELSEWHERE"),
    (-108, "EXTENSION_DELETED"),
    (-109, "RE_LOGIN"),
    (-110, "SDK_PLAN_DISABLED"),
    (-200, "UNKNOWN_ERROR"),
    (-201, "REGISTRY_FAILED"),
    (-202, "GET_AGREE_CHROME_USER_MEDIA_ROLE_ERROR"),
    (-203, "GET_LOCAL_STREAM_ERROR"),
    (-204, "RE_REGISTRY_MAX_LIMIT_TIMES"),
    (-205, "MAX_LIMIT_CALL"),
    (-206, "GET_LOCAL_MEDIA_INFO_ERROR"),
    (-207, "ATTENDED_PARENT_NOT_FOUND"),
    (-208, "CALL_TOO_MANY_TIMES"),
    (-209, "INVALID_NUMBER"),
    (-210, "CURRENT_CALL_HAS_NOT_CONNECTED"),
    (-211, "NOT_FOUND_CALL_ID"),
    (-290, "NOT_FOUND_AUDIO_INPUT_DEVICE"),
    (-291, "NOT_FOUND_VIDEO_INPUT_DEVICE"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_number_word_and_fault() {
        let text = || "x".to_owned();
        let network = PbxError::Network { request: "x", failure: HttpFailure::Timeout };
        let unreached = PbxError::GetProduct { detail: text(), failure: Some(HttpFailure::Timeout) };
        let api = PbxError::Api { request: "x", errcode: 1, errmsg: text() };
        let disabled = PbxError::ClientDisabled { client: ClientKind::WebPc };
        let all = [
            (PbxError::InvalidUrl { url: text(), why: "x" }, -2, "INVALID_PBX_URL", Fault::Usage),
            (PbxError::NotHttps { host: text() }, -3, "PBX_URL_NOT_HTTPS", Fault::Usage),
            (PbxError::GetProduct { detail: text(), failure: None }, -4, "GET_PRODUCT_FAILED", Fault::Peer),
            (unreached, -4, "GET_PRODUCT_FAILED", Fault::Network),
            (PbxError::InvalidQuery { detail: text() }, -100, "UNKNOWN_ERROR", Fault::Usage),
            (PbxError::InvalidArgument { detail: text() }, -100, "UNKNOWN_ERROR", Fault::Usage),
            (PbxError::Destroyed, -100, "UNKNOWN_ERROR", Fault::Usage),
            (PbxError::Registry { detail: text() }, -101, "REGISTRY_FAILED", Fault::Peer),
            (network, -102, "PBX_NETWORK_ERROR", Fault::Network),
            (api, -103, "PBX_API_ERROR", Fault::Peer),
            (PbxError::PersonalNotFound, -104, "GET_PERSONAL_NOT_FOUND_DATA", Fault::Administration),
            (PbxError::AlreadyInitialized, -105, "PBX_ALREADY_INITIALIZED", Fault::Usage),
            (disabled, -106, "LINKUS_DISABLED", Fault::Administration),
            (PbxError::LoggedInElsewhere, -107, "LOGGED_IN_ELSEWHERE", Fault::Administration),
            (PbxError::ExtensionDeleted, -108, "EXTENSION_DELETED", Fault::Administration),
            (PbxError::ReLogin { detail: text() }, -109, "RE_LOGIN", Fault::Administration),
            (PbxError::SdkPlanDisabled, -110, "SDK_PLAN_DISABLED", Fault::Administration),
        ];
        for (error, code, name, fault) in all {
            assert_eq!((error.code(), error.name(), error.fault()), (code, name, fault), "{error}");
        }
    }

    #[test]
    fn the_table_of_results_is_that_of_the_phone_too() {
        let sorted: Vec<i32> = RESULTS.iter().map(|(code, _)| *code).rev().collect();
        assert!(sorted.is_sorted() && sorted.windows(2).all(|pair| pair[0] != pair[1]));
        let errors = [
            crate::PhoneError::NotConnected,
            crate::PhoneError::PermissionDenied,
            crate::PhoneError::LocalStream { detail: String::new() },
            crate::PhoneError::AttemptsUsedUp { attempts: 1 },
            crate::PhoneError::TooManyCalls,
            crate::PhoneError::DevicesUnreadable,
            crate::PhoneError::ParentNotFound,
            crate::PhoneError::CallTooSoon,
            crate::PhoneError::InvalidNumber { number: String::new(), why: "" },
            crate::PhoneError::CallNotConnected,
            crate::PhoneError::UnknownCall,
            crate::PhoneError::NoMicrophone,
            crate::PhoneError::NoCamera,
        ];
        for error in errors {
            assert!(RESULTS.contains(&(error.code(), error.name())), "{error}");
        }
    }
}

//! A P-Series PBX's API that answers as a script says, and the way from its URL to a logged-in phone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use offhook_core::pbx::{
    HttpFailure, HttpId, HttpRequest, HttpResponse, InitParams, LoggedIn, Login, LoginOutput, PbxError,
};
use offhook_core::{Driven, Now, PhoneConfig, Secret};
use offhook_sip::{DigestAlgorithm, ha1};
use serde_json::{Value, json};

use super::WALL;

/// What reads the settings, in this order.
pub const SETTINGS: [&str; 3] = ["licenseservice/get", "extension/getpersonalglobal", "extension/getpersonal"];

/// The login signature that the PBX takes.
pub const SIGNATURE: &str = "signature-of-1000";

/// What a request is answered with.
#[derive(Clone)]
pub enum Answer {
    Json(Value),
    Raw(u16, Vec<u8>),
    Fail(HttpFailure),
    Never,
}

/// The API of one PBX.
pub struct Api {
    pub params: InitParams,
    /// By path without the version: `extension/getpersonal`.
    pub answers: BTreeMap<String, Answer>,
    /// How long each takes, ms; 10 if it does not say.
    pub latency: BTreeMap<String, u64>,
    /// Every request, oldest first.
    pub requests: Vec<HttpRequest>,
    /// Tokens given.
    pub tokens: u32,
    /// The good one.
    pub token: String,
    /// What the program changes of the phone's configuration.
    pub configure: fn(&mut PhoneConfig),
}

impl Api {
    pub fn new() -> Self {
        let answers = [
            (
                "pbx/getproduct",
                json!({
                    "errcode": 0, "access_type": "external_ip",
                    "product": {"base_oem_id": 0, "platform_name": "p560", "version": "37.12.0.10"},
                }),
            ),
            (
                "extension/getpersonalglobal",
                json!({
                    "errcode": 0, "enable_nat_fqdn": 1, "fqdn_domain": "office.example", "turn_port": 11009,
                    "cloud_domain": "cloud.example", "record_feature_code": "*1", "enb_internal_client": 1,
                }),
            ),
            (
                "licenseservice/get",
                json!({
                    "errcode": 0, "subscribe_plan_list": [{"service_list": [
                        {"service_name": "fqdn", "status": "connected"},
                        {"service_name": "video", "status": "disconnected"},
                    ]}],
                }),
            ),
            (
                "extension/getpersonal",
                json!({
                    "errcode": 0, "extension": {
                        "id": 17, "number": "1000", "caller_id_name": "Ann Example", "enb_ctl_record": 2,
                        "enb_web_client_call_waiting": 1, "enb_web_client": 1, "enb_desktop_client": 1,
                    },
                }),
            ),
            ("extension/getregisterinfo", register_info("secret")),
            ("dct/init", json!({"errcode": 0})),
            ("contacts/matchall", json!({"errcode": 0})),
            ("extension/getphoto", json!({"errcode": 0, "photo": ""})),
            ("cdr/searchpersonal", json!({"errcode": 0, "personal_cdr_list": [], "total_number": 0})),
            ("rascallreport/web", json!({"errcode": 0})),
            ("systemlog/webclientlog", json!({"errcode": 0})),
            ("logout", json!({"errcode": 0})),
        ];
        Self {
            params: InitParams::new("ann", SIGNATURE, "https://pbx.example", [1; 32]),
            answers: answers.into_iter().map(|(path, answer)| (path.to_owned(), Answer::Json(answer))).collect(),
            latency: BTreeMap::new(),
            requests: Vec::new(),
            tokens: 0,
            token: String::new(),
            configure: |_| {},
        }
    }

    /// Answers this path with that from now on.
    pub fn set(&mut self, path: &str, answer: Value) {
        self.answers.insert(path.to_owned(), Answer::Json(answer));
    }

    /// Changes a field of the answer to a path; `pointer` is a JSON pointer.
    pub fn change(&mut self, path: &str, pointer: &str, value: Value) {
        let Some(Answer::Json(answer)) = self.answers.get_mut(path) else { panic!("{path} is not answered in JSON") };
        *answer.pointer_mut(pointer).unwrap_or_else(|| panic!("{path} has no {pointer}")) = value;
    }

    pub fn fail(&mut self, path: &str, failure: HttpFailure) {
        self.answers.insert(path.to_owned(), Answer::Fail(failure));
    }

    /// The answer and how long it takes.
    pub fn answer(&mut self, request: &HttpRequest) -> Option<(u64, Result<HttpResponse, HttpFailure>)> {
        self.requests.push(request.clone());
        let path = path_of(request);
        let latency = self.latency.get(&path).copied().unwrap_or(10);
        let authorized = header(request, "Authorization") == Some(self.token.as_str()) && !self.token.is_empty();
        let open = matches!(path.as_str(), "login" | "pbx/getproduct");
        let answer = match self.answers.get(&path) {
            Some(answer @ (Answer::Fail(_) | Answer::Never)) => answer.clone(),
            _ if !open && !authorized => Answer::Json(json!({"errcode": 10004, "errmsg": "TOKEN EXPIRED"})),
            Some(answer) => answer.clone(),
            None if path == "login" => self.login(request),
            None => Answer::Json(json!({"errcode": 10001, "errmsg": "INTERFACE NOT EXISTED"})),
        };
        let response = |status, body| HttpResponse { status, body: Bytes::from(body) };
        Some(match answer {
            Answer::Json(value) => (latency, Ok(response(200, value.to_string().into_bytes()))),
            Answer::Raw(status, body) => (latency, Ok(response(status, body))),
            Answer::Fail(failure) => (latency, Err(failure)),
            Answer::Never => return None,
        })
    }

    fn login(&mut self, request: &HttpRequest) -> Answer {
        let body = body_of(request);
        if body["password"] != SIGNATURE {
            return Answer::Json(json!({"errcode": 20004, "errmsg": "WRONG PASSWORD"}));
        }
        self.tokens += 1;
        self.token = format!("token/{}", self.tokens);
        Answer::Json(json!({"errcode": 0, "access_token": self.token}))
    }

    /// Logs in, in virtual time from 0.
    pub fn log_in(&mut self) -> Result<LoggedIn, PbxError> {
        self.log_in_timed().1
    }

    /// As [`log_in`](Self::log_in), with how long it took.
    pub fn log_in_timed(&mut self) -> (u64, Result<LoggedIn, PbxError>) {
        let mut now = Now { mono: 10_000, wall: WALL };
        let mut login = match Login::new(now, self.params.clone()) {
            Ok(login) => Driven::new(login),
            Err(error) => return (0, Err(error)),
        };
        let mut flights: BTreeMap<(u64, HttpId), Result<HttpResponse, HttpFailure>> = BTreeMap::new();
        let mut due = None;
        let mut done = None;
        let mut asked = BTreeSet::new();
        for step in 0..1_000 {
            let mut outputs = Vec::new();
            let next = flights.keys().next().copied();
            match (step, next) {
                (0, _) => login.turn(|_| (), |output| outputs.push(output)),
                (_, Some((at, id))) if due.is_none_or(|due| at <= due) => {
                    now.mono = at;
                    let result = flights.remove(&(at, id)).expect("it is there");
                    login.turn(|login| login.handle_http(now, id, result), |output| outputs.push(output));
                }
                _ => {
                    now.mono = due.expect("it waits for something");
                    login.turn(|login| login.handle_timeout(now), |output| outputs.push(output));
                }
            }
            due = None;
            for output in outputs {
                assert!(done.is_none(), "nothing follows the end: {output:?}");
                match output {
                    LoginOutput::Http { id, request } => {
                        assert!(asked.insert(id), "an id used twice");
                        if let Some((latency, result)) = self.answer(&request) {
                            flights.insert((now.mono + latency, id), result);
                        }
                    }
                    LoginOutput::Done(result) => done = Some(result),
                    LoginOutput::Timeout(at) => due = Some(at),
                    other => panic!("unknown output {other:?}"),
                }
            }
            if let Some(result) = done {
                return (now.mono - 10_000, result.map(|logged_in| *logged_in));
            }
        }
        panic!("a livelock");
    }

    /// The paths that were asked for, without those asked before [`clear`](Self::clear).
    pub fn asked(&self) -> Vec<String> {
        self.requests.iter().map(path_of).collect()
    }

    pub fn clear(&mut self) {
        self.requests.clear();
    }

    /// The latest request of a path.
    pub fn last(&self, path: &str) -> &HttpRequest {
        let last = self.requests.iter().rev().find(|request| path_of(request) == path);
        last.unwrap_or_else(|| panic!("{path} was not asked for"))
    }

    pub fn count(&self, path: &str) -> usize {
        self.requests.iter().filter(|request| path_of(request) == path).count()
    }
}

/// `getregisterinfo` for a password of the test server.
pub fn register_info(password: &str) -> Value {
    let ha1 = ha1(DigestAlgorithm::Md5, "1000", "pbx.example", &Secret::new(password));
    json!({"errcode": 0, "registername": "1000", "registerpassword": ha1.expose(), "realm": "pbx.example"})
}

pub fn path_of(request: &HttpRequest) -> String {
    let path = request.path_and_query.split('?').next().unwrap_or_default();
    path.strip_prefix("/v1.0/").unwrap_or_else(|| panic!("{path} has no version")).to_owned()
}

pub fn query_of(request: &HttpRequest) -> String {
    request.path_and_query.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default()
}

pub fn body_of(request: &HttpRequest) -> Value {
    request.body.as_deref().map(|body| serde_json::from_slice(body).expect("JSON")).unwrap_or_default()
}

pub fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

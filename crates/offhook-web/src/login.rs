//! Logging in to a P-Series PBX, which ends with a phone.

use offhook_core::pbx::{ClientKind, InitParams, LoggedIn, Login as Machine, LoginOutput, PbxError};
use offhook_core::{Driven, Phone};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::core::{Core, now};
use crate::json::json;
use crate::output::{Out, Refusal};
use crate::pbx::answer;

/// A log-in. Its methods answer as those of [`Core`] do; the last output is `done`.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Login {
    machine: Driven<Machine>,
    logged_in: Option<Box<LoggedIn>>,
}

#[wasm_bindgen]
impl Login {
    /// Checks the parameters; [`time`](Self::time) begins. `desktop`: as `WebPC`. `seed`: 32 secret random bytes.
    ///
    /// # Errors
    /// `{code, name, detail}` as JSON: −2, −3.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::too_many_arguments, reason = "an object costs more bytes, and one caller there is")]
    pub fn new(
        mono: f64,
        wall: f64,
        url: String,
        username: String,
        secret: String,
        enable_log: bool,
        attempts: Option<u32>,
        desktop: bool,
        disable_call_waiting: bool,
        seed: &[u8],
    ) -> Result<Login, String> {
        let refused = |error: PbxError| json(&Refusal::from(error));
        let unfit = |_| PbxError::InvalidArgument { detail: "a seed has 32 bytes".to_owned() };
        let seed: [u8; 32] = seed.try_into().map_err(unfit).map_err(refused)?;
        let params = InitParams {
            enable_log: Some(enable_log),
            re_registry_phone_times: attempts,
            user_agent: if desktop { ClientKind::WebPc } else { ClientKind::WebClient },
            disable_call_waiting,
            ..InitParams::new(username, secret, url, seed)
        };
        let machine = Machine::new(now(mono, wall), params).map_err(refused)?;
        Ok(Self { machine: Driven::new(machine), logged_in: None })
    }

    /// What the paths of requests follow.
    pub fn base(&self) -> String {
        self.machine.view().base()
    }

    /// Time passed.
    pub fn time(&mut self, mono: f64, wall: f64) -> String {
        self.turn(|login| login.handle_timeout(now(mono, wall)))
    }

    /// As [`Core::http`].
    pub fn http(&mut self, mono: f64, wall: f64, id: f64, status: u16, body: Vec<u8>, failure: String) -> String {
        let (id, result) = answer(id, status, body, failure);
        self.turn(|login| login.handle_http(now(mono, wall), id, result))
    }

    /// The phone, not started, once `done` came without an error. `utc_offset_min`: local time minus UTC.
    pub fn phone(&mut self, utc_offset_min: i32) -> Option<Core> {
        let mut logged_in = self.logged_in.take()?;
        let config = logged_in.config_mut();
        "web".clone_into(&mut config.device_type);
        // A listener may replace what the event `sdp` shows it.
        config.filter_sdp = true;
        config.utc_offset_min = utc_offset_min;
        Some(Core::of(Phone::with_pbx(*logged_in)))
    }
}

impl Login {
    fn turn(&mut self, act: impl FnOnce(&mut Machine)) -> String {
        let Self { machine, logged_in } = self;
        let mut outputs = Vec::new();
        machine.turn(act, |output| {
            outputs.push(match output {
                LoginOutput::Http { id, request } => Out::http(id, request),
                LoginOutput::Timeout(at) => Out::Timeout(at),
                LoginOutput::Done(result) => {
                    Out::Done(result.map(|done| *logged_in = Some(done)).err().map(Refusal::from))
                }
                _ => Out::Unknown,
            });
        });
        json(&(0, outputs))
    }
}

impl From<PbxError> for Refusal {
    fn from(error: PbxError) -> Self {
        Self { code: error.code(), message: error.name(), detail: error.to_string() }
    }
}

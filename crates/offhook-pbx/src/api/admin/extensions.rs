//! Extensions.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use offhook_sip::Secret;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::answer::{Done, Errcode, Fault};
use super::super::notification::{self as topic, Notification};
use super::super::personal::record_number;
use super::super::session::{ClientKind, End};
use super::super::{Api, request};
use super::{Answer, Rest};
use crate::directory::{Change, ExtensionChange};
use crate::extension::{Extension, RecordPermissions};
use crate::status::Status;

/// GET `extensions`.
pub(super) async fn list(State(api): State<Arc<Api>>) -> Done {
    let (status, directory) = (api.status().await, api.directory.now());
    let list: Vec<Value> = directory.extensions().map(|extension| api.shown(extension, &status)).collect();
    Done::with(json!({ "extensions": list }))
}

/// GET `extensions/NUMBER`.
pub(super) async fn show(State(api): State<Arc<Api>>, Path(number): Path<String>) -> Answer {
    api.show(&number).await
}

/// What can be said of an extension; what is left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    number: Option<String>,
    name: Option<String>,
    password: Option<String>,
    enabled: Option<bool>,
    record: Option<u8>,
    call_waiting: Option<bool>,
    web_client: Option<bool>,
    desktop_client: Option<bool>,
    voicemail: Option<bool>,
    /// Of a change: its clients have to log in again.
    log_out: Option<bool>,
}

impl Fields {
    fn record(&self) -> Result<Option<RecordPermissions>, Fault> {
        match self.record {
            None => Ok(None),
            Some(0) => Ok(Some(RecordPermissions::None)),
            Some(1) => Ok(Some(RecordPermissions::PauseResume)),
            Some(2) => Ok(Some(RecordPermissions::All)),
            Some(_) => Err(Fault::parameter("record must be 0 (nothing), 1 (pause and resume) or 2 (all)")),
        }
    }
}

/// POST `extensions`.
pub(super) async fn add(State(api): State<Arc<Api>>, body: Body) -> Answer {
    let fields: Fields = request::json(&api, body).await?;
    let record = fields.record()?.unwrap_or_default();
    if fields.log_out.is_some() {
        return Err(Fault::parameter("log_out is for an extension that is there: leave it out").into());
    }
    let missing = |what: &str| Fault::parameter(format!("{what} is missing"));
    let number = fields.number.ok_or_else(|| missing("number"))?;
    let password = Secret::from(fields.password.ok_or_else(|| missing("password"))?);
    let name = fields.name.unwrap_or_else(|| number.clone());
    let extension = Extension::new(number.clone(), name, password)
        .enabled(fields.enabled.unwrap_or(true))
        .record(record)
        .call_waiting(fields.call_waiting.unwrap_or(true))
        .clients(fields.web_client.unwrap_or(true), fields.desktop_client.unwrap_or(true))
        .voicemail(fields.voicemail.unwrap_or(false));
    api.change(Change::Add(extension), |_| ()).await?;
    api.show(&number).await
}

/// PATCH `extensions/NUMBER`.
pub(super) async fn change(State(api): State<Arc<Api>>, Path(number): Path<String>, body: Body) -> Answer {
    let fields: Fields = request::json(&api, body).await?;
    if fields.number.as_ref().is_some_and(|other| *other != number) {
        return Err(Fault::parameter("a number cannot be changed: delete the extension and add another").into());
    }
    let logs_out = fields.log_out == Some(true);
    let change = ExtensionChange {
        record: fields.record()?,
        name: fields.name,
        password: fields.password.map(Secret::from),
        enabled: fields.enabled,
        call_waiting: fields.call_waiting,
        web_client: fields.web_client,
        desktop_client: fields.desktop_client,
        voicemail: fields.voicemail,
    };
    let changed = number.clone();
    let log_out = {
        let number = number.clone();
        move |api: &Api| {
            // Who is logged in with the old password must not be told what goes with the new one.
            if logs_out {
                api.log_out(&number, None, topic::RELOGIN);
            }
        }
    };
    let change = Change::Update(number.clone(), change);
    api.change_untold(change, log_out, move |api| api.end_what_may_not_be(&changed)).await?;
    api.show(&number).await
}

/// DELETE `extensions/NUMBER`.
pub(super) async fn delete(State(api): State<Arc<Api>>, Path(number): Path<String>) -> Answer {
    let forget = {
        let number = number.clone();
        move |api: &Api| {
            api.end_what_may_not_be(&number);
            api.reports.forget(&number);
        }
    };
    api.change(Change::Delete(number), forget).await?;
    Ok(Done::empty())
}

/// POST `extensions/NUMBER/reset`: what the configuration says counts again. One that it does not have is gone.
pub(super) async fn reset(State(api): State<Arc<Api>>, Path(number): Path<String>) -> Answer {
    let changed = number.clone();
    api.change(Change::Reset(number.clone()), move |api| api.end_what_may_not_be(&changed)).await?;
    if api.directory.now().extension(&number).is_none() {
        return Ok(Done::with(json!({ "extension": null })));
    }
    api.show(&number).await
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogOut {
    r#type: Option<u32>,
    client: Option<String>,
}

/// POST `extensions/NUMBER/logout`: its clients have to log in again.
pub(super) async fn log_out(State(api): State<Arc<Api>>, Path(number): Path<String>, body: Body) -> Answer {
    let asked: LogOut = request::json(&api, body).await?;
    let topic = match asked.r#type {
        None | Some(topic::RELOGIN) => topic::RELOGIN,
        Some(topic::SDK_RELOGIN) => topic::SDK_RELOGIN,
        Some(_) => return Err(Fault::parameter("type must be 20010 or 20154").into()),
    };
    let kind = match asked.client.as_deref() {
        None => None,
        Some("web") => Some(ClientKind::Web),
        Some("desktop") => Some(ClientKind::Desktop),
        Some(_) => return Err(Fault::parameter("client must be web or desktop").into()),
    };
    if api.directory.now().extension(&number).is_none() {
        return Err(unknown());
    }
    Ok(Done::with(json!({ "logged_out": api.log_out(&number, kind, topic) })))
}

impl Api {
    async fn show(&self, number: &str) -> Answer {
        let (status, directory) = (self.status().await, self.directory.now());
        let extension = directory.extension(number).ok_or_else(unknown)?;
        Ok(Done::with(json!({ "extension": self.shown(extension, &status) })))
    }

    /// Everything but the password.
    fn shown(&self, extension: &Extension, status: &Status) -> Value {
        let (number, directory) = (extension.number(), self.directory.now());
        json!({
            "id": directory.id(number),
            "number": number,
            "name": extension.name(),
            "enabled": extension.is_enabled(),
            "record": record_number(extension.record_permissions()),
            "call_waiting": extension.has_call_waiting(),
            "web_client": extension.has_web_client(),
            "desktop_client": extension.has_desktop_client(),
            "voicemail": extension.has_voicemail(),
            "photo": directory.photo(number),
            "devices": status.registered.get(number).copied().unwrap_or(0),
            "logged_in": self.sessions.kinds_of(Instant::now(), number),
        })
    }

    /// Ends the sessions of an extension's clients, and tells them to log in again. Gives how many.
    fn log_out(&self, number: &str, kind: Option<ClientKind>, topic: u32) -> usize {
        let end = End(Some(Notification::new(topic, json!({ "ext_num": number }))));
        self.sessions.close_of(number, kind, &end)
    }

    /// Ends the sessions of clients that may not be used any more. They have been told why before.
    fn end_what_may_not_be(&self, number: &str) {
        let silent = End(None);
        let Some(extension) = self.directory.extension(number) else {
            self.sessions.close_of(number, None, &silent);
            return;
        };
        for kind in [ClientKind::Web, ClientKind::Desktop] {
            if !self.may_be_used(&extension, kind) {
                self.sessions.close_of(number, Some(kind), &silent);
            }
        }
    }
}

pub(super) fn unknown() -> Rest {
    Fault::new(Errcode::NotFound, "there is no such extension; add it first").into()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::directory::DirectoryError;
    use crate::pbx::Pbx;
    use crate::store::tests::hang;

    /// In one thread: what is spawned has its turn when the test waits.
    #[tokio::test]
    async fn a_change_whose_client_has_gone_is_made_all_the_same() {
        let pbx = Pbx::builder().wss_port(None).start().await.expect("started");
        let api = pbx.api();
        let token = api.sessions.open(Instant::now(), "1001", ClientKind::Web).expect("random");
        let disk = hang(api.directory.store());
        let mut asked = Box::pin(delete(State(Arc::clone(api)), Path("1001".to_owned())));
        assert!((&mut asked).now_or_never().is_none(), "the disk hangs");
        tokio::task::yield_now().await;
        // As hyper does when the connection is gone.
        drop(asked);
        drop(disk);
        // Changes come one after the other: when this has its turn, that one is over, for the switch too.
        let again = api.directory.change(Change::Delete("1001".to_owned()), || ()).await;
        assert_eq!(again, Err(DirectoryError::Unknown("1001".to_owned())));
        assert!(api.directory.extension("1001").is_none());
        assert!(api.sessions.find(Instant::now(), token.expose()).is_none(), "what follows the change is done");
        pbx.shutdown().await;
    }
}

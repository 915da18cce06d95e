//! What is going on, and what has been.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::super::Api;
use super::super::answer::{Done, Errcode, Fault};
use super::super::cdr;
use super::super::request::Params;
use super::{Answer, extensions};

/// GET `load`.
pub(super) async fn load(State(api): State<Arc<Api>>) -> Done {
    let load = *api.load.borrow();
    Done::with(json!({ "load": load }))
}

/// GET `calls`: those that are not over.
pub(super) async fn calls(State(api): State<Arc<Api>>) -> Done {
    Done::with(json!({ "calls": api.status().await.calls }))
}

/// GET `cdrs`: those of all extensions, a row for each extension that has to do with a call.
pub(super) async fn all_cdrs(State(api): State<Arc<Api>>, params: Params) -> Answer {
    let page = api.directory.store().all_cdrs(cdr::query(&params)?).await?;
    let rows: Vec<Value> = page.rows.iter().map(cdr::full).collect();
    Ok(Done::with(json!({ "cdrs": rows, "total_number": page.total })))
}

/// GET `extensions/NUMBER/cdrs`, with the parameters of `cdr/searchpersonal`. Also of one that is deleted.
pub(super) async fn cdrs(State(api): State<Arc<Api>>, Path(number): Path<String>, params: Params) -> Answer {
    let page = api.directory.store().cdrs(&number, cdr::query(&params)?).await?;
    let rows: Vec<Value> = page.rows.iter().map(cdr::full).collect();
    Ok(Done::with(json!({ "cdrs": rows, "total_number": page.total })))
}

/// GET `extensions/NUMBER/cdrs/ID`.
pub(super) async fn cdr(State(api): State<Arc<Api>>, Path((number, id)): Path<(String, String)>) -> Answer {
    let none = || Fault::new(Errcode::NotFound, "there is no such record of this extension");
    let id = id.parse().map_err(|_| none())?;
    let row = api.directory.store().cdr(&number, id).await?.ok_or_else(none)?;
    Ok(Done::with(json!({ "cdr": cdr::full(&row) })))
}

/// GET `extensions/NUMBER/reports`: the last call reports of its clients.
pub(super) async fn reports(State(api): State<Arc<Api>>, Path(number): Path<String>) -> Answer {
    api.must_know(&number)?;
    Ok(Done::with(json!({ "reports": api.reports.reports(&number) })))
}

/// GET `extensions/NUMBER/log`: the last lines of its clients.
pub(super) async fn log(State(api): State<Arc<Api>>, Path(number): Path<String>) -> Answer {
    api.must_know(&number)?;
    Ok(Done::with(json!({ "log": api.reports.lines(&number) })))
}

impl Api {
    fn must_know(&self, number: &str) -> Result<(), super::Rest> {
        self.directory.now().extension(number).map(|_| ()).ok_or_else(extensions::unknown)
    }
}

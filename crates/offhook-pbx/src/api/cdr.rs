//! `cdr/searchpersonal`, and rows as they are written.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};

use super::Api;
use super::answer::{Answer, Done, Fault};
use super::request::{Caller, Params};
use super::time::Civil;
use crate::directory::Snapshot;
use crate::status::Status;
use crate::store::{CdrRow, CdrStatus, Order, Query, Sort};

/// Rows of a page.
const SIZES: std::ops::RangeInclusive<u32> = 1..=1000;

/// The longest filter, bytes.
const MOST_FILTER: usize = 64;

/// GET `cdr/searchpersonal`.
pub(super) async fn search(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Answer {
    let caller = caller.permitted(&api)?;
    let query = query(&params)?;
    let number = caller.extension.number();
    let page = api.directory.store().personal_cdrs(number, query).await.map_err(|e| Fault::internal(&e))?;
    let status = api.status_lately().await;
    let directory = api.directory.now();
    let rows: Vec<Value> = page.rows.iter().map(|row| personal(row, &directory, &status)).collect();
    Ok(Done::with(json!({ "personal_cdr_list": rows, "total_number": page.total })))
}

/// What is asked for. Whatever is no value of a parameter is refused, not guessed.
pub(super) fn query(params: &Params) -> Result<Query, Fault> {
    let filter = params.optional("number").filter(|filter| !filter.is_empty());
    if filter.is_some_and(|filter| filter.len() > MOST_FILTER) {
        return Err(Fault::parameter(format!("number must have up to {MOST_FILTER} characters")));
    }
    Ok(Query {
        page: params.number("page", 1..=1_000_000, 1)?,
        size: params.number("page_size", SIZES, 20)?,
        sort: params.word("sort_by", &[("time", Sort::Time), ("id", Sort::Id)])?,
        order: params.word("order_by", &[("desc", Order::Descending), ("asc", Order::Ascending)])?,
        status: CdrStatus::from_number(u8::try_from(params.number("status", 0..=3, 0)?).unwrap_or(0)),
        filter: filter.map(str::to_owned),
    })
}

/// A row as its extension sees it.
fn personal(row: &CdrRow, directory: &Snapshot, status: &Status) -> Value {
    let mut fields = short(row);
    let other = directory.extension(&row.number).filter(|extension| extension.is_enabled());
    let extension = match other {
        Some(other) => json!({
            "ext_id": directory.id(other.number()),
            "ext_num": other.number(),
            "caller_id_name": other.name(),
            "photo": directory.photo(other.number()).unwrap_or_default(),
            "status": status.of(other.number()),
            "presence_status": "available",
        }),
        None => json!({
            "ext_id": 0, "ext_num": "", "caller_id_name": "", "photo": "", "status": "", "presence_status": "",
        }),
    };
    let more = json!({
        "id": row.id,
        "number_type": if other.is_some() { "extension" } else { "external" },
        "extension": extension,
        "status": row.status.number(),
        "call_type": row.call_type,
        "uniqueid": row.uniqueid,
        "disposition": row.disposition.name(),
        "dcontext": row.dcontext,
        "caller_id": row.caller,
        "clid": row.clid,
    });
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

/// What 20049 says of a row.
pub(super) fn short(row: &CdrRow) -> Value {
    let timestamp = row.start_ms.div_euclid(1000);
    let civil = Civil::of(timestamp);
    json!({
        "date": civil.date(),
        "time": civil.time(),
        "timestamp": timestamp,
        "number": row.number,
        "talk_duration": row.talk_s(),
    })
}

/// A row as an administrator sees it.
pub(super) fn full(row: &CdrRow) -> Value {
    let mut fields = short(row);
    let more = json!({
        "id": row.id,
        "extension": row.extension,
        "status": row.status.number(),
        "caller": row.caller,
        "callee": row.callee,
        "call_type": row.call_type,
        "uniqueid": row.uniqueid,
        "disposition": row.disposition.name(),
        "sip_call_id": row.sip_call_id,
    });
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

//! What a phone has of its P-Series PBX.

use bytes::Bytes;
use offhook_core::pbx::{
    CdrOrder, CdrQuery, CdrSort, CdrStatus, HttpFailure, HttpId, HttpResponse, PbxError, SubscriptionInput,
};
use offhook_core::{CloseReason, Input, TransportError};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::core::{Core, Told, json};

#[wasm_bindgen]
impl Core {
    /// What is known of the PBX; `null` of a phone without one.
    pub fn pbx(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Pbx<'a> {
            url: &'a str,
            username: &'a str,
            secret: &'a str,
            token: &'a str,
            extension_number: &'a str,
            extension_id: &'a str,
            extension_name: &'a str,
            server: &'a str,
        }
        json(&self.view().pbx().map(|pbx| Pbx {
            url: pbx.url(),
            username: pbx.username(),
            secret: pbx.secret().expose(),
            token: pbx.token().expose(),
            extension_number: pbx.extension_number(),
            extension_id: pbx.extension_id(),
            extension_name: pbx.extension_name(),
            server: pbx.sip_url(),
        }))
    }

    /// A request was answered with `status` and `body`; or not at all (0), or not wholly, with the reason in `failure`.
    pub fn http(&mut self, mono: f64, wall: f64, id: f64, status: u16, body: Vec<u8>, failure: String) -> String {
        let (id, result) = answer(id, status, body, failure);
        self.input(mono, wall, Input::Http { id, result })
    }

    /// The subscription socket is open, has got a text, or is closed: `open`, `text`, or else how, as in
    /// [`closed`](Self::closed). A browser does not tell with which HTTP status a handshake was refused.
    pub fn subscription(&mut self, mono: f64, wall: f64, kind: &str, text: String) -> String {
        let closed = |status, reason| SubscriptionInput::Closed { status, reason };
        let input = match kind {
            "open" => SubscriptionInput::Connected,
            "text" => SubscriptionInput::Text(text),
            "local" => closed(None, CloseReason::Local),
            "remote" => closed(None, CloseReason::Remote { code: None }),
            _ => {
                let detail = "the browser does not tell why".to_owned();
                closed(Some(0), TransportError::Unreachable { address: text, detail }.into())
            }
        };
        self.input(mono, wall, Input::Subscription(input))
    }

    /// Asks for a page of the list of calls. `status` and what to sort by are the contract's.
    #[allow(clippy::too_many_arguments, reason = "an object costs more bytes, and one caller there is")]
    pub fn cdr(
        &mut self,
        mono: f64,
        wall: f64,
        page: u32,
        size: u32,
        status: i32,
        sort_by: &str,
        order_by: &str,
        filter: String,
    ) -> String {
        let query = query(page, size, status, [sort_by, order_by], filter);
        self.turn(mono, wall, |phone, now| {
            let asked = query.and_then(|query| phone.cdr_query(now, query));
            Ok(asked.map_or_else(|error| Told::Refused(error.into()), Told::from))
        })
    }
}

/// What became of a request.
pub(crate) fn answer(
    id: f64,
    status: u16,
    body: Vec<u8>,
    failure: String,
) -> (HttpId, Result<HttpResponse, HttpFailure>) {
    let result = match failure.as_str() {
        "" => Ok(HttpResponse { status, body: Bytes::from(body) }),
        "tooLarge" => Err(HttpFailure::TooLarge),
        _ if status == 0 => Err(HttpFailure::Unreachable { detail: failure }),
        _ => Err(HttpFailure::Broken { detail: failure }),
    };
    (HttpId(id as u64), result)
}

fn query(page: u32, size: u32, status: i32, [sort, order]: [&str; 2], filter: String) -> Result<CdrQuery, PbxError> {
    let refuse = |detail: &str| PbxError::InvalidQuery { detail: detail.to_owned() };
    let status = CdrStatus::from_number(status.into()).ok_or_else(|| refuse("status is 0, 1, 2 or 3"))?;
    let sort_by = match sort {
        "time" => CdrSort::Time,
        "id" => CdrSort::Id,
        _ => return Err(refuse("sortBy is time or id")),
    };
    let order_by = match order {
        "desc" => CdrOrder::Desc,
        "asc" => CdrOrder::Asc,
        _ => return Err(refuse("orderBy is desc or asc")),
    };
    Ok(CdrQuery { status, sort_by, order_by, filter, ..CdrQuery::new(page, size) })
}

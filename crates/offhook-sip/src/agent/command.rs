//! Commands that concern no call: requests outside a dialog, and responses to requests.

use std::sync::Arc;

use bytes::Bytes;

use super::{Agent, Owner, TxId};
use crate::Millis;
use crate::command::OutOfDialog;
use crate::compose::{self, RequestParts};
use crate::error::CommandError;
use crate::event::{CallKey, ConnectionId, RequestId, TransactionId};
use crate::header::{HeaderError, HeaderField};
use crate::message::Method;

/// Largest body sent, bytes.
const MAX_BODY: usize = 48 * 1024;

impl Agent {
    /// Sends a request outside any dialog. [`Event::Response`](crate::Event::Response) follows always.
    ///
    /// # Errors
    /// [`CommandError::UnknownConnection`]; [`CommandError::Header`] for a method or body that cannot be sent.
    pub fn request_outside(
        &mut self,
        now: Millis,
        connection: ConnectionId,
        request: OutOfDialog,
    ) -> Result<RequestId, CommandError> {
        self.begin(now);
        let method = other_method(&request.method)?;
        check_body(request.body.as_ref())?;
        if !self.is_up(connection) {
            return Err(CommandError::UnknownConnection);
        }
        let (call_id, tag) = (self.rng.token(22), self.rng.token(12));
        let parts = RequestParts {
            method,
            uri: &request.target,
            from: request.from.with_tag(&tag).to_string(),
            to: request.to.to_string(),
            call_id: &call_id,
            cseq: 1,
            contact: None,
            route: &[],
        };
        let message = compose::request(parts, &self.config.user_agent, &request.headers, request.body);
        let id = RequestId(self.new_id());
        self.send_request(connection, message, Owner::Request(id, None), request.credentials.map(Arc::new))
            .ok_or(CommandError::UnknownConnection)?;
        self.fire_due();
        Ok(id)
    }

    /// Sends a request in the call's dialog (INFO, REFER, NOTIFY, MESSAGE …).
    /// [`Event::Response`](crate::Event::Response) follows always.
    ///
    /// # Errors
    /// [`CommandError::UnknownCall`]; [`CommandError::WrongState`] before there is a dialog;
    /// [`CommandError::UnknownConnection`] while its connection is lost; [`CommandError::Header`] for a method or body
    /// that cannot be sent.
    pub fn request(
        &mut self,
        now: Millis,
        call: CallKey,
        method: &str,
        headers: Vec<HeaderField>,
        body: Option<(String, Vec<u8>)>,
    ) -> Result<RequestId, CommandError> {
        self.begin(now);
        let method = other_method(method)?;
        check_body(body.as_ref())?;
        let id = RequestId(self.new_id());
        self.send_in_dialog(call, method, &headers, body, Owner::Request(id, Some(call)))?;
        self.fire_due();
        Ok(id)
    }

    /// Answers [`Event::Request`](crate::Event::Request). `status` 100–699.
    ///
    /// # Errors
    /// [`CommandError::UnknownTransaction`]: answered already, or its time or its connection is over;
    /// [`CommandError::OutOfRange`].
    pub fn respond(
        &mut self,
        now: Millis,
        transaction: TransactionId,
        status: u16,
        headers: Vec<HeaderField>,
        body: Option<(String, Vec<u8>)>,
    ) -> Result<(), CommandError> {
        self.begin(now);
        if !(100..700).contains(&status) {
            return Err(CommandError::OutOfRange { what: "status", allowed: "100 to 699" });
        }
        check_body(body.as_ref())?;
        let tx: TxId = transaction.0;
        if !self.servers.get(&tx).is_some_and(|server| server.asked) {
            return Err(CommandError::UnknownTransaction);
        }
        self.answer(tx, status, &headers, body, None);
        self.fire_due();
        Ok(())
    }
}

impl Agent {
    /// Lets a request have its effect that came on another connection than its call's
    /// ([`Event::Elsewhere`](crate::Event::Elsewhere)).
    ///
    /// # Errors
    /// [`CommandError::UnknownTransaction`]: answered already, or its time or its connection is over;
    /// [`CommandError::UnknownCall`]: the call is over, and the request is answered 481.
    pub fn admit(&mut self, now: Millis, transaction: TransactionId) -> Result<(), CommandError> {
        self.begin(now);
        let tx: TxId = transaction.0;
        let admitted = self.admit_elsewhere(tx);
        self.fire_due();
        admitted
    }
}

/// A method that needs no machinery of its own.
fn other_method(name: &str) -> Result<Method, CommandError> {
    let token = !name.is_empty() && name.len() <= 32 && name.bytes().all(crate::header::is_token_byte);
    let own = ["INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "PRACK", "REGISTER"].contains(&name);
    if !token || own {
        return Err(HeaderError::Body { what: "this method cannot be sent as a plain request" }.into());
    }
    Ok(Method::parse(&Bytes::copy_from_slice(name.as_bytes())))
}

fn check_body(body: Option<&(String, Vec<u8>)>) -> Result<(), CommandError> {
    let Some((kind, content)) = body else { return Ok(()) };
    if content.len() > MAX_BODY {
        return Err(HeaderError::Body { what: "the body is longer than 48 KiB" }.into());
    }
    // A WebSocket text message carries it (RFC 7118 §4.2).
    if std::str::from_utf8(content).is_err() {
        return Err(HeaderError::Body { what: "the body is not UTF-8 text" }.into());
    }
    let plain = kind.len() <= 256 && kind.contains('/') && !kind.chars().any(char::is_control);
    if !plain {
        return Err(HeaderError::Body { what: "the content type is not type/subtype" }.into());
    }
    Ok(())
}

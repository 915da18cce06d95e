//! Photos of extensions.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use serde_json::json;

use super::super::answer::Done;
use super::super::{Api, request};
use super::Answer;
use crate::directory::Change;
use crate::store::Photo;

/// The largest photo, bytes.
const MOST_PHOTO: usize = 256 * 1024;

/// PUT `extensions/NUMBER/photo`: the bytes of the picture. What it is, they say, not Content-Type.
pub(super) async fn set(State(api): State<Arc<Api>>, Path(number): Path<String>, body: Body) -> Answer {
    let data = request::bytes(body, MOST_PHOTO, api.body_time).await?;
    let photo = Photo::new(data.to_vec())?;
    let name = photo.name();
    api.change(Change::Photo(number, Some(photo)), |_| ()).await?;
    Ok(Done::with(json!({ "photo": name })))
}

/// DELETE `extensions/NUMBER/photo`.
pub(super) async fn delete(State(api): State<Arc<Api>>, Path(number): Path<String>) -> Answer {
    api.change(Change::Photo(number, None), |_| ()).await?;
    Ok(Done::empty())
}

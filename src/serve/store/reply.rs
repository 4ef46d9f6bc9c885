//! Replies in the shapes that snapd reads.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::formats::snap::api::StoreRefusal;

/// The version of the store's software, as snapd reads it: from 55 on it knows `held` in refreshes (`store/store_action.go`),
/// and from 20 on snapd searches with version 2 of the interface alone (`store/store.go`).
pub(in crate::serve) const STORE_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("snap-store-version"), HeaderValue::from_static("55"));

/// JSON; snapd's search wants this content type and nothing behind it.
pub(super) const JSON: &str = "application/json";
/// The content type of assertions.
pub(super) const ASSERTION: &str = "application/x.ubuntu.assertion";

/// A body of this content type.
pub(super) fn typed(content_type: &'static str, body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// A JSON body.
pub(super) fn json(value: &Value) -> Response {
    typed(JSON, value.to_string().into_bytes())
}

/// A list of one error.
pub(super) fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let refusal = StoreRefusal { code: code.to_owned(), message: message.to_owned(), extra: None };
    (status, json(&json!({ "error-list": [refusal] }))).into_response()
}

/// There is no such thing.
pub(super) fn not_found(code: &str, what: &str) -> Response {
    refuse(StatusCode::NOT_FOUND, code, what)
}

/// The request cannot be understood.
pub(super) fn bad(message: &str) -> Response {
    refuse(StatusCode::BAD_REQUEST, "bad-request", message)
}

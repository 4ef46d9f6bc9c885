//! `GET /healthz`: whether there is something to serve, and until when it counts.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::resolve::View;
use crate::time::Time;

/// The state as JSON: 200 with a generation, even an expired one, since clients can still be served; 503 without.
pub(super) fn page(view: Option<&View>) -> Response {
    let (status, value) = match view {
        Some(view) => (StatusCode::OK, state(view, Time::now())),
        None => (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "no-generation" })),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, format!("{value}\n")).into_response()
}

fn state(view: &View, now: Time) -> Value {
    let generation = &view.tree.generation;
    let of_name = |(name, state): (&crate::label::Label, &crate::site::NameState)| {
        let value = json!({ "bundle": state.bundle, "expires": state.expires, "expired": state.expires < now });
        (name.to_string(), value)
    };
    let names: serde_json::Map<String, Value> = generation.names.iter().map(of_name).collect();
    let ended = |(collection, published): (&String, &crate::site::Published)| {
        published.valid_until.filter(|until| *until < now).map(|_| collection.clone())
    };
    let ended: Vec<String> = generation.published.iter().filter_map(ended).collect();
    let expired = generation.names.values().any(|state| state.expires < now) || !ended.is_empty();
    json!({
        "status": if expired { "expired" } else { "ok" },
        "generation": generation.number,
        "made": generation.made,
        "age_seconds": now.unix().saturating_sub(generation.made.unix()),
        "names": names,
        "expired_metadata": ended,
    })
}

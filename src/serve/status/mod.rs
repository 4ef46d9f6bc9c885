//! The status page: what this site publishes, how old it is, how to point clients at it, and a search over all items.
//!
//! Plain HTML (WCAG 2.2: a language, headings in order, captions, labels, no meaning by colour alone), one file without scripts and
//! outside resources, which its Content-Security-Policy forbids as well. All that comes from upstreams is escaped.

mod answers;
mod html;
mod overview;
mod page;
mod waiting_list;

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use overview::{Overview, Row};
pub use page::{PageQuery, page};

use self::answers::Answers;
pub(super) use self::waiting_list::WaitingList;
use super::client::ClientConnection;
use super::host::Host;
use super::resolve::View;
use super::store::STORE_VERSION;
use crate::site::Generation;
use crate::time::Time;

/// The longest search that is answered, in characters.
const MAX_WORDS: usize = 200;

/// The answer to a request for the page. Where snaps are published, devices take it for the root of their store, too.
pub(super) async fn answer(
    client: &ClientConnection,
    view: Option<&Arc<View>>,
    host: Option<&Host>,
    parts: &Parts,
) -> Response {
    let resolver = &client.shared.resolver;
    let asked = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let words =
        asked.into_iter().find(|(name, _)| name == "q").map(|(_, words)| words.chars().take(MAX_WORDS).collect());
    let authority = host.map_or_else(|| resolver.name.clone(), |host| host.authority.clone());
    let query = PageQuery {
        words: words.unwrap_or_default(),
        base: format!("{}://{authority}", client.scheme),
        site: resolver.name.clone(),
        now: Time::now(),
    };
    let shared = client.shared.clone();
    let read = move || shared.waiting.read(shared.resolver.root());
    let waiting = tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| [].into());
    let text = match view {
        Some(view) => {
            let answers = Answers { routes: &view.tree.routes, unanswered: &view.tree.unanswered };
            page(&view.tree.generation, view.tree.overview().await.as_ref(), &waiting, answers, &query)
        }
        None => page(&Generation::none(), &Overview::default(), &waiting, Answers::default(), &query),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    let mut response = (headers, text).into_response();
    if let Ok(policy) = HeaderValue::try_from(content_security_policy()) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if view.is_some_and(|view| view.tree.has_snaps()) {
        let (name, value) = STORE_VERSION;
        response.headers_mut().insert(name, value);
    }
    response
}

/// The header `Content-Security-Policy` that goes with the page: its own style sheet, its own form, and nothing else.
pub fn content_security_policy() -> String {
    let style = STANDARD.encode(crate::digest::Sha256::of(page::STYLE.as_bytes()).as_bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

//! Answers requests: who is asked, for what, and which part of the server says it.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Body as _, Incoming};
use jiff::Timestamp;

use super::access_log::AccessRecord;
use super::client::ClientConnection;
use super::host::{BadHost, Host};
use super::metered_body::{MeteredBody, RequestForm};
use super::metrics::{AnswerKind, add};
use super::open_file_cache::TreeAge;
use super::resolve::View;
use super::{file, health, status, store};

/// Up to how many older generations are asked for a snap that the current one has no more. Each keeps what its snaps say of
/// themselves in memory from then on.
const MAX_OLDER_STORES: usize = 4;

/// The answer to a request; what it was is counted and logged.
pub(super) async fn answer(
    client: &Arc<ClientConnection>,
    request: Request<Incoming>,
) -> axum::http::Response<MeteredBody> {
    let started = Instant::now();
    let view = client.take_view(started).await;
    let (parts, body) = request.into_parts();
    let asked = match body.is_end_stream() {
        false => RequestForm::WithBody,
        true if parts.method == Method::HEAD => RequestForm::ForHead,
        true => RequestForm::Plainly,
    };
    let host = Host::of(&parts);
    let (mut response, of) = match &host {
        Ok(host) => respond(client, view.as_ref(), host.as_ref(), &parts, body).await,
        Err(BadHost) => (StatusCode::BAD_REQUEST.into_response(), AnswerKind::Nothing),
    };
    if parts.headers.contains_key(header::TRANSFER_ENCODING) || host.is_err() {
        // Where a length is said in two ways, somebody before us may have seen another end of this request (RFC 9112,
        // section 6.1); hyper does not tell, so nothing more is read after any such request.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    client.counters.answered(of, response.status());
    let record = client.shared.log.as_ref().map(|_| AccessRecord {
        time: Timestamp::now(),
        remote: client.address,
        host: host.ok().flatten().map(|host| host.authority),
        scheme: client.scheme,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        status: response.status().as_u16(),
        bytes: 0,
        complete: false,
        duration: started.elapsed(),
        generation: view.as_ref().map_or(0, |view| view.tree.generation.number),
    });
    client.keep_view(view);
    response.map(|body| MeteredBody::new(body, asked, of, client.clone(), record))
}

async fn respond(
    client: &ClientConnection,
    view: Option<&Arc<View>>,
    host: Option<&Host>,
    parts: &Parts,
    body: Incoming,
) -> (Response, AnswerKind) {
    let path = parts.uri.path();
    if path == "/" && is_read(&parts.method) && !view.is_some_and(|view| view.tree.is_named_upstream(host)) {
        return (status::answer(client, view, host, parts).await, AnswerKind::Service);
    }
    if let Some(page) = own_page(client, view.map(Arc::as_ref), host, path) {
        return (if is_read(&parts.method) { page } else { not_allowed() }, AnswerKind::Service);
    }
    if let Some(view) = view
        && store::is_path(path)
        && !view.tree.is_of_upstream(host, path)
        && let Some(catalogue) = view.tree.catalogue().await
    {
        let request = Request::from_parts(parts.clone(), Body::new(body));
        let root = client.shared.resolver.root();
        let response = store::answer(&catalogue, root, client.scheme, host, request).await;
        return (or_older(client, view, host, parts, response).await, AnswerKind::Store);
    }
    if !is_read(&parts.method) {
        return (not_allowed(), AnswerKind::Nothing);
    }
    let Some(view) = view else { return (StatusCode::NOT_FOUND.into_response(), AnswerKind::Nothing) };
    match view.find(host, path).await {
        Ok(Some(found)) => {
            if found.age == TreeAge::Older {
                add(&client.shared.metrics.older, 1);
            }
            let of = AnswerKind::file(found.below.as_str());
            (file::answer(&found.file, found.permanence, found.below.as_str(), parts).await, of)
        }
        Ok(None) if view.tree.is_pool(host, path) => (pool_page(), AnswerKind::Service),
        Ok(None) => (StatusCode::NOT_FOUND.into_response(), AnswerKind::Nothing),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR.into_response(), AnswerKind::Nothing),
    }
}

/// A page about the server itself; not under the name of an upstream, which might have one of its own there.
fn own_page(client: &ClientConnection, view: Option<&View>, host: Option<&Host>, path: &str) -> Option<Response> {
    let shared = &client.shared;
    match path {
        "/healthz" | "/metrics" if view.is_some_and(|view| view.tree.is_named_upstream(host)) => None,
        "/healthz" => Some(health::page(view)),
        "/metrics" => Some(shared.metrics.page(view, shared.limits.connections as u64)),
        _ => None,
    }
}

/// The answer for an archive's `pool/`, which lists nothing.
fn pool_page() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain"), (header::CACHE_CONTROL, "no-cache")];
    (headers, "The files of this folder are not listed.\n").into_response()
}

/// A device that began with an older generation still gets the snap and the assertions that it was told of there.
async fn or_older(
    client: &ClientConnection,
    view: &Arc<View>,
    host: Option<&Host>,
    parts: &Parts,
    response: Response,
) -> Response {
    if response.status() != StatusCode::NOT_FOUND || !store::lasts(parts.uri.path()) || !is_read(&parts.method) {
        return response;
    }
    for tree in view.older_trees(MAX_OLDER_STORES).await {
        let Some(catalogue) = tree.catalogue().await else { continue };
        let request = Request::from_parts(parts.clone(), Body::empty());
        let root = client.shared.resolver.root();
        let older = store::answer(&catalogue, root, client.scheme, host, request).await;
        if older.status() != StatusCode::NOT_FOUND {
            add(&client.shared.metrics.older, 1);
            return older;
        }
    }
    response
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn not_allowed() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response()
}

//! A snap store of its own: answers devices, collectors and `snap download` in the words of the store's device API, from the
//! snaps of the current generation.
//!
//! It serves what has been verified at import, and devices verify it once more: nothing that is said here is believed without
//! an assertion. So it asks nobody who they are, and plain HTTP endangers nothing but privacy. Names as snapd has them
//! (`store/store.go`, `store/store_action.go`, `store/store_asserts.go`).
//!
//! | path | answer |
//! |---|---|
//! | `POST /v2/snaps/refresh` | [`refresh`] |
//! | `GET /v2/snaps/info/NAME` | [`info`] |
//! | `GET /v2/snaps/find`, `/api/v1/snaps/names` | [`find`] |
//! | `GET /v2/assertions/TYPE/KEY…`, `/v2/auth/store/assertions` | [`assertions`] |
//! | `POST /api/v1/snaps/auth/nonces`, `…/sessions` | [`session`] |
//! | `GET /api/v1/snaps/download/ID_REV.snap` | the file |
//! | `GET /api/v1/snaps/sections`, `/v2/snaps/categories`, `POST /v2/cohorts` | empty lists |
//!
//! Whatever else is below `/v2/` and `/api/v1/snaps/` is an `error-list` with status 404.

pub mod assertions;
pub mod catalogue;
pub mod find;
pub mod info;
pub mod refresh;
mod reply;
pub mod request;
mod route;
pub mod session;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use self::catalogue::Catalogue;
pub(in crate::serve) use self::reply::STORE_VERSION;
use self::reply::{ASSERTION, JSON, bad, json, not_found, refuse, typed};
use self::request::{Asked, MAX_BODY_BYTES};
use self::route::{Params, StoreRoute};
use super::file::{self, Delivery, OpenedFile, Permanence, open};
use super::host::Host;
use crate::error_class::Fault;

/// How long a device may take to send what it asks.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The outcome of reading a generation's snaps.
#[derive(Debug)]
pub(super) struct Loaded(Result<Catalogue, Fault>);

impl Loaded {
    /// Reads the snaps in these folders; `None` if no store is to be had from them.
    pub(super) fn read(folders: &[PathBuf]) -> Option<Self> {
        Catalogue::load(folders).transpose().map(Self)
    }
}

/// Whether the store answers for `path`.
pub(super) fn is_path(path: &str) -> bool {
    path == "/" || path.starts_with("/v2/") || path.starts_with("/api/v1/snaps/")
}

/// Whether what is at `path` never changes, so that an older generation can answer for it just as well.
pub(super) fn lasts(path: &str) -> bool {
    path.starts_with("/api/v1/snaps/download/") || path.starts_with("/v2/assertions/")
}

/// What a request is answered from.
struct SnapStore<'a> {
    catalogue: &'a Catalogue,
    /// The site's folder.
    site: &'a Path,
    /// Scheme and host under which the device has reached it.
    base: String,
    /// Of the device, as dpkg calls it.
    architecture: String,
    params: Params,
}

/// The answer to a request for a path of the store.
pub(super) async fn answer(
    loaded: &Loaded,
    site: &Path,
    scheme: &str,
    host: Option<&Host>,
    request: Request,
) -> Response {
    let mut response = match &loaded.0 {
        Ok(catalogue) => answer_from(catalogue, site, scheme, host, request).await,
        Err(error) => {
            let message = crate::error_class::causes(error).join(": ");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "damaged-store", &message)
        }
    };
    let (name, value) = reply::STORE_VERSION;
    response.headers_mut().insert(name, value);
    response
}

async fn answer_from(
    catalogue: &Catalogue,
    site: &Path,
    scheme: &str,
    host: Option<&Host>,
    request: Request,
) -> Response {
    let Some(route) = StoreRoute::of(request.uri().path()) else {
        return bad("the path is not percent-encoded as it must be");
    };
    if !route.allows(request.method()) {
        let response = refuse(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "not with this method");
        return ([(header::ALLOW, route.methods())], response).into_response();
    }
    let Some(host) = host else {
        return bad("the request names no host");
    };
    let params = Params::of(request.uri().query().unwrap_or_default());
    let architecture = params.get("architecture").map(str::to_owned);
    let architecture = architecture.unwrap_or_else(|| architecture_of(request.headers()).to_owned());
    let store = SnapStore { catalogue, site, base: format!("{scheme}://{}", host.authority), architecture, params };
    match route {
        StoreRoute::Download { file } => store.download(&file, request).await,
        route if request.method() == Method::POST => match read(request.into_body()).await {
            Ok(body) => store.post(&route, &body),
            Err(response) => response,
        },
        route => store.get(&route),
    }
}

fn architecture_of(headers: &HeaderMap) -> &str {
    let get = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    get("snap-device-architecture").or_else(|| get("x-ubuntu-architecture")).unwrap_or("amd64")
}

async fn read(body: Body) -> Result<Vec<u8>, Response> {
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes.to_vec()),
        Ok(Err(_)) => {
            let message = format!("what is sent is incomplete, or has more than {MAX_BODY_BYTES} bytes");
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "too-large", &message))
        }
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "timeout", "what is sent takes too long")),
    }
}

impl SnapStore<'_> {
    fn post(&self, route: &StoreRoute, body: &[u8]) -> Response {
        match route {
            StoreRoute::Refresh => self.refresh(body),
            StoreRoute::Nonces => json(&session::nonce()),
            StoreRoute::Sessions => json(&session::session()),
            StoreRoute::Cohorts => json(&json!({ "cohort-keys": {} })),
            _ => not_found("not-found", "this store has no such service"),
        }
    }

    fn get(&self, route: &StoreRoute) -> Response {
        match route {
            StoreRoute::Root => json(&json!({})),
            StoreRoute::Info { name } => self.info(name),
            StoreRoute::Find => self.find(),
            StoreRoute::Names => {
                typed("application/hal+json", find::names(self.catalogue, &self.architecture).to_string().into())
            }
            StoreRoute::Sections => {
                typed("application/hal+json", br#"{"_embedded":{"clickindex:sections":[]}}"#.to_vec())
            }
            StoreRoute::Categories => json(&json!({ "categories": [] })),
            StoreRoute::Assertion { kind, key } => self.assertion(kind, key),
            StoreRoute::OwnAssertions => match assertions::own(self.site) {
                Some(stream) => typed(ASSERTION, stream),
                None => not_found("not-found", "this site has no store assertion of its own"),
            },
            _ => not_found("not-found", "this store has no such service"),
        }
    }

    fn refresh(&self, body: &[u8]) -> Response {
        let asked = match Asked::parse(body) {
            Ok(asked) => asked,
            Err(error) => return bad(&format!("what is sent is not understood: {error}")),
        };
        let device = refresh::AskingDevice { architecture: &self.architecture, base: &self.base };
        match refresh::reply(self.catalogue, &asked, device) {
            Some(reply) => typed(JSON, reply),
            None => refuse(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "too many snaps are asked for at once"),
        }
    }

    fn info(&self, name: &str) -> Response {
        let fields = self.params.get("fields").unwrap_or_default().split(',').filter(|field| !field.is_empty());
        let query = info::InfoQuery {
            architecture: self.params.get("architecture").map(str::to_owned),
            fields: fields.map(str::to_owned).collect(),
        };
        let reply = self.catalogue.named(name).and_then(|offer| info::reply(offer, &query, &self.base));
        match reply {
            Some(reply) => json(&reply),
            None if query.is_connectivity_check(name) => json(&info::connectivity(self.catalogue, &query, &self.base)),
            None => not_found("resource-not-found", &format!("no snap is named {name:?}")),
        }
    }

    fn find(&self) -> Response {
        let text = |name| self.params.get(name).unwrap_or_default();
        let channel = match text("channel") {
            "" => None,
            text => match text.parse() {
                Ok(channel) => Some(channel),
                Err(error) => return bad(&format!("{text:?} is {error}")),
            },
        };
        let query = find::SearchQuery {
            words: text("q").to_owned(),
            name: text("name").to_owned(),
            channel,
            confinements: text("confinement").split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect(),
            architecture: self.architecture.clone(),
        };
        json(&find::reply(self.catalogue, &query))
    }

    fn assertion(&self, kind: &str, key: &[String]) -> Response {
        let max_format = match self.params.get("max-format").map(str::parse).transpose() {
            Ok(max_format) => max_format,
            Err(_) => return bad("max-format is not a number"),
        };
        let key: Vec<&str> = key.iter().map(String::as_str).collect();
        match assertions::find(self.catalogue, self.site, kind, &key, max_format) {
            Some(assertion) => typed(ASSERTION, assertion),
            None => not_found("not-found", "there is no such assertion, or none of so old a format"),
        }
    }

    async fn download(&self, name: &str, request: Request) -> Response {
        let found = name.strip_suffix(".snap").and_then(|stem| {
            let (id, revision) = stem.rsplit_once('_')?;
            self.catalogue.with_id(id)?.any_revision(revision.parse().ok()?)
        });
        let Some(revision) = found else {
            return not_found("not-found", "there is no such file");
        };
        let (path, digest) = (revision.file.clone(), &revision.snap.download.sha3_384);
        let opened = match open(&path, Delivery::Cached) {
            Ok(opened) => opened,
            Err(_) => match tokio::task::spawn_blocking(move || open(&path, Delivery::Blocking)).await {
                Ok(Ok(opened)) => opened,
                _ => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            },
        };
        match opened {
            Ok(Some((file, facts))) => {
                file::answer(
                    &OpenedFile::new(file, &facts, digest, None),
                    Permanence::Immutable,
                    name,
                    &request.into_parts().0,
                )
                .await
            }
            Ok(None) => not_found("not-found", "there is no such file"),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

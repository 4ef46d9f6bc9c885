//! Answers with a file: whole, in part, or not at all where the client has it already (RFC 9110, sections 8.8, 13 and 14).
//!
//! Blobs never change once they bear their name, so what is read of an open file is of one piece. What is in the page cache is
//! read at once; only what is not goes to a thread that may block.

mod conditions;
mod kind;
mod open;
mod pool;
mod range;
mod stream;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use self::conditions::ConditionVerdict;
use self::open::FileVersion;
pub(super) use self::open::{Blocked, Delivery, OpenedFile, open};
use self::range::Ranges;
pub(super) use self::stream::cached as read_cached;

/// Files of at most this many bytes are read whole before they are answered.
const SMALL_BYTES: u64 = 256 << 10;

/// Content of files of at most this many bytes stays in memory for as long as they are open: reading it again costs a tenth of
/// the answer.
const KEPT_BYTES: u64 = 8 << 10;

/// The answer to whether a file can change under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permanence {
    /// It never does, as in a pool.
    Immutable,
    /// It may with each generation, as an index does.
    Changing,
}

/// Answers a request for `file`.
pub(super) async fn answer(file: &OpenedFile, permanence: Permanence, name: &str, request: &Parts) -> Response {
    let mut headers = of_representation(file, permanence, name);
    match conditions::judge(&request.headers, &file.version) {
        ConditionVerdict::Failed => return refuse(StatusCode::PRECONDITION_FAILED, headers),
        ConditionVerdict::NotModified => return refuse(StatusCode::NOT_MODIFIED, headers),
        ConditionVerdict::Go => {}
    }
    let (status, start, length) = match ranges(request, &file.version, permanence) {
        Ranges::Whole => (StatusCode::OK, 0, file.version.length),
        Ranges::Part { first, last } => {
            headers.insert(header::CONTENT_RANGE, text(format!("bytes {first}-{last}/{}", file.version.length)));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Ranges::Unsatisfiable => {
            headers.insert(header::CONTENT_RANGE, text(format!("bytes */{}", file.version.length)));
            headers.remove(header::CONTENT_TYPE);
            return refuse(StatusCode::RANGE_NOT_SATISFIABLE, headers);
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let body = match length {
        _ if request.method == Method::HEAD => Body::empty(),
        0..=SMALL_BYTES => match stream::whole(file, start, length).await {
            Ok(bytes) => Body::from(bytes),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        _ => Body::new(stream::Pieces::new(file, start, length)),
    };
    response(status, headers, body)
}

/// Metadata changes under its name. A part of it is answered only to a client that says which whole it is to complete.
fn ranges(request: &Parts, version: &FileVersion, permanence: Permanence) -> Ranges {
    let of_which = request.headers.get(header::IF_RANGE);
    let applies = match of_which {
        Some(of_which) => conditions::if_range(of_which, version),
        None => permanence == Permanence::Immutable,
    };
    match request.headers.get(header::RANGE) {
        // Other methods than GET know no ranges (RFC 9110, section 14.2).
        Some(range) if applies && request.method == Method::GET => range::parse(range, version.length),
        _ => Ranges::Whole,
    }
}

fn of_representation(file: &OpenedFile, permanence: Permanence, name: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind::content_type(name)));
    headers.insert(header::ETAG, file.etag.clone());
    headers.insert(header::LAST_MODIFIED, file.last_modified.clone());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if permanence == Permanence::Changing {
        // Whoever keeps a copy must ask whether it is still the one of the current generation.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    headers
}

fn refuse(status: StatusCode, headers: HeaderMap) -> Response {
    response(status, headers, Body::empty())
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

/// A value of our own making: digits, letters and signs of ASCII.
fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

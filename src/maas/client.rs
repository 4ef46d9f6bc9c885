//! Requests to the API of one MAAS, signed, capped and judged by their status.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use url::Url;

use super::error::{no_client, not_maas, unusable_address};
use super::{ApiKey, Form, MaasError};
use crate::error_class::Fault;
use crate::fetch::{FetchError, FetchOptions, http_client, shown};

/// The largest answer that is read, in bytes; lists of hundreds of images have below 1 MB.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// How much of an answer a message quotes, in characters.
const QUOTED_CHARS: usize = 300;
/// Attempts at reading while MAAS or the proxy before it is just coming back.
const READS: usize = 3;
/// The wait between them.
const BETWEEN_READS: Duration = Duration::from_secs(1);
/// The type of a piece of a file.
const PIECE: &str = "application/octet-stream";
/// How long MAAS may take for a piece: with the last one it hashes the whole file.
const PIECE_PATIENCE: Duration = Duration::from_secs(900);

/// A client of one MAAS. Its calls block, so they must not be made from asynchronous code.
pub struct MaasClient {
    // Before the runtime, so that connections go before what drives them.
    http: reqwest::Client,
    runtime: Runtime,
    base: Url,
    key: ApiKey,
    options: FetchOptions,
}

/// MAAS's answer to a change.
#[derive(Debug)]
#[must_use = "a refusal has to be reported"]
pub(super) enum MaasReply {
    /// The change is made.
    Done,
    /// MAAS refuses the change (status 400 or 409), with this answer.
    No(String),
}

impl MaasReply {
    /// Turns a refusal of `change` into an error.
    pub(super) fn or_refused(self, change: impl std::fmt::Display) -> Result<(), MaasError> {
        match self {
            Self::Done => Ok(()),
            Self::No(answer) => Err(MaasError::Refused { change: change.to_string(), answer }),
        }
    }
}

impl MaasClient {
    /// For the MAAS at `address`, such as `http://maas.example:5240/MAAS`.
    pub fn new(address: &str, key: ApiKey, options: FetchOptions) -> Result<Self, MaasError> {
        let base = base(address)?;
        // A redirect would turn POST into GET, and take the key to another place.
        let http = http_client(&options, Policy::none)?;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("maas").enable_all().build();
        let runtime = runtime.map_err(no_client)?;
        Ok(Self { http, runtime, base, key, options })
    }

    /// Reads `path` below the API's root, such as `boot-sources/`. The inner error is MAAS's answer if it refuses the question
    /// (status 400).
    pub(super) fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<Result<T, String>, MaasError> {
        let mut attempts = 1;
        let (status, body) = loop {
            let answer = self.runtime.block_on(self.exchange(&Method::GET, self.below(path)?, RequestBody::Nothing));
            if !passes(&answer) || attempts == READS {
                break answer?;
            }
            attempts += 1;
            std::thread::sleep(BETWEEN_READS);
        };
        if status == StatusCode::BAD_REQUEST {
            return Ok(Err(self.quoted(status, &body)));
        }
        self.check(&self.shown(path), status, &body)?;
        self.read(path, &body).map(Ok)
    }

    fn read<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, MaasError> {
        serde_json::from_slice(body).map_err(|source| MaasError::Answer { url: self.shown(path), source })
    }

    /// Reads `path`, which MAAS has.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, MaasError> {
        let refused = |answer| MaasError::Refused { change: format!("answer {}", self.shown(path)), answer };
        self.ask(path)?.map_err(refused)
    }

    /// Reads the first path of all: where that is not to be had, there is no MAAS.
    pub(super) fn first<T: DeserializeOwned>(&self, path: &str) -> Result<T, MaasError> {
        self.get(path).map_err(|error| match error {
            MaasError::Status { url, status, .. } if status < 500 => not_maas(&url, &format!("status {status}")),
            MaasError::Refused { .. } => not_maas(&self.shown(path), "status 400"),
            MaasError::Answer { url, source } => not_maas(&url, &format!("its answer is not MAAS's: {source}")),
            other => other,
        })
    }

    /// POST.
    pub(super) fn post(&self, path: &str, form: Form) -> Result<MaasReply, MaasError> {
        self.change(&Method::POST, path, form.into())
    }

    /// POST of what is answered with what was made, or with why it is refused.
    pub(super) fn create<T: DeserializeOwned>(&self, path: &str, form: Form) -> Result<Result<T, String>, MaasError> {
        let (status, body) = self.send(&Method::POST, self.below(path)?, form.into())?;
        match is_refusal(status) {
            true => Ok(Err(self.quoted(status, &body))),
            false => self.read(path, &body).map(Ok),
        }
    }

    /// PUT of a piece of a file, to where MAAS has said. The key goes there too, so it must be MAAS itself.
    pub(super) fn put_piece(&self, uri: &str, piece: Vec<u8>) -> Result<MaasReply, MaasError> {
        let elsewhere = || {
            let url = crate::terminal::without_password(uri);
            MaasError::from(Fault::unavailable(format!(
                "MAAS says to send an image to {url}, which is not where it is itself: give the address that MAAS has for itself"
            )))
        };
        let url = self.base.join(uri).map_err(|_| elsewhere())?;
        if url.origin() != self.base.origin() {
            return Err(elsewhere());
        }
        let (status, answer) = self.send(&Method::PUT, url, RequestBody::Piece(piece))?;
        Ok(self.reply(status, &answer))
    }

    /// PUT.
    pub(super) fn put(&self, path: &str, form: Form) -> Result<MaasReply, MaasError> {
        self.change(&Method::PUT, path, form.into())
    }

    /// DELETE. What is gone already is as good.
    pub(super) fn delete(&self, path: &str) -> Result<MaasReply, MaasError> {
        match self.change(&Method::DELETE, path, RequestBody::Nothing) {
            Err(MaasError::Status { status: 404, .. }) => Ok(MaasReply::Done),
            said => said,
        }
    }

    fn change(&self, method: &Method, path: &str, body: RequestBody) -> Result<MaasReply, MaasError> {
        let (status, answer) = self.send(method, self.below(path)?, body)?;
        Ok(self.reply(status, &answer))
    }

    fn reply(&self, status: StatusCode, answer: &[u8]) -> MaasReply {
        if is_refusal(status) { MaasReply::No(self.quoted(status, answer)) } else { MaasReply::Done }
    }

    /// An answer that is a success or a refusal.
    fn send(&self, method: &Method, url: Url, body: RequestBody) -> Result<(StatusCode, Vec<u8>), MaasError> {
        let shown = url.to_string();
        let (status, body) = self.runtime.block_on(self.exchange(method, url, body))?;
        if !is_refusal(status) {
            self.check(&shown, status, &body)?;
        }
        Ok((status, body))
    }

    fn check(&self, url: &str, status: StatusCode, body: &[u8]) -> Result<(), MaasError> {
        let url = url.to_owned();
        match status {
            _ if status.is_success() => Ok(()),
            // Not the answer: it quotes the key.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Fault::usage(format!(
                "MAAS at {url} refuses the API key (status {}): it must be a valid key of an administrator, as `maas apikey \
                 --username NAME` prints it",
                status.as_u16()
            ))
            .into()),
            _ if status.is_redirection() => {
                Err(not_maas(&url, &format!("status {status}, which leads elsewhere")))
            }
            _ => {
                let answer = self.message(body).unwrap_or_else(|| "an empty answer".to_owned());
                Err(MaasError::Status { url, status: status.as_u16(), answer })
            }
        }
    }

    async fn exchange(&self, method: &Method, url: Url, body: RequestBody) -> Result<(StatusCode, Vec<u8>), MaasError> {
        let header = self.key.header().ok_or_else(|| no_client("the key makes no header"))?;
        let mut request = self.http.request(method.clone(), url.clone()).header(AUTHORIZATION, header);
        request = request.header(ACCEPT, "application/json");
        let mut patience = self.options.connect_timeout + self.options.stall_timeout;
        request = match body {
            RequestBody::Nothing if *method == Method::GET => request,
            // Proxies may ask for the length of a body that a POST could have (RFC 9110, section 8.6).
            RequestBody::Nothing => request.header(CONTENT_LENGTH, HeaderValue::from_static("0")),
            RequestBody::Form(form) => request.multipart(form),
            RequestBody::Piece(bytes) => {
                patience = patience.max(PIECE_PATIENCE);
                request.header(CONTENT_TYPE, PIECE).body(bytes)
            }
        };
        let stalled = |_| FetchError::Stalled { url: shown(&url), after: patience };
        let network = |source| FetchError::network(&url, source);
        let mut response = timeout(patience, request.send()).await.map_err(stalled)?.map_err(network)?;
        let mut body = Vec::new();
        while let Some(chunk) = timeout(patience, response.chunk()).await.map_err(stalled)?.map_err(network)? {
            if (body.len() + chunk.len()) as u64 > MAX_ANSWER_BYTES {
                return Err(FetchError::TooLarge { url: shown(&url), limit: MAX_ANSWER_BYTES }.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), body))
    }

    fn below(&self, path: &str) -> Result<Url, MaasError> {
        Url::parse(&self.shown(path)).map_err(no_client)
    }

    /// An address below the API's root, for messages.
    fn shown(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Returns the beginning of a refusal in one line, without the key; the status if the answer is empty.
    fn quoted(&self, status: StatusCode, body: &[u8]) -> String {
        self.message(body).unwrap_or_else(|| format!("status {status}, with an empty answer"))
    }

    /// Returns the beginning of an answer in one line, without the key; `None` if it is empty.
    fn message(&self, body: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(body);
        let words: Vec<&str> = text.split_whitespace().collect();
        let quoted = self.key.redacted(&words.join(" ")).chars().take(QUOTED_CHARS).collect();
        (!words.is_empty()).then_some(quoted)
    }
}

/// The body of a request.
enum RequestBody {
    /// No body, and no type of one.
    Nothing,
    Form(reqwest::multipart::Form),
    /// A piece of a file.
    Piece(Vec<u8>),
}

impl From<Form> for RequestBody {
    fn from(form: Form) -> Self {
        form.into_multipart().map_or(Self::Nothing, Self::Form)
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT)
}

/// Whether the failure may pass by itself within seconds.
fn passes(answer: &Result<(StatusCode, Vec<u8>), MaasError>) -> bool {
    match answer {
        Ok((status, _)) => {
            let coming_back = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
            coming_back.contains(status)
        }
        Err(error) => matches!(error, MaasError::Http(FetchError::Broken { .. })),
    }
}

/// The API's root: `ADDRESS/api/2.0/`.
fn base(address: &str) -> Result<Url, MaasError> {
    let refuse = || {
        let text = Url::parse(address).map_or_else(|_| address.to_owned(), |url| shown(&url));
        unusable_address(&text, "http://HOST:5240/MAAS")
    };
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(refuse)?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !plain || url.fragment().is_some() {
        return Err(refuse());
    }
    let text = url.as_str().trim_end_matches('/');
    let text = text.strip_suffix("/api/2.0").unwrap_or(text);
    Url::parse(&format!("{text}/api/2.0/")).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_class::ErrorClass;

    #[test]
    fn addresses_of_the_api() {
        for (address, expected) in [
            ("http://h:5240/MAAS", "http://h:5240/MAAS/api/2.0/"),
            ("http://h:5240/MAAS/", "http://h:5240/MAAS/api/2.0/"),
            ("https://h/MAAS/api/2.0/", "https://h/MAAS/api/2.0/"),
            ("http://h:5240", "http://h:5240/api/2.0/"),
        ] {
            assert_eq!(base(address).unwrap().as_str(), expected);
        }
        for bad in ["", "h:5240/MAAS", "ftp://h/MAAS", "http://u:hidden@h/MAAS", "http://h/MAAS?x", "http://h/#x"] {
            let error = base(bad).unwrap_err();
            assert!(error.class() == ErrorClass::Usage && !error.to_string().contains("hidden"), "{error}");
        }
    }
}

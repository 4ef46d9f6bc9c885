//! One HTTP request: the client's settings, which answers count, and the body with its limits.

use std::ops::Deref;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE, RETRY_AFTER,
};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Certificate, ClientBuilder, RequestBuilder, Response, StatusCode};
use tokio::time::{Instant, timeout};
use url::Url;

use super::Question;
use super::error::{FetchError, shown};
use super::options::{MAX_CONCURRENCY, Options};
use super::retry::Retry;

/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 10;

/// A set-up HTTP client with the options that apply while it is used.
pub(super) struct Client {
    http: reqwest::Client,
    pub(super) options: Options,
}

impl Client {
    /// Sets the client up; reads the platform's certificates and the additional ones.
    pub(super) fn new(options: Options) -> Result<Self, FetchError> {
        let http = http_client(&options, || Policy::custom(follow))?;
        Ok(Self { http, options })
    }

    /// Asks for `url`, from byte `from` on, if that is not 0. `etag` is the strong validator of the bytes before.
    ///
    /// Returns only answers that hold the file: 200, or 206 to a request for a range.
    pub(super) async fn open(&self, url: &Url, from: u64, etag: Option<&HeaderValue>) -> Result<Response, FetchError> {
        let mut request = self.http.get(url.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
            if let Some(etag) = etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        self.send(url, request, from > 0).await
    }

    /// Sends a request, and returns its answer if that holds what was asked for.
    async fn send(&self, url: &Url, request: RequestBuilder, ranged: bool) -> Result<Response, FetchError> {
        let patience = self.options.connect_timeout + self.options.stall_timeout;
        let stalled = |_| FetchError::Stalled { url: shown(url), after: patience };
        let response = timeout(patience, request.send()).await.map_err(stalled)?;
        let response = response.map_err(|source| FetchError::network(url, source))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::PARTIAL_CONTENT if ranged => Ok(response),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::Missing { url: shown(url) }),
            status => {
                let retry_after = retry_after(response.headers());
                Err(FetchError::Status { url: shown(url), status: status.as_u16(), retry_after })
            }
        }
    }

    /// The whole of a small answer whose size nobody signed.
    pub(super) async fn whole(&self, question: &Question) -> Result<Vec<u8>, FetchError> {
        let mut retry = Retry::new(&self.options);
        loop {
            let error = match self.whole_once(question).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            match retry.wait_after(&error, 0) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    /// How many bytes the file has, as the server says. The file is asked for, since not all servers answer HEAD alike, and
    /// the answer is dropped before its body.
    pub(super) async fn length(&self, url: &Url) -> Result<u64, FetchError> {
        let mut retry = Retry::new(&self.options);
        loop {
            let error = match self.open(url, 0, None).await {
                Ok(response) => {
                    return response.content_length().ok_or_else(|| FetchError::NoLength { url: shown(url) });
                }
                Err(error) => error,
            };
            match retry.wait_after(&error, 0) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    async fn whole_once(&self, question: &Question) -> Result<Vec<u8>, FetchError> {
        let Question { url, headers, body, cap } = question;
        let cap = *cap;
        let request = match body {
            Some(json) => self.http.post(url.clone()).header(CONTENT_TYPE, "application/json").body(json.clone()),
            None => self.http.get(url.clone()),
        };
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let response = self.send(url, request, false).await?;
        let too_large = || FetchError::TooLarge { url: shown(url), limit: cap };
        if response.content_length().is_some_and(|length| length > cap) {
            return Err(too_large());
        }
        let mut body = self.body(url, response);
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await? {
            if (bytes.len() as u64).saturating_add(chunk.len() as u64) > cap {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The body of `response`, watched for stalls and dripping.
    pub(super) fn body(&self, url: &Url, response: Response) -> Body<'_> {
        Body { url: url.clone(), response, options: &self.options, waited: Duration::ZERO, came: 0 }
    }
}

/// A body that ends in an error when the server is too slow.
///
/// Only time spent waiting for the server counts, so a slow disk of our own is never taken for a slow server.
pub(super) struct Body<'a> {
    url: Url,
    response: Response,
    options: &'a Options,
    waited: Duration,
    came: u64,
}

impl Body<'_> {
    /// The next bytes, or `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<impl Deref<Target = [u8]> + use<>>, FetchError> {
        let before = Instant::now();
        let after = self.options.stall_timeout;
        let stalled = |_| FetchError::Stalled { url: shown(&self.url), after };
        let chunk = timeout(after, self.response.chunk()).await.map_err(stalled)?;
        let chunk = chunk.map_err(|source| FetchError::network(&self.url, source))?;
        self.came += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.waited += before.elapsed();
        if self.waited >= self.options.rate_window {
            self.check_rate()?;
        }
        Ok(chunk)
    }

    fn check_rate(&mut self) -> Result<(), FetchError> {
        let millis = self.waited.as_millis().max(1);
        let rate = u64::try_from(u128::from(self.came) * 1000 / millis).unwrap_or(u64::MAX);
        let min_rate = self.options.min_rate;
        if rate < min_rate {
            return Err(FetchError::TooSlow { url: shown(&self.url), rate, min_rate });
        }
        (self.waited, self.came) = (Duration::ZERO, 0);
        Ok(())
    }
}

/// An HTTP client that trusts the platform's certificates and the given ones, and takes proxies from the environment.
pub(crate) fn http_client(options: &Options, redirect: impl Fn() -> Policy) -> Result<reqwest::Client, FetchError> {
    // An error means that a provider is installed already: just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let extra = certificates(options)?;
    let with_platform = builder(options).redirect(redirect()).tls_certs_merge(extra.clone()).build();
    // A small system may have no certificates at all. That must only stop https, not http.
    with_platform
        .or_else(|_| builder(options).redirect(redirect()).tls_certs_only(extra).build())
        .map_err(|source| FetchError::Setup(source.into()))
}

fn builder(options: &Options) -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("gapferry/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]))
        .connect_timeout(options.connect_timeout)
        .pool_max_idle_per_host(options.concurrency.clamp(1, MAX_CONCURRENCY))
        .http1_only()
        .referer(false)
}

fn follow(attempt: Attempt<'_>) -> Action {
    let secure = attempt.previous().iter().any(|url| url.scheme() == "https");
    match attempt.url().scheme() {
        _ if attempt.previous().len() > MAX_REDIRECTS => attempt.error("too many redirects"),
        "https" => attempt.follow(),
        "http" if !secure => attempt.follow(),
        "http" => attempt.error("a redirect from https to http"),
        _ => attempt.error("a redirect to something other than http or https"),
    }
}

fn certificates(options: &Options) -> Result<Vec<Certificate>, FetchError> {
    let Some(path) = &options.ca_file else {
        return Ok(Vec::new());
    };
    let unreadable = |source| FetchError::Certificates { path: path.clone(), source };
    let pem = std::fs::read(path).map_err(|source| unreadable(source.into()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|source| unreadable(source.into()))?;
    if found.is_empty() {
        return Err(unreadable("there is no certificate in it".into()));
    }
    Ok(found)
}

/// The strong validator of an answer (RFC 9110 section 8.8.3), the only kind that `If-Range` may carry.
pub(super) fn strong_etag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).filter(|etag| etag.as_bytes().starts_with(b"\"")).cloned()
}

/// Whether `Content-Range` (RFC 9110 section 14.4) says "from `from` on, of `size` bytes", or leaves the size open.
pub(super) fn is_range(headers: &HeaderMap, from: u64, size: u64) -> bool {
    let parts = || {
        let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
        let (span, total) = range.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, total.to_owned()))
    };
    parts()
        .is_some_and(|(first, last, total)| first == from && last < size && (total == "*" || total.parse() == Ok(size)))
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let seconds = date.as_second().saturating_sub(jiff::Timestamp::now().as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn only_the_range_asked_for_is_one() {
        for (text, expected) in [
            ("bytes 5-9/10", true),
            ("bytes 5-9/*", true),
            ("bytes 5-7/10", true),
            ("bytes 4-9/10", false),
            ("bytes 5-10/10", false),
            ("bytes 5-9/11", false),
            ("bytes */10", false),
            ("5-9/10", false),
            ("bytes 5-99999999999999999999/10", false),
            ("", false),
        ] {
            assert_eq!(is_range(&headers("content-range", text), 5, 10), expected, "{text}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let parse = |text: &str| retry_after(&headers("retry-after", text));
        assert_eq!(parse("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(parse("Wed, 21 Oct 2099 07:28:00 GMT").is_some_and(|wait| wait > Duration::from_secs(1_000_000_000)));
        assert_eq!(parse("soon"), None);
        assert_eq!(parse("-1"), None);
    }

    #[test]
    fn weak_validators_are_none() {
        assert_eq!(strong_etag(&headers("etag", "W/\"a\"")), None);
        assert!(strong_etag(&headers("etag", "\"a\"")).is_some());
    }
}

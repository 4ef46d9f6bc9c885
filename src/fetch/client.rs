//! One HTTP request: the client's settings, which answers count, and the body with its limits.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE,
    LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Response, StatusCode};
use tokio::time::{Instant, timeout};
use url::Url;

use super::Question;
use super::access::Scope;
use super::error::{FetchError, shown};
use super::options::{FetchOptions, MAX_CONCURRENCY};
use super::retry::Retry;
use super::tls::{TlsSettings, read_certificates};
use super::validators::FileValidators;

/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 10;

/// HTTP clients, one for each kind of TLS settings, with the options that apply while they are used.
pub(super) struct HttpClient {
    clients: Mutex<BTreeMap<TlsSettings, reqwest::Client>>,
    pub(super) options: FetchOptions,
}

/// A request, as far as it is the same at every hop of a redirect.
struct HttpRequest<'a> {
    headers: HeaderMap,
    /// JSON to be sent with POST; `None` for GET.
    body: Option<&'a str>,
    /// Set if it asks for a part of a file.
    ranged: bool,
}

impl HttpClient {
    /// Sets the client up; reads the platform's certificates and the additional ones.
    pub(super) fn new(options: FetchOptions) -> Result<Self, FetchError> {
        let usual = TlsSettings::default();
        let http = http_client_with(&options, &usual, Policy::none)?;
        Ok(Self { clients: Mutex::new(BTreeMap::from([(usual, http)])), options })
    }

    /// The HTTP client with the TLS settings for the server of `url`, set up when it is wanted first.
    fn http(&self, url: &Url) -> Result<reqwest::Client, FetchError> {
        let settings = self.options.access.tls(url);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(&settings) {
            return Ok(known.clone());
        }
        let http = http_client_with(&self.options, &settings, Policy::none)?;
        clients.insert(settings, http.clone());
        Ok(http)
    }

    /// Asks for `url`, from byte `from` on, if that is not 0. `etag` is the strong validator of the bytes before.
    ///
    /// Returns only answers that hold the file: 200, or 206 to a request for a range.
    pub(super) async fn open(&self, url: &Url, from: u64, etag: Option<&HeaderValue>) -> Result<Response, FetchError> {
        let mut headers = HeaderMap::new();
        if from > 0 {
            headers.insert(RANGE, range_from(from)?);
            if let Some(etag) = etag {
                headers.insert(IF_RANGE, etag.clone());
            }
        }
        self.send(url, HttpRequest { headers, body: None, ranged: from > 0 }).await
    }

    /// Asks for a whole file, unless it is still the one with these validators (RFC 9110, section 13.1). Returns `None` if it is.
    pub(super) async fn open_unless(&self, url: &Url, known: &FileValidators) -> Result<Option<Response>, FetchError> {
        let request = HttpRequest { headers: known.conditions(), body: None, ranged: false };
        match self.send(url, request).await {
            Err(FetchError::Status { status: 304, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Sends a request, and returns its answer if that holds what was asked for.
    async fn send(&self, url: &Url, request: HttpRequest<'_>) -> Result<Response, FetchError> {
        let patience = self.options.connect_timeout + self.options.stall_timeout;
        let stalled = |_| FetchError::Stalled { url: shown(url), after: patience };
        let ranged = request.ranged;
        let (hop, response) = timeout(patience, self.follow(url, request)).await.map_err(stalled)??;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::PARTIAL_CONTENT if ranged => Ok(response),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::Missing { url: shown(url) }),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                Err(self.denied(url, &hop, status))
            }
            status => {
                let retry_after = retry_after(response.headers());
                Err(FetchError::Status { url: shown(url), status: status.as_u16(), retry_after })
            }
        }
    }

    fn denied(&self, url: &Url, hop: &Url, status: StatusCode) -> FetchError {
        let advice = self.options.access.advice(hop, status);
        let advice = match url.host_str() == hop.host_str() {
            true => advice,
            false => format!("a redirect leads to {}; {advice}", hop.host_str().unwrap_or_default()),
        };
        FetchError::Denied { url: shown(url), status: status.as_u16(), advice }
    }

    /// Sends a request and follows redirects. Returns the last answer, and the URL that gave it.
    ///
    /// Each hop has the credentials and the TLS settings of its own URL. Where it has none, it keeps those of the hop before if
    /// the server is the same.
    async fn follow(&self, url: &Url, mut request: HttpRequest<'_>) -> Result<(Url, Response), FetchError> {
        let (mut hop, mut hops) = (url.clone(), 0);
        let mut kept: Option<HeaderValue> = None;
        loop {
            let own = self.options.access.authorization(&hop).map(|authorization| authorization.header);
            kept = own.or(kept);
            let response = self.ask(&hop, &request, kept.as_ref()).await.map_err(|error| error.of(url))?;
            let Some(to) = redirect_of(&response) else { return Ok((hop, response)) };
            hops += 1;
            let refused = |reason: &'static str| FetchError::Redirect { url: shown(url), source: reason.into() };
            let next = next_hop(&hop, to, hops).map_err(refused)?;
            // As browsers do: 307 and 308 keep the method (RFC 9110 section 15.4).
            if !matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
                request.body = None;
            }
            if Scope::of_server(&hop) != Scope::of_server(&next) {
                kept = None;
            }
            hop = next;
        }
    }

    /// Sends one request, whatever the answer.
    async fn ask(
        &self,
        url: &Url,
        request: &HttpRequest<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, HopError> {
        // Otherwise the HTTP client would make a header of them, besides ours.
        let mut plain = url.clone();
        let _ = (plain.set_username(""), plain.set_password(None)); // both fail only for addresses that have neither
        let http = self.http(url).map_err(HopError::Setup)?;
        let builder = match request.body {
            Some(json) => http.post(plain).header(CONTENT_TYPE, "application/json").body(json.to_owned()),
            None => http.get(plain),
        };
        let builder = builder.headers(request.headers.clone());
        let builder = authorization.into_iter().fold(builder, |builder, value| builder.header(AUTHORIZATION, value));
        builder.send().await.map_err(HopError::Network)
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
        let header = |(name, value): &(&'static str, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| FetchError::Setup(error.into()))?;
            Ok((name, HeaderValue::from_str(value).map_err(|error| FetchError::Setup(error.into()))?))
        };
        let headers = headers.iter().map(header).collect::<Result<HeaderMap, FetchError>>()?;
        let response = self.send(url, HttpRequest { headers, body: body.as_deref(), ranged: false }).await?;
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
    pub(super) fn body(&self, url: &Url, response: Response) -> TimedBody<'_> {
        TimedBody { url: url.clone(), response, options: &self.options, waited: Duration::ZERO, came: 0 }
    }
}

/// A body that ends in an error when the server is too slow.
///
/// Only time spent waiting for the server counts, so a slow disk of our own is never taken for a slow server.
pub(super) struct TimedBody<'a> {
    url: Url,
    response: Response,
    options: &'a FetchOptions,
    waited: Duration,
    came: u64,
}

impl TimedBody<'_> {
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
pub(crate) fn http_client(
    options: &FetchOptions,
    redirect: impl Fn() -> Policy,
) -> Result<reqwest::Client, FetchError> {
    http_client_with(options, &TlsSettings::default(), redirect)
}

/// The same with TLS settings.
fn http_client_with(
    options: &FetchOptions,
    tls: &TlsSettings,
    redirect: impl Fn() -> Policy,
) -> Result<reqwest::Client, FetchError> {
    // An error means that a provider is installed already: just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let extra = options.ca_file.as_deref().map(read_certificates).transpose()?.unwrap_or_default();
    match tls.apply(builder(options).redirect(redirect()), &extra)?.build() {
        Ok(client) => Ok(client),
        // A small system may have no certificates at all. That must only stop https, not http.
        Err(_) if *tls == TlsSettings::default() => {
            let without_platform = builder(options).redirect(redirect()).tls_certs_only(extra).build();
            without_platform.map_err(|source| FetchError::Setup(source.into()))
        }
        Err(source) => Err(tls.unusable(source)),
    }
}

fn builder(options: &FetchOptions) -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("gapferry/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]))
        .connect_timeout(options.connect_timeout)
        .pool_max_idle_per_host(options.concurrency.clamp(1, MAX_CONCURRENCY))
        .http1_only()
        .referer(false)
}

/// A hop that gave no answer.
enum HopError {
    Setup(FetchError),
    Network(reqwest::Error),
}

impl HopError {
    /// The error of the request for `url`, which the redirects began at.
    fn of(self, url: &Url) -> FetchError {
        match self {
            Self::Setup(error) => error,
            Self::Network(source) => FetchError::network(url, source),
        }
    }
}

/// The target of a redirect. Returns `None` for any other answer.
fn redirect_of(response: &Response) -> Option<&HeaderValue> {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308).then(|| response.headers().get(LOCATION))?
}

/// The URL that `location` leads to from `hop`, or the rule that forbids it. It is the redirect number `hops`.
fn next_hop(hop: &Url, location: &HeaderValue, hops: usize) -> Result<Url, &'static str> {
    let text = std::str::from_utf8(location.as_bytes()).map_err(|_| "a redirect to something that is no URL")?;
    let next = hop.join(text).map_err(|_| "a redirect to something that is no URL")?;
    match next.scheme() {
        _ if hops > MAX_REDIRECTS => Err("too many redirects"),
        "https" => Ok(next),
        "http" if hop.scheme() == "http" => Ok(next),
        "http" => Err("a redirect from https to http"),
        _ => Err("a redirect to something other than http or https"),
    }
}

/// The value of `Range` for all bytes from `from` on.
fn range_from(from: u64) -> Result<HeaderValue, FetchError> {
    HeaderValue::try_from(format!("bytes={from}-")).map_err(|error| FetchError::Setup(error.into()))
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

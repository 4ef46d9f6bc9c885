//! Servers that are slow, broken or hostile.

use std::time::{Duration, Instant};

use gapferry::error_class::ErrorClass;
use gapferry::fetch::{FetchError, FetchOptions};

use super::super::support::desk::PATIENCE;
use super::super::support::server::{Fault, Times};
use super::{Bench, content, quick};

#[test]
fn a_slow_drip_is_an_error() {
    let bench = Bench::with(FetchOptions { retries: 1, rate_window: Duration::from_millis(300), ..quick() });
    let wanted = bench.put("a", &content(100_000, 1));
    bench.server.fault("a", Times::ALWAYS, Fault::Drip(Duration::from_millis(20)));
    let error = bench.fetch_bad(&wanted);
    assert!(matches!(error, FetchError::TooSlow { rate: 0..1000, min_rate: 1000, .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::UpstreamUnavailable);
    assert!(matches!(bench.fetcher.get(&bench.server.url("a"), 100_000), Err(FetchError::TooSlow { .. })));
}

#[test]
fn silence_is_an_error() {
    let bench = Bench::with(FetchOptions {
        retries: 1,
        connect_timeout: Duration::from_millis(200),
        stall_timeout: Duration::from_secs(1),
        ..quick()
    });
    let wanted = bench.put("a", &content(100_000, 1));
    bench.server.fault("a", Times::ALWAYS, Fault::StallAt(1000));
    assert!(matches!(bench.fetch_bad(&wanted), FetchError::Stalled { .. }));
    let wanted = bench.put("b", &content(100_000, 2));
    bench.server.fault("b", Times::ALWAYS, Fault::Silent);
    let error = bench.fetch_bad(&wanted);
    assert!(matches!(error, FetchError::Stalled { .. }), "{error:?}");
    assert_eq!((error.class(), bench.server.requests("b").len()), (ErrorClass::UpstreamUnavailable, 2));
}

#[test]
fn a_lying_length_is_refused_before_the_body() {
    let bench = Bench::new();
    let wanted = bench.put("long", &content(50_000, 1));
    bench.server.fault("long", Times::ALWAYS, Fault::Announce(1 << 40));
    let error = bench.fetch_bad(&wanted);
    assert!(matches!(error, FetchError::TooLarge { limit: 50_000, .. }), "{error:?}");
    assert_eq!((error.class(), bench.server.requests("long").len()), (ErrorClass::VerificationFailed, 1));
    assert!(!wanted.to.exists());

    let wanted = bench.put("short", &content(50_000, 2));
    bench.server.fault("short", Times::ALWAYS, Fault::Announce(40_000));
    let error = bench.fetch_bad(&wanted);
    assert!(matches!(error, FetchError::TooShort { expected: 50_000, got: 40_000, .. }), "{error:?}");
    assert_eq!((error.class(), bench.server.requests("short").len()), (ErrorClass::VerificationFailed, 2));

    let wanted = bench.put("once", &content(50_000, 3));
    bench.server.fault("once", Times(1), Fault::Announce(40_000));
    bench.fetch_good(&wanted);
}

#[test]
fn a_body_that_goes_on_is_left_at_the_signed_size() {
    let bench = Bench::new();
    let wanted = bench.put("a", &content(50_000, 1));
    bench.server.fault("a", Times::ALWAYS, Fault::ChunkedExtra(100_000_000));
    let error = bench.fetch_bad(&wanted);
    assert!(matches!(error, FetchError::TooLarge { limit: 50_000, .. }), "{error:?}");
    assert_eq!((error.class(), bench.server.requests("a").len()), (ErrorClass::VerificationFailed, 1));
    assert!(!wanted.to.exists());
    let wanted = bench.put("b", &content(50_000, 2));
    bench.server.fault("b", Times::ALWAYS, Fault::ChunkedExtra(1));
    assert!(matches!(bench.fetch_bad(&wanted), FetchError::TooLarge { .. }));
    let wanted = bench.put("c", &content(50_000, 3));
    bench.server.fault("c", Times::ALWAYS, Fault::ChunkedExtra(0));
    bench.fetch_good(&wanted);
}

#[test]
fn wrong_bytes_are_refused_named_and_removed() {
    let bench = Bench::new();
    let wanted = bench.put("a", &content(500_000, 1));
    bench.server.fault("a", Times::ALWAYS, Fault::Flip(499_999));
    let error = bench.fetch_bad(&wanted);
    let text = error.to_string();
    let FetchError::WrongDigest { url, expected, got } = &error else { panic!("{error:?}") };
    assert_eq!((url.as_str(), **expected), (wanted.urls[0].as_str(), wanted.digest));
    assert!(text.contains(&expected.to_string()) && text.contains(&got.to_string()), "{text}");
    assert_eq!((error.class(), bench.server.requests("a").len()), (ErrorClass::VerificationFailed, 1));
    assert!(!wanted.to.exists(), "nothing can poison the next run");
    bench.server.heal("a");
    bench.fetch_good(&wanted);
}

#[test]
fn an_overloaded_server_is_asked_again() {
    let bench = Bench::new();
    for (name, status) in [("a", 503), ("b", 500), ("c", 429), ("d", 408)] {
        let wanted = bench.put(name, &content(1000, 1));
        bench.server.fault(name, Times(2), Fault::Status(status, vec![]));
        bench.fetch_good(&wanted);
        assert_eq!(bench.server.requests(name).len(), 3);
    }
    let wanted = bench.put("e", &content(1000, 1));
    bench.server.fault("e", Times::ALWAYS, Fault::Status(503, vec![]));
    let error = bench.fetch_bad(&wanted);
    assert!(matches!(error, FetchError::Status { status: 503, .. }), "{error:?}");
    assert_eq!((error.class(), bench.server.requests("e").len()), (ErrorClass::UpstreamUnavailable, 4));
    bench.server.fault("f", Times::ALWAYS, Fault::Status(403, vec![]));
    let mut wanted = bench.put("f", &content(1000, 1));
    bench.fetch_bad(&wanted);
    assert_eq!(bench.server.requests("f").len(), 1);
    // A success with something other than the file in it is none.
    wanted.urls = vec![bench.server.url("g")];
    bench.server.fault("g", Times::ALWAYS, Fault::Status(204, vec![]));
    assert!(matches!(bench.fetch_bad(&wanted), FetchError::Status { status: 204, .. }));
}

#[test]
fn the_wait_that_a_server_asks_for_is_kept_and_capped() {
    let bench = Bench::new();
    let wanted = bench.put("a", &content(1000, 1));
    bench.server.fault("a", Times(1), Fault::Status(503, vec![("Retry-After", "1")]));
    let start = Instant::now();
    bench.fetch_good(&wanted);
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    let wanted = bench.put("b", &content(1000, 1));
    bench.server.fault("b", Times(1), Fault::Status(429, vec![("Retry-After", "86400")]));
    let start = Instant::now();
    bench.fetch_good(&wanted);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let bench = Bench::new();
    let mut wanted = bench.put("a", &content(1000, 1));
    bench.server.fault("old", Times::ALWAYS, Fault::Redirect("/a".into()));
    wanted.urls = vec![bench.server.url("old")];
    bench.fetch_good(&wanted);
    assert_eq!(bench.server.requests("a")[0].header("referer"), None);

    std::fs::remove_file(&wanted.to).unwrap();
    for to in ["/loop", "file:///etc/hostname", "ftp://127.0.0.1/x"] {
        bench.server.heal("loop");
        bench.server.fault("loop", Times::ALWAYS, Fault::Redirect(to.into()));
        wanted.urls = vec![bench.server.url("loop")];
        let error = bench.fetch_bad(&wanted);
        let refused = matches!(error, FetchError::Redirect { .. } | FetchError::Status { status: 302, .. });
        assert!(refused, "{to}: {error:?}");
        assert_eq!(error.class(), ErrorClass::UpstreamUnavailable);
    }
    assert!(bench.server.requests("loop").len() < 20);
}

#[test]
fn credentials_reach_the_server_and_no_message() {
    let bench = Bench::new();
    let mut wanted = bench.put("a", &content(1000, 1));
    let mut url = bench.server.url("a");
    url.set_username("me").unwrap();
    url.set_password(Some("secret")).unwrap();
    wanted.urls = vec![url];
    bench.server.fault("a", Times::ALWAYS, Fault::Flip(3));
    let error = bench.fetch_bad(&wanted);
    let text = format!("{error} {error:?}");
    assert!(text.contains("***@") && !text.contains("secret") && !text.contains("me:"), "{text}");
    let sent = bench.server.requests("a")[0].header("authorization").map(str::to_owned);
    assert_eq!(sent.as_deref(), Some("Basic bWU6c2VjcmV0"));
}

#[test]
fn bytes_come_as_they_are() {
    let bench = Bench::new();
    let wanted = bench.put("a.gz", &content(1000, 1));
    bench.fetch_good(&wanted);
    let request = &bench.server.requests("a.gz")[0];
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert!(request.header("user-agent").unwrap().starts_with("gapferry/"));
}

//! Files as they should come, and the simple ways in which they do not exist.

use gapferry::error_class::ErrorClass;
use gapferry::fetch::{FetchError, FetchOptions, Wanted};
use gapferry::progress::Progress;
use url::Url;

use super::super::support::server::{Fault, Times};
use super::{Bench, content, dead_url, quick};

#[test]
fn files_of_every_size_come_whole() {
    let bench = Bench::new();
    for size in [0, 1, 50_000, 262_143, 262_144, 262_145, 3_000_000] {
        let wanted = bench.put(&format!("f{size}"), &content(size, 1));
        let done = bench.fetch_good(&wanted);
        assert_eq!(done.from.is_some(), size > 0);
    }
    assert_eq!(bench.server.requests("f0").len(), 0, "an empty file needs no request");
    assert!(bench.server.connections() <= 2, "connections are used again: {}", bench.server.connections());
}

/// Without the header any encoding is allowed (RFC 9110, section 12.5.3), and a proxy may compress what signatures are over.
#[test]
fn every_request_asks_for_the_file_as_it_is() {
    let bench = Bench::new();
    let wanted = bench.put("large", &content(50_000, 1));
    bench.fetch_good(&wanted);
    bench.put("InRelease", b"0123456789");
    bench.fetcher.get(&bench.server.url("InRelease"), 10).unwrap();
    for path in ["large", "InRelease"] {
        let requests = bench.server.requests(path);
        assert!(!requests.is_empty());
        assert!(requests.iter().all(|request| request.header("accept-encoding") == Some("identity")), "{requests:?}");
    }
}

#[test]
fn many_small_files_come_over_few_connections() {
    let bench = Bench::new();
    let wanted: Vec<_> = (0..300).map(|i| bench.put(&format!("f{i}"), &content(5_000, i))).collect();
    let progress = Progress::hidden().phase("fetching", 300 * 5_000);
    let mut done = 0;
    bench.fetcher.fetch_all(wanted.clone(), &progress, |_| done += 1).unwrap();
    assert_eq!((done, progress.done_bytes()), (300, 300 * 5_000));
    // Eight workers; one that is faster than the pool takes its connection back opens another now and then.
    assert!(bench.server.connections() <= 30, "{} connections", bench.server.connections());
    for wanted in &wanted {
        assert_eq!(std::fs::metadata(&wanted.to).unwrap().len(), 5_000);
    }
    let again = bench.fetch(&wanted).unwrap();
    assert!(again.iter().all(|finished| finished.from.is_none()));
    assert_eq!(bench.server.requests("f7").len(), 1, "nothing that is there is fetched again");
}

#[test]
fn a_place_that_is_named_twice_is_filled_once() {
    let bench = Bench::new();
    let wanted = bench.put("a", &content(400_000, 1));
    let done = bench.fetch(&[wanted.clone(), wanted.clone(), wanted]).unwrap();
    assert_eq!((done.len(), bench.server.requests("a").len()), (1, 1));
}

#[test]
fn small_files_come_into_memory_up_to_a_cap() {
    let bench = Bench::new();
    bench.put("InRelease", b"0123456789");
    let url = bench.server.url("InRelease");
    assert_eq!(bench.fetcher.get(&url, 10).unwrap(), b"0123456789");
    assert!(matches!(bench.fetcher.get(&url, 9), Err(FetchError::TooLarge { limit: 9, .. })));
    bench.server.fault("InRelease", Times(1), Fault::ChunkedExtra(1));
    assert!(matches!(bench.fetcher.get(&url, 10), Err(FetchError::TooLarge { .. })));
    bench.server.fault("InRelease", Times(2), Fault::Status(503, vec![]));
    bench.server.fault("InRelease", Times(3), Fault::CutAt(4));
    assert_eq!(bench.fetcher.get(&url, 10).unwrap(), b"0123456789");
}

#[test]
fn what_is_not_there_is_told_from_what_failed() {
    let bench = Bench::new();
    let url = bench.server.url("nothing");
    assert!(matches!(bench.fetcher.get(&url, 10), Err(FetchError::Missing { .. })));
    assert!(bench.fetcher.get_optional(&url, 10).unwrap().is_none());
    bench.server.fault("gone", Times::ALWAYS, Fault::Status(410, vec![]));
    assert!(bench.fetcher.get_optional(&bench.server.url("gone"), 10).unwrap().is_none());
    bench.server.fault("private", Times::ALWAYS, Fault::Status(403, vec![]));
    let error = bench.fetcher.get_optional(&bench.server.url("private"), 10).unwrap_err();
    assert!(matches!(error, FetchError::Denied { status: 403, .. }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Usage);
    assert_eq!(bench.server.requests("private").len(), 1, "a refusal is not tried again");
    assert!(bench.fetcher.get_optional(&dead_url(), 10).is_err());
}

#[test]
fn addresses_are_tried_in_order() {
    let bench = Bench::new();
    let mut wanted = bench.put("plain", &content(1000, 1));
    wanted.urls.insert(0, bench.server.url("by-hash"));
    assert_eq!(bench.fetch_good(&wanted).from, Some(bench.server.url("plain")));
    // A mirror that changed meanwhile is no reason not to ask the next one.
    let mut second = bench.put("second", &content(1000, 2));
    bench.put("changed", &content(1000, 3));
    second.urls.insert(0, bench.server.url("changed"));
    bench.fetch_good(&second);
    // The fault that says most is the one that is told.
    let mut third = bench.put("third", &content(1000, 4));
    third.urls = ["absent", "changed", "absent2"].map(|name| bench.server.url(name)).to_vec();
    assert!(matches!(bench.fetch_bad(&third), FetchError::WrongDigest { .. }));
}

#[test]
fn one_missing_file_does_not_stop_the_rest() {
    let bench = Bench::new();
    let wanted: Vec<_> = (0..50).map(|i| bench.put(&format!("f{i}"), &content(1000, i))).collect();
    for i in [7, 30] {
        std::fs::remove_file(bench.upstream(&format!("f{i}"))).unwrap();
    }
    let mut done = 0;
    let errors = bench.fetcher.fetch_all(wanted, &Progress::hidden(), |_| done += 1).unwrap_err();
    assert_eq!((done, errors.errors.len(), errors.class()), (48, 2, ErrorClass::UpstreamUnavailable));
    let text = errors.to_string();
    assert!(text.contains("/f7") || text.contains("/f30"), "{text}");
}

#[test]
fn a_dead_upstream_is_given_up_soon() {
    let bench = Bench::with(FetchOptions { retries: 1, ..quick() });
    let mut one = bench.put("x", b"x");
    one.urls = vec![dead_url()];
    let wanted: Vec<_> = (0..10_000).map(|i| Wanted { to: bench.to(&format!("f{i}")), ..one.clone() }).collect();
    let errors = bench.fetch(&wanted).unwrap_err();
    assert!(errors.errors.len() < 50, "{} errors", errors.errors.len());
    assert!(matches!(errors.errors[0], FetchError::Unreachable { .. }));
    assert!(errors.errors.iter().any(|error| matches!(error, FetchError::GaveUp { left } if *left > 9_900)));
    assert_eq!(errors.class(), ErrorClass::UpstreamUnavailable);
}

#[test]
fn local_files_pass_the_same_checks() {
    let bench = Bench::new();
    let bytes = content(700_000, 1);
    let mut wanted = bench.put("local", &bytes);
    let url = Url::from_file_path(bench.upstream("local")).unwrap();
    wanted.urls = vec![url.clone()];
    bench.fetch_good(&wanted);
    assert_eq!(bench.fetcher.get(&url, 700_000).unwrap(), bytes);
    assert!(matches!(bench.fetcher.get(&url, 699_999), Err(FetchError::TooLarge { .. })));
    wanted.to = bench.to("again");
    std::fs::write(bench.upstream("local"), content(700_000, 2)).unwrap();
    assert!(matches!(bench.fetch_bad(&wanted), FetchError::WrongDigest { .. }));
    assert!(!wanted.to.exists());
    std::fs::write(bench.upstream("local"), content(700_001, 1)).unwrap();
    assert!(matches!(bench.fetch_bad(&wanted), FetchError::TooLarge { .. }));
    std::fs::write(bench.upstream("local"), content(699_999, 1)).unwrap();
    assert!(matches!(bench.fetch_bad(&wanted), FetchError::TooShort { .. }));
    std::fs::remove_file(bench.upstream("local")).unwrap();
    assert!(matches!(bench.fetch_bad(&wanted), FetchError::Missing { .. }));
    assert!(bench.fetcher.get_optional(&url, 1).unwrap().is_none());
    let folder = Url::from_file_path(bench.folder.path()).unwrap();
    assert!(matches!(bench.fetcher.get(&folder, 1), Err(FetchError::Disk { .. })));
}

#[test]
fn other_schemes_are_refused() {
    let bench = Bench::new();
    for text in ["ftp://127.0.0.1/x", "data:,x", "file://elsewhere/x", "javascript:alert(1)"] {
        let error = bench.fetcher.get(&text.parse().unwrap(), 10).unwrap_err();
        assert!(matches!(error, FetchError::Address { .. }), "{text}: {error:?}");
        assert_eq!(error.class(), ErrorClass::Usage);
    }
}

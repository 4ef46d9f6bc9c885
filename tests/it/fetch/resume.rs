//! Going on where an attempt or an earlier run stopped, without trusting what it left.

use std::time::Duration;

use gapferry::fetch::{FetchError, FetchOptions, Fetcher};

use super::super::support::server::{Fault, Times};
use super::{Bench, content, quick};

const SIZE: usize = 2_000_000;

#[test]
fn a_cut_transfer_goes_on_with_a_range() {
    let bench = Bench::new();
    let wanted = bench.put("a", &content(SIZE, 1));
    bench.server.fault("a", Times(1), Fault::CutAt(1_500_000));
    bench.fetch_good(&wanted);
    let requests = bench.server.requests("a");
    assert_eq!(requests.len(), 2);
    let from: usize = requests[1].header("range").unwrap()[6..].trim_end_matches('-').parse().unwrap();
    assert!((1_000_000..=1_500_000).contains(&from), "{from}");
    assert!(requests[1].header("if-range").is_some(), "the validator is known within a run");
}

#[test]
fn a_cut_transfer_starts_anew_without_ranges() {
    let bench = Bench::new();
    let wanted = bench.put("a", &content(SIZE, 1));
    bench.server.fault("a", Times::ALWAYS, Fault::NoRanges);
    bench.server.fault("a", Times(2), Fault::CutAt(700_000));
    bench.fetch_good(&wanted);
    assert_eq!(bench.server.requests("a").len(), 3);
}

#[test]
fn an_unframed_body_that_ends_early_is_cut_too() {
    let bench = Bench::new();
    let wanted = bench.put("a", &content(SIZE, 1));
    bench.server.fault("a", Times(1), Fault::Unframed(900_000));
    bench.fetch_good(&wanted);
    assert_eq!(bench.ranges("a"), [None, Some("bytes=900000-".into())]);
}

#[test]
fn a_server_that_sends_another_range_is_asked_for_the_whole() {
    for fault in [Fault::WrongRange, Fault::RangeRefused] {
        let bench = Bench::new();
        let bytes = content(SIZE, 1);
        let wanted = bench.put("a", &bytes);
        std::fs::write(&wanted.to, &bytes[..1_000_001]).unwrap();
        bench.server.fault("a", Times::ALWAYS, fault);
        bench.fetch_good(&wanted);
        assert_eq!(bench.ranges("a"), [Some("bytes=1000001-".into()), None]);
    }
}

#[test]
fn what_an_earlier_run_left_is_taken_up() {
    let bench = Bench::new();
    let bytes = content(SIZE, 1);
    let wanted = bench.put("a", &bytes);
    std::fs::write(&wanted.to, &bytes[..1_234_567]).unwrap();
    bench.fetch_good(&wanted);
    assert_eq!(bench.ranges("a"), [Some("bytes=1234567-".into())]);
    assert_eq!(bench.server.requests("a")[0].header("if-range"), None, "no validator survives a run");
}

#[test]
fn a_file_that_is_complete_is_not_asked_for() {
    let bench = Bench::new();
    let bytes = content(SIZE, 1);
    let wanted = bench.put("a", &bytes);
    std::fs::write(&wanted.to, &bytes).unwrap();
    assert_eq!(bench.fetch_good(&wanted).from, None);
    assert!(bench.server.requests("a").is_empty());
}

#[test]
fn poison_from_an_earlier_run_is_washed_out() {
    let bench = Bench::new();
    let bytes = content(SIZE, 1);
    let wanted = bench.put("a", &bytes);
    let mut poison = bytes.clone();
    poison[5] ^= 1;
    let longer = [bytes.as_slice(), b"!"].concat();
    for (left, requests) in [(&poison[..1_000_000], 2), (&poison[..], 1), (&longer[..], 1), (&[][..], 1)] {
        let before = bench.server.requests("a").len();
        std::fs::write(&wanted.to, left).unwrap();
        bench.fetch_good(&wanted);
        assert_eq!(bench.server.requests("a").len() - before, requests, "{} bytes", left.len());
    }
}

#[test]
fn poison_and_a_lying_server_end_in_an_error() {
    let bench = Bench::new();
    let bytes = content(SIZE, 1);
    let wanted = bench.put("a", &bytes);
    std::fs::write(&wanted.to, &bytes[..1_000_000]).unwrap();
    bench.server.fault("a", Times::ALWAYS, Fault::Flip(1_999_999));
    assert!(matches!(bench.fetch_bad(&wanted), FetchError::WrongDigest { .. }));
    assert_eq!(bench.server.requests("a").len(), 2, "once resumed, once afresh");
    assert!(!wanted.to.exists());
}

#[test]
fn a_file_that_changes_between_two_attempts_is_not_welded_together() {
    let bench = Bench::new();
    let bytes = content(SIZE, 1);
    let wanted = bench.put("a", &bytes);
    // The first answer is of other bytes, and its ETag of these: If-Range makes the server send all.
    bench.server.fault("a", Times(1), Fault::Flip(3));
    bench.server.fault("a", Times(1), Fault::CutAt(500_000));
    bench.fetch_good(&wanted);
    assert_eq!(bench.server.requests("a").len(), 2);
}

#[test]
fn many_cuts_are_survived_as_long_as_there_is_progress() {
    let bench = Bench::with(FetchOptions { retries: 1, ..quick() });
    let wanted = bench.put("a", &content(12_000_000, 1));
    bench.server.fault("a", Times::ALWAYS, Fault::CutAt(1_500_000));
    bench.fetch_good(&wanted);
    assert!(bench.server.requests("a").len() >= 8);
}

#[test]
fn a_failed_run_leaves_what_came_for_the_next_one() {
    let mut bench = Bench::with(FetchOptions { retries: 0, stall_timeout: Duration::from_secs(2), ..quick() });
    let wanted = bench.put("a", &content(SIZE, 1));
    bench.server.fault("a", Times(1), Fault::StallAt(1_000_000));
    assert!(matches!(bench.fetch_bad(&wanted), FetchError::Stalled { .. }));
    bench.fetcher = Fetcher::new(quick()).unwrap();
    assert_eq!(std::fs::metadata(&wanted.to).unwrap().len(), 1_000_000);
    bench.fetch_good(&wanted);
    assert_eq!(bench.ranges("a"), [None, Some("bytes=1000000-".into())]);
}

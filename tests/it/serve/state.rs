//! `/healthz` and `/metrics`.

use std::fs;
use std::time::Duration;

use gapferry::digest::Sha256;
use gapferry::kind::Kind;
use gapferry::numbers::Epoch;
use gapferry::site::{NameState, Site};
use gapferry::time::Time;
use serde_json::Value;

use super::tree::{desk, generation, published};
use super::{ask, fetch};
use crate::support::desk::Desk;

const FILE: &str = "/apt/u/pool/a.deb";

fn site() -> Desk {
    let desk = desk();
    let what = [published(Kind::Apt, "u", "http://u.test/ubuntu"), published(Kind::Apt, "local", "http://127.0.0.1/x")];
    generation(&desk, 4, &what, &[(FILE[1..].to_owned(), b"it".to_vec())]);
    desk
}

/// Lets generation 4 say that its bundle `base` expires `seconds` from now.
fn expires(desk: &Desk, seconds: i64) {
    let file = desk.path("site/generations/4/generation.json");
    let mut generation = Site::open(&desk.path("site")).unwrap().generation(4).unwrap();
    let digest = Sha256::of(b"");
    let state = NameState {
        accepted: digest,
        epoch: Epoch::FIRST,
        sequence: 42.try_into().unwrap(),
        manifest: Some(digest),
        bundle: "dc1-base-000042".to_owned(),
        expires: Time::now().plus(seconds),
        verified: Time::now(),
        review: None,
    };
    generation.names.insert("base".parse().unwrap(), state);
    fs::write(file, generation.to_json()).unwrap();
}

fn health(desk: &Desk) -> (u16, Value) {
    let (status, body) = fetch(&desk.serve(), "/healthz");
    (status, serde_json::from_slice(&body).unwrap())
}

#[test]
fn health_says_what_is_served_and_until_when() {
    let desk = site();
    expires(&desk, 3600);
    let (status, value) = health(&desk);
    assert_eq!((status, &value["status"], &value["generation"]), (200, &"ok".into(), &4.into()), "{value}");
    assert_eq!(value["names"]["base"]["bundle"], "dc1-base-000042");
    assert_eq!(value["names"]["base"]["expired"], false);
    expires(&desk, -60);
    let (status, value) = health(&desk);
    assert_eq!((status, &value["status"]), (200, &"expired".into()), "{value}");
    assert_eq!(value["names"]["base"]["expired"], true);
    let (status, value) = health(&super::tree::desk());
    assert_eq!((status, &value["status"]), (503, &"no-generation".into()));
}

#[test]
fn metrics_count_what_was_answered() {
    let desk = site();
    expires(&desk, 3600);
    let serving = desk.serve();
    for _ in 0..3 {
        fetch(&serving, FILE);
    }
    fetch(&serving, "/absent");
    fetch(&serving, "/healthz");
    // The server may notice later than the client that a connection has ended. Each question is one connection more.
    let (mut questions, mut text) = (0_u64, String::new());
    while !text.contains("gapferry_connections_open 1\n") && questions < 500 {
        std::thread::sleep(Duration::from_millis(questions.min(20)));
        let answer = ask(&serving, "GET", "/metrics", "");
        assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        text = String::from_utf8(answer.body).unwrap();
        questions += 1;
    }
    let service = format!("gapferry_requests_total{{kind=\"service\",class=\"2xx\"}} {questions}");
    let accepted = format!("gapferry_connections_accepted_total {}", 5 + questions);
    for line in [
        "# TYPE gapferry_requests_total counter",
        "gapferry_requests_total{kind=\"apt\",class=\"2xx\"} 3",
        "gapferry_requests_total{kind=\"none\",class=\"4xx\"} 1",
        &service,
        "gapferry_response_bytes_total{kind=\"apt\"} 6",
        "gapferry_connections_open 1",
        &accepted,
        "gapferry_connections_refused_total 0",
        "gapferry_generation 4",
        "gapferry_access_log_dropped_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    assert!(
        text.contains("gapferry_bundle_expiry_timestamp_seconds{name=\"base\"} ")
            && text.contains("gapferry_generation_age_seconds ")
    );
    // Every line is a comment, or a name with or without labels and a number.
    for line in text.lines().filter(|line| !line.starts_with("# TYPE ")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("gapferry_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn an_upstream_keeps_its_names() {
    let desk = site();
    let serving = desk.serve();
    for path in ["/healthz", "/metrics"] {
        let status = |host: &str| ask(&serving, "GET", path, &format!("Host: {host}\r\n")).status;
        assert_eq!([status("u.test"), status("other.test"), status("127.0.0.1")], [404, 200, 200], "{path}");
        assert_eq!(ask(&serving, "HEAD", path, "").status, 200);
        assert_eq!(ask(&serving, "POST", path, "").status, 405);
    }
}

//! Requests that no well-behaved device makes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::fixture::{desk, post};
use crate::serve::{ask, raw};
use crate::support::snaps::snap_id;

const REFRESH: &str = "/v2/snaps/refresh";

#[test]
fn bodies_that_are_no_requests() {
    let desk = desk();
    let serving = desk.serve();
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_action = format!("{{\"actions\":[{{\"x\":{}1{}}}]}}", "{\"a\":".repeat(5000), "}".repeat(5000));
    let many = format!("{{\"actions\":[{}{{}}]}}", "{},".repeat(1_000_000));
    for body in [
        "",
        "{",
        "null",
        "[]x",
        "\"x\"",
        "7",
        "{\"actions\":7}",
        "{\"actions\":[7]}",
        "{\"actions\":{}}",
        "\u{0}",
        "{}{}",
        "{\"actions\":[{\"revision\":1.5}]}",
        "{\"actions\":[{\"revision\":99999999999999999999}]}",
        "{\"actions\":[{\"name\":null}]}",
        "{\"actions\":[],\"actions\":[]}",
        &many,
    ] {
        let answer = post(&serving, REFRESH, "", body.as_bytes());
        let start = body.get(..40).unwrap_or(body);
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad-request"), "{start}");
    }
    // What is not needed is passed over, however deep it goes.
    for body in [&deep, &deep_action] {
        assert_eq!(post(&serving, REFRESH, "", body.as_bytes()).status, 200);
    }
    assert_eq!(post(&serving, REFRESH, "", b"\xff\xfe{").status, 400);
    assert_eq!(post(&serving, REFRESH, "", b"{}").status, 200);
}

#[test]
fn bodies_and_replies_have_their_limits() {
    let desk = desk();
    let serving = desk.serve();
    let huge = vec![b' '; (4 << 20) + 1];
    let answer = post(&serving, REFRESH, "", &huge);
    assert_eq!((answer.status, answer.code().as_str()), (413, "too-large"));
    let exact = "{}".to_owned() + &" ".repeat((4 << 20) - 2);
    assert_eq!(post(&serving, REFRESH, "", exact.as_bytes()).status, 200);
    // Announced and never sent.
    let announced =
        format!("POST {REFRESH} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n{{}}");
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    stream.set_read_timeout(Some(crate::support::desk::PATIENCE)).unwrap();
    stream.write_all(announced.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut head = Vec::new();
    let _ = stream.read_to_end(&mut head); // it may be cut off without an answer
    // A small request for a large reply.
    let one = format!("{{\"action\":\"install\",\"name\":\"words\",\"instance-key\":\"{}\"}}", "k".repeat(900));
    let actions = format!("{{\"actions\":[{}{one}]}}", format!("{one},").repeat(4000));
    let answer = post(&serving, REFRESH, "", actions.as_bytes());
    assert!(answer.status == 200 || answer.status == 413, "{}", answer.status);
    assert!(answer.body.len() <= 17 << 20);
    assert_eq!(post(&serving, REFRESH, "", b"{}").status, 200, "and it still answers");
}

#[test]
fn hosts_that_are_none() {
    let desk = desk();
    let serving = desk.serve();
    for host in ["", "a b", "a/b", "u:p@a", "a:99999", "\"", "a\u{e9}", "[::1", "a#b", "a?b", "<script>", "%61"] {
        let answer = post(&serving, REFRESH, &format!("Host: {host}\r\n"), b"{}");
        assert_eq!(answer.status, 400, "{host}");
    }
    let without = format!("POST {REFRESH} HTTP/1.0\r\nContent-Length: 2\r\n\r\n{{}}");
    assert_eq!(raw(&serving, without.as_bytes()).status, 400);
    let absolute = post(
        &serving,
        &format!("http://other.test:5{REFRESH}"),
        "",
        br#"{"actions":[{"action":"install","name":"words"}]}"#,
    );
    let url = absolute.json()["results"][0]["snap"]["download"]["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://other.test:5/api/"), "{url}");
}

#[test]
fn paths_and_methods_that_are_none() {
    let desk = desk();
    let serving = desk.serve();
    for path in ["/v2/%", "/v2/snaps/info/%zz", "/v2/snaps/info/%ff", "/api/v1/snaps/download/%"] {
        let answer = ask(&serving, "GET", path, "");
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad-request"), "{path}");
    }
    for path in [
        "/v2/",
        "/v2/x",
        "/v2//snaps/refresh",
        "/v2/snaps/refresh/",
        "/v2/snaps/../snaps/find",
        "/api/v1/snaps/",
        "/api/v1/snaps/auth/request-id",
        "/v2/assertions/",
        "/v2/auth/store/assertions/x",
    ] {
        let answer = ask(&serving, "GET", path, "");
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{path}");
    }
    assert_eq!(post(&serving, "/api/v1/snaps/auth/devices", "", b"{}").code(), "not-found");
    for (method, path, allow) in [
        ("GET", REFRESH, "POST"),
        ("DELETE", REFRESH, "POST"),
        ("POST", "/v2/snaps/find", "GET, HEAD"),
        ("PUT", "/v2/snaps/info/words", "GET, HEAD"),
        ("BREW", "/api/v1/snaps/names", "GET, HEAD"),
    ] {
        let answer = ask(&serving, method, path, "");
        assert_eq!((answer.status, answer.code().as_str()), (405, "method-not-allowed"), "{method} {path}");
        assert_eq!(answer.headers["allow"], allow);
    }
    // What is not the store's stays as it is, and nothing of the generation can be reached through it.
    assert_eq!(ask(&serving, "GET", "/generation.json", "").status, 404);
    assert_eq!(ask(&serving, "GET", "/snaps/store/words_3.snap", "").status, 200);
    let download = format!("/api/v1/snaps/download/{}_", snap_id("words"));
    for revision in ["..%2f", "3.snap/", "3%00.snap", "+3.snap", "-3.snap", "99999999999999999999.snap", ".snap"] {
        let status = ask(&serving, "GET", &format!("{download}{revision}"), "").status;
        assert!([400, 404].contains(&status) || revision == "+3.snap", "{revision}: {status}");
    }
}

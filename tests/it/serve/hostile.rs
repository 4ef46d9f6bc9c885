//! Requests that no well-behaved client makes, byte for byte: each is refused, or answered once and in bounds.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use gapferry::kind::Kind;

use super::tree::{desk, generation, published};
use super::{ask, raw};
use crate::support::desk::{Desk, Serving};

const FILE: &str = "/apt/u/pool/a.deb";

fn served() -> (Desk, Serving) {
    let desk = desk();
    let what = [published(Kind::Apt, "u", "http://u.test/ubuntu")];
    generation(&desk, 1, &what, &[(FILE[1..].to_owned(), b"the file".to_vec())]);
    let serving = desk.serve();
    (desk, serving)
}

/// All that comes back for `request`, to whose end nothing is added.
fn exchange(serving: &Serving, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    stream.set_read_timeout(Some(crate::support::desk::PATIENCE)).unwrap();
    let _ = stream.write_all(request); // it may be cut off before the end
    let _ = stream.shutdown(Shutdown::Write);
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(&piece[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The statuses of all answers in `text`.
fn statuses(text: &str) -> Vec<u16> {
    let lines = text.lines().filter_map(|line| Some(&line[line.find("HTTP/1.")?..]));
    lines.map(|line| line[9..12].parse().unwrap()).collect()
}

/// Name, head and what follows it. What is hidden behind a request asks for the file; it must not be answered.
#[test]
fn what_is_hidden_in_a_request_is_not_answered() {
    let (_desk, serving) = served();
    let hidden = format!("GET {FILE} HTTP/1.1\r\nHost: smuggled.test\r\n\r\n");
    let length = hidden.len();
    let chunked = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
    for (name, head, body) in [
        (
            "length and chunks",
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            format!("0\r\n\r\n{hidden}"),
        ),
        (
            "chunks and length",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
            format!("0\r\n\r\n{hidden}"),
        ),
        ("two lengths", format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), hidden.clone()),
        ("a list of lengths", format!("Content-Length: 0, {length}\r\n"), hidden.clone()),
        ("a length with a sign", format!("Content-Length: +{length}\r\n"), hidden.clone()),
        ("a negative length", "Content-Length: -1\r\n".to_owned(), hidden.clone()),
        ("a length in hex", "Content-Length: 0x0\r\n".to_owned(), hidden.clone()),
        ("an empty length", "Content-Length:\r\n".to_owned(), hidden.clone()),
        ("a length too large", "Content-Length: 99999999999999999999\r\n".to_owned(), hidden.clone()),
        ("a length of all that follows", format!("Content-Length: {length}\r\n"), hidden.clone()),
        ("a space before the colon", "Content-Length : 0\r\n".to_owned(), hidden.clone()),
        ("a folded header", format!("X: a\r\n Content-Length: {length}\r\n"), hidden.clone()),
        ("a folded encoding", "Transfer-Encoding:\r\n chunked\r\n".to_owned(), chunked.clone()),
        ("another encoding", "Transfer-Encoding: gzip\r\n".to_owned(), chunked.clone()),
        ("chunks not last", "Transfer-Encoding: chunked, identity\r\n".to_owned(), chunked.clone()),
        ("an encoding with a tab", "Transfer-Encoding:\x0bchunked\r\n".to_owned(), chunked.clone()),
        (
            "the encoding twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
            chunked.clone(),
        ),
        ("a bad chunk size", "Transfer-Encoding: chunked\r\n".to_owned(), format!("zz\r\n{hidden}")),
        ("a negative chunk size", "Transfer-Encoding: chunked\r\n".to_owned(), format!("-1\r\n{hidden}")),
        (
            "a chunk size too large",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("fffffffffffffffff\r\n{hidden}"),
        ),
        ("a chunk with bare line feeds", "Transfer-Encoding: chunked\r\n".to_owned(), format!("0\n\n{hidden}")),
        ("a chunk without an end", "Transfer-Encoding: chunked\r\n".to_owned(), format!("1\r\nab{hidden}")),
        (
            "a long chunk extension",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("0;{}\r\n\r\n{hidden}", "a".repeat(100_000)),
        ),
        (
            "many trailers",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("0\r\n{}\r\n{hidden}", "X: y\r\n".repeat(20_000)),
        ),
        ("chunks that hold all", "Transfer-Encoding: chunked\r\n".to_owned(), chunked.clone()),
    ] {
        for (method, target) in [("GET", "/absent"), ("POST", "/absent"), ("POST", "/v2/snaps/refresh")] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n{head}\r\n{body}");
            let answer = exchange(&serving, request.as_bytes());
            let statuses = statuses(&answer);
            assert!(!answer.contains("the file"), "{name}, {method} {target}: {answer}");
            assert!(statuses.len() <= 1 && statuses.iter().all(|status| *status >= 400), "{name}, {method}: {answer}");
        }
    }
    let honest = format!("GET /absent HTTP/1.1\r\nHost: a.test\r\n\r\n{hidden}");
    assert_eq!(statuses(&exchange(&serving, honest.as_bytes())), [404, 200], "requests in a row are none of these");
}

#[test]
fn heads_that_are_none() {
    let (_desk, serving) = served();
    let mut wrong = Vec::new();
    let get = format!("GET {FILE} HTTP/1.1\r\nHost: a.test\r\n");
    for (name, request, wanted) in [
        ("no host", format!("GET {FILE} HTTP/1.1\r\n\r\n"), &[400][..]),
        ("two hosts", format!("{get}Host: b.test\r\n\r\n"), &[400]),
        ("twice the same host", format!("{get}Host: a.test\r\n\r\n"), &[400]),
        ("two hosts of HTTP/1.0", format!("GET {FILE} HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), &[400]),
        ("an absolute target without a host", format!("GET http://a.test{FILE} HTTP/1.1\r\n\r\n"), &[400]),
        (
            "an absolute target with a user",
            format!("GET http://u:p@a.test{FILE} HTTP/1.1\r\nHost: a.test\r\n\r\n"),
            &[400],
        ),
        (
            "an absolute target of another scheme",
            format!("GET gopher://a.test{FILE} HTTP/1.1\r\nHost: a\r\n\r\n"),
            &[200, 400],
        ),
        ("an absolute target", format!("GET http://b.test{FILE} HTTP/1.1\r\nHost: a.test\r\n\r\n"), &[200]),
        ("a target that is a host", "GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), &[400, 404]),
        ("a target with a space", "GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), &[400]),
        ("a target with a NUL", format!("GET {FILE}\0 HTTP/1.1\r\nHost: a.test\r\n\r\n"), &[400]),
        ("a target with a line feed", "GET /a\nb HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), &[400]),
        ("an empty target", "GET  HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), &[400]),
        ("a fragment", "GET /a#b HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), &[400, 404]),
        ("HTTP/0.9", format!("GET {FILE}\r\n\r\n"), &[400]),
        ("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[]),
        ("HTTP/3.7", format!("GET {FILE} HTTP/3.7\r\nHost: a\r\n\r\n"), &[400, 505]),
        ("no HTTP", "\x16\x03\x01\x02\x00\x01\x00".to_owned(), &[400]),
        ("a header without a colon", format!("{get}Nonsense\r\n\r\n"), &[400]),
        ("a header without a name", format!("{get}: x\r\n\r\n"), &[400]),
        ("a name with a space", format!("{get}A B: x\r\n\r\n"), &[400]),
        ("a value with a NUL", format!("{get}A: x\0y\r\n\r\n"), &[400]),
        ("a bare carriage return", format!("{get}A: x\ry: z\r\n\r\n"), &[400]),
        ("a header of 64 KiB", format!("{get}A: {}\r\n\r\n", "a".repeat(64 << 10)), &[431]),
        ("a header of 1 MiB", format!("{get}A: {}\r\n\r\n", "a".repeat(1 << 20)), &[431]),
        ("300 headers", format!("{get}{}\r\n", "A: b\r\n".repeat(300)), &[431]),
        ("20,000 headers", format!("{get}{}\r\n", "A: b\r\n".repeat(20_000)), &[431]),
        ("a target of 64 KiB", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(64 << 10)), &[414, 431]),
        ("a target of 1 MiB", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1 << 20)), &[414, 431]),
        ("a method of 64 KiB", format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(64 << 10)), &[400, 431]),
        ("an Upgrade", format!("{get}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"), &[200]),
        ("an Expect that is not met", format!("{get}Expect: 200-maybe\r\n\r\n"), &[200, 417]),
    ] {
        let answer = exchange(&serving, request.as_bytes());
        let statuses = statuses(&answer);
        // What is so long that it is not read to its end may see the connection reset instead of the answer.
        let cut = statuses.is_empty() && (request.len() > 60_000 || wanted.is_empty());
        if !(cut || statuses.len() == 1 && wanted.contains(&statuses[0])) {
            wrong.push(format!("{name}: {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(ask(&serving, "GET", FILE, "").status, 200, "and it still answers");
}

#[test]
fn hosts_that_are_none_are_refused_and_odd_ones_are_understood() {
    let (_desk, serving) = served();
    let status = |host: &[u8], target: &str| {
        let head =
            [format!("GET {target} HTTP/1.1\r\nHost: ").as_bytes(), host, b"\r\nConnection: close\r\n\r\n"].concat();
        raw(&serving, &head).status
    };
    for host in [
        "",
        ".",
        "..",
        "u@u.test",
        "u:p@u.test",
        "u.test:",
        "u.test:99999",
        "u.test:+80",
        "u.test:80:80",
        "u..test",
        "u.test/x",
        "u test",
        "u.test,v.test",
        "[::1",
        "::1",
        "[zz]",
        "%75.test",
        "\"u.test\"",
        "<u>",
        "u.test?",
        "u.test#",
    ] {
        assert_eq!(status(host.as_bytes(), FILE), 400, "{host:?}");
    }
    assert_eq!(status("ü.test".as_bytes(), FILE), 400);
    assert_eq!(status(b"u\xff.test", FILE), 400);
    assert_eq!(status("a.".repeat(200).as_bytes(), FILE), 400);
    assert!([400, 431].contains(&status("a".repeat(40_000).as_bytes(), FILE)));
    let upstream = "/ubuntu/pool/a.deb";
    for host in ["u.test", "U.TEST", "u.test.", "u.test:80", "u.test.:8080"] {
        assert_eq!(status(host.as_bytes(), upstream), 200, "{host}");
    }
    for host in ["v.test", "u.test.v.test", "[::1]:80", "[::1]", "127.0.0.1", "127.0.0.1:1", "xn--u-.test", "u_.test"] {
        assert_eq!((status(host.as_bytes(), upstream), status(host.as_bytes(), FILE)), (404, 200), "{host}");
    }
}

#[test]
fn paths_that_leave_the_tree_and_methods_that_are_none() {
    let (_desk, serving) = served();
    let below = "/ubuntu/pool/a.deb";
    for path in [
        "/../generation.json",
        "/ubuntu/../../generation.json",
        "/ubuntu/%2e%2e/%2e%2e/generation.json",
        "/ubuntu/%2e%2e%2f%2e%2e%2fgeneration.json",
        "/ubuntu/..%2f..%2fgeneration.json",
        "/ubuntu/..%5c..%5cgeneration.json",
        "/ubuntu/..\\..\\generation.json",
        "/ubuntu/%252e%252e/%252e%252e/generation.json",
        "/ubuntu/pool/a.deb%00",
        "/ubuntu/pool/a.deb%00.html",
        "/ubuntu/%c0%ae%c0%ae/generation.json",
        "/ubuntu/pool/a.deb/",
        "/ubuntu/pool",
        "/ubuntu/",
        "/ubuntu",
        "/ubuntu%2fpool%2fa.deb%2f",
        "/ubuntu/pool/a.deb;x",
        "/ubuntu/pool/%61%2edeb%0a",
        "/%75buntu/pool/a.deb%",
        "/generation.json",
    ] {
        let answer = ask(&serving, "GET", path, "Host: u.test\r\n");
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
    let listed = ask(&serving, "GET", "/ubuntu/pool/", "Host: u.test\r\n");
    assert_eq!((listed.status, &listed.body[..]), (200, &b"The files of this folder are not listed.\n"[..]));
    for path in [
        below,
        "/ubuntu/pool/%61.deb",
        "/ubuntu%2fpool%2Fa.deb",
        "/ubuntu/pool/a.deb?x=/../y",
        "/ubuntu/pool//a.deb",
        "/ubuntu/./pool/a.deb",
        "//ubuntu/pool/a.deb",
        "/x/../ubuntu/pool/a.deb",
        "/ubuntu/pool/x/%2e%2E/a.deb",
    ] {
        assert_eq!(ask(&serving, "GET", path, "Host: u.test\r\n").status, 200, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW", "get", "CONNECT"] {
        let answer = ask(&serving, method, below, "Host: u.test\r\n");
        assert!([400, 405].contains(&answer.status), "{method}: {}", answer.status);
        assert!(answer.status == 400 || answer.headers["allow"] == "GET, HEAD", "{method}");
    }
    for request in ["OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT u.test:443 HTTP/1.1\r\nHost: u.test:443\r\n\r\n"]
    {
        assert_eq!(statuses(&exchange(&serving, request.as_bytes())), [405], "{request}");
    }
}

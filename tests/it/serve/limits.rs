//! What a client may take of the server: connections, time, and patience.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gapferry::collection::Kind;
use gapferry::serve::{Limits, Options, Server};
use gapferry::site::Site;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::fetch;
use super::tree::{desk, generation, published};
use crate::support::desk::Desk;

const FILE: &str = "/apt/u/pool/a.deb";

fn site() -> Desk {
    let desk = desk();
    generation(&desk, 1, &[published(Kind::Apt, "u", "http://u.test/")], &[(FILE[1..].to_owned(), b"it".to_vec())]);
    desk
}

fn start(desk: &Desk, limits: Limits) -> Server {
    let options = Options { limits, ..SocketAddr::from(([127, 0, 0, 1], 0)).into() };
    Server::start(&Site::open(&desk.path("site")).unwrap(), options).unwrap()
}

fn send(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

fn read(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes); // what counts is what came
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value of a metric.
fn metric(server: &Server, name: &str) -> u64 {
    let text = read(send(server, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
}

#[test]
fn heads_must_come_in_time() {
    let desk = site();
    let server = start(&desk, Limits { request_head: Duration::from_millis(700), ..Limits::default() });
    // A byte now and then does not help.
    let mut dribble = send(&server, "GET / HTTP/1.1\r\n");
    let started = Instant::now();
    let silent = send(&server, "");
    while dribble.write_all(b"A").is_ok() {
        assert!(started.elapsed() < Duration::from_secs(15));
        sleep(Duration::from_millis(50));
    }
    assert!(!read(silent).contains("200"));
    // Neither does one request that was complete.
    let answer = read(send(&server, &format!("GET {FILE} HTTP/1.1\r\nHost: a\r\n\r\nGET ")));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\r\n\r\nit"), "{answer}");
    // It notices an end a moment later; what then is open is the connection that asks.
    let started = Instant::now();
    while metric(&server, "gapferry_connections_open") > 1 {
        assert!(started.elapsed() < Duration::from_secs(15));
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn who_takes_nothing_is_left() {
    let desk = site();
    let large = desk.path("site/generations/1/apt/u/pool/large.deb");
    File::create(&large).unwrap().set_len(256 << 20).unwrap();
    let server = start(&desk, Limits { write: Duration::from_millis(700), ..Limits::default() });
    let stuck = send(&server, "GET /apt/u/pool/large.deb HTTP/1.1\r\nHost: a\r\n\r\n");
    let started = Instant::now();
    while metric(&server, "gapferry_responses_aborted_total") == 0 {
        assert!(started.elapsed() < Duration::from_secs(15));
        sleep(Duration::from_millis(100));
    }
    assert!(started.elapsed() >= Duration::from_millis(700));
    drop(stuck);
    // A slow one that takes something all the time is served.
    let mut slow = send(&server, "GET /apt/u/pool/large.deb HTTP/1.1\r\nHost: a\r\nRange: bytes=0-16777215\r\n\r\n");
    let (mut piece, mut taken) = (vec![0; 1 << 20], 0);
    while taken < 16 << 20 {
        taken += slow.read(&mut piece).unwrap();
        sleep(Duration::from_millis(30));
    }
    assert_eq!(metric(&server, "gapferry_responses_aborted_total"), 1);
}

#[test]
fn one_connection_too_many_is_told_so() {
    let desk = site();
    let server = start(&desk, Limits { connections: 3, ..Limits::default() });
    let ask = format!("GET {FILE} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut held: Vec<TcpStream> = (0..3).map(|_| send(&server, &ask)).collect();
    for stream in &mut held {
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    let refused = read(TcpStream::connect(server.address).unwrap());
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("Retry-After: "), "{refused}");
    held.pop();
    let started = Instant::now();
    while !read(send(&server, &ask.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))).starts_with("HTTP/1.1 200") {
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    held.clear();
    sleep(Duration::from_millis(200));
    assert!(metric(&server, "gapferry_connections_refused_total") >= 1);
    assert_eq!(metric(&server, "gapferry_connections_limit"), 3);
}

/// A thousand that say nothing, and a thousand that never finish what they say.
#[test]
fn two_thousand_idle_connections_are_no_burden() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let desk = site();
    let serving = desk.serve_with("--max-connections 2100");
    fetch(&serving, FILE);
    let before = serving.peak_kib();
    let idle: Vec<TcpStream> = (0..2000)
        .map(|number| {
            let mut stream = TcpStream::connect(&serving.address).unwrap();
            let text = if number % 2 == 0 { "" } else { "GET / HTTP/1.1\r\nHost: a\r\nX: " };
            stream.write_all(text.as_bytes()).unwrap();
            stream
        })
        .collect();
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(fetch(&serving, FILE).0, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let grown = serving.peak_kib() - before;
    assert!(grown < 100 << 10, "{grown} KiB for {} connections", idle.len());
}

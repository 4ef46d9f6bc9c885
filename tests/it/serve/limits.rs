//! What a client may take of the server: connections, time, and patience.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gapferry::depot::Depot;
use gapferry::digest::Sha256;
use gapferry::kind::Kind;
use gapferry::serve::{Limits, ServeOptions, Server};
use gapferry::site::Site;

use super::tree::{desk, generation, published};
use crate::support::desk::{Desk, PATIENCE, wait_for};

const FILE: &str = "/apt/u/pool/a.deb";
const LARGE: &str = "/apt/u/pool/large.deb";

fn site() -> Desk {
    let desk = desk();
    let files = [(FILE[1..].to_owned(), b"it".to_vec()), (LARGE[1..].to_owned(), b"large".to_vec())];
    generation(&desk, 1, &[published(Kind::Apt, "u", "http://u.test/")], &files);
    desk
}

fn start(desk: &Desk, limits: Limits) -> Server {
    let options = ServeOptions { limits, ..SocketAddr::from(([127, 0, 0, 1], 0)).into() };
    Server::start(&Site::open(&desk.path("site")).unwrap(), options).unwrap()
}

fn send(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

fn read(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes); // what counts is what came
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value of a metric; `None` if the server takes no further connection now.
fn try_metric(server: &Server, name: &str) -> Option<u64> {
    let text = read(send(server, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    if !text.starts_with("HTTP/1.1 200 ") {
        return None;
    }
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Some(line.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap())
}

fn metric(server: &Server, name: &str) -> u64 {
    try_metric(server, name).expect("the server has room for one connection more")
}

/// Time that clients get: far longer than this process is ever kept waiting for a processor.
const LIMIT: Duration = Duration::from_secs(2);

#[test]
fn heads_must_come_in_time() {
    let desk = site();
    let server = start(&desk, Limits { request_head: LIMIT, ..Limits::default() });
    let silent = send(&server, "");
    // One request that was complete does not help.
    let once = send(&server, &format!("GET {FILE} HTTP/1.1\r\nHost: a\r\n\r\nGET "));
    // Neither does a byte now and then.
    let mut dribble = send(&server, "GET / HTTP/1.1\r\n");
    wait_for(|| "the server lets a head dribble for ever".to_owned(), || dribble.write_all(b"A").err());
    assert!(!read(silent).contains("200"));
    let answer = read(once);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\r\n\r\nit"), "{answer}");
    // It notices an end a moment later; what then is open is the connection that asks.
    let open = || metric(&server, "gapferry_connections_open");
    wait_for(|| format!("{} are open", open()), || (open() == 1).then_some(()));
}

#[test]
fn who_takes_nothing_is_left() {
    let desk = site();
    let large = Depot::existing(&desk.path("site/depot")).place(&Sha256::of(b"large"));
    fs::remove_file(&large).unwrap();
    File::create(&large).unwrap().set_len(256 << 20).unwrap();
    let server = start(&desk, Limits { write: LIMIT, ..Limits::default() });
    let started = Instant::now();
    let stuck = send(&server, "GET /apt/u/pool/large.deb HTTP/1.1\r\nHost: a\r\n\r\n");
    // A slow one that takes something all the time, for longer than the limit, is served.
    let mut slow = send(&server, "GET /apt/u/pool/large.deb HTTP/1.1\r\nHost: a\r\nRange: bytes=0-16777215\r\n\r\n");
    let (mut piece, mut taken) = (vec![0; 1 << 20], 0);
    while taken < 16 << 20 {
        let length = slow.read(&mut piece).unwrap();
        assert_ne!(length, 0, "the server left a slow client after {taken} bytes");
        taken += length;
        if started.elapsed() < LIMIT + LIMIT / 4 {
            sleep(LIMIT / 10);
        }
    }
    assert!(started.elapsed() > LIMIT, "it was not slow: {:?}", started.elapsed());
    let left = || metric(&server, "gapferry_responses_aborted_total");
    wait_for(|| "the stuck client is not left".to_owned(), || (left() > 0).then_some(()));
    drop(stuck);
    assert_eq!(left(), 1);
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
    let once = ask.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let served = || read(send(&server, &once)).starts_with("HTTP/1.1 200").then_some(());
    wait_for(|| "the connection that ended left no room".to_owned(), served);
    held.clear();
    let counted = |name| wait_for(|| format!("no answer with {name}"), || try_metric(&server, name));
    assert!(counted("gapferry_connections_refused_total") >= 1);
    assert_eq!(counted("gapferry_connections_limit"), 3);
}

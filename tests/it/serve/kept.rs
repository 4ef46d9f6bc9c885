//! Connections that are kept: between requests they cost next to nothing, and nothing of a request is lost.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use gapferry::kind::Kind;
use gapferry::serve::{Listen, Server, Tls};
use gapferry::site::Site;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::fetch;
use super::tree::{desk, generation, published};
use crate::apt_client::run;
use crate::support::desk::{Desk, PATIENCE, Serving};
use crate::support::tls::mint;

const FILE: &str = "/apt/u/pool/a.deb";
const REQUEST: &str = "GET /apt/u/pool/a.deb HTTP/1.1\r\nHost: a\r\n\r\n";

fn site() -> Desk {
    let desk = desk();
    generation(&desk, 1, &[published(Kind::Apt, "u", "http://u.test/")], &[(FILE[1..].to_owned(), b"it".to_vec())]);
    desk
}

fn connect(serving: &Serving) -> TcpStream {
    let stream = TcpStream::connect(&serving.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn connect_and_ask(serving: &Serving) -> TcpStream {
    let mut stream = connect(serving);
    stream.write_all(REQUEST.as_bytes()).unwrap();
    answers(&mut stream, 1);
    stream
}

/// Reads `count` answers with the file; fails on anything else.
fn answers(stream: &mut TcpStream, count: usize) {
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while text.matches("\r\n\r\nit").count() < count {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "the connection ended: {text}");
        text += std::str::from_utf8(&piece[..read]).unwrap();
    }
    assert_eq!((text.matches("HTTP/1.1 200").count(), text.matches("HTTP/1.1").count()), (count, count), "{text}");
}

#[test]
fn an_idle_connection_costs_at_most_eight_kib() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let (desk, count) = (site(), 2000);
    let serving = desk.serve_with("--max-connections 2100");
    fetch(&serving, FILE);
    // As many as keep their buffers for a moment after a request, whose memory is used again later.
    let busy: Vec<TcpStream> = (0..600).map(|_| connect_and_ask(&serving)).collect();
    drop(busy);
    let before = serving.peak_kib();
    let silent: Vec<TcpStream> = (0..count / 2).map(|_| connect(&serving)).collect();
    // One after the other: each request under way costs more.
    let mut kept: Vec<TcpStream> = (0..count / 2).map(|_| connect_and_ask(&serving)).collect();
    assert_eq!(fetch(&serving, FILE).0, 200);
    let grown = serving.peak_kib() - before;
    assert!(grown < 8 * count, "{grown} KiB for {count} connections");
    // And each is still of use.
    kept.extend(silent);
    kept.iter_mut().for_each(|stream| stream.write_all(REQUEST.as_bytes()).unwrap());
    kept.iter_mut().for_each(|stream| answers(stream, 1));
}

#[test]
fn requests_that_come_together_or_in_pieces_are_all_answered() {
    let desk = site();
    let serving = desk.serve();
    let mut stream = connect(&serving);
    // Many at once, more than are read in one go, and the beginning of one more.
    let many = 400;
    stream.write_all(format!("{}GET ", REQUEST.repeat(many)).as_bytes()).unwrap();
    answers(&mut stream, many);
    stream.write_all(&REQUEST.as_bytes()[4..]).unwrap();
    answers(&mut stream, 1);
    for piece in REQUEST.as_bytes().chunks(9) {
        stream.write_all(piece).unwrap();
    }
    answers(&mut stream, 1);
    // A body that nobody reads is none of the next request.
    let with_body = format!("GET {FILE} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{REQUEST}", REQUEST.len());
    stream.write_all(format!("{with_body}{REQUEST}").as_bytes()).unwrap();
    answers(&mut stream, 2);
    let mut rest = String::new();
    stream.write_all(REQUEST.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("HTTP/1.1 200") && rest.ends_with("\r\n\r\nit"), "{rest}");
}

#[test]
fn a_connection_over_tls_is_kept() {
    let desk = site();
    mint(&desk.path("medium"), "IP:127.0.0.1");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let [certificate, key] = ["server.pem", "key.pem"].map(|file| desk.path("medium").join(file));
    let listen = Listen { http: any, tls: Some(Tls { address: any, certificate, key }) };
    let server = Server::start(&Site::open(&desk.path("site")).unwrap(), listen).unwrap();
    let url = format!("https://{}{FILE}", server.tls_address.unwrap());
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--insecure", "--noproxy", "*", "--max-time", "60", "-w", " %{http_code} %{num_connects}\n"]);
    assert_eq!(run(curl.args([&url, &url, &url])), "it 200 1\nit 200 0\nit 200 0\n");
}

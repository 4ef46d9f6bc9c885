//! `gapferry serve`, asked as clients do and as none would.

pub(crate) mod between;
mod files;
mod generations;
mod hostile;
mod hosts;
mod kept;
mod limits;
mod load;
mod log;
mod open_files;
mod page;
mod state;
mod systemd;
mod tree;

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use gapferry::upstream::{DebSpec, Upstream};

use crate::support::desk::{Desk, Serving, heavy};

const DEB: &str = "/apt/demo/pool/main/h/hello/hello_1%253a1.0~rc1-1_amd64.deb";
const IN_RELEASE: &str = "/apt/demo/dists/stable/InRelease";

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By their names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// Sends a request as it is, and reads what comes until the end of the connection.
pub(crate) fn raw(serving: &Serving, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    stream.set_read_timeout(Some(crate::support::desk::PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Answer {
        status: status.unwrap_or_else(|| panic!("{:?}: {head}", String::from_utf8_lossy(request))),
        headers: lines.filter_map(header).collect(),
        body: bytes.get(end + 4..).unwrap_or_default().to_vec(),
    }
}

/// Asks for `target`; each of `headers` ends with a line break.
pub(crate) fn ask(serving: &Serving, method: &str, target: &str, headers: &str) -> Answer {
    let host = if headers.contains("Host:") { "" } else { "Host: site.invalid\r\n" };
    raw(serving, format!("{method} {target} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n").as_bytes())
}

fn get(serving: &Serving, target: &str) -> Answer {
    ask(serving, "GET", target, "")
}

/// Status and body of what is at `target`.
pub(crate) fn fetch(serving: &Serving, target: &str) -> (u16, Vec<u8>) {
    let answer = get(serving, target);
    (answer.status, answer.body)
}

pub(crate) fn publish(desk: &Desk, version: &str) {
    let mut upstream = Upstream::new("Served", &["amd64"]);
    // A file name with an escaped colon, as pools have them.
    let path = "pool/main/h/hello/hello_1%3a1.0~rc1-1_amd64.deb".to_owned();
    let hello =
        DebSpec { index_fields: vec![("Filename".into(), path.clone())], ..heavy("hello", "1:1.0~rc1-1", 5000) };
    upstream.add("stable", "main", hello).add("stable", "main", DebSpec::new("changing", version, "all"));
    desk.archive("up/debian", &mut upstream, &["stable"]);
    fs::copy(desk.path("up/debian/pool/main/h/hello/hello_1.0~rc1-1_amd64.deb"), desk.path("up/debian").join(path))
        .unwrap();
}

pub(crate) fn desk(publish_as: &str) -> Desk {
    let desk = Desk::new();
    publish(&desk, "1");
    let server = crate::support::server::Server::start(&desk.path("up"));
    select(&desk, &server, publish_as);
    desk.init(&["demo"], "");
    desk.ferry();
    desk
}

pub(crate) fn select(desk: &Desk, server: &crate::support::server::Server, publish_as: &str) {
    let more = format!("publish = \"{publish_as}\"");
    desk.select(&desk.table("demo", server.url("debian").as_str(), "stable main amd64", &more));
}

#[test]
fn files_are_answered_whole_and_in_part() {
    let desk = desk("re-indexed");
    let deb = fs::read(desk.path("site/current/apt/demo/pool/main/h/hello/hello_1%3a1.0~rc1-1_amd64.deb")).unwrap();
    let serving = desk.serve();
    let whole = get(&serving, DEB);
    assert!(whole.status == 200 && whole.body == deb);
    let head = ask(&serving, "HEAD", DEB, "");
    assert_eq!(
        (head.status, head.headers["content-length"].as_str(), head.body.len()),
        (200, deb.len().to_string().as_str(), 0)
    );
    let part = ask(&serving, "GET", DEB, "Range: bytes=1000-\r\n");
    assert!(part.status == 206 && part.body == deb[1000..], "{}", part.status);
    let part = ask(&serving, "GET", DEB, "Range: bytes=10-19\r\n");
    assert!(part.status == 206 && part.body == deb[10..20]);
    assert_eq!(ask(&serving, "GET", DEB, "Range: bytes=999999-\r\n").status, 416);
    // A part of metadata must never be joined to a part of what was there before it: see files.rs.
    let metadata = ask(&serving, "GET", IN_RELEASE, "Range: bytes=10-\r\n");
    assert!(metadata.status == 200 && metadata.body.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----"));
    for key in ["/keys/site.gpg", "/keys/site.asc"] {
        assert_eq!(get(&serving, key).status, 200, "{key}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "BREW"] {
        let answer = ask(&serving, method, IN_RELEASE, "");
        assert!([400, 405].contains(&answer.status), "{method}: {}", answer.status);
    }
    for absent in
        ["/apt", "/apt/", "/apt/demo", "/apt/demo/", "/apt/demo/dists/stable", "/apt/other/x", "/nothing", "*"]
    {
        let answer = get(&serving, absent);
        assert!([400, 404].contains(&answer.status), "{absent}: {}", answer.status);
    }
}

#[test]
fn nothing_but_what_is_published_can_be_reached() {
    let desk = desk("re-indexed");
    let serving = desk.serve();
    let generation = desk.path("site/current");
    for file in ["generation.json", "manifests/base.json", "proofs/apt/demo/dists/stable/InRelease"] {
        assert!(generation.join(file).is_file(), "{file}");
        let answer = get(&serving, &format!("/{file}"));
        assert_eq!(answer.status, 404, "{file}");
    }
    let deeper = "/apt/demo/pool/main/h/hello";
    for way in [
        "/apt/demo/../../generation.json",
        "/apt/../generation.json",
        "/../../site.toml",
        "/keys/../../../keys/site.pgp",
        "/%2e%2e/%2e%2e/site.toml",
        "/apt/%2e%2e/generation.json",
        "/apt/%2E%2E%2Fgeneration.json",
        "/apt%2f..%2fgeneration.json",
        "/apt/demo/..%2f..%2fgeneration.json",
        "/%252e%252e/generation.json",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/etc/passwd",
        "/apt/demo/dists/stable/InRelease/",
        "/apt/demo/dists/stable/InRelease%00",
        "/apt/demo/dists/stable/InRelease%00.deb",
        "/apt\\demo\\..\\..\\generation.json",
        "/apt/demo/..\\..\\generation.json",
        "/apt/%5c..%5c..%5cgeneration.json",
        "/keys/site.pgp",
        "/keys/%73ite.pgp",
        "/site.toml",
        "/audit.jsonl",
        "/evidence",
        "/approvals",
        "/depot",
        "/APT/demo/dists/stable/InRelease",
        "/apt/demo/dists/stable/InRelease%0d%0aX: y",
        "/%ff",
        "/%",
        "/%zz",
    ] {
        let answer = get(&serving, way);
        assert!([400, 404].contains(&answer.status), "{way}: {}", answer.status);
    }
    for way in ["generation.json", "../generation.json", "http://x.invalid/../generation.json", "file:///etc/passwd"] {
        let answer = get(&serving, way);
        assert!([400, 404].contains(&answer.status), "{way}: {}", answer.status);
    }
    let long = format!("/apt/demo/{}", "a/".repeat(3000));
    assert!([400, 404, 414, 431].contains(&get(&serving, &long).status));
    assert_eq!(get(&serving, &format!("{deeper}/hello_1%253a1.0~rc1-1_amd64.deb?x=../../y#z")).status, 200);
    assert_eq!(get(&serving, IN_RELEASE).status, 200, "and it still answers");
}

#[test]
fn host_names_lead_to_what_they_stand_for_and_nowhere_else() {
    let desk = desk("verbatim");
    let serving = desk.serve();
    let path = "/debian/dists/stable/InRelease";
    let upstreams = fs::read(desk.path("up/debian/dists/stable/InRelease")).unwrap();
    for host in ["127.0.0.1", "127.0.0.1:80", "127.0.0.1:12345"] {
        let answer = ask(&serving, "GET", path, &format!("Host: {host}\r\n"));
        assert!(answer.status == 200 && answer.body == upstreams, "{host}: {}", answer.status);
    }
    let absolute = ask(&serving, "GET", &format!("http://127.0.0.1:999{path}"), "Host: other.invalid\r\n");
    assert!(absolute.status == 200 && absolute.body == upstreams);
    for host in [
        "other.invalid",
        "",
        "127.0.0.1.evil.invalid",
        "..",
        "../..",
        "[::1]:80",
        "127.0.0.1:99999999",
        "a b",
        "%2e%2e",
        "\u{e9}",
    ] {
        let answer = ask(&serving, "GET", path, &format!("Host: {host}\r\n"));
        assert!([400, 404].contains(&answer.status), "{host:?}: {}", answer.status);
    }
    let ways = [
        "/debian/../../debian/dists/stable/InRelease",
        "/debian/../../generation.json",
        "/debian",
        "/debian/",
        "/debianx/dists/stable/InRelease",
    ];
    for way in ways {
        let answer = ask(&serving, "GET", way, "Host: 127.0.0.1\r\n");
        assert!([400, 404].contains(&answer.status), "{way}: {}", answer.status);
    }
    let without = raw(&serving, format!("GET {IN_RELEASE} HTTP/1.0\r\n\r\n").as_bytes());
    assert_eq!(without.status, 200);
}

/// Caches compare times by the second; two generations can come faster than that.
#[test]
fn a_new_generation_is_seen_at_once_even_within_a_second() {
    for publish_as in ["re-indexed", "verbatim"] {
        let desk = desk(publish_as);
        let serving = desk.serve();
        let first = get(&serving, IN_RELEASE);
        let date = first.headers["last-modified"].clone();
        let since = format!("If-Modified-Since: {date}\r\n");
        assert_eq!(ask(&serving, "GET", IN_RELEASE, &since).status, 304);

        publish(&desk, "2");
        let server = crate::support::server::Server::start(&desk.path("up"));
        select(&desk, &server, publish_as);
        desk.ferry();
        let second = ask(&serving, "GET", IN_RELEASE, &since);
        assert!(second.status == 200 && second.body != first.body, "{publish_as}: {}", second.status);

        // What comes back with a rollback is news too, though its bytes are old.
        let packages = "/apt/demo/dists/stable/main/binary-amd64/Packages.gz";
        let since = |answer: &Answer| format!("If-Modified-Since: {}\r\n", answer.headers["last-modified"]);
        let newer = get(&serving, if publish_as == "verbatim" { IN_RELEASE } else { packages });
        desk.run("rollback --site site").ok();
        let target = if publish_as == "verbatim" { IN_RELEASE } else { packages };
        let older = ask(&serving, "GET", target, &since(&newer));
        assert!(older.status == 200 && older.body != newer.body, "{publish_as}: {}", older.status);
    }
}

#[test]
fn a_site_without_a_generation_answers_with_nothing_and_ends_when_told() {
    let desk = Desk::new();
    desk.select("");
    desk.init(&[], "");
    let serving = desk.serve();
    assert_eq!(get(&serving, IN_RELEASE).status, 404);
    let taken = desk.run(&format!("serve --site site --listen {}", serving.address));
    taken.says(gapferry::cli::Exit::Usage, &["cannot listen on", &serving.address]);
}

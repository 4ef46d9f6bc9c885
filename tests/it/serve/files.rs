//! Conditions, ranges and headers of files, over real connections.

use std::fs;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::kind::Kind;

use super::tree::{desk, generation, noise, published, switch};
use super::{Answer, ask};
use crate::apt_client::run;
use crate::support::desk::{Desk, Serving};

const DEB: &str = "/apt/u/pool/a/a_1_all.deb";
const INDEX: &str = "/apt/u/dists/x/InRelease";
const LARGE: &str = "/images/m/jammy/disk.img";

fn served() -> (Desk, Serving, Vec<u8>, Vec<u8>) {
    let (desk, deb, large) = (desk(), noise(1, 5000), noise(2, 3_000_000));
    let what = [published(Kind::Apt, "u", "http://u.test/u"), published(Kind::Images, "m", "http://m.test/")];
    let files = |text: &str| {
        vec![
            (DEB[1..].to_owned(), deb.clone()),
            (INDEX[1..].to_owned(), text.as_bytes().to_vec()),
            (LARGE[1..].to_owned(), large.clone()),
        ]
    };
    generation(&desk, 2, &what, &files("the second text"));
    generation(&desk, 1, &what, &files("the first text"));
    let serving = desk.serve();
    (desk, serving, deb, large)
}

fn part(serving: &Serving, target: &str, headers: &str) -> Answer {
    ask(serving, "GET", target, headers)
}

#[test]
fn conditions_spare_clients_what_they_have() {
    let (_desk, serving, deb, _) = served();
    let whole = part(&serving, DEB, "");
    let (tag, date) = (&whole.headers["etag"], &whole.headers["last-modified"]);
    assert_eq!(*tag, format!("\"{}\"", Sha256::of(&deb)));
    assert!(date.ends_with(" GMT"), "{date}");
    assert_eq!(whole.headers["accept-ranges"], "bytes");
    assert_eq!(whole.headers["x-content-type-options"], "nosniff");
    assert_eq!(whole.headers["content-type"], "application/vnd.debian.binary-package");
    assert!(!whole.headers.contains_key("cache-control"));
    assert_eq!(part(&serving, INDEX, "").headers["cache-control"], "no-cache");
    for (headers, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304),
        ("If-None-Match: *\r\n".to_owned(), 304),
        ("If-None-Match: \"x\"\r\n".to_owned(), 200),
        (format!("If-Modified-Since: {date}\r\n"), 304),
        ("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 200),
        (format!("If-Match: {tag}\r\n"), 200),
        ("If-Match: \"x\"\r\n".to_owned(), 412),
        ("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_owned(), 412),
        (format!("Range: bytes=0-9\r\nIf-Match: {tag}\r\n"), 206),
        (format!("Range: bytes=0-9\r\nIf-None-Match: {tag}\r\n"), 304),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = ask(&serving, method, DEB, &headers);
            let wanted = if method == "HEAD" && status == 206 { 200 } else { status };
            assert_eq!(answer.status, wanted, "{method} {headers}");
            let body = if method == "GET" && status < 300 { &deb[..] } else { &[] };
            assert!(answer.body == body || answer.status == 206, "{method} {headers}");
            assert!(wanted >= 400 || answer.headers["etag"] == *tag);
        }
    }
}

#[test]
fn parts_are_of_one_file() {
    let (desk, serving, deb, large) = served();
    let tag = part(&serving, DEB, "").headers["etag"].clone();
    for (range, wanted) in [
        ("bytes=0-0", Some(0..1)),
        ("bytes=4990-", Some(4990..5000)),
        ("bytes=4990-99999", Some(4990..5000)),
        ("bytes=-7", Some(4993..5000)),
        ("bytes=0-4,10-14", None),
        ("bytes=9-2", None),
        ("rows=1-2", None),
    ] {
        let answer = part(&serving, DEB, &format!("Range: {range}\r\n"));
        match wanted {
            Some(wanted) => {
                let of = format!("bytes {}-{}/5000", wanted.start, wanted.end - 1);
                assert_eq!((answer.status, &answer.headers["content-range"]), (206, &of), "{range}");
                assert!(answer.body == deb[wanted], "{range}");
            }
            None => assert!(answer.status == 200 && answer.body == deb, "{range}"),
        }
    }
    for range in ["bytes=5000-", "bytes=-0", "bytes=99999999999999999999-"] {
        let answer = part(&serving, DEB, &format!("Range: {range}\r\n"));
        assert_eq!((answer.status, answer.headers["content-range"].as_str()), (416, "bytes */5000"), "{range}");
    }
    let fits = part(&serving, DEB, &format!("Range: bytes=5-\r\nIf-Range: {tag}\r\n"));
    assert!(fits.status == 206 && fits.body == deb[5..]);
    let other = part(&serving, DEB, "Range: bytes=5-\r\nIf-Range: \"other\"\r\n");
    assert!(other.status == 200 && other.body == deb);
    // Larger than what is read in one go.
    assert!(part(&serving, LARGE, "").body == large);
    let answer = part(&serving, LARGE, "Range: bytes=262145-2900000\r\n");
    assert!(answer.status == 206 && answer.body == large[262_145..=2_900_000]);

    // Of metadata only to who says of what, and never of two generations.
    let index = part(&serving, INDEX, "");
    let [tag, date] = ["etag", "last-modified"].map(|name| index.headers[name].clone());
    assert_eq!(part(&serving, INDEX, "Range: bytes=4-\r\n").status, 200);
    let with_tag = format!("Range: bytes=4-\r\nIf-Range: {tag}\r\n");
    let answer = part(&serving, INDEX, &with_tag);
    assert!(answer.status == 206 && answer.body == b"first text");
    let answer = part(&serving, INDEX, &format!("Range: bytes=4-\r\nIf-Range: {date}\r\n"));
    assert!(answer.status == 206 && answer.body == b"first text");
    switch(&desk, 2);
    let answer = part(&serving, INDEX, &with_tag);
    assert!(answer.status == 200 && answer.body == b"the second text");
}

/// `cp -r` gives files other inodes and other times.
#[test]
fn a_copied_site_answers_with_the_same_tags() {
    let (desk, serving, _, _) = served();
    run(Command::new("cp").arg("-r").args([desk.path("site"), desk.path("copy")]));
    let copy = Serving::start(desk.command("serve --site copy --listen 127.0.0.1:0"));
    for (target, headers) in [(DEB, &["etag"][..]), (INDEX, &["etag", "last-modified"]), (LARGE, &["etag"])] {
        for header in headers {
            let of = |serving| part(serving, target, "").headers[*header].clone();
            assert_eq!(of(&copy), of(&serving), "{header} of {target}");
        }
    }
}

#[test]
fn a_damaged_path_map_is_reported_at_the_start() {
    let (desk, ..) = served();
    let generation = gapferry::site::Site::open(&desk.path("site")).unwrap().current().unwrap();
    let map = gapferry::depot::Depot::existing(&desk.path("site/depot")).place(&generation.mounts["apt/u"].paths);
    let text = fs::read_to_string(&map).unwrap();
    fs::remove_file(&map).unwrap();
    fs::write(&map, text.replace("  pool", "  poof")).unwrap();
    desk.run("serve --site site --listen 127.0.0.1:0").says(Exit::VerificationFailed, &["changed on disk"]);
}

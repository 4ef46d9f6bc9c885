//! The status page, as a program and as a real browser see it.

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::upstream::{DebSpec, Upstream};

use super::{ask, fetch};
use crate::support::desk::{Desk, Ended, end};
use crate::support::snaps::{assertions, authority, snap};

/// A site with packages and snaps.
fn desk() -> Desk {
    let desk = Desk::new();
    let mut upstream = Upstream::new("Paged", &["amd64"]);
    for number in 0..30 {
        upstream.add("stable", "main", DebSpec::new(&format!("many-{number:02}"), "1.0", "all"));
    }
    upstream.add("stable", "main", DebSpec::new("libhello", "3.2-1", "amd64"));
    upstream.add("stable", "main", DebSpec::new("hello", "3.1-4", "amd64"));
    desk.archive("up/debian", &mut upstream, &["stable"]);
    fs::create_dir(desk.path("snaps")).unwrap();
    let bytes = snap("words", 3);
    fs::write(desk.path("snaps/words_3.assert"), assertions(authority(), "words", 3, &bytes)).unwrap();
    fs::write(desk.path("snaps/words_3.snap"), bytes).unwrap();
    let table = desk.table("demo", &desk.url("up/debian"), "stable main amd64", "");
    desk.select(&format!("{table}\n[[snaps]]\nfrom = \"../snaps\"\nclosure = false\n"));
    desk.init(&["demo"], "");
    desk.ferry();
    desk
}

/// What a browser does with `url`, in a profile of its own.
fn browse(folder: &Path, what: &str, url: &str) -> Ended {
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]);
    command.args(["--disable-dev-shm-usage", "--disable-background-networking", "--enable-logging=stderr"]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display())).env("HOME", folder);
    end(command.args(["--timeout=120000", "--window-size=1100,1800", what, url]))
}

#[test]
fn the_page_says_what_is_published_and_finds_it() {
    let desk = desk();
    let serving = desk.serve();
    let (status, body) = fetch(&serving, "/");
    let page = String::from_utf8(body).unwrap();
    assert_eq!(status, 200);
    for words in ["<h1>dc1</h1>", "Generation 1", "dc1-base-000001", "apt/demo", "snaps/store"] {
        assert!(page.contains(words), "{words:?} is not in {page}");
    }
    // All of it may have happened within one second.
    assert!(page.contains("in 89 days") || page.contains("in 90 days"), "{page}");
    let line = "deb [signed-by=/usr/share/keyrings/dc1.gpg] http://site.invalid/apt/demo stable main";
    assert!(page.contains(line) && page.contains("SNAPPY_FORCE_API_URL=http://site.invalid"), "{page}");
    let found = |query: &str| String::from_utf8(fetch(&serving, query).1).unwrap();
    let hello = found("/?q=Hello");
    assert!(hello.contains("2 items.") && hello.contains("3.1-4"), "{hello}");
    assert!(hello.find(">hello<") < hello.find(">libhello<"), "{hello}");
    assert!(found("/?q=nothing%3Cb%3E").contains("“nothing&lt;b&gt;”"));
    let head = ask(&serving, "HEAD", "/", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    // Devices look for their store's root there.
    assert_eq!(head.headers["snap-store-version"], "55");
    assert!(head.headers["content-security-policy"].starts_with("default-src 'none'"), "{:?}", head.headers);
}

#[test]
fn an_empty_site_and_an_upstreams_host() {
    let desk = Desk::new();
    desk.init(&[], "");
    let (status, body) = fetch(&desk.serve(), "/");
    assert_eq!(status, 200);
    assert!(String::from_utf8(body).unwrap().contains("Nothing has been imported yet."));
}

/// A real browser lays the page out, follows its own rules of what may be loaded, and asks nobody else.
#[test]
fn a_browser_shows_it() {
    let desk = desk();
    let serving = desk.serve();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/?q=many", serving.address);
    let shown = browse(folder.path(), "--dump-dom", &url).ok();
    assert!(shown.out.contains("30 items.") && shown.out.contains("value=\"many\""), "{}", shown.out);
    let refused = shown.err.contains("Content Security Policy") || shown.err.contains("Refused to");
    assert!(!refused, "{}", shown.err);
    let picture = folder.path().join("page.png");
    browse(folder.path(), &format!("--screenshot={}", picture.display()), &url).ok();
    let bytes = fs::read(&picture).unwrap();
    // A page without text and borders is a fifth of that.
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 40_000, "{} bytes", bytes.len());
    if let Some(keep) = std::env::var_os("GAPFERRY_SCREENSHOT") {
        fs::copy(picture, keep).unwrap();
    }
}

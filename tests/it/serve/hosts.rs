//! `[[serve.alias]]` in site.toml: further names of a collection.

use std::fs;

use gapferry::cli::Exit;
use gapferry::kind::Kind;

use super::ask;
use super::tree::{desk, generation, published};

const KEY: &[u8] = b"the site's own key";
const RELEASE: &str = "/ubuntu/dists/x/InRelease";

#[test]
fn aliases_lead_to_their_collections() {
    let desk = desk();
    let what = [
        published(Kind::Apt, "ubuntu", "http://mirror.test:8080/pub/ubuntu/"),
        published(Kind::Apt, "ports", "http://ports.test/ubuntu-ports"),
        published(Kind::Images, "maas", "https://images.test/"),
    ];
    let files = ["apt/ubuntu/dists/x/InRelease", "apt/ports/dists/x/InRelease", "images/maas/streams/v1/index.sjson"];
    let key = [("keys/site.asc".to_owned(), KEY.to_vec())];
    let files_and_key: Vec<_> =
        files.iter().map(|path| (path.to_string(), path.as_bytes().to_vec())).chain(key).collect();
    generation(&desk, 1, &what, &files_and_key);
    let config = desk.path("site/site.toml");
    let plain = fs::read_to_string(&config).unwrap();
    let alias = |url: &str, of: &str| format!("\n[[serve.alias]]\nurl = \"{url}\"\ncollection = \"{of}\"\n");
    let aliases = [
        alias("http://archive.ubuntu.com/ubuntu", "apt/ubuntu"),
        alias("http://Security.Ubuntu.com/ubuntu/", "apt/ubuntu"),
        alias("http://archive.ubuntu.com/ubuntu/ports", "apt/ports"),
        alias("https://cloud-images.ubuntu.com/maas", "images/maas"),
        alias("http://gone.test/x", "apt/gone"),
    ];
    fs::write(&config, format!("{plain}{}", aliases.concat())).unwrap();
    let serving = desk.serve();
    for host in ["anything.test", "127.0.0.1"] {
        let answer = ask(&serving, "GET", "/keys/site.asc", &format!("Host: {host}\r\n"));
        assert!(answer.status == 200 && answer.body == KEY, "{host}: {}", answer.status);
    }
    for (host, target, of) in [
        ("mirror.test", "/pub/ubuntu/dists/x/InRelease", 0),
        ("mirror.test:8080", "/pub/ubuntu/dists/x/InRelease", 0),
        ("archive.ubuntu.com", RELEASE, 0),
        ("ARCHIVE.Ubuntu.COM", RELEASE, 0),
        ("archive.ubuntu.com.", RELEASE, 0),
        ("archive.ubuntu.com:80", RELEASE, 0),
        ("security.ubuntu.com", RELEASE, 0),
        ("archive.ubuntu.com", "/ubuntu/ports/dists/x/InRelease", 1),
        ("ports.test", "/ubuntu-ports/dists/x/InRelease", 1),
        ("images.test", "/streams/v1/index.sjson", 2),
        ("cloud-images.ubuntu.com:443", "/maas/streams/v1/index.sjson", 2),
        ("anything.test", "/apt/ports/dists/x/InRelease", 1),
    ] {
        let answer = ask(&serving, "GET", target, &format!("Host: {host}\r\n"));
        assert!(answer.status == 200 && answer.body == files[of].as_bytes(), "{host}{target}: {}", answer.status);
    }
    for (host, target) in [
        ("archive.ubuntu.com.evil.test", RELEASE),
        ("xarchive.ubuntu.com", RELEASE),
        ("ports.test", RELEASE),
        ("gone.test", "/x/dists/x/InRelease"),
        ("archive.ubuntu.com", "/ubuntux/dists/x/InRelease"),
        ("archive.ubuntu.com", "/Ubuntu/dists/x/InRelease"),
        ("archive.ubuntu.com", "/keys/site.asc"),
        ("mirror.test:8080", "/keys/site.asc"),
        ("archive.ubuntu.com", "/keys/%73ite.asc"),
    ] {
        assert_eq!(ask(&serving, "GET", target, &format!("Host: {host}\r\n")).status, 404, "{host}{target}");
    }
    for (url, of, words) in [
        ("ftp://a.test/x", "apt/ubuntu", "http://"),
        ("http://u:p@a.test/x", "apt/ubuntu", "no user"),
        ("http://a.test/x", "ubuntu", "KIND/NAME"),
        ("http://a.test/x", "snaps/store", "every host"),
        ("no address", "apt/ubuntu", "url"),
    ] {
        fs::write(&config, format!("{plain}{}", alias(url, of))).unwrap();
        desk.run("serve --site site --listen 127.0.0.1:0").says(Exit::Usage, &["site.toml", words]);
    }
}

//! The whole way of a kind that only tests have.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::export::{Settings, export};
use crate::kind::Kind;
use crate::media::MountCheck;
use crate::progress::Progress;
use crate::selection::Selection;
use crate::serve::Server;
use crate::site::{NewSite, import, init};
use crate::trust::{Overrides, SecretKey, TrustFile};

#[test]
fn a_kind_goes_the_whole_way() {
    let folder = tempfile::tempdir().unwrap();
    let [out, workspace, root] = ["out", "workspace", "site"].map(|name| folder.path().join(name));
    fs::create_dir(&out).unwrap();
    let text = "site = \"dc1\"\nname = \"base\"\n[[toy]]\nname = \"bear\"\ntext = \"growl\"\n";
    let selection = Selection::parse(text).unwrap();
    let (key, progress) = (SecretKey::generate(), Progress::hidden());
    let usual = Settings::new(&out, &workspace, Some(&key), &progress);
    let bundle = export(&selection, &Settings { mount_check: MountCheck::Skipped, ..usual }).unwrap().folder.unwrap();

    let new = NewSite {
        name: "dc1".parse().unwrap(),
        trust: TrustFile::of_builder(&"dc1".parse().unwrap(), &key.public()),
        allow_unsigned: ["bear".parse().unwrap()].into(),
        keyrings: Vec::new(),
        key_algorithm: Default::default(),
    };
    let site = init(&root, &new).unwrap();
    import(&site, &bundle, Overrides::default(), &progress).unwrap();
    assert!(!Kind::is_immutable("toy/bear/toys.txt") && Kind::is_immutable("toy/bear/box/bear"));

    let server = Server::start(&site, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    for (path, words) in [
        ("/toy/bear/box/bear", "growl"),
        ("/toy/bear/toys.txt", "bear\n"),
        ("/metrics", "gapferry_requests_total{kind=\"toy\",class=\"2xx\"} 2\n"),
        ("/", "/toy/bear/FILE"),
    ] {
        let answer = get(server.address, path);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(words), "{path}: {answer}");
    }
}

/// The answer to one request, as it is sent.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

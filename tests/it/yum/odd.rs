//! Repositories as they really are: dnf gets from the site what it takes from the upstream.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{APP_1, LIB, SHOWN, client, desk};
use crate::apt_client::run;
use crate::support::server::Server;
use crate::yum::dnf::Dnf;
use crate::yum::rpms::RPMS;

/// Replaces the list of packages by what `change` makes of it, and signs the repository again.
fn with_primary(up: &Path, change: impl FnOnce(String) -> String, change_repomd: impl FnOnce(String) -> String) {
    let repodata = up.join("repodata");
    let mut paths = fs::read_dir(&repodata).unwrap().map(|entry| entry.unwrap().path());
    let packed = paths.find(|path| path.to_string_lossy().ends_with("primary.xml.gz")).expect("a list of packages");
    let text = run(Command::new("gzip").arg("-dc").arg(&packed));
    let plain = up.join("primary.xml");
    fs::write(&plain, change(text)).unwrap();
    run(Command::new("modifyrepo_c").args(["--mdtype", "primary"]).arg(&plain).arg(&repodata));
    fs::remove_file(plain).unwrap();
    let repomd = repodata.join("repomd.xml");
    fs::write(&repomd, change_repomd(fs::read_to_string(&repomd).unwrap())).unwrap();
    RPMS.sign(up, "Upstream");
}

/// Returns the text with the hexadecimal digits of each `<checksum>` in capitals.
fn shouted(text: &str) -> String {
    let mut parts = text.split("<checksum ");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (checksum, rest) = part.split_once("</checksum>").unwrap();
        let (tag, digest) = checksum.split_once('>').unwrap();
        out += &format!("<checksum {tag}>{}</checksum>{rest}", digest.to_uppercase());
    }
    out
}

#[test]
fn odd_entries_that_dnf_takes_are_carried() {
    let desk = desk("");
    let up = desk.path("up");
    RPMS.repository(&up, 1, &[APP_1, LIB]);
    let stylesheet = "?>\n<?xml-stylesheet type=\"text/xsl\" href=\"x.xsl\"?>";
    let change = |text: String| {
        let end = text.find("</package>").unwrap() + "</package>".len();
        let start = text.find("<package ").unwrap();
        let twice = format!("{}\n{}", text.get(..end).unwrap(), text.get(start..).unwrap());
        shouted(&twice)
            .replace("epoch=\"0\"", "epoch=\"\"")
            .replace("href=\"Packages/", "href=\"./Packages/")
            .replacen("?>", stylesheet, 1)
    };
    with_primary(&up, change, |text| text.replacen("?>", stylesheet, 1));

    let server = Server::start(&desk.path("up"));
    let key = format!("file://{}", RPMS.path("Upstream.asc").display());
    let control = Dnf::new(server.url("").as_str(), &key, "");
    control.run("install ferry-app").ok();
    assert_eq!(control.installed(), [SHOWN[0], SHOWN[2]]);

    desk.ferry();
    let serving = desk.serve();
    let dnf = client(&serving);
    dnf.run("install ferry-app").ok();
    assert_eq!(dnf.installed(), [SHOWN[0], SHOWN[2]]);
}

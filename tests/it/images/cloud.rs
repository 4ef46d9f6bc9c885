//! Streams of other readers than MAAS: LXD's images, Juju's agents, streams without a signature. The real `lxc` and
//! sstream-mirror judge what they see of the site.

use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::cli::Exit;
use gapferry::digest::Sha256;
use gapferry::time::Time;
use gapferry::upstream::{Payload, Stream, StreamItem, StreamVersion};
use serde_json::{Value, json};

use super::{client, payload, payload_below, publish, published, table};
use crate::apt_client::run;
use crate::stream_client::StreamClient;
use crate::support::desk::{ARCHIVE_KEY, Desk};
use crate::support::server::Server;

/// Runs `lxc image list` on the stream at `url`; returns what it prints, as JSON.
fn lxc_list(desk: &Desk, url: &str) -> Value {
    let folder = desk.path("lxc");
    fs::create_dir_all(&folder).unwrap();
    let remote = format!("remotes:\n  up:\n    addr: {url}\n    protocol: simplestreams\n    public: true\n");
    fs::write(folder.join("config.yml"), remote).unwrap();
    // It keeps what it has read in a cache below HOME.
    let home = tempfile::tempdir().unwrap();
    let mut lxc = Command::new("lxc");
    lxc.args(["image", "list", "up:", "--format", "json"]).env("LXD_CONF", &folder).env("HOME", home.path());
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"] {
        lxc.env_remove(name);
    }
    serde_json::from_str(&run(&mut lxc)).unwrap()
}

/// A stream as cloud-images.ubuntu.com has it, of now: `label` and `pubname` stand at a version, and LXD's requirements are
/// objects.
fn cloud(serials: &[&str]) -> Stream {
    let mut stream = Stream::new("release");
    stream.datatype = "image-downloads".into();
    stream.updated = Time::now().unix() - 60;
    for serial in serials {
        let file = |name: &str, size: u64| StreamItem::noise(name, &format!("server/jammy/{serial}/{name}"), size);
        let (mut lxd, root, disk) = (file("lxd.tar.xz", 700), file("squashfs", 9000), file("disk1.img", 12_000));
        let both = |other: &StreamItem| Sha256::of(&[bytes(&lxd), bytes(other)].concat()).to_hex();
        lxd.tags = json!({"combined_squashfs_sha256": both(&root), "combined_disk1-img_sha256": both(&disk)});
        let mut version = StreamVersion::new(serial, vec![lxd, root, disk]);
        version.tags = json!({"label": "release", "pubname": format!("ubuntu-jammy-22.04-amd64-server-{serial}")});
        let tags = json!({
            "aliases": "22.04,jammy", "arch": "amd64", "os": "ubuntu", "release": "jammy", "release_title": "22.04 LTS",
            "requirements": {"secureboot": "false"}, "lxd_requirements": {"secureboot": "false"}, "regions": ["a", null],
            "supported": true, "version": "22.04",
        });
        stream.product("com.ubuntu.cloud:released:download", "com.ubuntu.cloud:server:22.04:amd64", tags, version);
    }
    stream
}

fn bytes(item: &StreamItem) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut item.payload.reader(), &mut bytes).unwrap();
    bytes
}

/// Juju's agents: one archive for each version, and an index that is called `index2`.
fn agents(desk: &Desk) {
    let mut stream = Stream::new("released");
    stream.datatype = "content-download".into();
    stream.updated = Time::now().unix() - 60;
    let path = "agent/3.6.0/juju-3.6.0-linux-amd64.tgz";
    let mut item = StreamItem::noise("3.6.0-ubuntu-amd64", path, 5000);
    item.ftype = "tar.gz".into();
    item.tags = json!({"arch": "amd64", "release": "ubuntu", "version": "3.6.0"});
    let version = StreamVersion::new("20241126", vec![item]);
    stream.product("com.ubuntu.juju:released:agents", "com.ubuntu.juju:ubuntu:amd64", json!({"os": "ubuntu"}), version);
    publish(desk, &stream);
    for form in ["sjson", "json", "json.gpg"] {
        let path = |stem: &str| desk.path(&format!("up/stable/streams/v1/{stem}.{form}"));
        fs::rename(path("index"), path("index2")).unwrap();
    }
}

/// A desk with the stream carried to its site, and what lxc says of the upstream.
fn carried(stream: &Stream, more: &str) -> (Desk, Value) {
    let desk = Desk::new();
    publish(&desk, stream);
    let server = Server::start(&desk.path("up"));
    let seen = lxc_list(&desk, server.url("stable").as_str());
    desk.select(&table(&desk, server.url("stable").as_str(), more));
    desk.init(&["maas"], "");
    desk.ferry();
    (desk, seen)
}

#[test]
fn lxc_lists_of_a_re_indexed_stream_what_it_lists_of_upstream() {
    let (desk, seen) = carried(&cloud(&["20250615", "20250718"]), "keep = 2");
    assert_eq!(seen.as_array().unwrap().len(), 4, "{seen}");
    assert!(seen.as_array().unwrap().iter().all(|image| {
        let properties = &image["properties"];
        properties["requirements.secureboot"] == "false" && properties["label"] == "release"
    }));
    let serving = desk.serve();
    assert_eq!(lxc_list(&desk, &format!("http://{}/images/maas", serving.address)), seen);
    let text = fs::read(desk.path("site/current/images/maas/streams/v1/com.ubuntu.cloud:released:download.json"));
    let list: Value = serde_json::from_slice(&text.unwrap()).unwrap();
    let product = &list["products"]["com.ubuntu.cloud:server:22.04:amd64"];
    assert_eq!(product["regions"], json!(["a", null]));
    assert_eq!(product["lxd_requirements"], json!({"secureboot": "false"}));
    assert_eq!(product["versions"]["20250718"]["pubname"], "ubuntu-jammy-22.04-amd64-server-20250718");
}

#[test]
fn lxc_and_sstream_mirror_both_take_a_verbatim_stream() {
    let (desk, seen) = carried(&cloud(&["20250718"]), "publish = \"verbatim\"");
    let serving = desk.serve();
    let url = format!("http://{}/images/maas", serving.address);
    assert_eq!(lxc_list(&desk, &url), seen);
    let client = StreamClient::new(&ARCHIVE_KEY.public_binary().unwrap());
    for path in ["streams/v1/index.sjson", "streams/v1/index.json"] {
        let out = desk.path(path.rsplit('.').next().unwrap());
        client.mirror(&url, &out, &[&format!("--path={path}")]);
        assert_eq!(payload_below(&out, |_| true), payload(&desk, |_| true), "{path}");
    }
    let metadata = |root: &Path| {
        let mut files = crate::stream_client::files_of(root);
        files.retain(|path, _| path.starts_with("streams/"));
        files
    };
    assert_eq!(metadata(&desk.path("site/current/images/maas")), metadata(&desk.path("up/stable")));
}

#[test]
fn verbatim_leaves_out_a_form_that_nobody_signed_with_a_note() {
    let desk = Desk::new();
    publish(&desk, &cloud(&["20250718"]));
    fs::remove_file(desk.path("up/stable/streams/v1/index.json.gpg")).unwrap();
    let server = Server::start(&desk.path("up"));
    desk.select(&table(&desk, server.url("stable").as_str(), "publish = \"verbatim\""));
    desk.init(&["maas"], "");
    let exported = desk.export("--json").ok();
    assert!(exported.err.contains("maas: the form streams/v1/index.json is not carried"), "{}", exported.err);
    desk.import(&desk.path(exported.json()["bundle"].as_str().unwrap())).ok();
    assert!(!desk.path("site/current/images/maas/streams/v1/index.json").exists());
}

#[test]
fn index_that_the_url_names_is_carried_in_both_ways_of_publishing() {
    let desk = Desk::new();
    agents(&desk);
    let server = Server::start(&desk.path("up"));
    let root = server.url("stable");
    desk.select(&table(&desk, root.as_str(), ""));
    let named = format!("{}/streams/v1/index2.sjson", root.as_str().trim_end_matches('/'));
    desk.export("").says(Exit::UpstreamUnavailable, &["has no stream", &format!("name that as url = \"{named}\"")]);
    desk.init(&["maas"], "");
    for (more, key) in [("", None), ("publish = \"verbatim\"", Some(ARCHIVE_KEY.public_binary().unwrap()))] {
        desk.select(&table(&desk, &named, more));
        desk.ferry();
        let serving = desk.serve();
        let client = key.map_or_else(|| client(&desk), |key| StreamClient::new(&key));
        for form in ["sjson", "json"] {
            let out = desk.path(&format!("out{}.{form}", more.len()));
            let url = format!("http://{}/images/maas", serving.address);
            client.mirror(&url, &out, &[&format!("--path=streams/v1/index2.{form}")]);
            assert_eq!(payload_below(&out, |_| true), payload(&desk, |_| true), "{more} {form}");
        }
        assert!(!desk.path("site/current/images/maas/streams/v1/index.json").exists());
    }
}

#[test]
fn other_index_beside_the_usual_one_is_named() {
    let desk = Desk::new();
    publish(&desk, &cloud(&["20250718"]));
    let path = |stem: &str| desk.path(&format!("up/stable/streams/v1/{stem}.sjson"));
    fs::copy(path("index"), path("index2")).unwrap();
    let server = Server::start(&desk.path("up"));
    desk.select(&table(&desk, server.url("stable").as_str(), ""));
    let words = "there is also streams/v1/index2.sjson, which is not carried";
    let exported = desk.export("").ok();
    assert!(exported.err.contains(words), "{}", exported.err);
    let listed = desk.run(&format!("list-images {} --keyring keyring.gpg", server.url("stable"))).ok();
    assert!(listed.err.contains(words), "{}", listed.err);
}

#[test]
fn unsigned_source_with_the_signed_form_alone_is_carried() {
    for more in ["", "publish = \"verbatim\"\n"] {
        let desk = Desk::new();
        publish(&desk, &cloud(&["20250718"]));
        for entry in fs::read_dir(desk.path("up/stable/streams/v1")).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_none_or(|extension| extension != "sjson") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        let server = Server::start(&desk.path("up"));
        let url = server.url("stable");
        desk.select(&format!("[[images]]\nname = \"maas\"\nurl = \"{url}\"\nallow-unsigned = true\n{more}"));
        desk.init(&[], "--allow-unsigned maas");
        desk.ferry();
        assert_eq!(published(&desk), payload(&desk, |_| true));
        let status = desk.run("status --site site").ok().out;
        assert!(status.contains("3 items WITHOUT UPSTREAM PROOF"), "{status}");
    }
}

#[test]
fn sstream_mirror_reads_titles_with_unicode_line_ends() {
    let desk = Desk::new();
    let mut stream = cloud(&["20250718"]);
    let item = StreamItem::new("notes", "odd/20250718/notes", Payload::Bytes(b"x".to_vec()));
    let title = "a\u{2028}b\u{2029}c\u{85}d\u{1f600}";
    let tags = json!({"os": "odd", "arch": "amd64", "release": "odd", "release_title": title});
    stream.product("com.example:odd", "odd", tags, StreamVersion::new("20250718", vec![item]));
    publish(&desk, &stream);
    let server = Server::start(&desk.path("up"));
    desk.select(&table(&desk, server.url("stable").as_str(), ""));
    desk.init(&["maas"], "");
    desk.ferry();
    let serving = desk.serve();
    let url = format!("http://{}/images/maas", serving.address);
    client(&desk).mirror(&url, &desk.path("out"), &[]);
    assert_eq!(payload_below(&desk.path("out"), |_| true), payload(&desk, |_| true));
    let text = fs::read(desk.path("site/current/images/maas/streams/v1/com.example:odd.json")).unwrap();
    assert!(text.is_ascii());
    let list: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(list["products"]["odd"]["release_title"], title);
}

//! Worlds of images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use gapferry::digest::Sha256;
use gapferry::formats::openpgp::SiteKey;
use gapferry::label::Label;
use gapferry::time::Time;
use gapferry::upstream::{Payload, Stream, StreamItem, StreamVersion, UbuntuSerial};
use serde_json::{Value, json};

use super::images_lies;
use super::lies::{Lie, Truth};
use super::world::{Content, date_of_state, without_dates};
use crate::apt_client::run;

/// A stream named `maas`, as a function of the state's number.
pub(crate) struct Images {
    /// The stream in state `number`.
    pub(crate) state: fn(number: u32) -> Stream,
    /// More lines for its `[[images]]` table, such as `keep = 2`.
    pub(crate) settings: &'static str,
}

/// The stream's key: one for all worlds of a run.
pub(crate) static STREAM_KEY: LazyLock<SiteKey> =
    LazyLock::new(|| SiteKey::generate("Test Stream <stream@test.invalid>", Time::now().unix() - 3600).unwrap());

impl Images {
    /// Some 330 kB: images that compress and images that do not, two kernels that share a squashfs, a name for which tar
    /// needs a pax header, names with colons, and with small volumes blobs that must be cut. Each state lists a new serial
    /// and the one before, of which the new one is carried; bootloaders and CentOS stay.
    pub(crate) fn small() -> Self {
        Self { state: small, settings: "keep = 1" }
    }
}

/// The stream of the small worlds with another label: another stream, signed by the same key.
pub(super) fn labelled(label: &str, number: u32) -> Stream {
    let mut stream = Stream::new(label);
    for number in [number - 1, number] {
        let serial = UbuntuSerial::new("jammy", "22.04", "amd64", &serial(number)).kernels(&["ga-22.04", "hwe-22.04"]);
        stream.ubuntu(&UbuntuSerial { squashfs_bytes: 150_000, ..serial });
    }
    stream.bootloaders("20231004.0").centos("8", "amd64", "20211104_01");
    let folder = format!("centos/long-{}/amd64/20211104_01", "name-".repeat(12) + "end");
    let text = Payload::Bytes("what compresses well ".repeat(6000).into_bytes());
    let items = vec![
        StreamItem::new("root-tgz", &format!("{folder}/root-tgz"), text),
        StreamItem::text("manifest", &format!("{folder}/root-tgz.manifest")),
    ];
    let tags = json!({
        "arch": "amd64", "label": label, "os": "centos", "release": "long", "release_title": "CentOS Long",
        "subarch": "generic", "subarches": "generic", "version": "9",
    });
    let name = format!("com.ubuntu.maas.{label}:centos-bases:long:amd64");
    stream.product(&stream.centos_id(), &name, tags, StreamVersion::new("20211104_01", items));
    stream.updated = date_of_state(number);
    stream
}

/// The name of the serial that is new in state `number`.
pub(super) fn serial(number: u32) -> String {
    format!("202501{number:02}")
}

fn small(number: u32) -> Stream {
    labelled("stable", number)
}

impl Content for Images {
    fn publish(&self, upstream: &Path, number: u32) {
        (self.state)(number).write_to(upstream, &STREAM_KEY).unwrap();
        fs::write(upstream.join("keyring.gpg"), STREAM_KEY.public_binary().unwrap()).unwrap();
    }

    fn sources(&self, upstream: &Path) -> String {
        let (url, settings) = (url::Url::from_directory_path(upstream).unwrap(), self.settings);
        format!(
            "[[images]]\nname = \"maas\"\nurl = \"{url}\"\nkeyring = \"{}/keyring.gpg\"\n{settings}\n",
            upstream.display()
        )
    }

    fn pins(&self, upstream: &Path) -> Vec<(Label, PathBuf)> {
        vec![("maas".parse().unwrap(), upstream.join("keyring.gpg"))]
    }

    fn check(&self, folder: &Path) {
        let keyring = folder.join("keys/site.gpg");
        let streams: Vec<PathBuf> = fs::read_dir(folder.join("images")).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(!streams.is_empty(), "{} has no stream", folder.display());
        for stream in streams {
            for form in [".sjson", ".json"] {
                check_stream(&stream, form, &keyring);
            }
        }
    }

    fn undated(&self, path: &Path, text: &str) -> Option<String> {
        undated_stream("images", path, text)
    }

    fn kills(&self) -> usize {
        80
    }

    fn lies(&self) -> Vec<Lie> {
        images_lies::lies()
    }

    fn truths(&self) -> Vec<Truth> {
        images_lies::truths()
    }
}

/// What a file of a stream of this kind says besides its date and its signature.
pub(super) fn undated_stream(kind: &str, path: &Path, text: &str) -> Option<String> {
    let is_metadata = path.starts_with(kind) && path.iter().nth(2).is_some_and(|folder| folder == "streams");
    let is_signature = path.extension().is_some_and(|extension| extension == "gpg");
    is_metadata.then(|| match is_signature {
        true => String::new(),
        false => without_dates(text, |line| line.trim_start().starts_with("\"updated\": ")),
    })
}

/// Judges one form of a stream as a client would: gpgv, the lists that the index names, the digests of all images.
///
/// Images that no list names may lie beside them: those of the serial before stay for a while.
pub(super) fn check_stream(root: &Path, form: &str, keyring: &Path) {
    let index = signed(&root.join(format!("streams/v1/index{form}")), keyring);
    assert_eq!(index["format"], "index:1.0");
    let lists = index["index"].as_object().unwrap();
    assert!(!lists.is_empty(), "{index}");
    for (content_id, entry) in lists {
        let path = entry["path"].as_str().unwrap();
        assert!(path.ends_with(form), "{path}");
        let list = signed(&root.join(path), keyring);
        assert_eq!((&list["format"], &list["content_id"]), (&json!("products:1.0"), &json!(content_id)));
        let products = list["products"].as_object().unwrap();
        assert_eq!(entry["products"], json!(products.keys().collect::<Vec<_>>()));
        assert!(!products.is_empty(), "{path}");
        products.values().for_each(|product| check_product(root, product));
    }
}

fn check_product(root: &Path, product: &Value) {
    let versions = product["versions"].as_object().unwrap();
    let items: Vec<&Value> =
        versions.values().flat_map(|version| version["items"].as_object().unwrap().values()).collect();
    assert!(!versions.is_empty() && items.len() >= versions.len(), "{product}");
    for item in items {
        let bytes = fs::read(root.join(item["path"].as_str().unwrap())).unwrap_or_else(|e| panic!("{item}: {e}"));
        assert_eq!(
            (json!(bytes.len()), json!(Sha256::of(&bytes).to_hex())),
            (item["size"].clone(), item["sha256"].clone())
        );
    }
}

/// The document in a signed file, as gpgv hands it out, or as it lies beside its signature.
fn signed(path: &Path, keyring: &Path) -> Value {
    let mut gpgv = Command::new("gpgv");
    gpgv.arg("--keyring").arg(keyring);
    let text = match path.extension().is_some_and(|extension| extension == "sjson") {
        true => run(gpgv.args(["--output", "-"]).arg(path)),
        false => {
            run(gpgv.arg(format!("{}.gpg", path.display())).arg(path));
            fs::read_to_string(path).unwrap()
        }
    };
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

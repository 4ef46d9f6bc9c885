//! Image streams the whole way, with the reference client `sstream-mirror` as the judge of what arrives.

mod choice;
mod clients;
mod cloud;
mod cycle;
mod rules;
mod samples;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gapferry::time::Time;
use gapferry::upstream::{Stream, UbuntuSerial};

use crate::stream_client::{StreamClient, files_of};
use crate::support::desk::{ARCHIVE_KEY, Desk};

/// A stream in MAAS's shape, of now: two Ubuntu releases of which jammy has the `serials` and three kernels, all
/// bootloaders, a CentOS.
pub(crate) fn maas(serials: &[&str]) -> Stream {
    let mut stream = Stream::new("stable");
    for serial in serials {
        let kernels = ["ga-22.04", "hwe-22.04", "ga-22.04-lowlatency"];
        stream.ubuntu(&UbuntuSerial::new("jammy", "22.04", "amd64", serial).kernels(&kernels));
    }
    stream
        .ubuntu(&UbuntuSerial::new("jammy", "22.04", "arm64", "20250718"))
        .ubuntu(&UbuntuSerial::new("noble", "24.04", "amd64", "20250709"))
        .bootloaders("20230222.0")
        .bootloaders("20231004.0")
        .centos("8", "amd64", "20211104_01");
    stream.updated = Time::now().unix() - 60;
    stream
}

/// Writes the stream below the desk, with a keyring beside it.
pub(crate) fn publish(desk: &Desk, stream: &Stream) {
    stream.write_to(&desk.path("up/stable"), &ARCHIVE_KEY).unwrap();
    fs::write(desk.path("keyring.gpg"), ARCHIVE_KEY.public_binary().unwrap()).unwrap();
}

/// An `[[images]]` table named `maas`.
pub(crate) fn table(desk: &Desk, url: &str, more: &str) -> String {
    let keyring = desk.path("keyring.gpg");
    format!("[[images]]\nname = \"maas\"\nurl = \"{url}\"\nkeyring = \"{}\"\n{more}\n", keyring.display())
}

/// The stream in a folder of the current generation has all that MAAS 3.6, 3.7 and 3.8 demand; returns the names of its products.
#[track_caller]
pub(crate) fn maas_is_content(desk: &Desk, folder: &str) -> Vec<String> {
    rules::kept_by(desk, folder)
}

/// A client that trusts the site's key alone.
fn client(desk: &Desk) -> StreamClient {
    StreamClient::new(&fs::read(desk.path("site/current/keys/site.gpg")).unwrap())
}

/// Path → SHA-256 of what the site publishes of the images, without metadata.
fn published(desk: &Desk) -> BTreeMap<String, String> {
    payload_below(&desk.path("site/current/images/maas"), |_| true)
}

/// Path → SHA-256 of all payload of the stream whose path passes.
fn payload(desk: &Desk, passes: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    payload_below(&desk.path("up/stable"), passes)
}

/// The same of the stream in the folder `root`.
fn payload_below(root: &Path, passes: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let mut files = files_of(root);
    files.retain(|path, _| !path.starts_with("streams/") && passes(path));
    files
}

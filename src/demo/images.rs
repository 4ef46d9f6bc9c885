//! The demo's images: a small stream in MAAS's shape, and a client that reads what the site publishes of it.

use std::path::Path;

use super::DemoError;
use crate::collect::address;
use crate::collect::images::stream::{self, VerifiedStream};
use crate::digest::Sha256;
use crate::fetch::{FetchOptions, Fetcher};
use crate::formats::openpgp::{Keyring, SiteKey};
use crate::formats::simplestreams::{ProductItem, StreamFile};
use crate::serve::Server;
use crate::time::Time;
use crate::upstream::{Stream, UbuntuSerial};

/// The release that the demo carries.
const RELEASE: &str = "jammy";
/// More than any file of the demo's stream has, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Writes the stream with this serial of jammy, another release, and MAAS's bootloaders.
pub(super) fn publish(folder: &Path, key: &SiteKey, serial: &str) -> Result<(), DemoError> {
    let mut stream = Stream::new("stable");
    stream
        .ubuntu(&UbuntuSerial::new(RELEASE, "22.04", "amd64", serial).kernels(&["ga-22.04", "hwe-22.04"]))
        .ubuntu(&UbuntuSerial::new("noble", "24.04", "amd64", "20250709"))
        .bootloaders("20231004.0");
    stream.updated = Time::now().unix() - 30;
    stream.write_to(folder, key).map_err(DemoError::io("write", folder))
}

/// The selection's table.
pub(super) fn table(url: &url::Url) -> String {
    format!(
        "\n[[images]]\nname = \"maas\"\nurl = \"{url}\"\nkeyring = \"../upstream/archive.gpg\"\n\
         filter = [\"arch=amd64\", \"release={RELEASE}\"]\n"
    )
}

/// Reads the published stream as MAAS does, and every file of the newest version; returns the sentence that says so.
pub(super) fn sees(server: &Server, site: &Path, serial: &str) -> Result<String, DemoError> {
    let wrong = |what: String| DemoError::failed(what);
    let keyring = site.join("current/keys/site.gpg");
    let keyring = Keyring::parse(&std::fs::read(&keyring).map_err(DemoError::io("read", &keyring))?)?;
    let url = format!("http://{}/images/maas", server.address);
    let root = url::Url::parse(&url).map_err(|error| wrong(error.to_string()))?;
    let fetcher = Fetcher::new(FetchOptions::default())?;
    let stream = stream::fetch(&root, Some(&keyring), stream::StreamForms::First, &fetcher, Time::now())?;
    let files = newest(&stream);
    for file in &files {
        let bytes = fetcher.get(&address::below(&root, file.path.as_str()), MAX_FILE_BYTES)?;
        if Sha256::of(&bytes) != file.sha256 {
            return Err(wrong(format!("{} is not what the stream says", file.path)));
        }
    }
    match files.iter().any(|file| file.path.as_str().starts_with(&format!("{RELEASE}/amd64/{serial}/"))) {
        true => Ok(format!(
            "The image stream at {url}, which the site signs, has {RELEASE} {serial}: all of its {} files are what it says.",
            files.len()
        )),
        false => Err(wrong(format!("{url} does not have {RELEASE} {serial} as its newest version"))),
    }
}

/// The files of the newest version of each product, each once.
fn newest(stream: &VerifiedStream) -> Vec<StreamFile> {
    let mut files = std::collections::BTreeMap::new();
    for list in &stream.lists {
        for (name, product) in &list.products.products {
            let Some((version, of)) = product.versions.last_key_value() else { continue };
            let items = list.products.items_of(name, product, version, of);
            let named = items.filter_map(|item: ProductItem<'_>| item.file().ok().flatten());
            files.extend(named.map(|file| (file.path.clone(), file)));
        }
    }
    files.into_values().collect()
}

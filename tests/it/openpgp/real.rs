//! Genuine upstream signatures, where this machine has them; skipped loudly where it has not.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use gapferry::formats::openpgp::{Keyring, verify_clear_signed};

use super::gnupg::Gnupg;
use crate::support::genuine::shared_data;
use crate::support::skip::{Needs, skip};

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("clock").as_secs().try_into().expect("clock")
}

#[test]
fn the_genuine_cloud_images_index_verifies_and_one_by_another_key_does_not() {
    let Some(folder) = shared_data() else { return };
    let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
    let keyring = read("ubuntu-cloudimage-keyring.gpg");
    let ring = Keyring::parse(&keyring).unwrap();
    let index = read("cloud-images-2022/streams/v1/index.sjson");
    let verified = verify_clear_signed(&index, &ring, now()).unwrap();
    assert_eq!(verified.signers[0].fingerprint, "4A3CE3CD565D7EB5C810E2B97FF3F408476CF100");
    let says = Gnupg::new().gpgv(&keyring, &index, None, now());
    assert!(says.accepts, "{says:?}");
    assert_eq!(says.text, verified.text);
    let error = verify_clear_signed(&read("index-signed-by-another-key.NEGATIVE.sjson"), &ring, now()).unwrap_err();
    assert!(error.to_string().starts_with("no good signature by a trusted key"), "{error}");
}

#[test]
fn the_host_s_own_inrelease_files_verify_with_the_archive_keyring() {
    let keyring = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
    let Ok(keyring) = std::fs::read(keyring) else {
        return skip(Needs::HostArchive, &format!("no {}", keyring.display()));
    };
    let ring = Keyring::parse(&keyring).unwrap();
    assert_eq!(ring.rejected(), []);
    let mut checked = 0;
    for entry in std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.to_string_lossy().into_owned();
        if !name.ends_with("_InRelease") || !name.contains("debian") {
            continue;
        }
        let message = std::fs::read(&path).expect("InRelease");
        let verified = verify_clear_signed(&message, &ring, now()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let says = Gnupg::new().gpgv(&keyring, &message, None, now());
        assert!(says.accepts, "{name}: {says:?}");
        assert_eq!(says.text, verified.text, "{name}");
        let good = says.words.iter().filter(|word| *word == "GOODSIG").count();
        assert_eq!(verified.signers.len(), good, "{name}: {says:?}");
        eprintln!("{name}: {good} good signatures");
        checked += 1;
    }
    if checked == 0 {
        skip(Needs::HostArchive, "no InRelease of Debian in /var/lib/apt/lists");
    }
}

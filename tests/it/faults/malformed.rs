//! Malformed metadata of each kind of content. What an upstream signs itself is malformed here, so no signature hides it: the
//! fault is upstream's (4). Texts that the operator wrote are the operator's (2).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use gapferry::cli::Exit;
use gapferry::cli::Exit::{Usage, VerificationFailed};
use gapferry::digest::Sha256;
use gapferry::formats::openpgp::SiteKey;

use crate::support::desk::{Desk, end};
use crate::support::world::{Content, World, date_of_state};
use crate::support::{debs, images, os_images, snaps, yum};

/// A way to spoil an upstream of one kind.
struct Case {
    content: Arc<dyn Content>,
    spoil: fn(&Path),
    exit: Exit,
    words: &'static [&'static str],
}

fn write(upstream: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    fs::write(upstream.join(path), bytes).unwrap();
}

/// Writes a text that the key signs in it.
fn write_signed(key: &SiteKey, upstream: &Path, path: &str, text: &str) {
    write(upstream, path, key.sign_clear(text, date_of_state(1)).unwrap());
}

/// Replaces metadata of a repository by bytes that `repomd.xml` then lists, and signs that again.
fn relist(upstream: &Path, name: &str, bytes: &[u8]) {
    let mut repomd = fs::read_to_string(upstream.join("repodata/repomd.xml")).unwrap();
    let start = repomd.find(&format!("-{name}\"")).unwrap() - 64;
    let (old, new) = (repomd[start..start + 64].to_owned(), Sha256::of(bytes).to_string());
    let size = fs::metadata(upstream.join(format!("repodata/{old}-{name}"))).unwrap().len();
    repomd = repomd.replace(&old, &new).replace(&format!("<size>{size}<"), &format!("<size>{}<", bytes.len()));
    write(upstream, &format!("repodata/{new}-{name}"), bytes);
    sign_repomd(upstream, &repomd);
}

fn sign_repomd(upstream: &Path, text: &str) {
    write(upstream, "repodata/repomd.xml", text);
    let signature = yum::REPOSITORY_KEY.sign_detached(text.as_bytes(), date_of_state(1)).unwrap();
    write(upstream, "repodata/repomd.xml.asc", signature);
}

/// A file in the format of gzip whose content ends early.
const CUT_GZIP: [u8; 20] = *b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\xcc\x49\x4c\x4a\x4e\x49\x4d\x4b\xcf";

#[test]
fn upstreams_malformed_metadata_is_no_fault_of_the_operator() {
    let debs: Arc<dyn Content> = Arc::new(debs::Debs::small());
    let images: Arc<dyn Content> = Arc::new(images::Images::small());
    let (yum, snaps): (Arc<dyn Content>, Arc<dyn Content>) = (Arc::new(yum::Yum), Arc::new(snaps::Snaps));
    let os_images: Arc<dyn Content> = Arc::new(os_images::OsImages);
    let case = |content: &Arc<dyn Content>, words, spoil| Case {
        content: content.clone(),
        spoil,
        exit: VerificationFailed,
        words,
    };
    let cases = [
        case(&debs, &["cannot trust the suite stable"], |upstream| {
            let text = "Suite: stable\nSHA256:\n no digest\n";
            write_signed(&debs::ARCHIVE_KEY, upstream, "dists/stable/InRelease", text);
        }),
        case(&images, &["cannot use streams/v1/index.sjson"], |upstream| {
            write_signed(&images::STREAM_KEY, upstream, "streams/v1/index.sjson", "{\"format\":");
        }),
        case(&yum, &["cannot use repodata/repomd.xml"], |upstream| sign_repomd(upstream, "<repomd><data")),
        case(&yum, &["cannot use repodata/", "primary.xml.gz"], |upstream| {
            relist(upstream, "primary.xml.gz", &CUT_GZIP);
        }),
        case(&yum, &["cannot use repodata/", "modules.yaml.gz"], |upstream| {
            relist(upstream, "modules.yaml.gz", &CUT_GZIP);
        }),
        case(&snaps, &["cannot trust", "words_1.snap"], |upstream| {
            write(upstream, "snaps/words_1.assert", "type: no\n")
        }),
        case(&os_images, &["centos/9 is not signed"], |upstream| write(upstream, "centos.tgz.asc", "no signature")),
        case(&debs, &["archive.gpg is not a usable keyring"], |upstream| write(upstream, "archive.gpg", "no key")),
        Case {
            exit: Usage,
            ..case(&os_images, &["centos/9", "cannot be deployed"], |upstream| {
                write(upstream, "centos.tgz", "no gzip");
            })
        },
    ];
    for Case { content, spoil, exit, words } in cases {
        let world = World::new(content, "4 GB");
        spoil(&world.path("upstream"));
        let mut export = world.gapferry(&["export", "online/selection.toml", "--out", "medium"]);
        export.args(["--workspace", "online/workspace", "--key", "online/builder.key"]);
        end(&mut export).says(exit, words);
        assert!(fs::read_dir(world.path("medium")).unwrap().next().is_none(), "{words:?}");
    }
}

#[test]
fn malformed_texts_of_the_operator_are_wrong_usage() {
    let desk = Desk::new();
    let local = |file: &str, text: &str| fs::write(desk.path("online").join(file), text).unwrap();
    local("a.sources", "Types: deb\nURIs: nowhere\n");
    local("token", "one\ntwo\n");
    fs::set_permissions(desk.path("online/token"), fs::Permissions::from_mode(0o600)).unwrap();
    for (table, words) in [
        ("[[apt]]\nname = \"a\"\nsources = \"a.sources\"\n", "a.sources"),
        ("[[files]]\nname = \"f\"\nfrom = \"***\"\n", "is not a pattern"),
        ("[[enterprise-store]]\nexports = \"token\"\n", "cannot take"),
        ("[[yum]\n", "selection.toml: line"),
        (
            "[[yum]]\nname = \"y\"\nurl = \"https://127.0.0.1:1/\"\nallow-unsigned = true\nsecret-file = \"token\"\n",
            "has several lines",
        ),
    ] {
        desk.select(table);
        desk.export("").says(Usage, &[words]);
    }
}

//! What MAAS 3.6, 3.7 and 3.8 want of a source, rule by rule, and the published tree as it stands after all kinds of runs.
//!
//! The judge shares no code with the program: it goes by gpgv and plain JSON. The rules are those that MAAS's readers were
//! seen to keep: up to 3.7 the reference client's, with its tags handed down, and from 3.8 a strict one, which reads all
//! products files of a source or none.

mod blind;
mod index;
mod products;
mod shapes;
mod tree;

use std::collections::BTreeSet;

use serde_json::Value;

use self::tree::{INDEX, Tree};
use super::{maas, payload, publish, published, table};
use crate::support::desk::Desk;
use crate::support::server::Server;
use gapferry::upstream::Stream;

/// A rule's name, and what breaks it in a tree.
type Rule = (&'static str, fn(&Tree) -> Vec<String>);

/// The rule that only the source with Ubuntu's images has to keep.
const BOOTLOADERS: &str = "all bootloaders that MAAS takes are there";

/// All rules.
fn rules() -> impl Iterator<Item = &'static Rule> {
    index::RULES.iter().chain(products::RULES)
}

fn collect(complaints: impl IntoIterator<Item = String>) -> Vec<String> {
    complaints.into_iter().collect()
}

/// Whether a path of upstream's stays within the tree, for readers that join it to their root as it is.
fn safe(path: &Value) -> bool {
    let step = |step: &str| !["", ".", ".."].contains(&step);
    path.as_str().is_some_and(|path| path.split('/').all(step))
}

/// The published tree, which must keep all rules.
#[track_caller]
fn judged(desk: &Desk) -> Tree {
    judged_at(desk, "images/maas")
}

/// The same of the stream in a folder of the current generation.
#[track_caller]
fn judged_at(desk: &Desk, folder: &str) -> Tree {
    let tree = Tree::load(&desk.path("site/current").join(folder), &desk.path("site/current/keys/site.gpg"));
    // Bootloaders are in one source, and MAAS takes them from there.
    let is_ubuntus = folder.starts_with("images/");
    for (name, rule) in rules().filter(|(name, _)| is_ubuntus || *name != BOOTLOADERS) {
        assert_eq!(rule(&tree), [""; 0], "broken: {name}");
    }
    tree
}

/// An upstream behind a server, and a site that takes `more` of it.
fn setting(stream: &Stream, more: &str) -> (Desk, Server) {
    let desk = Desk::new();
    publish(&desk, stream);
    let server = Server::start(&desk.path("up"));
    desk.select(&table(&desk, server.url("stable").as_str(), more));
    desk.init(&["maas"], "");
    (desk, server)
}

/// What is published of `stream` with `more` in its table, judged.
#[track_caller]
fn ferried(stream: &Stream, more: &str) -> Tree {
    let (desk, _server) = setting(stream, more);
    desk.ferry();
    judged(&desk)
}

/// The content ids of the index, without what all have in common.
fn content_ids(tree: &Tree) -> Vec<String> {
    tree.entries().iter().map(|entry| entry.name.trim_start_matches("com.ubuntu.maas:stable:").to_owned()).collect()
}

/// The versions that are listed of products whose name has `part`.
fn versions(tree: &Tree, part: &str) -> BTreeSet<String> {
    let products = tree.products().into_iter().filter(|product| product.name.contains(part));
    products.flat_map(|product| product.below("versions")).map(|version| version.name.to_owned()).collect()
}

const SERIALS: [&str; 4] = ["20250515", "20250615", "20250718", "20250801"];

#[test]
fn a_full_mirror() {
    let (desk, _server) = setting(&maas(&SERIALS[..3]), "keep = 9");
    desk.ferry();
    let tree = judged(&desk);
    assert_eq!(content_ids(&tree), ["1:bootloader-download", "centos-bases-download", "v3:download"]);
    assert_eq!(versions(&tree, ":22.04:amd64:"), SERIALS[..3].iter().map(|&serial| serial.to_owned()).collect());
    assert_eq!(tree.products().len(), 5 + 4 + 1);
    assert_eq!(published(&desk), payload(&desk, |_| true));
}

/// The stream in a folder of the current generation keeps all rules; returns the names of its products.
#[track_caller]
pub(super) fn kept_by(desk: &Desk, folder: &str) -> Vec<String> {
    judged_at(desk, folder).products().iter().map(|product| product.name.to_owned()).collect()
}

#[test]
fn one_release() {
    let tree = ferried(&maas(&SERIALS[..2]), "filter = [\"release=noble\"]");
    assert_eq!(content_ids(&tree), ["1:bootloader-download", "v3:download"]);
    assert_eq!(tree.products().len(), 1 + 4);
    assert!(tree.files.keys().all(|path| path.starts_with("noble/") || path.starts_with("bootloaders/")));
}

#[test]
fn without_centos() {
    let (desk, server) = setting(&maas(&SERIALS[..2]), "keep = 2");
    desk.ferry();
    assert!(content_ids(&judged(&desk)).contains(&"centos-bases-download".to_owned()));
    // Also where it was there before.
    desk.select(&table(&desk, server.url("stable").as_str(), "keep = 2\nfilter = [\"os!=centos\"]"));
    desk.ferry();
    let tree = judged(&desk);
    assert_eq!(content_ids(&tree), ["1:bootloader-download", "v3:download"]);
    assert!(tree.raw.keys().all(|path| !path.contains("centos")), "{:?}", tree.raw.keys());
}

#[test]
fn bootloaders_only() {
    for more in
        ["filter = [\"os~(grub|pxelinux)\"]", "filter = [\"os~(grub|pxelinux)\"]\nbootloaders = false\nkeep = 2"]
    {
        let tree = ferried(&maas(&SERIALS[..1]), more);
        assert_eq!(content_ids(&tree), ["1:bootloader-download"]);
        assert_eq!(versions(&tree, ":1:").len(), if more.contains("keep") { 2 } else { 1 });
    }
}

#[test]
fn two_updates_with_each_keep() {
    for keep in [1, 2] {
        let (desk, server) = setting(&maas(&SERIALS[..2]), &format!("keep = {keep}\nfilter = [\"release=jammy\"]"));
        let mut before = BTreeSet::new();
        for newest in [2, 3, 4] {
            publish(&desk, &maas(&SERIALS[..newest]));
            desk.ferry();
            let tree = judged(&desk);
            let listed: BTreeSet<String> = SERIALS[newest - keep..newest].iter().map(|&serial| serial.into()).collect();
            assert_eq!(versions(&tree, ":22.04:amd64:"), listed);
            // What was listed before is still there to fetch, and nothing older.
            let on_disk: BTreeSet<String> = tree
                .files
                .keys()
                .filter_map(|path| path.strip_prefix("jammy/amd64/")?.split('/').next())
                .map(str::to_owned)
                .collect();
            assert_eq!(on_disk, &listed | &before);
            let whole =
                payload(&desk, |path| on_disk.iter().any(|serial| path.starts_with(&format!("jammy/amd64/{serial}/"))));
            assert!(whole.iter().all(|(path, digest)| tree.files[path].1 == *digest));
            before = listed;
        }
        drop(server);
    }
}

#[test]
fn the_judge_reads_what_clients_read() {
    let tree = ferried(&maas(&SERIALS[..1]), "filter = [\"release=jammy\", \"arch=amd64\"]");
    assert!(tree.json.contains_key(INDEX) && tree.items().len() == 3 * 4 + 6);
}

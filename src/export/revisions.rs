//! Which blob is an older revision of which: the same thing in the last bundle, of those that the site holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::collection::{Collection, Item};
use crate::digest::Sha256;
use crate::path::PublishPath;

/// Of each new blob of `collections` that has one, an older revision in `last` that is `held`.
pub(crate) fn older(
    last: &[Collection],
    collections: &[Collection],
    held: &BTreeSet<Sha256>,
) -> BTreeMap<Sha256, Sha256> {
    let before: BTreeMap<String, &Collection> = last.iter().map(|c| (c.folder(), c)).collect();
    let mut found = BTreeMap::new();
    for new in collections {
        let Some(old) = before.get(&new.folder()) else { continue };
        let revisions = Revisions::of(old, held);
        let items: BTreeMap<&PublishPath, &Item> = new.items.iter().map(|item| (&item.file, item)).collect();
        for (path, digest) in new.paths().filter(|(_, digest)| !held.contains(digest)) {
            if let Some(old) = revisions.of_path(path, items.get(path).copied()) {
                found.entry(*digest).or_insert(old);
            }
        }
    }
    found
}

/// What a collection had, by what stays the same from one revision to the next.
struct Revisions<'a> {
    paths: BTreeMap<String, Sha256>,
    things: BTreeMap<Thing<'a>, Sha256>,
}

/// Name and architecture, and what the file's name ends in: a source package has files of several kinds.
type Thing<'a> = (&'a str, &'a str, &'a str);

impl<'a> Revisions<'a> {
    fn of(old: &'a Collection, held: &BTreeSet<Sha256>) -> Self {
        let held = |digest: &&Sha256| held.contains(digest);
        let paths = old.paths().filter(|(_, digest)| held(digest)).map(|(path, digest)| (stable(path), *digest));
        // Of several versions the one whose path is the last, which is mostly the newest.
        let things = old.items.iter().filter_map(|item| {
            let digest = old.files.get(&item.file).filter(held)?;
            Some((thing(item), *digest))
        });
        Self { paths: paths.collect(), things: things.collect() }
    }

    fn of_path(&self, path: &PublishPath, item: Option<&Item>) -> Option<Sha256> {
        let same = self.paths.get(&stable(path));
        same.or_else(|| self.things.get(&thing(item?))).copied()
    }
}

fn thing(item: &Item) -> Thing<'_> {
    (&item.name, &item.architecture, ending(item.file.as_str()))
}

/// The path without digests in it, as repositories of RPM packages name their metadata.
fn stable(path: &PublishPath) -> String {
    let stays = |word: &&str| word.parse::<Sha256>().is_err();
    let component = |text: &str| text.split('-').filter(stays).collect::<Vec<_>>().join("-");
    path.as_str().split('/').map(component).collect::<Vec<_>>().join("/")
}

/// The file name's last words that are letters only, such as `orig.tar.xz`.
fn ending(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let length: usize = name.rsplit('.').take_while(|word| is_word(word)).map(|word| word.len() + 1).sum();
    name.get(name.len().saturating_sub(length)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_the_same_of_a_path() {
        let digest = "ab".repeat(32);
        for (path, wanted) in [
            ("dists/stable/main/binary-amd64/Packages", "dists/stable/main/binary-amd64/Packages".to_owned()),
            (&format!("repodata/{digest}-primary.xml.gz"), "repodata/primary.xml.gz".to_owned()),
        ] {
            assert_eq!(stable(&path.parse().unwrap()), wanted);
        }
    }

    #[test]
    fn endings() {
        for (path, wanted) in [
            ("pool/h/hello_2.10-3_amd64.deb", ".deb"),
            ("pool/h/hello_2.10.orig.tar.xz", ".orig.tar.xz"),
            ("pool/h/hello_2.10-3.debian.tar.xz", ".debian.tar.xz"),
            ("20240101/squashfs", "squashfs"),
            ("x.bz2", ""),
        ] {
            assert_eq!(ending(path), wanted, "{path}");
        }
    }
}

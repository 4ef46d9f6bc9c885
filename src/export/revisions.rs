//! Which blob is an older revision of which: the same thing in the last bundle, of those that the site holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::bundle::FormatError;
use crate::bundle::state::lists::ListedCollections;
use crate::bundle::state::{ItemLine, ListLine};
use crate::digest::Sha256;
use crate::path::PublishPath;

/// Returns the older revisions in `before` of each of the `new` blobs of `after`, the best one first. Reads the lists as streams.
pub(crate) fn older(
    before: ListedCollections<'_>,
    after: ListedCollections<'_>,
    new: &BTreeSet<Sha256>,
) -> Result<BTreeMap<Sha256, Vec<Sha256>>, FormatError> {
    let mut found = BTreeMap::new();
    if new.is_empty() {
        return Ok(found);
    }
    for (index, collection) in after.collections.iter().enumerate() {
        let Some((old_index, _)) = before.find(&collection.folder()) else { continue };
        let (mut revisions, mut wanted) = (Revisions::default(), Vec::new());
        each_line(after, index, |line| {
            if new.contains(&line.blob().0) {
                wanted.push((line.blob().0, revisions.ask_for(&line)));
            }
        })?;
        if !wanted.is_empty() {
            each_line(before, old_index, |line| revisions.add(&line))?;
        }
        for (digest, names) in wanted {
            let older: &mut Vec<Sha256> = found.entry(digest).or_default();
            older.extend(revisions.of(&names));
        }
    }
    Ok(found)
}

fn each_line(of: ListedCollections<'_>, index: usize, mut line: impl FnMut(ListLine)) -> Result<(), FormatError> {
    let mut list = of.lists.read(index)?;
    while let Some(next) = list.next_line()? {
        line(next);
    }
    Ok(())
}

/// The older blobs of a collection, by what stays the same from one revision to the next, as far as that was asked for.
#[derive(Default)]
struct Revisions {
    paths: HashMap<String, Vec<Sha256>>,
    things: HashMap<Thing, Vec<Sha256>>,
}

/// The properties of a file that stay the same.
struct RevisionNames {
    path: String,
    thing: Option<Thing>,
}

/// Name and architecture, and what the file's name ends in: a source package has files of several kinds.
type Thing = (String, String, String);

impl Revisions {
    fn ask_for(&mut self, line: &ListLine) -> RevisionNames {
        let (path, thing) = (stable(line.path()), thing(line));
        self.paths.entry(path.clone()).or_default();
        if let Some(thing) = &thing {
            self.things.entry(thing.clone()).or_default();
        }
        RevisionNames { path, thing }
    }

    fn add(&mut self, line: &ListLine) {
        let digest = line.blob().0;
        self.paths.get_mut(&stable(line.path())).into_iter().for_each(|found| found.push(digest));
        let found = thing(line).and_then(|thing| self.things.get_mut(&thing));
        found.into_iter().for_each(|found| found.push(digest));
    }

    /// Returns the revisions, the best one first: of several versions the one whose path is the last, which is mostly the newest.
    fn of(&self, names: &RevisionNames) -> impl Iterator<Item = Sha256> {
        let things = names.thing.as_ref().and_then(|thing| self.things.get(thing));
        let paths = self.paths.get(&names.path);
        paths
            .into_iter()
            .flat_map(|found| found.iter().rev())
            .chain(things.into_iter().flat_map(|found| found.iter().rev()))
            .copied()
    }
}

fn thing(line: &ListLine) -> Option<Thing> {
    let ListLine::Item(item) = line else { return None };
    let ItemLine { name, architecture, path, .. } = item.as_ref();
    Some((name.clone(), architecture.clone().unwrap_or_default(), ending(path.as_str()).to_owned()))
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
    use crate::bundle::state::lists::tests::state;

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
    fn older_revisions_have_the_same_path_or_name() {
        let before = state(&[("a", &[("p", b"0")], &[("n/x.deb", b"1"), ("n/y.deb", b"2")])]);
        let after = state(&[("a", &[("p", b"1")], &[("m/z.deb", b"3"), ("n/x.deb", b"4"), ("n/y.deb", b"2")])]);
        let digest = |text: &str| Sha256::of(text.as_bytes());
        let new = ["1", "3", "4"].map(digest).into();
        let found = older(before.listed(), after.listed(), &new).unwrap();
        // The name of an item is its path.
        let wanted = [("1", vec![digest("0")]), ("3", vec![]), ("4", vec![digest("1"), digest("1")])];
        assert_eq!(found, wanted.map(|(new, older)| (digest(new), older)).into());
        assert_eq!(older(before.listed(), after.listed(), &BTreeSet::new()).unwrap(), BTreeMap::new());
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

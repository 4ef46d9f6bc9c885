//! Collections in memory, as collectors make them and publishers take them, to item lists and back.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use super::item_list::{ItemListReader, ItemListWriter};
use super::line::{ItemLine, ItemTag, ListLine, ProofLine, ProofTag};
use super::manifest::StateCollection;
use crate::bundle::format_error::{FormatError, contradiction};
use crate::collection::{Collection, Item, Proof};
use crate::digest::Sha256;

/// Writes the lines of a collection. `size` knows the sizes of its blobs, in bytes.
pub fn write_collection<W: Write>(
    collection: &Collection,
    list: &mut ItemListWriter<W>,
    mut size: impl FnMut(&Sha256) -> Option<u64>,
) -> Result<(), FormatError> {
    let mut size = |digest: Sha256| size(&digest).ok_or(FormatError::Blob { digest, reason: "it is not in the depot" });
    for proof in &collection.proofs {
        list.proof(&proof_line(proof, size(proof.sha256)?))?;
    }
    let mut left: BTreeMap<_, _> = collection.files.iter().collect();
    for item in &collection.items {
        let Some(sha256) = left.remove(&item.file) else {
            return contradiction(format!("the item {} has no file", item.file));
        };
        list.item(&item_line(item, *sha256, size(*sha256)?))?;
    }
    // A file that vouches for others may be one that clients fetch, too.
    match left.into_iter().find(|(path, sha256)| collection.proof(path) != Some(**sha256)) {
        Some((path, _)) => contradiction(format!("the file {path} has no item")),
        None => Ok(()),
    }
}

/// Reads a whole list into memory.
pub fn read_collection<R: Read>(
    collection: &StateCollection,
    list: &mut ItemListReader<R>,
) -> Result<Collection, FormatError> {
    let (mut files, mut items, mut proofs) = (BTreeMap::new(), Vec::new(), Vec::new());
    while let Some(line) = list.next_line()? {
        match line {
            ListLine::Proof(line) => {
                proofs.push(Proof { date: line.date, path: line.path, sha256: line.sha256, signed_by: line.signed_by });
            }
            ListLine::Item(line) => {
                if !collection.kind.has_details(&line.details) {
                    return contradiction(format!("the item {} has the details of another kind", line.path));
                }
                files.insert(line.path.clone(), line.sha256);
                items.push(item(*line));
            }
        }
    }
    Ok(Collection {
        files,
        items,
        kind: collection.kind,
        name: collection.name.clone(),
        origin: collection.upstream(),
        proofs,
        publish: collection.publish,
        second_digest: collection.second_digest,
        source: collection.source.clone(),
    })
}

pub(super) fn proof_line(proof: &Proof, size: u64) -> ProofLine {
    let Proof { date, path, sha256, signed_by } = proof;
    let mut signed_by = signed_by.clone();
    signed_by.sort();
    signed_by.dedup();
    ProofLine { date: *date, path: path.clone(), sha256: *sha256, signed_by, size, tag: ProofTag::Proof }
}

fn item_line(item: &Item, sha256: Sha256, size: u64) -> ItemLine {
    let Item { architecture, details, file, licence, name, proof, publisher, reason, source, version } = item.clone();
    let unless_empty = |text: String| Some(text).filter(|text| !text.is_empty());
    ItemLine {
        architecture: unless_empty(architecture),
        details,
        licence: unless_empty(licence),
        name,
        path: file,
        proof,
        publisher: unless_empty(publisher),
        reason,
        sha256,
        size,
        source,
        tag: ItemTag::Item,
        version,
    }
}

fn item(line: ItemLine) -> Item {
    let ItemLine { architecture, details, licence, name, path, proof, publisher, reason, source, version, .. } = line;
    let (architecture, publisher) = (architecture.unwrap_or_default(), publisher.unwrap_or_default());
    let licence = licence.unwrap_or_default();
    Item { architecture, details, file: path, licence, name, proof, publisher, reason, source, version }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::{Publish, SourcePackage};
    use crate::kind::{Details, Kind};
    use crate::origin::Origin;
    use crate::path::PublishPath;

    fn collection() -> Collection {
        let path = |text: &str| text.parse::<PublishPath>().unwrap();
        let item = |file: &str| Item {
            architecture: String::new(),
            details: Details::Deb { component: None, suite: "./".parse().unwrap() },
            file: path(file),
            licence: "MIT".into(),
            name: "a".into(),
            proof: Some(path("InRelease")),
            publisher: "Debian".into(),
            reason: "requested".into(),
            source: Some(SourcePackage { name: "b".into(), version: "2".into() }),
            version: "1".into(),
        };
        let signed_by = vec!["0A".into(), "0B".into()];
        let proof = Proof { date: None, path: path("InRelease"), sha256: Sha256::of(b"proof"), signed_by };
        Collection {
            files: BTreeMap::from([(path("a.deb"), Sha256::of(b"a")), (path("b.deb"), Sha256::of(b"b"))]),
            items: vec![item("a.deb"), item("b.deb")],
            kind: Kind::Apt,
            name: "flat".parse().unwrap(),
            origin: Origin::Local,
            proofs: vec![proof],
            publish: Publish::ReIndexed,
            second_digest: None,
            source: "flat".parse().unwrap(),
        }
    }

    fn written(collection: &Collection) -> Result<(Vec<u8>, StateCollection), FormatError> {
        let mut list = ItemListWriter::new(Vec::new())?;
        write_collection(collection, &mut list, |digest| (*digest != Sha256::of(b"gone")).then_some(1))?;
        let (bytes, summary) = list.finish()?;
        let of_state = StateCollection {
            bytes: summary.bytes,
            files: summary.files,
            kind: collection.kind,
            list: summary.list,
            name: collection.name.clone(),
            origin: None,
            publish: collection.publish,
            second_digest: collection.second_digest,
            source: collection.source.clone(),
        };
        Ok((bytes, of_state))
    }

    #[test]
    fn a_collection_is_read_back() {
        let (bytes, of_state) = written(&collection()).unwrap();
        assert_eq!((of_state.bytes, of_state.files), (3, 3));
        let read = |of_state: &StateCollection| {
            read_collection(of_state, &mut ItemListReader::new(&bytes[..], of_state.summary()).unwrap())
        };
        assert_eq!(read(&of_state).unwrap(), collection());
        assert!(read(&StateCollection { kind: Kind::Snaps, ..of_state }).is_err());
    }

    #[test]
    fn files_and_items_must_match() {
        let mut extra = collection();
        extra.files.insert("c.deb".parse().unwrap(), Sha256::of(b"c"));
        let mut lacking = collection();
        lacking.files.remove(&"a.deb".parse::<PublishPath>().unwrap());
        let mut gone = collection();
        gone.files.insert("a.deb".parse().unwrap(), Sha256::of(b"gone"));
        for wrong in [extra, lacking, gone] {
            assert!(written(&wrong).is_err(), "{wrong:?}");
        }
        let mut both = collection();
        both.files.insert("InRelease".parse().unwrap(), Sha256::of(b"proof"));
        assert!(written(&both).is_ok());
    }
}

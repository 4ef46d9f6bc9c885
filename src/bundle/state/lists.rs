//! The item lists of a state, in private copies: checked once, then read as often as needed.

use super::blob_table::{BlobTable, BlobTableBuilder};
use super::item_list::{ITEM_LIST_CAPS, ItemListReader, ListSummary};
use super::line::{BlobLine, ListLine, ProofLine};
use super::manifest::{Manifest, StateCollection};
use crate::bundle::format_error::{FormatError, contradiction};
use crate::bundle::stored_list::{ListReader, SharedFile};
use crate::depot::BlobReader;
use crate::digest::Sha256;
use crate::kind::Kind;

/// The item lists of a state.
#[derive(Clone, Debug)]
pub struct StateLists(Vec<OpenList>);

#[derive(Clone, Debug)]
struct OpenList {
    /// The folder of the collection's tree, such as `apt/debian`.
    folder: String,
    kind: Kind,
    summary: ListSummary,
    file: SharedFile,
    coverage: Coverage,
}

/// The part of a list in checks and in tables of blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coverage {
    Whole,
    /// The list was checked before, and nothing is asked about its blobs.
    LeftOut,
}

/// A blob at the place of the line that names it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedBlob {
    /// The line, counted from 0 over all lists.
    pub place: u32,
    /// The blob's name in volumes: `KIND/COLLECTION/PATH` of that line.
    pub name: String,
    /// The blob's digest.
    pub sha256: Sha256,
    /// The blob's size, in bytes.
    pub size: u64,
}

impl StateLists {
    /// Takes the stored lists of a manifest's collections, in order. Each is a copy that nobody else can change, and has the
    /// digest that the manifest names.
    pub fn new(manifest: &Manifest, files: Vec<BlobReader>) -> Result<Self, FormatError> {
        Self::of_collections(&manifest.collections, files)
    }

    /// The same for collections of which no manifest is made yet.
    pub fn of_collections(collections: &[StateCollection], files: Vec<BlobReader>) -> Result<Self, FormatError> {
        if files.len() != collections.len() {
            return contradiction("there is not one item list for each collection");
        }
        let open = collections.iter().zip(files).map(|(collection, file)| OpenList {
            folder: collection.folder(),
            kind: collection.kind,
            summary: collection.summary(),
            file: SharedFile::new(file, collection.list.stored.size),
            coverage: Coverage::Whole,
        });
        Ok(Self(open.collect()))
    }

    /// Leaves the list of collection `index`, counted from 0, out of checks, tables of blobs and walks: it was checked before.
    pub fn leave_out(&mut self, index: usize) {
        if let Some(list) = self.0.get_mut(index) {
            list.coverage = Coverage::LeftOut;
        }
    }

    /// Reads the list of collection `index`, counted from 0, from its beginning.
    pub fn read(&self, index: usize) -> Result<ItemListReader<impl std::io::Read + use<>>, FormatError> {
        match self.0.get(index) {
            Some(list) => ItemListReader::new(list.file.clone(), list.summary),
            None => contradiction(format!("there is no item list {index}")),
        }
    }

    /// Reads the lines of the list of collection `index`, counted from 0, without parsing them.
    pub(crate) fn raw(&self, index: usize) -> Result<ListReader<SharedFile>, FormatError> {
        match self.0.get(index) {
            Some(list) => ListReader::new(list.file.clone(), list.summary.list, ITEM_LIST_CAPS),
            None => contradiction(format!("there is no item list {index}")),
        }
    }

    /// Returns the stored bytes of the list of collection `index`, counted from 0, from their beginning.
    pub fn stored(&self, index: usize) -> Result<impl std::io::Read + use<>, FormatError> {
        match self.0.get(index) {
            Some(list) => Ok(list.file.clone()),
            None => contradiction(format!("there is no item list {index}")),
        }
    }

    /// Checks all lists, hands each line to `line` with the number of its collection, and returns the blobs.
    pub fn check(
        &self,
        mut line: impl FnMut(usize, ListLine) -> Result<(), FormatError>,
    ) -> Result<BlobTable, FormatError> {
        let mut blobs = self.table();
        for (index, OpenList { kind, summary, coverage, .. }) in self.0.iter().enumerate() {
            if *coverage == Coverage::LeftOut {
                blobs.leave_out(summary.files)?;
                continue;
            }
            let mut list = self.read(index)?;
            while let Some(next) = list.next_line()? {
                if let ListLine::Item(item) = &next
                    && !kind.has_details(&item.details)
                {
                    return contradiction(format!("the item {} has the details of another kind", item.path));
                }
                let (sha256, size) = next.blob();
                blobs.add(sha256, size)?;
                line(index, next)?;
            }
        }
        blobs.finish()
    }

    fn table(&self) -> BlobTableBuilder {
        let covered = self.0.iter().filter(|list| list.coverage == Coverage::Whole);
        BlobTableBuilder::with_lines(covered.map(|list| list.summary.files).sum())
    }

    /// Returns the blobs of lists that this process has written.
    pub fn blobs(&self) -> Result<BlobTable, FormatError> {
        let mut blobs = self.table();
        for index in 0..self.0.len() {
            let mut list = self.raw(index)?;
            while let Some(text) = list.next_line()? {
                let line: BlobLine = serde_json::from_slice(text).map_err(FormatError::Syntax)?;
                blobs.add(line.sha256, line.size)?;
            }
        }
        blobs.finish()
    }

    /// Starts a walk over the blobs in the order of their places. The lists have been checked, and `blobs` is what came of it.
    pub fn walk<'a>(&'a self, blobs: &'a BlobTable) -> BlobWalk<'a> {
        BlobWalk { lists: self, blobs, open: None, next_list: 0, next_place: 0, current: None }
    }
}

/// Collections with their item lists, of a state that is stored or of one that is being made.
#[derive(Clone, Copy, Debug)]
pub struct ListedCollections<'a> {
    /// The collections, in the order of the manifest.
    pub collections: &'a [StateCollection],
    /// Their item lists.
    pub lists: &'a StateLists,
}

/// A collection without its items.
#[derive(Clone, Debug)]
pub struct CollectionProofs<'a> {
    /// The collection.
    pub collection: &'a StateCollection,
    /// Its proofs, in the order of their paths.
    pub proofs: Vec<ProofLine>,
}

impl<'a> ListedCollections<'a> {
    /// Returns the collection at this folder, such as `apt/debian`, with its number.
    pub fn find(&self, folder: &str) -> Option<(usize, &'a StateCollection)> {
        self.collections.iter().enumerate().find(|(_, collection)| collection.folder() == folder)
    }

    /// Reads the proofs of all collections. They stand at the beginning of the lists, and nothing behind them is read.
    pub fn proofs(&self) -> Result<Vec<CollectionProofs<'a>>, FormatError> {
        let read = |(index, collection)| {
            let (mut list, mut proofs) = (self.lists.read(index)?, Vec::new());
            while let Some(ListLine::Proof(proof)) = list.next_line()? {
                proofs.push(proof);
            }
            Ok(CollectionProofs { collection, proofs })
        };
        self.collections.iter().enumerate().map(read).collect()
    }
}

/// Goes through the blobs of a state, forwards.
pub struct BlobWalk<'a> {
    lists: &'a StateLists,
    blobs: &'a BlobTable,
    open: Option<(&'a str, ListReader<SharedFile>)>,
    next_list: usize,
    next_place: u32,
    current: Option<PlacedBlob>,
}

impl<'a> BlobWalk<'a> {
    /// The blobs of the state.
    pub fn blobs(&self) -> &'a BlobTable {
        self.blobs
    }

    /// Returns the next blob; `None` behind the last one.
    pub fn next_blob(&mut self) -> Result<Option<&PlacedBlob>, FormatError> {
        self.current = None;
        while let Some((place, folder, line)) = self.next_file()? {
            let is_first = self.blobs.get(&line.sha256).is_some_and(|entry| entry.place == place);
            if is_first {
                let name = format!("{folder}/{}", line.path);
                self.current = Some(PlacedBlob { place, name, sha256: line.sha256, size: line.size });
                break;
            }
        }
        Ok(self.current.as_ref())
    }

    /// Goes to a blob, backwards too, though that means to begin again. Returns `None` if the state does not have it.
    pub fn seek(&mut self, digest: &Sha256) -> Result<Option<&PlacedBlob>, FormatError> {
        let Some(place) = self.blobs.get(digest).map(|entry| entry.place) else { return Ok(None) };
        let is_here = self.current.as_ref().is_some_and(|current| current.place == place);
        if !is_here && place < self.next_place {
            *self = self.lists.walk(self.blobs);
        }
        if !is_here {
            while self.next_blob()?.is_some_and(|blob| blob.place < place) {}
        }
        Ok(self.current.as_ref().filter(|current| current.sha256 == *digest))
    }

    fn next_file(&mut self) -> Result<Option<(u32, &'a str, BlobLine)>, FormatError> {
        loop {
            if let Some((folder, list)) = &mut self.open {
                if let Some(text) = list.next_line()? {
                    // All else of the line was checked before.
                    let line = serde_json::from_slice(text).map_err(FormatError::Syntax)?;
                    self.next_place += 1;
                    return Ok(Some((self.next_place - 1, folder, line)));
                }
                self.open = None;
            }
            let Some(next) = self.lists.0.get(self.next_list) else { return Ok(None) };
            self.next_list += 1;
            if next.coverage == Coverage::LeftOut {
                self.next_place += next.summary.files as u32;
                continue;
            }
            self.open = Some((&next.folder, ListReader::new(next.file.clone(), next.summary.list, ITEM_LIST_CAPS)?));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Seek as _;

    use super::*;
    use crate::bundle::state::line::tests::{item, proof};
    use crate::bundle::state::manifest::StateCollection;
    use crate::bundle::state::{ItemLine, ItemListWriter, manifest};
    use crate::collection::Publish;
    use crate::kind::{Details, Kind};
    use crate::origin::Origin;

    /// A state of `files` collections: proofs and items by path, with what they hold.
    pub(crate) struct TestState {
        pub(crate) collections: Vec<StateCollection>,
        pub(crate) lists: StateLists,
        pub(crate) blobs: BlobTable,
    }

    /// A collection's name, and the lines of its list in their order.
    pub(crate) struct TestLines<'a> {
        pub(crate) name: &'a str,
        pub(crate) proofs: Vec<ProofLine>,
        pub(crate) items: Vec<ItemLine>,
    }

    /// The path and the bytes of a file.
    type File<'a> = (&'a str, &'a [u8]);

    /// Makes a state of collections of the kind `files`: of each the name, the proofs and the items.
    pub(crate) fn state(collections: &[(&str, &[File], &[File])]) -> TestState {
        let lines = collections.iter().map(|(name, proofs, items)| TestLines {
            name,
            proofs: proofs.iter().map(|(path, content)| proof(path, content)).collect(),
            items: items
                .iter()
                .map(|(path, content)| ItemLine {
                    details: Details::File { origin: Origin::Local },
                    ..item(path, content)
                })
                .collect(),
        });
        state_of(&lines.collect::<Vec<_>>())
    }

    /// Makes a state of collections of the kind `files`.
    pub(crate) fn state_of(collections: &[TestLines<'_>]) -> TestState {
        let (mut found, mut files) = (Vec::new(), Vec::new());
        for TestLines { name, proofs, items } in collections {
            let mut list = ItemListWriter::new(tempfile::tempfile().unwrap()).unwrap();
            proofs.iter().for_each(|proof| list.proof(proof).unwrap());
            items.iter().for_each(|item| list.item(item).unwrap());
            let (mut file, ListSummary { bytes, files: lines, list }) = list.finish().unwrap();
            file.rewind().unwrap();
            files.push(BlobReader::of_file(file));
            found.push(StateCollection {
                bytes,
                files: lines,
                kind: Kind::Files,
                list,
                name: name.parse().unwrap(),
                origin: None,
                publish: Publish::ReIndexed,
                second_digest: None,
                source: "files".parse().unwrap(),
            });
        }
        let manifest = Manifest { collections: found, ..manifest::tests::manifest() };
        let lists = StateLists::new(&manifest, files).unwrap();
        let blobs = lists.check(|_, _| Ok(())).unwrap();
        assert_eq!(lists.blobs().unwrap().iter().collect::<Vec<_>>(), blobs.iter().collect::<Vec<_>>());
        TestState { collections: manifest.collections, lists, blobs }
    }

    impl TestState {
        pub(crate) fn listed(&self) -> ListedCollections<'_> {
            ListedCollections { collections: &self.collections, lists: &self.lists }
        }

        /// Returns the same state, with collections of another kind.
        pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
            self.collections.iter_mut().for_each(|collection| collection.kind = kind);
            self
        }
    }

    #[test]
    fn proofs_are_read_without_items() {
        let state = state(&[("a", &[("p", b"1"), ("q", b"2")], &[("b", b"2")]), ("b", &[], &[("c", b"3")])]);
        let proofs = state.listed().proofs().unwrap();
        let paths =
            |of: &CollectionProofs<'_>| of.proofs.iter().map(|proof| proof.path.to_string()).collect::<Vec<_>>();
        assert_eq!(proofs.iter().map(paths).collect::<Vec<_>>(), [vec!["p", "q"], vec![]]);
        assert!(state.listed().find("files/b").is_some_and(|(index, _)| index == 1));
        assert!(state.listed().find("files/c").is_none());
    }

    #[test]
    fn blobs_are_walked_in_the_order_of_their_first_lines() {
        let state = state(&[
            ("a", &[("z", b"1")], &[("b", b"2"), ("c", b"1"), ("d", b"3")]),
            ("b", &[], &[]),
            ("c", &[], &[("a", b"3"), ("b", b"4")]),
        ]);
        let mut walk = state.lists.walk(&state.blobs);
        let mut found = Vec::new();
        while let Some(blob) = walk.next_blob().unwrap() {
            found.push((blob.place, blob.name.clone()));
        }
        let wanted = [(0, "files/a/z"), (1, "files/a/b"), (3, "files/a/d"), (5, "files/c/b")];
        assert_eq!(found, wanted.map(|(place, name)| (place, name.to_owned())));
        for text in ["4", "1", "1", "3", "2", "4"] {
            let blob = walk.seek(&Sha256::of(text.as_bytes())).unwrap().unwrap();
            assert_eq!(blob.sha256, Sha256::of(text.as_bytes()));
        }
        assert_eq!(walk.seek(&Sha256::of(b"5")).unwrap(), None);
    }

    #[test]
    fn lists_that_are_left_out_keep_the_places_of_the_others() {
        let mut state = state(&[
            ("a", &[], &[("a", b"1"), ("b", b"2")]),
            ("b", &[], &[("a", b"3")]),
            ("c", &[], &[("a", b"2"), ("b", b"4")]),
        ]);
        state.lists.leave_out(0);
        let blobs = state.lists.check(|_, _| Ok(())).unwrap();
        let mut walk = state.lists.walk(&blobs);
        let mut found = Vec::new();
        while let Some(blob) = walk.next_blob().unwrap() {
            found.push((blob.place, blob.name.clone()));
        }
        assert_eq!(
            found,
            [(2, "files/b/a"), (3, "files/c/a"), (4, "files/c/b")].map(|(at, name)| (at, name.to_owned()))
        );
        assert_eq!(walk.seek(&Sha256::of(b"1")).unwrap(), None);
        assert_eq!(state.lists.read(0).unwrap().next_line().unwrap().unwrap().path().as_str(), "a");
    }

    #[test]
    fn a_blob_of_two_sizes_in_two_lists_is_refused() {
        let mut list = ItemListWriter::new(tempfile::tempfile().unwrap()).unwrap();
        list.item(&item("a", b"1")).unwrap();
        list.item(&ItemLine { size: 2, ..item("b", b"1") }).unwrap();
        let (file, summary) = list.finish().unwrap();
        let lists = StateLists(vec![OpenList {
            folder: "files/a".into(),
            kind: Kind::Apt,
            summary,
            file: SharedFile::new(BlobReader::of_file(file), summary.list.stored.size),
            coverage: Coverage::Whole,
        }]);
        assert!(matches!(lists.check(|_, _| Ok(())), Err(FormatError::Blob { .. })));
    }
}

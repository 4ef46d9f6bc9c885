//! Item lists: written from sorted proofs and items, and read line by line. Writer and reader check the same.

use std::io::{Read, Write};

use super::line::{ItemLine, ListLine, ProofLine};
use super::path_order::PathOrder;
use crate::bundle::canonical::MAX_INTEGER;
use crate::bundle::format_error::FormatError;
use crate::bundle::stored_list::{ListCaps, ListReader, ListWriter, StoredList};

/// The most lines that all lists of a state may have together: their table of blobs stays below 192 MiB, whatever a list says.
pub const MAX_LINES: u64 = 4_000_000;
/// The caps of an item list.
pub const ITEM_LIST_CAPS: ListCaps = ListCaps { line: 256 << 10, lines: MAX_LINES, plain: 8 << 30, stored: 2 << 30 };

/// The values by which the manifest names an item list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListSummary {
    /// The sum of the sizes of its lines' files, in bytes.
    pub bytes: u64,
    /// The number of its lines.
    pub files: u64,
    /// Its digests.
    pub list: StoredList,
}

/// Writes an item list: first the proofs, then the items, each sorted by the bytes of the path.
pub struct ItemListWriter<W: Write> {
    list: ListWriter<W>,
    order: PathOrder,
    totals: Totals,
}

impl<W: Write> ItemListWriter<W> {
    /// Starts a list.
    pub fn new(to: W) -> Result<Self, FormatError> {
        Ok(Self { list: ListWriter::new(to, ITEM_LIST_CAPS)?, order: PathOrder::default(), totals: Totals::default() })
    }

    /// Adds a proof.
    pub fn proof(&mut self, proof: &ProofLine) -> Result<(), FormatError> {
        proof.check()?;
        self.order.proof(proof.path.as_str())?;
        self.totals.add(proof.size)?;
        self.list.push(proof)
    }

    /// Adds an item.
    pub fn item(&mut self, item: &ItemLine) -> Result<(), FormatError> {
        item.check()?;
        self.order.item(item.path.as_str())?;
        self.totals.add(item.size)?;
        self.list.push(item)
    }

    /// Ends the list. Returns what it was written to, and what the manifest has to say of it.
    pub fn finish(mut self) -> Result<(W, ListSummary), FormatError> {
        self.order.end()?;
        let (to, list) = self.list.finish()?;
        let Totals { bytes, files } = self.totals;
        Ok((to, ListSummary { bytes, files, list }))
    }
}

/// Reads an item list, of which the caller has checked the stored bytes.
pub struct ItemListReader<R: Read> {
    list: ListReader<R>,
    order: PathOrder,
    totals: Totals,
    wanted: Totals,
}

impl<R: Read> ItemListReader<R> {
    /// Starts to read a list of which the manifest says this.
    pub fn new(from: R, summary: ListSummary) -> Result<Self, FormatError> {
        let list = ListReader::new(from, summary.list, ITEM_LIST_CAPS)?;
        let wanted = Totals { bytes: summary.bytes, files: summary.files };
        Ok(Self { list, order: PathOrder::default(), totals: Totals::default(), wanted })
    }

    /// Returns the next line, or `None` behind the last one of a list that is all that the manifest says.
    pub fn next_line(&mut self) -> Result<Option<ListLine>, FormatError> {
        let Some(text) = self.list.next_line()? else {
            self.order.end()?;
            return match self.totals == self.wanted {
                true => Ok(None),
                false => Err(FormatError::WrongDigest),
            };
        };
        let line = ListLine::parse(text).and_then(|line| {
            match &line {
                ListLine::Proof(proof) => self.order.proof(proof.path.as_str())?,
                ListLine::Item(item) => self.order.item(item.path.as_str())?,
            }
            self.totals.add(line.blob().1).map(|()| line)
        });
        line.map(Some).map_err(|error| error.at_line(self.list.lines()))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    bytes: u64,
    files: u64,
}

impl Totals {
    fn add(&mut self, size: u64) -> Result<(), FormatError> {
        self.files += 1;
        let bytes = self.bytes.checked_add(size).filter(|bytes| *bytes <= MAX_INTEGER);
        self.bytes = bytes.ok_or(FormatError::TooMany { cap: MAX_INTEGER, what: "bytes" })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::bundle::state::line::tests::{item, proof};
    use proptest::prelude::*;

    fn write(proofs: &[ProofLine], items: &[ItemLine]) -> Result<(Vec<u8>, ListSummary), FormatError> {
        let mut list = ItemListWriter::new(Vec::new())?;
        proofs.iter().try_for_each(|proof| list.proof(proof))?;
        items.iter().try_for_each(|item| list.item(item))?;
        list.finish()
    }

    fn read(bytes: &[u8], summary: ListSummary) -> Result<Vec<ListLine>, FormatError> {
        let mut list = ItemListReader::new(bytes, summary)?;
        let mut lines = Vec::new();
        while let Some(line) = list.next_line()? {
            lines.push(line);
        }
        Ok(lines)
    }

    /// A list of these lines, whatever they are.
    fn forged(lines: &[serde_json::Value], bytes: u64, files: u64) -> (Vec<u8>, ListSummary) {
        let mut list = ListWriter::new(Vec::new(), ITEM_LIST_CAPS).unwrap();
        lines.iter().for_each(|line| list.push(line).unwrap());
        let (stored, list) = list.finish().unwrap();
        (stored, ListSummary { bytes, files, list })
    }

    #[test]
    fn an_item_list_is_read_back() {
        let (proofs, items) = ([proof("dists/a", b"p")], [item("pool/a", b"a"), item("pool/b", b"bb")]);
        let (bytes, summary) = write(&proofs, &items).unwrap();
        assert_eq!((summary.bytes, summary.files), (4, 3));
        let lines = read(&bytes, summary).unwrap();
        let wanted =
            [ListLine::Proof(proofs[0].clone())].into_iter().chain(items.map(|item| ListLine::Item(Box::new(item))));
        assert_eq!(lines, wanted.collect::<Vec<_>>());
        for wrong in [ListSummary { bytes: 5, ..summary }, ListSummary { files: 2, ..summary }] {
            assert!(matches!(read(&bytes, wrong), Err(FormatError::WrongDigest)));
        }
    }

    #[test]
    fn writer_and_reader_refuse_the_same() {
        let (a, b) = (item("a", b"x"), item("b", b"x"));
        let unset = ItemLine { licence: Some(String::new()), ..a.clone() };
        let below = ItemLine { path: "a/b".parse().unwrap(), ..a.clone() };
        let large = ItemLine { size: MAX_INTEGER, ..b.clone() };
        let long = ItemLine { reason: "x".repeat(256 << 10), ..b.clone() };
        for items in [
            vec![b.clone(), a.clone()],
            vec![a.clone(), a.clone()],
            vec![unset],
            vec![a.clone(), below],
            vec![a.clone(), large],
        ] {
            assert!(write(&[], &items).is_err(), "{items:?}");
            let lines: Vec<_> = items.iter().map(|item| serde_json::to_value(item).unwrap()).collect();
            let bytes = items.iter().map(|item| item.size).fold(0, u64::wrapping_add);
            let (stored, summary) = forged(&lines, bytes, items.len() as u64);
            assert!(read(&stored, summary).is_err(), "{items:?}");
        }
        assert!(write(&[], &[a.clone(), long]).is_err());
        assert!(write(&[proof("a", b"")], slice::from_ref(&a)).is_err());
        let unsorted = [serde_json::to_value(&a).unwrap(), serde_json::to_value(proof("b", b"")).unwrap()];
        let (bytes, summary) = forged(&unsorted, 1, 2);
        assert!(matches!(read(&bytes, summary), Err(FormatError::Line { line: 2, .. })));
    }

    proptest! {
        #[test]
        fn lists_of_two_workspaces_are_the_same_bytes(paths in prop::collection::btree_set("[a-z]{1,9}", 0..40)) {
            let items: Vec<_> = paths.iter().map(|path| item(path, path.as_bytes())).collect();
            let first = write(&[], &items).unwrap();
            prop_assert_eq!(&write(&[], &items).unwrap(), &first);
            prop_assert_eq!(read(&first.0, first.1).unwrap().len(), items.len());
        }
    }
}

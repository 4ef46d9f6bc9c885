//! Compares two item lists line by line: both are sorted, so neither is read into memory.

use std::cmp::Ordering;
use std::io::Read;

use super::line::ListLine;
use crate::bundle::format_error::FormatError;
use crate::bundle::stored_list::ListReader;
use crate::path::PublishPath;

/// A line that differs between two lists. At least one of both is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineChange {
    /// The line of the older list.
    pub before: Option<ListLine>,
    /// The line of the newer list.
    pub after: Option<ListLine>,
}

/// Hands each difference between two lists to `change`, in the order of the lists. Whoever acts on them waits for the end: only then is it
/// known that both lists are what the manifests name.
pub(crate) fn changes(
    before: ListReader<impl Read>,
    after: ListReader<impl Read>,
    mut change: impl FnMut(LineChange) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    let (mut before, mut after) = (Side::new(before)?, Side::new(after)?);
    loop {
        if before.is_at_end && after.is_at_end {
            return Ok(());
        }
        if !before.is_at_end && !after.is_at_end && before.text == after.text {
            before.advance()?;
            after.advance()?;
            continue;
        }
        let order = match (before.key()?, after.key()?) {
            (Some(before), Some(after)) => before.cmp(&after),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let before = if order.is_le() { before.take()? } else { None };
        let after = if order.is_ge() { after.take()? } else { None };
        change(LineChange { before, after })?;
    }
}

/// One of the two lists.
struct Side<R: Read> {
    list: ListReader<R>,
    text: Vec<u8>,
    parsed: Option<ListLine>,
    is_at_end: bool,
}

impl<R: Read> Side<R> {
    fn new(list: ListReader<R>) -> Result<Self, FormatError> {
        let mut side = Self { list, text: Vec::new(), parsed: None, is_at_end: false };
        side.advance().map(|()| side)
    }

    fn advance(&mut self) -> Result<(), FormatError> {
        self.text.clear();
        self.parsed = None;
        match self.list.next_line()? {
            Some(line) => self.text.extend_from_slice(line),
            None => self.is_at_end = true,
        }
        Ok(())
    }

    /// Returns the place of the line in the order of lists: proofs before items, each by path.
    fn key(&mut self) -> Result<Option<(bool, &PublishPath)>, FormatError> {
        if self.is_at_end {
            return Ok(None);
        }
        if self.parsed.is_none() {
            self.parsed = Some(ListLine::parse(&self.text)?);
        }
        Ok(self.parsed.as_ref().map(|line| (matches!(line, ListLine::Item(_)), line.path())))
    }

    fn take(&mut self) -> Result<Option<ListLine>, FormatError> {
        let line = self.parsed.take();
        self.advance().map(|()| line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::state::lists::tests::state;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The paths and contents of proofs and of items.
    type FilePairs<'a> = &'a [(&'a str, &'a [u8])];

    fn found(before: [FilePairs<'_>; 2], after: [FilePairs<'_>; 2]) -> Vec<String> {
        let [before, after] = [before, after].map(|[proofs, items]| state(&[("a", proofs, items)]));
        let mut found = Vec::new();
        let name = |line: Option<ListLine>| line.map_or_else(|| "-".to_owned(), |line| line.path().to_string());
        let note = |change: LineChange| {
            found.push(format!("{} {}", name(change.before), name(change.after)));
            Ok(())
        };
        changes(before.lists.raw(0).unwrap(), after.lists.raw(0).unwrap(), note).unwrap();
        found
    }

    #[test]
    fn finds_removed_added_and_changed_lines() {
        let proofs: FilePairs<'_> = &[("p", b"1"), ("z", b"1")];
        let items: FilePairs<'_> = &[("a", b"1"), ("b", b"1"), ("d", b"1")];
        assert_eq!(found([proofs, items], [proofs, items]), [""; 0]);
        let after: FilePairs<'_> = &[("b", b"2"), ("c", b"1"), ("d", b"1")];
        assert_eq!(found([proofs, items], [proofs, after]), ["a -", "b b", "- c"]);
        assert_eq!(found([&[], items], [&[("z", b"1")], &[]]), ["- z", "a -", "b -", "d -"]);
    }

    proptest! {
        #[test]
        fn agrees_with_maps(
            before in prop::collection::btree_map("[ab]{1,3}", 0..3_u8, 0..8),
            after in prop::collection::btree_map("[ab]{1,3}", 0..3_u8, 0..8),
        ) {
            let bytes = |of: &BTreeMap<String, u8>| of.iter().map(|(path, byte)| (path.clone(), [*byte])).collect::<Vec<_>>();
            let (old, new) = (bytes(&before), bytes(&after));
            let files = |of: &'static [(String, [u8; 1])]| of.iter().map(|(path, byte)| (path.as_str(), &byte[..])).collect::<Vec<_>>();
            let (old, new) = (files(old.leak()), files(new.leak()));
            let paths: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let name = |of: &BTreeMap<String, u8>, path: &str| if of.contains_key(path) { path.to_owned() } else { "-".to_owned() };
            let wanted: Vec<String> = paths
                .into_iter()
                .filter(|path| before.get(*path) != after.get(*path))
                .map(|path| format!("{} {}", name(&before, path), name(&after, path)))
                .collect();
            prop_assert_eq!(found([&[], &old], [&[], &new]), wanted);
        }
    }
}

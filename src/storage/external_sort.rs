//! Sorts records that may be more than fit into memory: sorts runs of them in memory, writes each run to a nameless file, and merges
//! the files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The bytes that are sorted in memory at once.
const RUN_BYTES: usize = 32 << 20;

/// Takes records in any order.
#[derive(Debug)]
pub struct ExternalSort {
    scratch: PathBuf,
    run_bytes: usize,
    run: MemoryRun,
    files: Vec<File>,
}

/// Records in memory, one behind the other.
#[derive(Debug, Default)]
struct MemoryRun {
    bytes: Vec<u8>,
    /// Start and end of each record.
    records: Vec<(usize, usize)>,
}

/// The records in the order of their bytes. Equal ones stay.
#[derive(Debug)]
pub struct SortedRecords {
    runs: Vec<SortedRun>,
    /// The next record of each run, with the number of the run.
    next: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
}

#[derive(Debug)]
enum SortedRun {
    Memory(MemoryRun, usize),
    File(BufReader<File>),
}

impl ExternalSort {
    /// Starts a sort, with nameless files in the folder `scratch`.
    pub fn new(scratch: &Path) -> Self {
        Self { scratch: scratch.to_owned(), run_bytes: RUN_BYTES, run: MemoryRun::default(), files: Vec::new() }
    }

    /// Adds a record.
    pub fn push(&mut self, record: &[u8]) -> io::Result<()> {
        let start = self.run.bytes.len();
        self.run.bytes.extend_from_slice(record);
        self.run.records.push((start, self.run.bytes.len()));
        match self.run.memory() >= self.run_bytes {
            true => self.spill(),
            false => Ok(()),
        }
    }

    /// Writes what is in memory to a file.
    fn spill(&mut self) -> io::Result<()> {
        self.run.sort();
        let mut file = BufWriter::new(tempfile::tempfile_in(&self.scratch)?);
        for index in 0..self.run.records.len() {
            let record = self.run.get(index).unwrap_or_default();
            let length = u32::try_from(record.len()).map_err(io::Error::other)?;
            file.write_all(&length.to_le_bytes())?;
            file.write_all(record)?;
        }
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.files.push(file);
        self.run.bytes.clear();
        self.run.records.clear();
        Ok(())
    }

    /// Returns all records in order.
    pub fn finish(mut self) -> io::Result<SortedRecords> {
        self.run.sort();
        let mut runs: Vec<SortedRun> =
            self.files.into_iter().map(|file| SortedRun::File(BufReader::with_capacity(64 << 10, file))).collect();
        runs.push(SortedRun::Memory(self.run, 0));
        let mut next = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            next.extend(run.next_record()?.map(|record| Reverse((record, number))));
        }
        Ok(SortedRecords { runs, next })
    }
}

impl MemoryRun {
    fn memory(&self) -> usize {
        self.bytes.len() + self.records.len() * size_of::<(usize, usize)>()
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        let (start, end) = *self.records.get(index)?;
        self.bytes.get(start..end)
    }

    fn sort(&mut self) {
        let Self { bytes, records } = self;
        records.sort_unstable_by(|one, other| bytes.get(one.0..one.1).cmp(&bytes.get(other.0..other.1)));
    }
}

impl SortedRun {
    fn next_record(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Memory(run, next) => {
                *next += 1;
                Ok(run.get(*next - 1).map(<[u8]>::to_vec))
            }
            Self::File(file) => {
                let mut length = [0; 4];
                match file.read_exact(&mut length) {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                    other => other?,
                }
                let mut record = vec![0; u32::from_le_bytes(length) as usize];
                file.read_exact(&mut record).map(|()| Some(record))
            }
        }
    }
}

impl SortedRecords {
    /// Returns the next record; `None` behind the last one.
    pub fn next_record(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(Reverse((record, number))) = self.next.pop() else { return Ok(None) };
        if let Some(run) = self.runs.get_mut(number) {
            self.next.extend(run.next_record()?.map(|record| Reverse((record, number))));
        }
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(run_bytes: usize, records: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut sort = ExternalSort { run_bytes, ..ExternalSort::new(&std::env::temp_dir()) };
        records.iter().for_each(|record| sort.push(record).unwrap());
        let mut sorted = sort.finish().unwrap();
        std::iter::from_fn(|| sorted.next_record().unwrap()).collect()
    }

    #[test]
    fn nothing_is_sorted_to_nothing() {
        assert_eq!(sorted(RUN_BYTES, &[]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn memory_is_bounded() {
        let mut sort = ExternalSort { run_bytes: 4096, ..ExternalSort::new(&std::env::temp_dir()) };
        for number in 0..10_000_u32 {
            sort.push(&number.to_be_bytes()).unwrap();
            assert!(sort.run.memory() < 4096);
        }
        assert_eq!(sort.files.len(), 10_000 * 20 / 4096);
    }

    proptest! {
        #[test]
        fn agrees_with_a_sort_in_memory(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..60),
            run_bytes in 1..300_usize,
        ) {
            let mut wanted = records.clone();
            wanted.sort();
            prop_assert_eq!(sorted(run_bytes, &records), wanted);
        }
    }
}

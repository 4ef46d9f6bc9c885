//! Records of a review in a nameless file, so that they can be read several times and memory does not grow with their number.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::marker::PhantomData;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage::{ExternalSort, SortedRecords};

/// Sorts values by their keys.
pub(super) struct SpoolSort<T> {
    sort: ExternalSort,
    values: PhantomData<T>,
}

/// The values in the order of their keys.
pub(super) struct SortedValues<T> {
    records: SortedRecords,
    values: PhantomData<T>,
}

/// Values that can be read again and again.
#[derive(Debug)]
pub(super) struct Spool<T> {
    file: File,
    values: PhantomData<T>,
}

/// Writes values one behind the other.
pub(super) struct SpoolWriter<T> {
    file: BufWriter<File>,
    values: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> SpoolSort<T> {
    /// Starts a sort, with nameless files in the folder `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        Self { sort: ExternalSort::new(scratch), values: PhantomData }
    }

    /// Adds a value at the place that its key gives it: texts that are compared one after the other.
    pub(super) fn push(&mut self, key: &[&str], value: &T) -> io::Result<()> {
        let mut record = Vec::new();
        for part in key {
            record.extend_from_slice(part.as_bytes());
            record.push(0);
        }
        let length = u32::try_from(record.len()).map_err(io::Error::other)?;
        serde_json::to_writer(&mut record, value)?;
        record.extend_from_slice(&length.to_le_bytes());
        self.sort.push(&record)
    }

    /// Returns all values in order.
    pub(super) fn finish(self) -> io::Result<SortedValues<T>> {
        Ok(SortedValues { records: self.sort.finish()?, values: PhantomData })
    }
}

impl<T: Serialize + DeserializeOwned> SortedValues<T> {
    /// Returns the next value; `None` behind the last one.
    pub(super) fn next_value(&mut self) -> io::Result<Option<T>> {
        let Some(record) = self.records.next_record()? else { return Ok(None) };
        let parsed = record.split_last_chunk::<4>().and_then(|(record, length)| {
            let text = record.get(u32::from_le_bytes(*length) as usize..)?;
            serde_json::from_slice(text).ok()
        });
        parsed.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Keeps all of them.
    pub(super) fn keep(mut self, scratch: &Path) -> io::Result<Spool<T>> {
        let mut writer = SpoolWriter::new(scratch)?;
        while let Some(value) = self.next_value()? {
            writer.push(&value)?;
        }
        writer.finish()
    }
}

impl<T: Serialize + DeserializeOwned> SpoolWriter<T> {
    pub(super) fn new(scratch: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile_in(scratch)?), values: PhantomData })
    }

    /// Adds a value behind the others.
    pub(super) fn push(&mut self, value: &T) -> io::Result<()> {
        let text = serde_json::to_vec(value)?;
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&text)
    }

    pub(super) fn finish(self) -> io::Result<Spool<T>> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Spool { file, values: PhantomData })
    }
}

impl<T: DeserializeOwned> Spool<T> {
    /// Hands each value to `value`, in order. Must not be called while a call of it runs: both would move one cursor.
    pub(super) fn each<E: From<io::Error>>(&self, mut value: impl FnMut(T) -> Result<(), E>) -> Result<(), E> {
        (&self.file).rewind()?;
        let mut file = BufReader::with_capacity(64 << 10, &self.file);
        let mut text = Vec::new();
        loop {
            let mut length = [0; 4];
            match file.read_exact(&mut length) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                other => other?,
            }
            text.resize(u32::from_le_bytes(length) as usize, 0);
            file.read_exact(&mut text)?;
            value(serde_json::from_slice(&text).map_err(io::Error::from)?)?;
        }
    }
}

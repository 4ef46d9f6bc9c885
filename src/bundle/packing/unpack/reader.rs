//! Goes through one volume, restores what is damaged where that is possible, and says what is not.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use super::BUFFER_BYTES;
use super::sink::ContentSink;
use crate::bundle::AlternateCopy;
use crate::bundle::BundleError;
use crate::bundle::bundle_stream::BundleStream;
use crate::bundle::format_error::FormatError;
use crate::bundle::layout::TRAILER;
use crate::bundle::packing::volume_parts::{VolumePart, VolumeParts};
use crate::bundle::recovery::repair::{RecoverySource, Repair};
use crate::progress::Progress;

/// The most workers; more would only make a medium seek.
const MAX_WORKERS: usize = 4;

/// The source of a volume's bytes.
pub(super) enum VolumeSource<'a> {
    /// From anywhere in it, or from what is restored of it.
    Volume(OpenedVolume<'a>),
    /// From another copy of it.
    Copy(&'a File),
    /// One after the other.
    Stream(&'a BundleStream),
}

/// A volume on a medium.
pub(super) struct OpenedVolume<'a> {
    /// Counted from 0.
    pub(super) index: usize,
    /// None where the volume is not there.
    pub(super) file: Option<File>,
    /// The same volume on other media.
    pub(super) others: Vec<(PathBuf, File)>,
    pub(super) repair: &'a Repair<'a>,
    /// `true` if there may be recovery files for it.
    pub(super) is_protected: bool,
    /// Ranges that were read from other media, since they are damaged here.
    pub(super) replaced: &'a Mutex<Vec<(Range<u64>, AlternateCopy)>>,
}

impl VolumeSource<'_> {
    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
        match self {
            Self::Volume(from) => from.repair.read_at(from.index, from.file.as_ref(), bytes, offset),
            Self::Copy(file) => file.read_exact_at(bytes, offset),
            Self::Stream(stream) => stream.read_at(bytes, offset),
        }
    }

    /// The number of workers that may read side by side.
    fn workers(&self) -> usize {
        match self {
            Self::Volume(_) => thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS),
            Self::Copy(_) | Self::Stream(_) => 1,
        }
    }

    /// Returns `true` if bytes behind damage are to be read too.
    fn goes_on(&self) -> bool {
        matches!(self, Self::Volume(OpenedVolume { file: Some(_), .. }))
    }
}

/// Start and end of damage, and the error.
pub(super) type Wrong = (Range<u64>, BundleError);

pub(super) struct VolumeReader<'a, S> {
    pub(super) path: &'a Path,
    pub(super) from: VolumeSource<'a>,
    pub(super) sink: &'a S,
    pub(super) progress: &'a Progress,
}

/// The parts of a volume, for several workers: each takes the next one.
struct PartQueue<'q, 'a, 'w, R: Read>(Mutex<(&'q mut VolumeParts<'a, 'w, R>, Ended)>);

/// Tells if the last part was taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Yes,
    No,
}

impl<R: Read> PartQueue<'_, '_, '_, R> {
    fn next(&self) -> Result<Option<VolumePart>, FormatError> {
        let mut queue = lock(&self.0);
        if queue.1 == Ended::Yes {
            return Ok(None);
        }
        let next = queue.0.next_part();
        if !matches!(next, Ok(Some(_))) {
            queue.1 = Ended::Yes;
        }
        next
    }
}

/// A try to read a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadAttempt {
    OthersFollow,
    Last,
}

impl<S: ContentSink> VolumeReader<'_, S> {
    /// Reads all parts of a volume, whose index is at `index`. Returns what is wrong and cannot be restored.
    pub(super) fn volume<R: Read + Send>(
        &self,
        parts: &mut VolumeParts<'_, '_, R>,
        index: &Path,
    ) -> Result<Vec<Wrong>, BundleError> {
        let (stop, failure, wrong) = (AtomicBool::new(false), Mutex::new(None), Mutex::new(Vec::new()));
        let note = |range, error: BundleError| {
            if error.is_damage() {
                lock(&wrong).push((range, error));
                stop.fetch_or(!self.from.goes_on(), Ordering::Relaxed);
            } else {
                stop.store(true, Ordering::Relaxed);
                lock(&failure).get_or_insert(error);
            }
        };
        let queue = PartQueue(Mutex::new((parts, Ended::No)));
        let work = || {
            let mut buffer = vec![0; BUFFER_BYTES];
            while !stop.load(Ordering::Relaxed) {
                let part = match queue.next() {
                    Ok(Some(part)) => part,
                    Ok(None) => return,
                    Err(reason) => return note(0..0, BundleError::in_file(index)(reason)),
                };
                let (range, read) =
                    (part.range(), |reader: &VolumeReader<'_, S>, attempt| reader.part(&part, &mut buffer, attempt));
                if self.sink.wants(&part)
                    && let Err(error) = self.repairing(&range, read)
                {
                    note(range, error);
                }
            }
        };
        thread::scope(|scope| (0..self.from.workers()).for_each(|_| drop(scope.spawn(work))));
        let end = lock(&queue.0).0.end();
        let range = end..end + TRAILER;
        if !stop.load(Ordering::Relaxed)
            && let Err(error) = self
                .repairing(&range, |reader, _| reader.fixed(&vec![0; TRAILER as usize], end, "the end", "the volume"))
        {
            note(range, error);
        }
        if let Some(error) = lock(&failure).take() {
            return Err(error);
        }
        let mut wrong = std::mem::take(&mut *lock(&wrong));
        match self.from {
            // Of a stream nothing else is known to be damaged, and nothing can be done but to send it again.
            VolumeSource::Stream(_) => wrong.pop().map_or(Ok(Vec::new()), |(_, error)| Err(error)),
            VolumeSource::Volume(_) | VolumeSource::Copy(_) => Ok(wrong),
        }
    }

    /// Reads what is between two places of the volume. Where that is damaged, reads it from another medium, or restores it and
    /// reads it again.
    fn repairing(
        &self,
        range: &Range<u64>,
        mut read: impl FnMut(&VolumeReader<'_, S>, ReadAttempt) -> Result<(), BundleError>,
    ) -> Result<(), BundleError> {
        let VolumeSource::Volume(from) = &self.from else { return read(self, ReadAttempt::Last) };
        let is_alone = from.others.is_empty() && !from.is_protected;
        let mut result = read(self, if is_alone { ReadAttempt::Last } else { ReadAttempt::OthersFollow });
        for (path, file) in &from.others {
            if !is_damaged(&result) {
                return result;
            }
            match read(&VolumeReader { path, from: VolumeSource::Copy(file), ..*self }, ReadAttempt::OthersFollow) {
                Ok(()) => {
                    lock(from.replaced).push((range.clone(), instead(self.path, path)));
                    return Ok(());
                }
                Err(error) if error.is_damage() => {} // the first medium's is told
                Err(error) => return Err(error),
            }
        }
        // The volume's own once more, for what spares alone could not do either.
        for by in
            [RecoverySource::Own, RecoverySource::Spares, RecoverySource::Own].into_iter().filter(|_| from.is_protected)
        {
            if !is_damaged(&result) {
                return result;
            }
            if from.repair.restore(from.index, range, by)? {
                result = read(self, ReadAttempt::OthersFollow);
            }
        }
        if is_damaged(&result) && !is_alone { read(self, ReadAttempt::Last) } else { result }
    }
}

fn is_damaged(result: &Result<(), BundleError>) -> bool {
    matches!(result, Err(error) if error.is_damage())
}

/// The bundle's folders of two copies of a volume.
fn instead(bad: &Path, good: &Path) -> AlternateCopy {
    let folder = |path: &Path| path.ancestors().nth(3).unwrap_or(path).to_owned();
    AlternateCopy { bad: folder(bad), read_from: folder(good) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

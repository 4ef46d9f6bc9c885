//! Reads volumes: checks every byte, and hands each part's content on.
//!
//! The medium is read once. A raw part is hashed while it is handed on; a zstd part or a patch is checked before its decoder
//! sees it, and its content after. Workers take members in the order in which they stand, so that the medium is read nearly in
//! sequence while both hashing and writing go on side by side.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::Serialize;

use super::layout::{Member, TRAILER, header, header_length, members, padding};
use super::manifest::{Blob, Encoding, Part, Slice};
use super::recovery::repair::{By, Repair};
use super::stream::{self, Incoming};
use super::{Bundle, BundleError, patch};
use crate::digest::{Hashing, Sha256};
use crate::progress::Progress;

const BUFFER_BYTES: usize = 1 << 20;
/// The most workers; more would only make a medium seek.
const MAX_WORKERS: usize = 4;

/// Where the contents of parts go.
pub trait Sink: Sync {
    /// Takes one part's content, piece by piece.
    type Part: PartSink;

    /// Whether the part is to be read at all; one that is here already need not be.
    fn wants(&self, blob: &Blob, part: &Part) -> bool;

    /// What a patch builds on; none where it is not here. Then the part's stored bytes are checked, and it is passed over.
    fn base(&self, _base: &Slice) -> Result<Option<Vec<u8>>, BundleError> {
        Ok(None)
    }

    /// Whether what a patch builds on has changed on disk: asked after a patch gave something wrong. Then it is passed over.
    fn is_rotten(&self, _base: &Slice) -> Result<bool, BundleError> {
        Ok(false)
    }

    /// Starts a part.
    fn begin(&self, blob: &Blob, part: &Part) -> Result<Self::Part, BundleError>;

    /// Takes note of a part whose every byte was good.
    fn done(&self, blob: &Blob, part: &Part, content: Self::Part) -> Result<(), BundleError>;

    /// Takes note of a part whose content was not what it must be.
    fn bad(&self, blob: &Blob, part: &Part, content: Self::Part);
}

/// Takes the content of one part.
pub trait PartSink {
    /// The next piece.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BundleError>;
}

/// Looks at nothing: checks volumes without unpacking them.
#[derive(Debug)]
pub struct CheckOnly;

impl PartSink for () {
    fn write(&mut self, _: &[u8]) -> Result<(), BundleError> {
        Ok(())
    }
}

impl Sink for CheckOnly {
    type Part = ();

    fn wants(&self, _: &Blob, _: &Part) -> bool {
        true
    }

    fn begin(&self, _: &Blob, _: &Part) -> Result<(), BundleError> {
        Ok(())
    }

    fn done(&self, _: &Blob, _: &Part, (): ()) -> Result<(), BundleError> {
        Ok(())
    }

    fn bad(&self, _: &Blob, _: &Part, (): ()) {}
}

/// Bytes of a volume that are not what they must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Damage {
    /// The volume's file name.
    pub volume: String,
    /// Where it starts, in bytes.
    pub from: u64,
    /// Where it ends, in bytes.
    pub to: u64,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes {} to {}", self.volume, self.from, self.to)
    }
}

/// What came of reading all volumes.
#[derive(Debug, Default)]
pub struct Found {
    /// What was not right on the medium, and was restored.
    pub repaired: Vec<Damage>,
    /// Volumes that were passed over, by file name.
    pub missing: Vec<String>,
}

/// Reads all volumes of the bundle that are there, and hands every wanted part to `sink`. What recovery data restore is kept
/// in a nameless file in `scratch` meanwhile.
///
/// A volume that is not there is passed over, unless spare volumes replace it: what is missing is for the caller to ask.
pub fn unpack<S: Sink>(bundle: &Bundle, sink: &S, scratch: &Path, progress: &Progress) -> Result<Found, BundleError> {
    let all = members(&bundle.manifest);
    if let Some(incoming) = &bundle.stream {
        let path = Path::new(stream::NAME);
        for (volume, members) in bundle.manifest.volumes.iter().zip(&all) {
            incoming.next_volume(&bundle.manifest.folder(), &volume.file, volume.size)?;
            Reader { path, from: Source::Stream(incoming), sink, progress }.volume(members)?;
        }
        return Ok(Found::default());
    }
    let (missing, repair) = (bundle.missing_volumes(), Repair::new(bundle, scratch));
    let (mut found, mut bad) = (Found::default(), Vec::new());
    for (index, (volume, members)) in bundle.manifest.volumes.iter().zip(&all).enumerate() {
        let is_missing = missing.contains(&volume.file);
        if is_missing && !Repair::has_spares(bundle) {
            found.missing.push(volume.file.clone());
            continue;
        }
        let (path, file) = match is_missing {
            true => (bundle.folder.join(&volume.file), None),
            false => bundle.open_volume(index).map(|(path, file)| (path, Some(file)))?,
        };
        let is_protected = Repair::is_there(bundle, index);
        let from = Source::Volume(Opened { index, file, repair: &repair, is_protected });
        let wrong = Reader { path: &path, from, sink, progress }.volume(members)?;
        let damage = |(from, to)| Damage { volume: volume.file.clone(), from, to };
        match is_missing && !wrong.is_empty() {
            true => found.missing.push(volume.file.clone()),
            false => found.repaired.extend(repair.restored(index).into_iter().map(damage)),
        }
        bad.extend(wrong.into_iter().filter(|_| !is_missing).map(|(range, error)| (index + 1, damage(range), error)));
    }
    if bad.is_empty() { Ok(found) } else { Err(unrepairable(bundle, bad)) }
}

/// The damage as one error, with what touches in one piece.
fn unrepairable(bundle: &Bundle, bad: Vec<(usize, Damage, BundleError)>) -> BundleError {
    let numbers = bad.iter().map(|(number, _, _)| *number).collect();
    let mut damage: Vec<Damage> = bad.iter().map(|(_, damage, _)| damage.clone()).collect();
    damage.sort();
    damage.dedup_by(|next, piece| {
        let touches = next.volume == piece.volume && next.from <= piece.to;
        piece.to = if touches { piece.to.max(next.to) } else { piece.to };
        touches
    });
    let tried = bad.iter().any(|(number, _, _)| Repair::is_there(bundle, number - 1));
    let (bundle, mut errors) = (bundle.manifest.folder(), bad.into_iter().map(|(_, _, error)| error));
    match errors.next() {
        Some(first) => BundleError::Unrepairable { bundle, numbers, damage, tried, first: Box::new(first) },
        None => BundleError::Inconsistent("no volume is damaged".to_owned()),
    }
}

/// Where a volume's bytes come from.
enum Source<'a> {
    /// From anywhere in it, or from what is restored of it.
    Volume(Opened<'a>),
    /// One after the other.
    Stream(&'a Incoming),
}

/// A volume on a medium.
struct Opened<'a> {
    /// Counted from 0.
    index: usize,
    /// None where the volume is not there.
    file: Option<File>,
    repair: &'a Repair<'a>,
    /// Whether there may be recovery files for it.
    is_protected: bool,
}

impl Source<'_> {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
        match self {
            Self::Volume(from) => from.repair.read_at(from.index, from.file.as_ref(), bytes, offset),
            Self::Stream(incoming) => incoming.read_at(bytes, offset),
        }
    }

    /// How many may read side by side.
    fn workers(&self) -> usize {
        match self {
            Self::Volume(_) => thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS),
            Self::Stream(_) => 1,
        }
    }

    /// Whether what follows damage is to be read too.
    fn goes_on(&self) -> bool {
        matches!(self, Self::Volume(Opened { file: Some(_), .. }))
    }
}

/// Where damage starts and ends, and what is wrong.
type Wrong = ((u64, u64), BundleError);

struct Reader<'a, S> {
    path: &'a Path,
    from: Source<'a>,
    sink: &'a S,
    progress: &'a Progress,
}

impl<S: Sink> Reader<'_, S> {
    /// Reads all members; returns what is wrong and cannot be restored.
    fn volume(&self, members: &[Member<'_>]) -> Result<Vec<Wrong>, BundleError> {
        let (next, stop, failure) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
        let wrong = Mutex::new(Vec::new());
        let note = |range, error: BundleError| {
            if error.is_damage() {
                lock(&wrong).push((range, error));
                stop.fetch_or(!self.from.goes_on(), Ordering::Relaxed);
            } else {
                stop.store(true, Ordering::Relaxed);
                lock(&failure).get_or_insert(error);
            }
        };
        let work = || {
            let mut buffer = vec![0; BUFFER_BYTES];
            while let Some(member) = members.get(next.fetch_add(1, Ordering::Relaxed)) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let part = member.part;
                let start = part.offset - header_length(&member.name);
                let range = (start, part.offset + part.stored + padding(part.stored));
                if self.sink.wants(member.blob, part)
                    && let Err(error) = self.repairing(range, |is_last| self.member(member, &mut buffer, is_last))
                {
                    note(range, error);
                }
            }
        };
        let workers = self.from.workers().min(members.len());
        thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
        let end =
            members.last().map_or(0, |member| member.part.offset + member.part.stored + padding(member.part.stored));
        let range = (end, end + TRAILER);
        if !stop.load(Ordering::Relaxed)
            && let Err(error) =
                self.repairing(range, |_| self.fixed(&vec![0; TRAILER as usize], end, "the end", "the volume"))
        {
            note(range, error);
        }
        match lock(&failure).take() {
            Some(error) => Err(error),
            None => match self.from {
                // Of a stream nothing else is known to be damaged, and nothing can be done but to send it again.
                Source::Stream(_) => lock(&wrong).pop().map_or(Ok(Vec::new()), |(_, error)| Err(error)),
                Source::Volume(_) => Ok(std::mem::take(&mut *lock(&wrong))),
            },
        }
    }

    /// Reads what is between two places of the volume; where that is damaged, restores it and reads it again. `read` is told
    /// whether there will be no other try.
    fn repairing(
        &self,
        range: (u64, u64),
        mut read: impl FnMut(bool) -> Result<(), BundleError>,
    ) -> Result<(), BundleError> {
        let Source::Volume(from) = &self.from else { return read(true) };
        let mut result = read(!from.is_protected);
        // The volume's own once more, for what spares alone could not do either.
        for by in [By::Own, By::Spares, By::Own] {
            if !matches!(&result, Err(error) if error.is_damage()) || !from.is_protected {
                return result;
            }
            if from.repair.restore(from.index, range, by)? {
                result = read(false);
            }
        }
        if result.is_err() { read(true) } else { result }
    }

    fn member(&self, member: &Member<'_>, buffer: &mut [u8], is_last: bool) -> Result<(), BundleError> {
        let (blob, part) = (member.blob, member.part);
        let head = header(&member.name, part.stored);
        self.fixed(&head, part.offset - head.len() as u64, "the header", &member.name)?;
        if let Some(base) = &part.base {
            return self.patch(member, base);
        }
        let mut content = self.sink.begin(blob, part)?;
        let result = match part.encoding {
            Encoding::Raw => self.raw(part, &mut content, buffer),
            Encoding::Zstd | Encoding::Patch => self.zstd(blob, part, &mut content),
        };
        match result {
            Ok(true) => {
                let tail = vec![0; padding(part.stored) as usize];
                self.fixed(&tail, part.offset + part.stored, "the padding", &member.name)?;
                self.sink.done(blob, part, content)
            }
            Ok(false) => {
                if is_last {
                    self.sink.bad(blob, part, content);
                }
                Err(self.damaged("the content", &member.name, part.offset))
            }
            Err(error) => Err(error),
        }
    }

    /// Hands a raw part on while hashing it; whether its digest is right.
    fn raw(&self, part: &Part, content: &mut S::Part, buffer: &mut [u8]) -> Result<bool, BundleError> {
        let mut digest = Hashing::new(());
        while digest.length() < part.length {
            let left = (part.length - digest.length()).min(buffer.len() as u64) as usize;
            let piece = &mut buffer[..left];
            self.read(piece, part.offset + digest.length())?;
            content.write(piece)?;
            digest.absorb(piece);
            self.progress.add(left as u64);
        }
        Ok(digest.finish().1 == part.sha256)
    }

    /// Expands a zstd part into memory and hands it on; whether its stored bytes and its content are right.
    ///
    /// `layout::check` has bounded both lengths.
    fn zstd(&self, blob: &Blob, part: &Part, content: &mut S::Part) -> Result<bool, BundleError> {
        let Some(stored) = self.stored(part)? else { return Ok(false) };
        let Some(bytes) = expand(&stored, part.length as usize).filter(|bytes| is_right(blob, part, bytes)) else {
            return Ok(false);
        };
        content.write(&bytes)?;
        self.progress.add(part.length);
        Ok(true)
    }

    /// The stored bytes of a part that `layout::check` has bounded; none if they are not those that the manifest names.
    fn stored(&self, part: &Part) -> Result<Option<Vec<u8>>, BundleError> {
        let mut stored = vec![0; part.stored as usize];
        self.read(&mut stored, part.offset)?;
        Ok((Sha256::of(&stored) == part.sha256).then_some(stored))
    }

    /// Checks a patch, and hands on what it makes of its base, if that is here.
    fn patch(&self, member: &Member<'_>, base: &Slice) -> Result<(), BundleError> {
        let (blob, part) = (member.blob, member.part);
        let stored = self.stored(part)?.ok_or_else(|| self.damaged("the content", &member.name, part.offset))?;
        self.fixed(&vec![0; padding(part.stored) as usize], part.offset + part.stored, "the padding", &member.name)?;
        let Some(before) = self.sink.base(base)? else {
            self.progress.add(part.length);
            return Ok(());
        };
        let bytes = patch::expand(&stored, &before, part.length as usize).filter(|bytes| is_right(blob, part, bytes));
        self.progress.add(part.length);
        match bytes {
            Some(bytes) => {
                let mut content = self.sink.begin(blob, part)?;
                content.write(&bytes)?;
                self.sink.done(blob, part, content)
            }
            None if self.sink.is_rotten(base)? => Ok(()),
            None => Err(BundleError::WrongBlob { digest: blob.sha256 }),
        }
    }

    fn fixed(&self, wanted: &[u8], offset: u64, what: &'static str, member: &str) -> Result<(), BundleError> {
        let mut found = vec![0; wanted.len()];
        self.read(&mut found, offset)?;
        if found == wanted { Ok(()) } else { Err(self.damaged(what, member, offset)) }
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), BundleError> {
        self.from.read_at(bytes, offset).map_err(|error| match self.from {
            Source::Volume(_) if is_of_the_medium(&error) => {
                BundleError::Unreadable { path: PathBuf::from(self.path), offset, error }
            }
            Source::Volume(_) => BundleError::io("read", self.path)(error),
            Source::Stream(_) => stream::failure(error),
        })
    }

    fn damaged(&self, what: &'static str, member: &str, offset: u64) -> BundleError {
        BundleError::Damaged { path: PathBuf::from(self.path), what, member: member.to_owned(), offset }
    }
}

/// Whether bytes cannot be read because the medium has lost them, and others may be readable all the same.
fn is_of_the_medium(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let lost = [Errno::IO, Errno::NODATA, Errno::BADMSG, Errno::UCLEAN, Errno::ILSEQ, Errno::REMOTEIO];
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound)
        || lost.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the content of a part is the blob, where it is all of it.
fn is_right(blob: &Blob, part: &Part, content: &[u8]) -> bool {
    part.length != blob.size || Sha256::of(content) == blob.sha256
}

/// Expands exactly one zstd frame to exactly `length` bytes; anything else is none.
pub fn expand(frame: &[u8], length: usize) -> Option<Vec<u8>> {
    if !patch::is_frame(frame, length) {
        return None;
    }
    zstd::bulk::decompress(frame, length).ok().filter(|bytes| bytes.len() == length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_frame_of_the_right_length_and_nothing_else() {
        let frame = zstd::bulk::compress(&[7; 1000], 3).unwrap();
        assert_eq!(expand(&frame, 1000), Some(vec![7; 1000]));
        assert_eq!(expand(&frame, 999), None);
        assert_eq!(expand(&frame, 1001), None);
        let twice = [frame.clone(), frame.clone()].concat();
        assert_eq!(expand(&twice, 2000), None);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0][..], &frame].concat();
        assert_eq!(expand(&skippable, 1000), None);
        assert_eq!(expand(&frame[..frame.len() - 1], 1000), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_frame_or_expand_to_the_length(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(expanded) = expand(&bytes, 100) {
                prop_assert_eq!(expanded.len(), 100);
            }
        }
    }
}

//! Reads volumes: checks every byte, and hands each part's content on.
//!
//! The medium is read once. A raw part is hashed while it is handed on; a zstd part is checked before its decoder sees it,
//! and its content after. Workers take members in the order in which they stand, so that the medium is read nearly in
//! sequence while both hashing and writing go on side by side.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::layout::{Member, TRAILER, header, members, padding};
use super::manifest::{Blob, Encoding, Part};
use super::stream::{self, Incoming};
use super::{Bundle, BundleError};
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

/// Reads all volumes of the bundle that are there, and hands every wanted part to `sink`.
///
/// A volume that is not there is passed over: what is missing is for the caller to ask, by [`Bundle::missing_volumes`].
pub fn unpack<S: Sink>(bundle: &Bundle, sink: &S, progress: &Progress) -> Result<(), BundleError> {
    let all = members(&bundle.manifest);
    if let Some(incoming) = &bundle.stream {
        let path = Path::new(stream::NAME);
        for (volume, members) in bundle.manifest.volumes.iter().zip(&all) {
            incoming.next_volume(&bundle.manifest.folder(), &volume.file, volume.size)?;
            Reader { path, from: Source::Stream(incoming), sink, progress }.volume(members)?;
        }
        return Ok(());
    }
    let missing = bundle.missing_volumes();
    for (index, members) in all.iter().enumerate() {
        let file = bundle.manifest.volumes.get(index).map(|volume| &volume.file);
        if file.is_some_and(|file| !missing.contains(file)) {
            let (path, file) = bundle.open_volume(index)?;
            Reader { path: &path, from: Source::File(&file), sink, progress }.volume(members)?;
        }
    }
    Ok(())
}

/// Where a volume's bytes come from.
enum Source<'a> {
    /// From anywhere in it.
    File(&'a File),
    /// One after the other.
    Stream(&'a Incoming),
}

impl Source<'_> {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(bytes, offset),
            Self::Stream(incoming) => incoming.read_at(bytes, offset),
        }
    }

    /// How many may read side by side.
    fn workers(&self) -> usize {
        match self {
            Self::File(_) => thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS),
            Self::Stream(_) => 1,
        }
    }
}

struct Reader<'a, S> {
    path: &'a Path,
    from: Source<'a>,
    sink: &'a S,
    progress: &'a Progress,
}

impl<S: Sink> Reader<'_, S> {
    fn volume(&self, members: &[Member<'_>]) -> Result<(), BundleError> {
        let (next, stop, failure) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
        let work = || {
            let mut buffer = vec![0; BUFFER_BYTES];
            while let Some(member) = members.get(next.fetch_add(1, Ordering::Relaxed)) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = self.member(member, &mut buffer) {
                    stop.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(error);
                }
            }
        };
        let workers = self.from.workers().min(members.len());
        thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
        if let Some(error) = failure.into_inner().unwrap_or_else(|e| e.into_inner()) {
            return Err(error);
        }
        let end =
            members.last().map_or(0, |member| member.part.offset + member.part.stored + padding(member.part.stored));
        self.fixed(&vec![0; TRAILER as usize], end, "the end", "the volume")
    }

    fn member(&self, member: &Member<'_>, buffer: &mut [u8]) -> Result<(), BundleError> {
        let (blob, part) = (member.blob, member.part);
        if !self.sink.wants(blob, part) {
            return Ok(());
        }
        let head = header(&member.name, part.stored);
        self.fixed(&head, part.offset - head.len() as u64, "the header", &member.name)?;
        let mut content = self.sink.begin(blob, part)?;
        let result = match part.encoding {
            Encoding::Raw => self.raw(part, &mut content, buffer),
            Encoding::Zstd => self.zstd(blob, part, &mut content),
        };
        match result {
            Ok(true) => {
                let tail = vec![0; padding(part.stored) as usize];
                self.fixed(&tail, part.offset + part.stored, "the padding", &member.name)?;
                self.sink.done(blob, part, content)
            }
            Ok(false) => {
                self.sink.bad(blob, part, content);
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
        let mut stored = vec![0; part.stored as usize];
        self.read(&mut stored, part.offset)?;
        if Sha256::of(&stored) != part.sha256 {
            return Ok(false);
        }
        let Some(bytes) = expand(&stored, part.length as usize) else {
            return Ok(false);
        };
        if part.length == blob.size && Sha256::of(&bytes) != blob.sha256 {
            return Ok(false);
        }
        content.write(&bytes)?;
        self.progress.add(part.length);
        Ok(true)
    }

    fn fixed(&self, wanted: &[u8], offset: u64, what: &'static str, member: &str) -> Result<(), BundleError> {
        let mut found = vec![0; wanted.len()];
        self.read(&mut found, offset)?;
        if found == wanted { Ok(()) } else { Err(self.damaged(what, member, offset)) }
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), BundleError> {
        self.from.read_at(bytes, offset).map_err(|error| match self.from {
            Source::File(_) => BundleError::io("read", self.path)(error),
            Source::Stream(_) => stream::failure(error),
        })
    }

    fn damaged(&self, what: &'static str, member: &str, offset: u64) -> BundleError {
        BundleError::Damaged { path: PathBuf::from(self.path), what, member: member.to_owned(), offset }
    }
}

/// Expands exactly one zstd frame to exactly `length` bytes; anything else is none.
pub fn expand(frame: &[u8], length: usize) -> Option<Vec<u8>> {
    if zstd::zstd_safe::find_frame_compressed_size(frame).ok()? != frame.len() {
        return None;
    }
    if zstd::zstd_safe::get_frame_content_size(frame).ok()?? != length as u64 {
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

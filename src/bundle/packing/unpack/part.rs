//! Checks one part of a volume, and hands its content on.

use std::io;
use std::path::PathBuf;

use super::reader::{ReadAttempt, VolumeReader, VolumeSource};
use super::sink::{ContentSink, PartSink};
use crate::bundle::bundle_stream::failure;
use crate::bundle::folder::gone_with_volume;
use crate::bundle::layout::{header, padding};
use crate::bundle::packing::index::{Encoding, Slice};
use crate::bundle::packing::volume_parts::VolumePart;
use crate::bundle::zstd_frame::expand;
use crate::bundle::{BundleError, patch};
use crate::digest::{Hashing, Sha256};

impl<S: ContentSink> VolumeReader<'_, S> {
    /// Reads one part, and hands its content on.
    pub(super) fn part(&self, part: &VolumePart, buffer: &mut [u8], attempt: ReadAttempt) -> Result<(), BundleError> {
        let line = &part.line;
        let head = header(&line.name, line.stored_bytes());
        self.fixed(&head, line.offset - head.len() as u64, "the header", &line.name)?;
        if let Some(base) = &line.base {
            return self.patch(part, base);
        }
        let mut content = self.sink.begin(part)?;
        let result = match line.encoding {
            Encoding::Raw => self.raw(part, &mut content, buffer),
            Encoding::Zstd | Encoding::Patch => self.zstd(part, &mut content),
        };
        match result {
            Ok(true) => {
                self.padding(part)?;
                self.sink.done(part, content)
            }
            Ok(false) => {
                if attempt == ReadAttempt::Last {
                    self.sink.bad(part, content);
                }
                Err(self.damaged("the content", &line.name, line.offset))
            }
            Err(error) => Err(error),
        }
    }

    /// Hands a raw part on while hashing it. Returns `true` if its digest is right.
    fn raw(&self, part: &VolumePart, content: &mut S::Part, buffer: &mut [u8]) -> Result<bool, BundleError> {
        let line = &part.line;
        let mut digest = Hashing::new(());
        while digest.length() < line.length {
            let left = (line.length - digest.length()).min(buffer.len() as u64) as usize;
            let piece = &mut buffer[..left];
            self.read(piece, line.offset + digest.length())?;
            content.write(piece)?;
            digest.absorb(piece);
            self.progress.add(left as u64);
        }
        Ok(digest.finish().1 == line.stored_digest())
    }

    /// Expands a zstd part into memory and hands it on. Returns `true` if its stored bytes and its content are right.
    ///
    /// The index has bounded both lengths.
    fn zstd(&self, part: &VolumePart, content: &mut S::Part) -> Result<bool, BundleError> {
        let Some(stored) = self.stored(part)? else { return Ok(false) };
        let length = part.line.length;
        let Some(bytes) = expand(&stored, length as usize).filter(|bytes| is_right(part, bytes)) else {
            return Ok(false);
        };
        content.write(&bytes)?;
        self.progress.add(length);
        Ok(true)
    }

    /// Returns the stored bytes of a part that is not raw, or `None` if they are not those that the index names.
    fn stored(&self, part: &VolumePart) -> Result<Option<Vec<u8>>, BundleError> {
        let mut stored = vec![0; part.line.stored_bytes() as usize];
        self.read(&mut stored, part.line.offset)?;
        Ok((Sha256::of(&stored) == part.line.stored_digest()).then_some(stored))
    }

    /// Checks a patch, and hands on what it makes of its base, if that is here.
    fn patch(&self, part: &VolumePart, base: &Slice) -> Result<(), BundleError> {
        let line = &part.line;
        let stored = self.stored(part)?.ok_or_else(|| self.damaged("the content", &line.name, line.offset))?;
        self.padding(part)?;
        let Some(before) = self.sink.base(base)? else {
            self.progress.add(line.length);
            return Ok(());
        };
        let bytes = patch::expand(&stored, &before, line.length as usize).filter(|bytes| is_right(part, bytes));
        self.progress.add(line.length);
        match bytes {
            Some(bytes) => {
                let mut content = self.sink.begin(part)?;
                content.write(&bytes)?;
                self.sink.done(part, content)
            }
            None if self.sink.is_rotten(base)? => Ok(()),
            None => Err(BundleError::WrongBlob { digest: line.blob }),
        }
    }

    fn padding(&self, part: &VolumePart) -> Result<(), BundleError> {
        let stored = part.line.stored_bytes();
        self.fixed(&vec![0; padding(stored) as usize], part.line.offset + stored, "the padding", &part.line.name)
    }

    /// Checks bytes that the index determines.
    pub(super) fn fixed(
        &self,
        wanted: &[u8],
        offset: u64,
        what: &'static str,
        member: &str,
    ) -> Result<(), BundleError> {
        let mut found = vec![0; wanted.len()];
        self.read(&mut found, offset)?;
        if found == wanted { Ok(()) } else { Err(self.damaged(what, member, offset)) }
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), BundleError> {
        self.from.read_at(bytes, offset).map_err(|error| match self.from {
            VolumeSource::Stream(_) => failure(error),
            VolumeSource::Volume(_) | VolumeSource::Copy(_) => self.failure(offset, error),
        })
    }

    /// Returns what it means that a volume cannot be read: some of its bytes are lost, or its medium was pulled.
    fn failure(&self, offset: u64, error: io::Error) -> BundleError {
        // The volume has an end, or is not there: that is known of the medium, so it was read.
        let is_read = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound);
        match gone_with_volume(self.path).filter(|_| !is_read) {
            Some(gone) => gone,
            None if is_of_the_medium(&error) => {
                BundleError::Unreadable { path: PathBuf::from(self.path), offset, error }
            }
            None => BundleError::io("read", self.path)(error),
        }
    }

    fn damaged(&self, what: &'static str, member: &str, offset: u64) -> BundleError {
        BundleError::Damaged { path: PathBuf::from(self.path), what, member: member.to_owned(), offset }
    }
}

/// Returns `true` if bytes cannot be read because the medium has lost them, and others may be readable all the same.
fn is_of_the_medium(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let lost = [Errno::IO, Errno::NODATA, Errno::BADMSG, Errno::UCLEAN, Errno::ILSEQ, Errno::REMOTEIO];
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound)
        || lost.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Returns `true` if the content of a part is the blob, where it is all of it.
fn is_right(part: &VolumePart, content: &[u8]) -> bool {
    !part.is_whole() || Sha256::of(content) == part.line.blob
}

//! Checks one member of a volume, and hands its content on.

use std::io;
use std::path::PathBuf;

use super::reader::{VolumeReader, VolumeSource};
use super::sink::{ContentSink, PartSink};
use crate::bundle::folder::gone;
use crate::bundle::layout::{VolumeMember, header, padding};
use crate::bundle::manifest::{Blob, Encoding, Part, Slice};
use crate::bundle::zstd_frame::expand;
use crate::bundle::{BundleError, incoming, patch};
use crate::digest::{Hashing, Sha256};

impl<S: ContentSink> VolumeReader<'_, S> {
    /// Reads one member, and hands its content on.
    pub(super) fn member(
        &self,
        member: &VolumeMember<'_>,
        buffer: &mut [u8],
        is_last: bool,
    ) -> Result<(), BundleError> {
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
    fn patch(&self, member: &VolumeMember<'_>, base: &Slice) -> Result<(), BundleError> {
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

    /// Checks bytes that the manifest determines.
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
            VolumeSource::Stream(_) => incoming::failure(error),
            VolumeSource::Volume(_) | VolumeSource::Copy(_) => self.failure(offset, error),
        })
    }

    /// What it means that a volume cannot be read: some of its bytes are lost, or its medium was pulled.
    fn failure(&self, offset: u64, error: io::Error) -> BundleError {
        // The volume has an end, or is not there: that is known of the medium, so it was read.
        let is_read = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound);
        match gone(self.path).filter(|_| !is_read) {
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

/// Whether bytes cannot be read because the medium has lost them, and others may be readable all the same.
fn is_of_the_medium(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let lost = [Errno::IO, Errno::NODATA, Errno::BADMSG, Errno::UCLEAN, Errno::ILSEQ, Errno::REMOTEIO];
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound)
        || lost.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Whether the content of a part is the blob, where it is all of it.
fn is_right(blob: &Blob, part: &Part, content: &[u8]) -> bool {
    part.length != blob.size || Sha256::of(content) == blob.sha256
}

//! A bundle as one stream, for diodes and pipes: a tar file with the bundle's folder in it, in the order in which a reader needs it.
//!
//! There is no way back on a diode, so nothing is asked, and the stream is read forwards only. Names and sizes in headers are
//! believed up to the caps, until a signed file says both. What follows the last packing is for people and is not read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::layout::{BLOCK, header, padding};
use super::packing::found::{FoundPacking, PackedState};
use super::packing::{MAX_PACKING_BYTES, PackedVolume};
use super::state::lists::StateLists;
use super::state::manifest::{MAX_MANIFEST_BYTES, Manifest, StateCollection};
use super::stored_list::{StoredFile, private_copy};
use super::trust_files::{self, TrustChain};
use super::{BundleError, names};
use crate::depot::BlobReader;
use crate::numbers::VolumeNumber;
use crate::trust::{
    MAX_APPROVAL_BYTES, MAX_APPROVALS, MAX_SIGNATURE_BYTES, MAX_STEPS, MAX_TRUST_BYTES, MAX_TRUST_SIGNATURES_BYTES,
    PublicKey, SignedApproval, SignedTrustFile,
};

/// The name of a stream in messages, in the place of a path.
pub const STREAM_NAME: &str = "-";
/// The longest record of a long name: the bundle's folder and a path of ours.
const MAX_RECORD_BYTES: u64 = BLOCK;

/// A bundle that arrives as a stream.
pub struct BundleStream(Mutex<StreamState>);

struct StreamState {
    from: Box<dyn Read + Send>,
    /// The file whose header was read, and whose content was not.
    next: Option<IncomingFile>,
    /// The bundle's folder.
    folder: Option<String>,
    /// Offset of the next byte in the current volume.
    position: u64,
}

/// A file in a stream, as its header has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct IncomingFile {
    /// Its path in the bundle's folder.
    path: String,
    size: u64,
}

impl std::fmt::Debug for BundleStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleStream").finish_non_exhaustive()
    }
}

impl BundleStream {
    /// Begins to read a stream.
    pub fn new(from: Box<dyn Read + Send>) -> Self {
        Self(Mutex::new(StreamState { from, next: None, folder: None, position: 0 }))
    }

    /// Reads the trust files, which come first. Those after a flaw are not read.
    pub fn trust_files(&self) -> TrustChain {
        let mut stream = self.lock();
        let mut chain = TrustChain::default();
        loop {
            match stream.trust_file(chain.files.len()) {
                Ok(Some(signed)) => chain.files.push(signed),
                Ok(None) => break,
                Err(error) => {
                    chain.flaw = Some(error);
                    break;
                }
            }
        }
        chain
    }

    /// Reads the manifest and its signature, of which nothing is checked yet. The trust files must have been read.
    pub(super) fn manifest(&self) -> Result<(Vec<u8>, Vec<u8>), BundleError> {
        let mut state = self.lock();
        let no_bundle = || BundleError::NotABundle { folder: PathBuf::from(STREAM_NAME), file: names::MANIFEST };
        let manifest = state.named(names::MANIFEST, MAX_MANIFEST_BYTES)?.ok_or_else(no_bundle)?;
        let no_signature = || BundleError::NotABundle { folder: PathBuf::from(STREAM_NAME), file: names::SIGNATURE };
        let signature = state.named(names::SIGNATURE, MAX_SIGNATURE_BYTES)?.ok_or_else(no_signature)?;
        Ok((manifest, signature))
    }

    /// Reads the statements of reviewers, which follow the manifest. Those that are none are left out.
    pub fn approvals(&self) -> Result<Vec<SignedApproval>, BundleError> {
        let (mut stream, mut signed) = (self.lock(), Vec::new());
        for _ in 0..MAX_APPROVALS {
            let file = stream.peek()?.filter(|file| file.path.starts_with(names::APPROVALS));
            let Some(file) = file.filter(|file| file.path.ends_with(".json")) else { break };
            let text = stream.named(&file.path, MAX_APPROVAL_BYTES)?.unwrap_or_default();
            let signature = stream.named(&format!("{}.sig", file.path), MAX_SIGNATURE_BYTES)?;
            signed.extend(SignedApproval::open(text, signature.unwrap_or_default()));
        }
        Ok(signed)
    }

    /// Copies all item lists of the state into nameless files in the folder `scratch`.
    pub fn lists(&self, manifest: &Manifest, scratch: &Path) -> Result<StateLists, BundleError> {
        let mut stream = self.lock();
        stream.check_folder(&manifest.folder())?;
        let lists = manifest.collections.iter();
        let mut copy = |list: &StateCollection| stream.stored(&list.list_file(), &list.list.stored, scratch);
        let copies = lists.map(|list| copy(list).map(BlobReader::of_file)).collect::<Result<_, _>>()?;
        StateLists::new(manifest, copies).map_err(BundleError::in_file(Path::new(STREAM_NAME)))
    }

    /// Reads the next packing, which a key has signed that `is_builder`. Returns `None` behind the last one.
    pub(super) fn packing(
        &self,
        state: PackedState<'_>,
        mut is_builder: impl FnMut(&PublicKey) -> Result<(), BundleError>,
    ) -> Result<Option<FoundPacking>, BundleError> {
        let mut stream = self.lock();
        let Some(file) = stream.peek()?.filter(|file| file.path.starts_with(names::PACKINGS)) else { return Ok(None) };
        let Some(bytes) = stream.named(&file.path, MAX_PACKING_BYTES)? else { return Ok(None) };
        let id = file.path.strip_prefix("packings/").and_then(|rest| rest.strip_suffix("/packing.json"));
        let Some(id) = id else { return Err(stream.out_of_place(&file)) };
        let signature = format!("{}.sig", file.path);
        let unsigned = || BundleError::PackingUnsigned { folder: PathBuf::from(STREAM_NAME) };
        let signature = stream.named(&signature, MAX_SIGNATURE_BYTES)?.ok_or_else(unsigned)?;
        state.of_bytes(Some(id), Path::new(STREAM_NAME), bytes, signature, &mut is_builder).map(Some)
    }

    /// Goes to the next volume of the packing that came last. Returns a copy of the volume's index in a nameless file in the folder
    /// `scratch`.
    pub(super) fn next_volume(
        &self,
        packing: &FoundPacking,
        number: VolumeNumber,
        volume: &PackedVolume,
        scratch: &Path,
    ) -> Result<File, BundleError> {
        let below = format!("{}/{}", names::PACKINGS, packing.id);
        let mut stream = self.lock();
        let copy = stream.stored(&format!("{below}/{}", names::volume_index(number)), &volume.index.stored, scratch)?;
        stream.expect(&format!("{below}/{}", names::volume(number)), volume.size)?;
        stream.position = 0;
        Ok(copy)
    }

    /// Goes to the end of the volume.
    pub(super) fn end_volume(&self, volume: &PackedVolume) -> Result<(), BundleError> {
        let mut stream = self.lock();
        let rest = volume.size - stream.position + padding(volume.size);
        stream.skip(rest).map_err(failure)
    }

    /// Reads from the volume at `offset`, which is not before what was read last.
    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.lock();
        let skip = offset.checked_sub(state.position).ok_or(io::ErrorKind::NotSeekable)?;
        state.skip(skip)?;
        state.from.read_exact(bytes)?;
        state.position = offset + bytes.len() as u64;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, StreamState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamState {
    /// Returns the next file without reading its content; `None` at the end of the stream.
    fn peek(&mut self) -> Result<Option<IncomingFile>, BundleError> {
        if self.next.is_none() {
            self.next = self.next_header()?;
        }
        Ok(self.next.clone())
    }

    fn next_header(&mut self) -> Result<Option<IncomingFile>, BundleError> {
        let damaged = || self::damaged("the header", "a file", 0);
        let mut found = self.block()?;
        if found == [0; BLOCK as usize] {
            return Ok(None);
        }
        let (mut kind, mut size) = head_of(&found).ok_or_else(damaged)?;
        let mut name = name_of(&found).ok_or_else(damaged)?;
        let mut bytes = found.to_vec();
        if kind == tar::EntryType::XHeader {
            if size > MAX_RECORD_BYTES {
                return Err(damaged());
            }
            let mut record = vec![0; (size + padding(size)) as usize];
            self.from.read_exact(&mut record).map_err(failure)?;
            bytes.extend_from_slice(&record);
            record.truncate(size as usize);
            let text = String::from_utf8(record).map_err(|_| damaged())?;
            let (_, path) = text.split_once(" path=").ok_or_else(damaged)?;
            name = path.trim_end_matches('\n').to_owned();
            found = self.block()?;
            bytes.extend_from_slice(&found);
            (kind, size) = head_of(&found).ok_or_else(damaged)?;
        }
        let Some((folder, path)) = name.split_once('/').filter(|_| kind == tar::EntryType::Regular) else {
            return Err(damaged());
        };
        if header(&name, size) != bytes || self.folder.as_deref().is_some_and(|known| known != folder) {
            return Err(self::damaged("the header", path, 0));
        }
        self.folder = Some(folder.to_owned());
        Ok(Some(IncomingFile { path: path.to_owned(), size }))
    }

    fn block(&mut self) -> Result<[u8; BLOCK as usize], BundleError> {
        let mut block = [0; BLOCK as usize];
        self.from.read_exact(&mut block).map_err(failure)?;
        Ok(block)
    }

    /// Reads the next file, if it is called so. It is believed to have the size of its header up to `cap` bytes.
    fn named(&mut self, path: &str, cap: u64) -> Result<Option<Vec<u8>>, BundleError> {
        let Some(file) = self.peek()?.filter(|file| file.path == path) else { return Ok(None) };
        if file.size > cap {
            return Err(BundleError::TooLarge { path: Path::new(STREAM_NAME).join(path), cap });
        }
        self.next = None;
        let mut bytes = Vec::new();
        let whole = file.size + padding(file.size);
        let read = (&mut self.from).take(whole).read_to_end(&mut bytes).map_err(failure)?;
        if read as u64 != whole {
            return Err(BundleError::StreamEnded);
        }
        match bytes.split_off(file.size as usize).iter().any(|byte| *byte != 0) {
            true => Err(damaged("the padding", path, file.size)),
            false => Ok(Some(bytes)),
        }
    }

    /// Reads the next file with its signatures, if it is a trust file. `before` were read already.
    fn trust_file(&mut self, before: usize) -> Result<Option<SignedTrustFile>, BundleError> {
        let Some(file) = self.peek()? else { return Ok(None) };
        let Some(name) = file.path.strip_prefix("trust/") else { return Ok(None) };
        let version = trust_files::version_of(name).filter(|_| before < MAX_STEPS);
        let Some(version) = version else { return Err(self.out_of_place(&file)) };
        let text = self.named(&file.path, MAX_TRUST_BYTES)?.unwrap_or_default();
        let signatures = self.named(&format!("{}.sig", file.path), MAX_TRUST_SIGNATURES_BYTES)?;
        let path = Path::new(STREAM_NAME).join(&file.path);
        trust_files::parse(&path, version, text, &signatures.unwrap_or_default()).map(Some)
    }

    /// Goes to the content of the next file, which must be called so and have this size.
    fn expect(&mut self, path: &str, size: u64) -> Result<(), BundleError> {
        let wanted = IncomingFile { path: path.to_owned(), size };
        match self.peek()? {
            Some(file) if file == wanted => {
                self.next = None;
                Ok(())
            }
            Some(file) => Err(self.out_of_place(&file)),
            None => Err(BundleError::StreamEnded),
        }
    }

    /// Copies the next file, which must be called so, into a nameless one in the folder `scratch`.
    fn stored(&mut self, path: &str, file: &StoredFile, scratch: &Path) -> Result<File, BundleError> {
        self.expect(path, file.size)?;
        let copy = private_copy((&mut self.from).take(file.size), file, scratch);
        let copy = copy.map_err(BundleError::in_file(&Path::new(STREAM_NAME).join(path)))?;
        let mut rest = vec![0; padding(file.size) as usize];
        self.from.read_exact(&mut rest).map_err(failure)?;
        match rest.iter().any(|byte| *byte != 0) {
            true => Err(damaged("the padding", path, file.size)),
            false => Ok(copy),
        }
    }

    fn check_folder(&self, wanted: &str) -> Result<(), BundleError> {
        match self.folder.as_deref() == Some(wanted) {
            true => Ok(()),
            false => Err(damaged("the header", names::MANIFEST, 0)),
        }
    }

    fn out_of_place(&self, file: &IncomingFile) -> BundleError {
        damaged("the header", &file.path, 0)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match io::copy(&mut (&mut self.from).take(bytes), &mut io::sink())? == bytes {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The kind and the size in a header block.
fn head_of(block: &[u8; BLOCK as usize]) -> Option<(tar::EntryType, u64)> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(block);
    Some((header.entry_type(), header.size().ok()?))
}

/// The name in a header block.
fn name_of(block: &[u8; BLOCK as usize]) -> Option<String> {
    let name = block.get(..100)?.split(|byte| *byte == 0).next()?;
    String::from_utf8(name.to_vec()).ok()
}

fn damaged(what: &'static str, member: &str, offset: u64) -> BundleError {
    // Unverified, so nothing of it may reach a terminal as it is.
    let member = member.chars().take(200).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
    BundleError::Damaged { path: PathBuf::from(STREAM_NAME), what, member, offset }
}

/// Returns the error for a failure to read a stream.
pub(super) fn failure(error: io::Error) -> BundleError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BundleError::StreamEnded,
        _ => BundleError::io("read", Path::new(STREAM_NAME))(error),
    }
}

const _: () = assert!(BLOCK == 512, "tar::Header is one block");

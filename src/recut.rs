//! Makes again what of a bundle was lost: single volumes, byte for byte; or, where the site lacks what a delta builds on, the
//! next bundle with just that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::bundle::layout::{TRAILER, VolumeMember, header, members, padding};
use crate::bundle::manifest::{Encoding, Part, Volume};
use crate::bundle::pack::PackPlan;
use crate::bundle::recovery::Amount;
use crate::bundle::zstd_frame::compress;
use crate::bundle::{Bundle, BundleError, Manifest, Signed, names, patch, sidecars};
use crate::depot::{BlobReader, Depot, DepotError};
use crate::digest::{Hashing, Sha256};
use crate::error_class::ErrorClass;
use crate::export::{ExportError, Settings, write};
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::receipt::Receipt;
use crate::storage::{self, modes};
use crate::time::Time;
use crate::units::Bytes;
use crate::workspace::{Workspace, WorkspaceError};

const BUFFER_BYTES: u64 = 1 << 20;

/// Why nothing is made again.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum RecutError {
    #[error("{bundle} has {count} volumes, and no volume {number}")]
    NoVolume { bundle: String, count: usize, number: VolumeNumber },
    #[error("{volume} cannot be made again byte for byte by this version of gapferry: export again")]
    Differs { volume: String },
    #[error("{volume} has patches against blob {base}, which the workspace no longer holds: export again")]
    BaseGone { volume: String, base: Sha256 },
    #[error("the request is for another bundle than {bundle}")]
    OtherBundle { bundle: String },
    #[error("{newest} was made after {bundle}: import that one; what it lacks can be requested in the same way")]
    NotNewest { newest: String, bundle: String },
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    Export(#[from] ExportError),
}

impl RecutError {
    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoVolume { .. } | Self::OtherBundle { .. } | Self::NotNewest { .. } => ErrorClass::Usage,
            Self::Differs { .. } | Self::BaseGone { .. } => ErrorClass::Failed,
            Self::Bundle(error) => error.class(),
            Self::Workspace(error) => error.class(),
            Self::Export(error) => error.class(),
        }
    }
}

/// Opens a bundle of which files may be missing, but for the manifest and its signature. Who signed it does not matter here:
/// nothing is read from it but what to write.
pub fn open(folder: &Path) -> Result<Bundle, RecutError> {
    Signed::open(folder)?.trusted(|_| Ok(()))
}

/// Opens the bundle of this name as the workspace remembers it, to be written to `out`; `None` if it does not.
pub fn remembered(workspace: &Workspace, name: &str, out: &Path) -> Result<Option<Bundle>, RecutError> {
    let signed = workspace.remembered(name, &out.join(name))?;
    signed.map(|signed| signed.trusted(|_| Ok(()))).transpose()
}

/// Writes the volumes `numbers` of the bundle again, or all if there are none, with all that is small beside them, into
/// `out/BUNDLE`; returns that folder. A volume that is there is replaced when its successor is complete. The next copy takes
/// the volumes to media again.
pub fn volumes(
    bundle: &Bundle,
    numbers: &BTreeSet<VolumeNumber>,
    workspace: &Workspace,
    out: &Path,
    progress: &Progress,
) -> Result<PathBuf, RecutError> {
    let manifest = &bundle.manifest;
    let folder = out.join(manifest.folder());
    let all = members(manifest);
    let every = VolumeNumber::all().take(manifest.volumes.len()).collect();
    let numbers = if numbers.is_empty() { &every } else { numbers };
    let wanted = |number: &VolumeNumber| {
        let index = number.index();
        let volume = manifest.volumes.get(index).zip(all.get(index));
        let (bundle, count) = (manifest.folder(), manifest.volumes.len());
        volume.ok_or(RecutError::NoVolume { bundle, count, number: *number })
    };
    let wanted = numbers.iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    modes::create_public_folders(&folder).map_err(BundleError::io("create", &folder))?;
    let progress = progress.phase("writing volumes", wanted.iter().map(|(volume, _)| volume.size).sum());
    let mut made = BTreeSet::new();
    for (volume, members) in wanted {
        let path = folder.join(format!("{}.part", volume.file));
        let written = write_volume(&path, volume, members, &workspace.depot, &progress);
        if let Err(error) = written {
            let _ = fs::remove_file(&path); // it is of no use; what is wrong is what matters
            return Err(error);
        }
        let target = folder.join(&volume.file);
        fs::rename(&path, &target).map_err(BundleError::io("rename to", &target))?;
        made.insert(volume.file.clone());
    }
    progress.finish();
    write_small_files(bundle, &folder)?;
    storage::sync_folder(&folder).map_err(BundleError::io("sync", &folder))?;
    workspace.note_made_again(&manifest.folder(), &bundle.digest, &made).map_err(WorkspaceError::from)?;
    Ok(folder)
}

fn write_volume(
    path: &Path,
    volume: &Volume,
    members: &[VolumeMember<'_>],
    depot: &Depot,
    progress: &Progress,
) -> Result<(), RecutError> {
    let file = modes::create_public_file(path).map_err(BundleError::io("create", path))?;
    let mut writing = RecutWriting { path, to: Hashing::new(file), progress };
    for member in members {
        writing.bytes(&header(&member.name, member.part.stored))?;
        writing.content(&member.blob.sha256, member.part, depot).map_err(|error| match (error, &member.part.base) {
            (BundleError::Depot(DepotError::Missing { digest }), Some(base)) if digest == base.sha256 => {
                RecutError::BaseGone { volume: volume.file.clone(), base: digest }
            }
            (other, _) => other.into(),
        })?;
        writing.bytes(&vec![0; padding(member.part.stored) as usize])?;
    }
    writing.bytes(&[0; TRAILER as usize])?;
    let (file, digest, _) = writing.to.finish();
    file.sync_all().map_err(BundleError::io("sync", path))?;
    match digest == volume.sha256 {
        true => Ok(()),
        false => Err(RecutError::Differs { volume: volume.file.clone() }),
    }
}

struct RecutWriting<'a> {
    path: &'a Path,
    to: Hashing<File>,
    progress: &'a Progress,
}

impl RecutWriting<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BundleError> {
        self.to.write_all(bytes).map_err(BundleError::io("write", self.path))?;
        self.progress.add(bytes.len() as u64);
        Ok(())
    }

    fn content(&mut self, blob: &Sha256, part: &Part, depot: &Depot) -> Result<(), BundleError> {
        let path = depot.place(blob);
        let file = depot.open_blob(blob)?;
        if part.encoding != Encoding::Raw {
            let bytes = slice(&file, &path, part.start, part.length)?;
            let frame = match &part.base {
                None => compress(&bytes),
                Some(base) => {
                    let older = depot.open_blob(&base.sha256)?;
                    let before = slice(&older, &depot.place(&base.sha256), base.start, base.length)?;
                    patch::compress(&bytes, &before)
                }
            };
            return self.bytes(&frame.map_err(BundleError::io("compress", &path))?);
        }
        let mut done = 0;
        while done < part.length {
            let bytes = slice(&file, &path, part.start + done, (part.length - done).min(BUFFER_BYTES))?;
            done += bytes.len() as u64;
            self.bytes(&bytes)?;
        }
        Ok(())
    }
}

fn slice(file: &BlobReader, path: &Path, start: u64, length: u64) -> Result<Vec<u8>, BundleError> {
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, start).map(|()| bytes).map_err(BundleError::io("read", path))
}

/// Writes what stands beside the volumes, from where the bundle is, or else as the manifest determines it.
fn write_small_files(bundle: &Bundle, to: &Path) -> Result<(), BundleError> {
    // A folder has many names, and a file that is copied onto itself is empty afterwards.
    let [from, target] = [bundle.folder.as_path(), to].map(|folder| fs::canonicalize(folder).ok());
    if from == target && fs::read(to.join(names::MANIFEST)).is_ok_and(|bytes| bytes == bundle.bytes) {
        return Ok(());
    }
    let beside = |file: &str| fs::read(bundle.folder.join(file)).ok();
    let sums = || sidecars::sha256sums(&bundle.manifest, bundle.digest, &[]).into_bytes();
    let verify = || sidecars::verify_text(&bundle.manifest).into_bytes();
    for (file, bytes) in [
        (names::SIGNATURE, bundle.signature.clone()),
        (names::SHA256SUMS, beside(names::SHA256SUMS).unwrap_or_else(sums)),
        (names::VERIFY, beside(names::VERIFY).unwrap_or_else(verify)),
        (names::MANIFEST, bundle.bytes.clone()),
    ] {
        // Half a manifest in the place of a whole one would make a good medium worthless.
        let to = to.join(file);
        storage::place_atomically(&to, &bytes, modes::PUBLIC_FILE).map_err(BundleError::io("write", &to))?;
    }
    Ok(())
}

/// Makes the bundle after `bundle`, of the same content, that carries only what `request` says is lacking. One that an earlier
/// run finished is taken as it is.
pub fn answer(
    bundle: &Bundle,
    request: &Receipt,
    settings: &Settings<'_>,
    workspace: &Workspace,
) -> Result<(PathBuf, Manifest), RecutError> {
    let old = &bundle.manifest;
    if request.manifest != Some(bundle.digest) {
        return Err(RecutError::OtherBundle { bundle: old.folder() });
    }
    let last = workspace.last(&old.site, &old.name).map_err(ExportError::from)?;
    if let Some((folder, manifest, text)) = finished_earlier(bundle, request, settings) {
        let is_last = |digest: Sha256| last.as_ref().is_some_and(|last| last.digest == digest);
        if is_last(bundle.digest) {
            workspace.record(&folder, &manifest, &text, None).map_err(ExportError::from)?;
        }
        if is_last(bundle.digest) || is_last(Sha256::of(&text)) {
            return Ok((folder, manifest));
        }
    }
    if let Some(last) = last.filter(|last| last.digest != bundle.digest) {
        return Err(RecutError::NotNewest { newest: last.manifest.folder(), bundle: old.folder() });
    }
    let created = settings.created.unwrap_or_else(Time::now);
    let manifest = Manifest {
        blobs: Vec::new(),
        volumes: Vec::new(),
        created,
        expires: created.plus(old.expires.unix() - old.created.unix()),
        generator: format!("gapferry {}", env!("CARGO_PKG_VERSION")),
        previous: Some(bundle.digest),
        sequence: old.sequence.next(),
        ..old.clone()
    };
    let held = old.blobs.iter().map(|blob| blob.sha256).filter(|digest| !request.lacks.contains(digest)).collect();
    let largest = old.volumes.iter().map(|volume| volume.size).max().unwrap_or_default();
    // Nothing is known of what the site holds any more, but what it says to lack.
    let older = BTreeMap::new();
    let plan = PackPlan {
        manifest,
        held,
        older,
        volume_bytes: largest.max(Bytes::FAT32.0),
        recovery: Amount::default(),
        free_space: settings.free_space,
    };
    Ok(write(plan, settings, workspace, None)?)
}

/// The answer, if it is there under its name already, signed by the same key; with its text.
fn finished_earlier(
    bundle: &Bundle,
    request: &Receipt,
    settings: &Settings<'_>,
) -> Option<(PathBuf, Manifest, Vec<u8>)> {
    let old = &bundle.manifest;
    let folder = settings.out.join(names::folder(&old.site, &old.name, old.sequence.next()));
    let signed = Signed::open(&folder).ok()?;
    let is_ours = *signed.signer() == settings.key?.public();
    let text = signed.into_bytes();
    let found = Manifest::parse(&text).ok().filter(|_| is_ours)?;
    let follows = (found.previous, found.epoch) == (Some(bundle.digest), old.epoch);
    let carried: BTreeSet<&Sha256> =
        found.blobs.iter().filter(|blob| !blob.parts.is_empty()).map(|blob| &blob.sha256).collect();
    let answers = request.lacks.iter().all(|digest| carried.contains(digest)) && found.collections == old.collections;
    (follows && answers).then_some((folder, found, text))
}

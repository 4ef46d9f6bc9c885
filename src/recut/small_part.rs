//! Writes the small part of a bundle again: its manifest, item lists and packings with their indexes, but no volumes.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::RecutError;
use crate::bundle::approval_files;
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::packing::{PackedVolume, Packing};
use crate::bundle::state::OpenState;
use crate::bundle::stored_list::StoredFile;
use crate::bundle::trust_files::{self, folder_in};
use crate::bundle::verify_text::{MAX_VERIFY_BYTES, verify_text};
use crate::bundle::{BundleError, names};
use crate::digest::Sha256;
use crate::numbers::VolumeNumber;
use crate::storage::{self, modes, read_capped};
use crate::trust::MAX_STEPS;
use crate::workspace::Workspace;

/// The packings that a small part gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackingsOf {
    /// All that the workspace or the bundle's folder has.
    Bundle,
    /// None but those that are there.
    Nothing,
}

/// Writes into the folder `to` what is missing there of the bundle's small part: from the workspace, or else from where the bundle is.
pub fn restore_small_part(
    state: &OpenState,
    packings: PackingsOf,
    workspace: &Workspace,
    to: &Path,
) -> Result<(), RecutError> {
    modes::create_public_folders(&to.join("items")).map_err(BundleError::io("create", to))?;
    let part = SmallPart { state, workspace, to };
    for collection in &state.manifest.collections {
        part.stored(&collection.list_file(), &collection.list.stored)?;
    }
    if packings == PackingsOf::Bundle {
        part.packings()?;
    }
    part.trust_files()?;
    part.approvals()?;
    part.place(names::VERIFY, &part.verify_text()?)?;
    part.place(names::SIGNATURE, &state.signature)?;
    // Half a manifest in the place of a whole one would make a good medium worthless.
    part.place(names::MANIFEST, &state.bytes)
}

struct SmallPart<'a> {
    state: &'a OpenState,
    workspace: &'a Workspace,
    to: &'a Path,
}

impl SmallPart<'_> {
    /// Writes the trust files up to the version under which the bundle was made.
    fn trust_files(&self) -> Result<(), RecutError> {
        let Some(newest) = self.state.manifest.trust else { return Ok(()) };
        let in_workspace = self.workspace.trust_folder(&self.state.manifest.site);
        let folders: Vec<_> = self.state.folders.iter().map(|folder| folder_in(folder)).chain([in_workspace]).collect();
        let oldest = newest.saturating_sub(MAX_STEPS as u64 - 1).max(2);
        for version in oldest..=newest {
            let found = folders.iter().find_map(|folder| trust_files::read(folder, version).ok().flatten());
            trust_files::write(&folder_in(self.to), found.as_slice())?;
        }
        Ok(())
    }

    /// Writes the statements of reviewers that the bundle's folders have.
    fn approvals(&self) -> Result<(), RecutError> {
        let mut statements = approval_files::carried(&self.state.folders);
        statements.retain(|signed| signed.statement.manifest == self.state.digest);
        let folder = approval_files::folder_in(self.to);
        statements.iter().try_for_each(|signed| approval_files::write(&folder, signed).map(drop))?;
        Ok(())
    }

    fn packings(&self) -> Result<(), RecutError> {
        for made in self.workspace.packings(&self.state.manifest)? {
            if made.packing.parameters.manifest == self.state.digest {
                self.packing(&made.packing, &made.bytes, made.signature.as_deref())?;
            }
        }
        // Whoever signed it: nothing is taken from it but what to write.
        let there = self.state.packings(WrongSize::Missing, |_| Ok(()));
        for found in there.map(|search| search.found).unwrap_or_default() {
            self.packing(&found.packing, &found.bytes, Some(&found.signature))?;
        }
        Ok(())
    }

    fn packing(&self, packing: &Packing, text: &[u8], signature: Option<&[u8]>) -> Result<(), RecutError> {
        let below = packing.folder().map_err(RecutError::in_file(self.to))?;
        let folder = self.to.join(&below);
        modes::create_public_folders(&folder).map_err(BundleError::io("create", &folder))?;
        for (number, PackedVolume { index, .. }) in VolumeNumber::all().zip(&packing.volumes) {
            match self.stored(&format!("{below}/{}", names::volume_index(number)), &index.stored) {
                // Its volume cannot be made again, and others can.
                Err(RecutError::Bundle(BundleError::ListMissing { .. })) => {}
                other => other?,
            }
        }
        // A signing room adds the signature to the bundle, which the workspace does not see.
        if let Some(signature) = signature {
            self.place(&format!("{below}/{}", names::PACKING_SIGNATURE), signature)?;
        }
        self.place(&format!("{below}/{}", names::PACKING), text)
    }

    /// Returns the `VERIFY.txt` that the bundle's packings name. An earlier version of gapferry may have written it.
    fn verify_text(&self) -> Result<Vec<u8>, RecutError> {
        let mut made = self.workspace.packings(&self.state.manifest)?.into_iter();
        if let Some(made) = made.rfind(|made| made.packing.parameters.manifest == self.state.digest) {
            return Ok(made.verify);
        }
        let found = self.state.packings(WrongSize::Missing, |_| Ok(())).map(|search| search.found).unwrap_or_default();
        let is_named = |text: &Vec<u8>| found.iter().any(|found| found.packing.verify == Sha256::of(text));
        let files = self.state.folders.iter().map(|folder| folder.join(names::VERIFY));
        let mut texts = files.filter_map(|path| read_capped(&path, MAX_VERIFY_BYTES).ok());
        Ok(texts.find(is_named).unwrap_or_else(|| verify_text(&self.state.manifest).into_bytes()))
    }

    /// Writes a file whose digest is known, unless it is there.
    fn stored(&self, name: &str, file: &StoredFile) -> Result<(), RecutError> {
        let target = self.to.join(name);
        if is_right(&target, file) {
            return Ok(());
        }
        let depot = &self.workspace.depot;
        if depot.has(&file.sha256, file.size).map_err(BundleError::from)? {
            let write = |bytes: &mut dyn Read| storage::place_atomically_from(&target, bytes, modes::PUBLIC_FILE);
            let mut blob = depot.open_blob(&file.sha256).map_err(BundleError::from)?;
            write(&mut blob).map_err(BundleError::io("write", &target))?;
            if is_right(&target, file) {
                return Ok(());
            }
        }
        let mut sources = self.state.folders.iter().map(|folder| folder.join(name)).filter(|path| is_right(path, file));
        let Some(source) = sources.next() else { return Err(BundleError::ListMissing { path: target }.into()) };
        let mut from = File::open(&source).map_err(BundleError::io("open", &source))?;
        let written = storage::place_atomically_from(&target, &mut from, modes::PUBLIC_FILE);
        Ok(written.map_err(BundleError::io("write", &target))?)
    }

    fn place(&self, name: &str, bytes: &[u8]) -> Result<(), RecutError> {
        let target = self.to.join(name);
        if fs::read(&target).is_ok_and(|found| found == bytes) {
            return Ok(());
        }
        let placed = storage::place_atomically(&target, bytes, modes::PUBLIC_FILE);
        Ok(placed.map_err(BundleError::io("write", &target))?)
    }
}

fn is_right(path: &Path, file: &StoredFile) -> bool {
    let is_size = path.symlink_metadata().is_ok_and(|data| data.is_file() && data.len() == file.size);
    let digest = || Some(Sha256::of_reader(&mut File::open(path).ok()?).ok()?.0);
    is_size && digest() == Some(file.sha256)
}

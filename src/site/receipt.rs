//! What this site tells the online side: which bundle it has, or what it lacks for one.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::{Site, SiteError, write_atomically};
use crate::bundle::manifest::MAX_MANIFEST_BYTES;
use crate::bundle::{Bundle, Manifest};
use crate::collection::Label;
use crate::depot::Depot;
use crate::digest::Sha256;
use crate::receipt::Receipt;
use crate::time::Time;

impl Site {
    /// A signed receipt for the newest bundle of this name whose content is here.
    pub fn receipt(&self, name: &Label) -> Result<String, SiteError> {
        let (current, depot) = (self.current()?, self.depot()?);
        let state = current.names.get(name);
        // After a rollback and `gc`, the newest manifest may be gone; the published one never is.
        let candidates = state.map(|state| [Some(state.accepted), state.manifest]).into_iter().flatten().flatten();
        let found =
            candidates.filter_map(|digest| Some((digest, depot.read(&digest, MAX_MANIFEST_BYTES).ok()?))).next();
        let found =
            found.map(|(digest, bytes)| Manifest::parse(&bytes).map(|manifest| (digest, manifest))).transpose()?;
        let receipt = Receipt {
            site: self.config.name.clone(),
            name: name.clone(),
            epoch: found.as_ref().map_or(self.trust.epoch, |(_, manifest)| manifest.epoch),
            sequence: found.as_ref().map_or(0, |(_, manifest)| manifest.sequence),
            manifest: found.as_ref().map(|(digest, _)| *digest),
            made: Time::now(),
            lacks: found.map(|(_, manifest)| lacking(&manifest, &depot)).unwrap_or_default(),
        };
        self.sign(&receipt)
    }

    /// Writes a signed request for what the bundle expects here and is not; returns its path.
    pub(super) fn write_request(&self, bundle: &Bundle) -> Result<PathBuf, SiteError> {
        let manifest = &bundle.manifest;
        let request = Receipt {
            site: self.config.name.clone(),
            name: manifest.name.clone(),
            epoch: manifest.epoch,
            sequence: manifest.sequence,
            manifest: Some(bundle.digest),
            made: Time::now(),
            lacks: lacking(manifest, &self.depot()?),
        };
        let folder = self.root().join("requests");
        fs::create_dir_all(&folder).map_err(SiteError::io("create", &folder))?;
        let path = folder.join(format!("{}.txt", manifest.folder()));
        write_atomically(&path, self.sign(&request)?.as_bytes(), 0o644)?;
        Ok(path)
    }

    fn sign(&self, receipt: &Receipt) -> Result<String, SiteError> {
        let path = self.root().join("keys/site.pgp");
        receipt.sign(&self.key()?).map_err(|source| SiteError::BadKeyring { path, source })
    }
}

fn lacking(manifest: &Manifest, depot: &Depot) -> BTreeSet<Sha256> {
    manifest.blobs.iter().filter(|blob| !depot.has(&blob.sha256, blob.size)).map(|blob| blob.sha256).collect()
}

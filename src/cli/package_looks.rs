//! Looks into packages for `gapferry report`: what was asked for, and the places of the packages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bundle_folder::find;
use super::error::Failure;
use super::reviewed::{StateSource, source};
use super::snap_roots::open_site;
use crate::depot::Depot;
use crate::progress::Progress;
use crate::review::{
    ContentPlace, LookRequest, PackageLook, PackageLooks, ReviewedState, ScanCommand, ScanRequest, StateDiff, look_into,
};
use crate::site::bundle_folders;

/// Options that look into packages, and the places of these.
#[derive(Debug, clap::Args)]
pub(super) struct LookArgs {
    /// Look into the packages that change, from the bundle's volumes: maintainer scripts, setuid files, systemd units and timers
    #[arg(long)]
    contents: bool,
    /// Read the licences of Debian packages from the volumes, also of those that do not change
    #[arg(long)]
    licences: bool,
    /// Scan what is inside of the items that change, with a program and its arguments; clamscan without a COMMAND
    #[arg(long, value_name = "COMMAND", num_args = 0..=1, default_missing_value = "clamscan")]
    scan: Option<ScanCommand>,
    /// The most seconds that one run of the scanner takes
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, requires = "scan")]
    scan_seconds: u64,
    /// Another medium that has volumes of the bundle; can be given several times
    #[arg(long = "medium", value_name = "DIR")]
    media: Vec<PathBuf>,
}

/// The places that a report was told of.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReportPlaces<'a> {
    pub(super) bundle: &'a Path,
    pub(super) against: Option<&'a Path>,
    pub(super) site: Option<&'a Path>,
}

impl LookArgs {
    /// Looks into packages, if that was asked for.
    pub(super) fn look(
        &self,
        diff: &StateDiff<'_>,
        places: ReportPlaces<'_>,
        scratch: &Path,
        progress: &Progress,
    ) -> Result<PackageLooks, Failure> {
        let looks = self.looks();
        if looks.is_empty() {
            return Ok(PackageLooks::default());
        }
        let scan = self.scan_request()?;
        let older = places.against.map(source).transpose()?;
        let older_depot = match &older {
            Some(StateSource::Site(site)) => Some(depot(site)?),
            _ => None,
        };
        let own_depot = places.site.map(depot).transpose()?;
        let folders = self.folders(places.bundle, diff.after)?;
        let after = ContentPlace { state: diff.after, folders, depot: own_depot.as_ref().or(older_depot.as_ref()) };
        let before = older.map(|older| ContentPlace {
            state: diff.before,
            folders: older.folder().into_iter().collect(),
            depot: older_depot.as_ref().or(own_depot.as_ref()),
        });
        Ok(look_into(diff, &LookRequest { after, before, looks, scan, scratch }, progress)?)
    }

    /// Returns the request for a scan. Fails if the scanner is not installed.
    fn scan_request(&self) -> Result<Option<ScanRequest>, Failure> {
        let Some(command) = self.scan.clone() else { return Ok(None) };
        if !command.is_installed() {
            return Err(Failure::usage(format_args!(
                "there is no program {}: install it, or name another scanner; `apt-get install clamav` installs clamscan",
                command.program()
            )));
        }
        Ok(Some(ScanRequest { command, limit: Duration::from_secs(self.scan_seconds) }))
    }

    fn looks(&self) -> BTreeSet<PackageLook> {
        let asked = [
            (self.contents, PackageLook::Contents),
            (self.licences, PackageLook::Licences),
            (self.scan.is_some(), PackageLook::Scan),
        ];
        asked.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, look)| look).collect()
    }

    /// The bundle's folders: that of the command, and those on other media.
    fn folders(&self, bundle: &Path, state: &ReviewedState) -> Result<Vec<PathBuf>, Failure> {
        let (mut folders, name) = (Vec::new(), state.manifest.folder());
        if let StateSource::Bundle(folder) = source(bundle)? {
            folders.push(folder);
        }
        for medium in &self.media {
            let medium = find(medium, None)?;
            let there = bundle_folders(std::slice::from_ref(&medium));
            let is_it = |folder: &&PathBuf| folder.file_name().is_some_and(|own| own == name.as_str());
            let folder = there.iter().find(is_it).or(there.first().filter(|_| there.len() == 1));
            let none = || Failure::usage(format_args!("{} has no bundle {name}", medium.display()));
            folders.push(folder.cloned().ok_or_else(none)?);
        }
        Ok(folders)
    }
}

fn depot(site: &Path) -> Result<Depot, Failure> {
    Ok(open_site(site)?.depot_to_read())
}

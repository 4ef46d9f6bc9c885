//! Finds the states that a review is about: of bundles, media and sites.

use std::path::{Path, PathBuf};
use std::thread;

use super::bundle_folder::find;
use super::error::Failure;
use super::snap_roots::open_site;
use crate::error_class::Fault;
use crate::label::Label;
use crate::review::ReviewedState;
use crate::site::{Site, bundle_folders};

/// The place of a state.
#[derive(Debug)]
pub(super) enum StateSource {
    /// A bundle's folder.
    Bundle(PathBuf),
    /// A site's folder.
    Site(PathBuf),
}

impl StateSource {
    /// Returns the folder of a bundle.
    pub(super) fn folder(self) -> Option<PathBuf> {
        match self {
            Self::Bundle(folder) => Some(folder),
            Self::Site(_) => None,
        }
    }
}

/// Opens two states, the older one first. `name` is that of the bundles, if a site has several.
pub(super) fn open_both(places: [&Path; 2], name: Option<&Label>) -> Result<(ReviewedState, ReviewedState), Failure> {
    let [before, after] = places.map(source);
    match (before?, after?) {
        (StateSource::Bundle(before), StateSource::Bundle(after)) => {
            // Most of the time goes into checking the lists.
            thread::scope(|scope| {
                let before = scope.spawn(|| ReviewedState::of_bundle(&before));
                let after = ReviewedState::of_bundle(&after)?;
                let before = before.join().map_err(|_| Fault::failed("reading the older state failed"))??;
                Ok((before, after))
            })
        }
        (StateSource::Site(before), StateSource::Bundle(after)) => {
            let after = ReviewedState::of_bundle(&after)?;
            Ok((published(&before, name.unwrap_or(&after.manifest.name))?, after))
        }
        (StateSource::Bundle(before), StateSource::Site(after)) => {
            let before = ReviewedState::of_bundle(&before)?;
            let after = published(&after, name.unwrap_or(&before.manifest.name))?;
            Ok((before, after))
        }
        (StateSource::Site(before), StateSource::Site(after)) => {
            let name = name.map_or_else(|| only_name(&before), |name| Ok(name.clone()))?;
            Ok((published(&before, &name)?, published(&after, &name)?))
        }
    }
}

/// Opens a state and the bundle that is compared with it.
pub(super) fn open_after(before: &Path, bundle: &Path) -> Result<(ReviewedState, ReviewedState), Failure> {
    match source(bundle)? {
        StateSource::Bundle(bundle) => open_both([before, &bundle], None),
        StateSource::Site(site) => Err(Failure::usage(format_args!("{} is a site: name a bundle", site.display()))),
    }
}

/// Opens the state of a bundle.
pub(super) fn open_one(bundle: &Path) -> Result<ReviewedState, Failure> {
    match source(bundle)? {
        StateSource::Bundle(bundle) => Ok(ReviewedState::of_bundle(&bundle)?),
        StateSource::Site(site) => Err(Failure::usage(format_args!("{} is a site: name a bundle", site.display()))),
    }
}

/// Finds out what is at `given`.
pub(super) fn source(given: &Path) -> Result<StateSource, Failure> {
    if given.join("site.toml").is_file() {
        return Ok(StateSource::Site(given.to_owned()));
    }
    let given = find(given, None)?;
    let folders = bundle_folders(std::slice::from_ref(&given));
    match folders.as_slice() {
        // Whatever is wrong with it is found where it is opened.
        [] => Ok(StateSource::Bundle(given)),
        [folder] => Ok(StateSource::Bundle(folder.clone())),
        several => {
            let names = several.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
            Err(Failure::usage(format_args!("there are several bundles in {}: name one of {names}", given.display())))
        }
    }
}

/// Opens the state that a site publishes under a name.
fn published(site: &Path, name: &Label) -> Result<ReviewedState, Failure> {
    let site = open_site(site)?;
    match site.published_state(name)? {
        Some(state) => Ok(ReviewedState::of_site(state, &site.root().join("current"))?),
        None => {
            let (root, names) = (site.root().display(), names(&site)?);
            Err(Failure::usage(format_args!("the site {root} publishes no bundle named {name}; it has: {names}")))
        }
    }
}

/// Returns the only name of which a site publishes a bundle.
fn only_name(site: &Path) -> Result<Label, Failure> {
    let site = open_site(site)?;
    let current = site.current()?;
    let mut published = current.names.iter().filter(|(_, state)| state.manifest.is_some());
    match (published.next(), published.next()) {
        (Some((name, _)), None) => Ok(name.clone()),
        _ => {
            let (root, names) = (site.root().display(), names(&site)?);
            Err(Failure::usage(format_args!("say with --name which bundles of the site {root}; it has: {names}")))
        }
    }
}

/// Lists the names of which a site publishes a bundle, for a message.
fn names(site: &Site) -> Result<String, Failure> {
    let current = site.current()?;
    let published = current.names.iter().filter(|(_, state)| state.manifest.is_some());
    let names: Vec<&str> = published.map(|(name, _)| name.as_str()).collect();
    Ok(if names.is_empty() { "none".to_owned() } else { names.join(", ") })
}

//! Checks that a source's archives have what was asked for.

use super::archives::{SuiteRequest, WantedArchive};
use super::error::AptError;
use super::suite::SuiteData;
use crate::selection::AptSource;

/// Each component that was asked for is in at least one suite of its archive; each architecture, and source packages, in
/// at least one suite of the source: of several archives not each has all of them.
pub(super) fn everything_was_found(
    source: &AptSource,
    archives: &[WantedArchive],
    suites: &[SuiteData],
) -> Result<(), AptError> {
    every_component(archives, suites)?;
    let name = source.name.to_string();
    let mut wanted = archives.iter().flat_map(|archive| &archive.suites).flat_map(SuiteRequest::architectures);
    let is_served = |architecture: &String| {
        suites.iter().any(|suite| suite.has_packages_of(architecture) || serves_from_all(suite, architecture))
    };
    if let Some(architecture) = wanted.find(|architecture| !is_served(architecture)) {
        let of = |suite: &SuiteData| match suite.name.is_flat() {
            true => suite.flat_architectures.iter().cloned().collect(),
            false => suite.release.architectures.clone(),
        };
        let known = suites.iter().flat_map(of).collect();
        return Err(AptError::NoSuchArchitecture { name, architecture, known });
    }
    let languages = || suites.iter().flat_map(|suite| &suite.client_indexes.languages);
    let unknown = |language: &&String| !languages().any(|known| known == *language);
    if let Some(language) = source.languages.iter().flatten().find(unknown) {
        let known = languages().cloned().collect();
        return Err(AptError::NoSuchLanguage { name, language: language.clone(), known });
    }
    let has_sources = suites.iter().any(SuiteData::has_sources);
    if source.deb_src && !has_sources { Err(AptError::NoSources { name }) } else { Ok(()) }
}

/// Returns whether a suite without an index of the architecture serves it from that of `all`.
fn serves_from_all(suite: &SuiteData, architecture: &str) -> bool {
    let mut others = suite.release.architectures.iter().filter(|name| *name != "all" && *name != "source").peekable();
    suite.has_packages_of("all") && (others.peek().is_none() || others.any(|name| name == architecture))
}

fn every_component(archives: &[WantedArchive], suites: &[SuiteData]) -> Result<(), AptError> {
    for (at, archive) in archives.iter().enumerate() {
        let of_archive = || suites.iter().filter(|suite| suite.archive == at);
        for component in archive.suites.iter().flat_map(|wanted| &wanted.components).map(|c| &c.name) {
            if !of_archive().any(|suite| suite.has_index_of(component)) {
                return Err(AptError::NoSuchComponent {
                    component: component.clone(),
                    url: archive.origin(),
                    known: of_archive().flat_map(|suite| suite.release.components.clone()).collect(),
                    architectures: of_archive().flat_map(|suite| suite.release.architectures.clone()).collect(),
                });
            }
        }
    }
    Ok(())
}

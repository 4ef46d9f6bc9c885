//! Checks that a source's archives have what was asked for.

use std::collections::BTreeSet;

use super::archives::{SuiteRequest, WantedArchive};
use super::suite::SuiteData;
use super::words;
use crate::collect::omission::Omission;
use crate::collect::{CollectContext, CollectError};
use crate::error_class::Fault;
use crate::kind::Kind;
use crate::selection::AptSource;

/// Each component that was asked for is in at least one suite of its archive; each architecture, and source packages, in
/// at least one suite of the source: of several archives not each has all of them. What is lacking may be listed where apt does
/// not find it.
pub(super) fn everything_was_found(
    source: &AptSource,
    archives: &[WantedArchive],
    suites: &mut [SuiteData],
    with: &CollectContext<'_>,
) -> Result<(), CollectError> {
    check(source, archives, suites, with)
        .map_err(|error| suites.iter_mut().find_map(|suite| suite.respelled.pop()).unwrap_or(error).into())
}

fn check(
    source: &AptSource,
    archives: &[WantedArchive],
    suites: &[SuiteData],
    with: &CollectContext<'_>,
) -> Result<(), Fault> {
    every_component(source, archives, suites, with)?;
    let name = &source.name;
    let mut wanted = archives.iter().flat_map(|archive| &archive.suites).flat_map(SuiteRequest::architectures);
    let is_served = |architecture: &String| {
        suites.iter().any(|suite| suite.has_packages_of(architecture) || serves_from_all(suite, architecture))
    };
    if let Some(architecture) = wanted.find(|architecture| !is_served(architecture)) {
        let of = |suite: &SuiteData| match suite.name.is_flat() {
            true => suite.flat_architectures.iter().cloned().collect(),
            false => suite.release.architectures.clone(),
        };
        let known = words(suites.iter().flat_map(of).collect::<Vec<String>>());
        return Err(Fault::usage(format!(
            "no suite of {name} has packages for {architecture}; there are the architectures {known}"
        )));
    }
    let languages = || suites.iter().flat_map(|suite| &suite.client_indexes.languages);
    let unknown = |language: &&String| !languages().any(|known| known == *language);
    if let Some(language) = source.languages.iter().flatten().find(unknown) {
        let known = words(languages());
        return Err(Fault::usage(format!(
            "no suite of {name} has descriptions in the language {language}; there are the languages {known}"
        )));
    }
    let has_sources = suites.iter().any(SuiteData::has_sources);
    let lacks_sources = || Fault::usage(format!("no suite of {name} has source packages: leave deb-src out"));
    if source.deb_src && !has_sources { Err(lacks_sources()) } else { Ok(()) }
}

/// Returns whether a suite without an index of the architecture serves it from that of `all`.
fn serves_from_all(suite: &SuiteData, architecture: &str) -> bool {
    let mut others = suite.release.architectures.iter().filter(|name| *name != "all" && *name != "source").peekable();
    suite.has_packages_of("all") && (others.peek().is_none() || others.any(|name| name == architecture))
}

/// Fails if an archive lacks a component that the selection names. Of a source list apt takes the other components, with a
/// warning.
fn every_component(
    source: &AptSource,
    archives: &[WantedArchive],
    suites: &[SuiteData],
    with: &CollectContext<'_>,
) -> Result<(), Fault> {
    for (at, archive) in archives.iter().enumerate() {
        let of_archive = || suites.iter().filter(|suite| suite.archive == at);
        let wanted: BTreeSet<&String> =
            archive.suites.iter().flat_map(|wanted| &wanted.components).map(|component| &component.name).collect();
        let is_found = |component: &String| of_archive().any(|suite| suite.has_index_of(component));
        let is_listed_only = source.components.is_empty() && wanted.iter().any(|component| is_found(component));
        for component in wanted.into_iter().filter(|component| !is_found(component)) {
            let (url, known) = (archive.origin(), words(of_archive().flat_map(|suite| &suite.release.components)));
            let architectures = words(of_archive().flat_map(|suite| &suite.release.architectures));
            let error = Fault::usage(format!(
                "{url} has no component {component} for these architectures; it has the components {known}, and the \
                 architectures {architectures}"
            ));
            match is_listed_only {
                true => {
                    let (what, why) = (format!("the component {component}"), error.to_string());
                    with.tally.leave_out(Kind::Apt, &source.name, [Omission::new(what, why.clone()).noted(why)]);
                }
                false => return Err(error),
            }
        }
    }
    Ok(())
}

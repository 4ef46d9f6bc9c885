//! Warnings for clients of an older generation: collections, suites and addresses that a newer one lacks or answers otherwise.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::addresses::{answering, of_collection};
use super::serve_config::Serve;
use super::state::{Generation, Published};
use crate::address::{Address, RoutingTable};
use crate::collection_change::{ClientView, ClientWarning, CollectionChange, changes};
use crate::formats::apt::suite_name::folder_of_suite;
use crate::kind::Kind;
use crate::label::Label;
use crate::terminal::safe;

impl From<&Published> for ClientView {
    fn from(published: &Published) -> Self {
        Self {
            folder: published.folder(),
            kind: published.kind,
            origin: published.origin.clone(),
            suites: published.suites.clone(),
        }
    }
}

/// Returns the warnings for clients of the generation `before` when `after` takes its place. Each ends with `way_out`: what keeps what they
/// have, or brings it back.
pub fn client_warnings(config: &Serve, before: &Generation, after: &Generation, way_out: &str) -> Vec<ClientWarning> {
    let views = |of: &Generation| of.published.values().map(ClientView::from).collect::<Vec<_>>();
    let (old, new) = (views(before), views(after));
    let answers = CollectionAnswers { config, before, table: table(after, config) };
    let warning = |change: &CollectionChange<'_>| change.warning(format!("{}. {way_out}", message(change, &answers)));
    changes(&old, &new).iter().map(warning).collect()
}

fn table(generation: &Generation, config: &Serve) -> RoutingTable {
    RoutingTable::new(answering(generation, config))
}

/// The answers for the addresses of a collection that was published.
struct CollectionAnswers<'a> {
    config: &'a Serve,
    before: &'a Generation,
    table: RoutingTable,
}

impl CollectionAnswers<'_> {
    /// Says for each address that the collection answered for, and that it does not answer for now, who does.
    fn now(&self, folder: &str) -> String {
        let addresses = self.before.published.get(folder).map(|old| of_collection(folder, old, self.config));
        let mut by: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for address in addresses.unwrap_or_default() {
            let other = answering_for(&self.table, &address);
            if other.as_deref() != Some(folder) {
                by.entry(other.unwrap_or_else(|| "nothing".to_owned())).or_default().push(address.to_string());
            }
        }
        by.iter().map(|(other, addresses)| format!(", and {other} answers for {}", addresses.join(" and "))).collect()
    }
}

/// Returns the collection, as KIND/NAME, that is asked first for what stands at the address.
fn answering_for(table: &RoutingTable, address: &Address) -> Option<String> {
    let path = format!("{}/", address.path());
    let found = table.find(Some(address.host()), &path).next()?;
    let mut parts = found.splitn(3, '/');
    Some(format!("{}/{}", parts.next()?, parts.next()?))
}

fn message(change: &CollectionChange<'_>, answers: &CollectionAnswers<'_>) -> String {
    let ClientView { folder, origin, .. } = change.old();
    let (place, origin, elsewhere) = (change.old().place(), safe(origin.as_str()), answers.now(folder));
    let alias = match elsewhere.is_empty() {
        true => "",
        false => "; a `[[serve.alias]]` in site.toml lets it answer there too",
    };
    match change {
        CollectionChange::Gone { successor: None, .. } => {
            format!("{folder} (from {origin}) is no longer carried: its clients are answered 404 {place}{elsewhere}")
        }
        CollectionChange::Gone { successor: Some(new), .. } => format!(
            "{folder} (from {origin}) is called {} now: its clients are answered 404 {place}{elsewhere}",
            new.folder
        ),
        CollectionChange::Moved { new, .. } => format!(
            "{folder} comes from {} now, and came from {origin} before: its clients find {place} what is there now{elsewhere}{alias}",
            safe(new.origin.as_str())
        ),
        CollectionChange::SuiteGone { suite, .. } => format!(
            "{folder} (from {origin}) no longer has the suite {suite}: its clients are answered 404 at /{folder}/{}",
            folder_of_suite(suite)
        ),
    }
}

/// Collections, suites and addresses that were published once, and are not now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unanswered {
    /// Collections, as KIND/NAME.
    pub collections: Vec<String>,
    /// Suites of collections that are published, as KIND/NAME/dists/SUITE, or KIND/NAME/SUITE of flat ones.
    pub suites: Vec<String>,
    /// Addresses for which nothing answers.
    pub addresses: Vec<UnansweredAddress>,
}

/// An address that a collection answered for once, and for which nothing answers now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnansweredAddress {
    /// The address, without a scheme.
    pub address: Address,
    /// The sources that it belongs to.
    pub sources: BTreeSet<Label>,
}

impl Unanswered {
    /// Compares what the generation publishes with what the site remembers.
    pub(crate) fn of(generation: &Generation, config: &Serve) -> Self {
        let table = table(generation, config);
        let is_handed_on = |folder: &str| Kind::of_path(folder).is_some_and(|(kind, _)| kind.is_handed_on());
        let gone = generation.sources.keys().filter(|folder| !generation.published.contains_key(*folder));
        let left = generation.addresses.iter().filter(|(address, _)| answering_for(&table, address).is_none());
        Self {
            collections: gone.filter(|folder| !is_handed_on(folder)).cloned().collect(),
            suites: generation
                .published
                .iter()
                .flat_map(|(folder, now)| lost_suites(generation, folder, now))
                .collect(),
            addresses: left
                .map(|(address, sources)| UnansweredAddress { address: address.clone(), sources: sources.clone() })
                .collect(),
        }
    }
}

/// Returns the suites of a published collection that it had once, by the dates that the site remembers of them.
fn lost_suites(generation: &Generation, folder: &str, now: &Published) -> BTreeSet<String> {
    let prefix = format!("{folder}/");
    let dated = generation.upstream_dates.range(prefix.clone()..).map_while(|(file, _)| file.strip_prefix(&prefix));
    // Beside the folders of suites, the names that upstream signs are dated. No folder has a `|`.
    let suites = dated.filter(|name| !name.contains('|')).filter_map(|folder| now.kind.suite_in(folder));
    let lost = suites.filter(|suite| !now.suites.contains(&suite.to_string()));
    lost.map(|suite| if suite.is_flat() { format!("{prefix}{suite}") } else { format!("{prefix}{}", suite.folder()) })
        .collect()
}

//! The dates of upstream's signed files, which may not go back.

use std::collections::BTreeSet;

use super::PublishError;
use crate::address::Address;
use crate::collection::Collection;
use crate::site::serve_config::Alias;
use crate::time::Time;
use crate::trust::{Dates, check_date, note_date};

/// The dates of upstream's signed files: those that were seen, and those to remember.
pub(in crate::site) struct DateHistory<'a> {
    /// The newest dates that were seen before.
    pub(in crate::site) seen: &'a Dates,
    /// The same, for the next generation.
    pub(in crate::site) next: &'a mut Dates,
    /// The addresses that the collection answers for.
    pub(in crate::site) addresses: Vec<Address>,
    /// The aliases of all collections.
    pub(in crate::site) aliases: &'a [Alias],
    /// True if a date older than those seen is refused.
    pub(in crate::site) guarded: bool,
}

impl DateHistory<'_> {
    /// Checks the date of a signed file, which may not go back, and notes it: for the collection, and for each address that it answers
    /// for, so that an older state does not come back as another collection. `names` are the file's path and what upstream
    /// signs in it.
    pub(super) fn check(
        &mut self,
        collection: &Collection,
        names: &[&str],
        date: Option<Time>,
    ) -> Result<(), PublishError> {
        let Some(date) = date else { return Ok(()) };
        for name in names {
            let own = format!("{}/{name}", collection.folder());
            let at = |address: &Address| format!("{address} {name}");
            if self.guarded {
                check_date(self.seen, &own, date)?;
                for address in &self.addresses {
                    check_date(self.seen, &at(address), date)?;
                    // The alias may be newer than what was last published there.
                    let others =
                        self.aliases.iter().filter(|alias| Address::of_url(&alias.url).as_ref() == Some(address));
                    others
                        .map(|alias| format!("{}/{name}", alias.collection))
                        .try_for_each(|other| check_date(self.seen, &other, date))?;
                }
            }
            note_date(self.next, &own, date);
            self.addresses.iter().for_each(|address| note_date(self.next, &at(address), date));
        }
        Ok(())
    }

    /// Returns the names that signed files of the collection were remembered under, but for `other`: at the addresses that it answers for, if there
    /// are any.
    pub(super) fn known_files(&self, collection: &Collection, other: &str) -> BTreeSet<String> {
        let below = |prefix: String| {
            let known = self.seen.range(prefix.clone()..).map_while(move |(file, _)| file.strip_prefix(&prefix));
            known.filter(|name| *name != other).map(str::to_owned).collect::<BTreeSet<String>>()
        };
        let own = below(format!("{}/", collection.folder()));
        match self.addresses.is_empty() {
            true => own,
            false => self
                .addresses
                .iter()
                .flat_map(|address| below(format!("{address} ")))
                .filter(|id| own.contains(id))
                .collect(),
        }
    }
}

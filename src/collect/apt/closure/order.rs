//! In which order apt comes to know packages: by it apt decides between providers that are equal in everything else, and
//! in which order it treats several packages that were asked for.

use super::universe::{Architecture, PackageId, Universe};
use crate::formats::apt::deb822::Stanza;

/// The fields in the order in which apt reads them.
const FIELDS: [&str; 9] =
    ["Pre-Depends", "Depends", "Conflicts", "Breaks", "Recommends", "Suggests", "Replaces", "Enhances", "Provides"];

/// For each package, by its id, the number of its first mention, be it as a package or in a relation of another.
pub(super) fn first_mentions(universe: &Universe<'_>) -> Vec<u32> {
    let mut mentions = Mentions { universe, numbers: vec![u32::MAX; universe.package_ids().count()], next: 0 };
    for version in universe.versions() {
        mentions.note(version.package);
        let Some(available) = version.source else { continue };
        let own = universe.entry(version.package).architecture;
        for value in relation_fields(available.package.stanza).into_iter().flatten() {
            for name in value.split([',', '|']) {
                mentions.note_name(name, own);
            }
        }
    }
    mentions.numbers
}

struct Mentions<'u, 'a> {
    universe: &'u Universe<'a>,
    numbers: Vec<u32>,
    next: u32,
}

impl Mentions<'_, '_> {
    fn note(&mut self, id: PackageId) {
        if let Some(number @ &mut u32::MAX) = self.numbers.get_mut(id.0) {
            *number = self.next;
            self.next += 1;
        }
    }

    fn note_name(&mut self, relation: &str, own: Architecture) {
        let relation = relation.trim_ascii_start();
        let end = relation.find([' ', '(', '[', '\n', '\t']).unwrap_or(relation.len());
        let (name, qualifier) = match relation[..end].split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (&relation[..end], None),
        };
        let architecture = match qualifier {
            None => Some(own),
            Some(qualifier) => self.universe.architecture(qualifier),
        };
        let package =
            architecture.zip(self.universe.name(name)).and_then(|(at, name)| self.universe.package_of(name, at));
        if let Some(package) = package {
            self.note(package);
        }
    }
}

fn relation_fields(stanza: Stanza<'_>) -> [Option<&str>; 9] {
    let mut values = [None; 9];
    for field in stanza.fields() {
        if let Some((value, _)) = values.iter_mut().zip(FIELDS).find(|(_, name)| field.is(name)) {
            *value = std::str::from_utf8(field.value).ok();
        }
    }
    values
}

//! In which order apt comes to know packages: by it apt decides between providers that are equal in everything else.

use super::{Architecture, PackageId, Universe};
use crate::formats::apt::packages::ControlFields;

/// For each package, by its id, the number of its first mention, be it as a package or in a relation of another.
pub(in crate::collect::apt::closure) fn first_mentions(universe: &Universe<'_>) -> Vec<u32> {
    let mut mentions = Mentions { universe, numbers: vec![u32::MAX; universe.package_ids().count()], next: 0 };
    for version in universe.versions() {
        mentions.note(version.package);
        let own = universe.entry(version.package).architecture;
        for field in relation_fields(&version.control()) {
            for relation in relations(field) {
                mentions.note_name(relation, own);
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
        let (name, qualifier) = match relation.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (relation, None),
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

/// The fields in the order in which apt reads them.
fn relation_fields<'a>(control: &ControlFields<'a>) -> [&'a str; 9] {
    [
        control.pre_depends,
        control.depends,
        control.conflicts,
        control.breaks,
        control.recommends,
        control.suggests,
        control.replaces,
        control.enhances,
        control.provides,
    ]
}

/// The names in a relation field with what qualifies them, cut out without a look at the rest.
fn relations(field: &str) -> impl Iterator<Item = &str> {
    let mut rest = field;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let end = rest
            .bytes()
            .position(|byte| matches!(byte, b' ' | b'(' | b',' | b'|' | b'\n' | b'\t' | b'[' | b'<'))
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end)?;
        let next = memchr::memchr2(b',', b'|', after.as_bytes()).map(|place| place + 1);
        let at_end = rest.is_empty();
        rest = next.and_then(|next| after.get(next..)).unwrap_or_default();
        (!at_end).then_some(name)
    })
}

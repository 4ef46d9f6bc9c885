//! Quorums: how many of which persons must sign, in the manner of C2SP's tlog-policy.
//!
//! A quorum needs `need` of the names in `of`, which are persons and groups. A group is a quorum with a name. No name counts
//! twice in a quorum, so the groups below it form a tree, and one person is never two votes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::label::Label;

/// A number of names out of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// The number of names that must be satisfied.
    pub need: usize,
    /// Persons and groups.
    pub of: BTreeSet<Label>,
}

/// Groups by their names.
pub type Groups = BTreeMap<Label, Quorum>;

impl Quorum {
    /// Returns the quorum of one person.
    pub fn of_one(person: &Label) -> Self {
        Self { need: 1, of: BTreeSet::from([person.clone()]) }
    }

    /// Returns whether the persons for whom `has_signed` is true satisfy the quorum. The quorum has passed [`Self::persons`].
    pub(super) fn is_met(&self, groups: &Groups, has_signed: &dyn Fn(&Label) -> bool) -> bool {
        let is_satisfied = |name: &&Label| match groups.get(*name) {
            Some(group) => group.is_met(groups, has_signed),
            None => has_signed(name),
        };
        self.of.iter().filter(is_satisfied).count() >= self.need
    }

    /// Returns the persons below the quorum. Fails if a name is unknown or counts twice, or if a part needs more names than
    /// it has.
    pub(super) fn persons(
        &self,
        groups: &Groups,
        is_person: &dyn Fn(&Label) -> bool,
    ) -> Result<BTreeSet<Label>, String> {
        let (mut seen, mut persons) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![self];
        // Without recursion: a chain of groups may be as long as the file allows.
        while let Some(quorum) = open.pop() {
            if quorum.need == 0 || quorum.need > quorum.of.len() {
                return Err(format!("{quorum} can never be met"));
            }
            for name in &quorum.of {
                if !seen.insert(name) {
                    return Err(format!("{name} counts twice"));
                }
                match groups.get(name) {
                    Some(group) => open.push(group),
                    None if is_person(name) => drop(persons.insert(name.clone())),
                    None => return Err(format!("{name} is neither a person nor a group")),
                }
            }
        }
        Ok(persons)
    }

    /// Returns the depth of the groups below the quorum, which has passed [`Self::persons`].
    pub(super) fn depth(&self, groups: &Groups) -> usize {
        let (mut depth, mut level) = (0, vec![self]);
        while !level.is_empty() {
            depth += 1;
            level = level.iter().flat_map(|quorum| &quorum.of).filter_map(|name| groups.get(name)).collect();
        }
        depth
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.of.iter().map(Label::as_str).collect();
        write!(f, "{} of {}", self.need, names.join(", "))
    }
}

/// The text is no quorum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quorum of the form 2:anna,bert,carl")]
pub struct MalformedQuorum(String);

impl FromStr for Quorum {
    type Err = MalformedQuorum;

    fn from_str(text: &str) -> Result<Self, MalformedQuorum> {
        let malformed = || MalformedQuorum(text.chars().take(64).collect());
        let (need, names) = text.split_once(':').ok_or_else(malformed)?;
        let of = names.split(',').map(str::parse).collect::<Result<BTreeSet<Label>, _>>().map_err(|_| malformed())?;
        Ok(Self { need: need.parse().map_err(|_| malformed())?, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(texts: &[(&str, &str)]) -> Groups {
        texts.iter().map(|(name, quorum)| (name.parse().unwrap(), quorum.parse().unwrap())).collect()
    }

    #[test]
    fn groups_count_as_one_name_each() {
        let groups = groups(&[("security", "2:anna,bert,carl"), ("operations", "1:dora,emil")]);
        let quorum: Quorum = "2:operations,security".parse().unwrap();
        let persons = quorum.persons(&groups, &|_| true).unwrap();
        assert_eq!(persons.iter().map(Label::as_str).collect::<Vec<_>>(), ["anna", "bert", "carl", "dora", "emil"]);
        for (signed, met) in [
            ("anna bert dora", true),
            ("anna bert", false),
            ("anna dora emil", false),
            ("anna bert carl", false),
            ("bert carl emil dora", true),
            ("", false),
        ] {
            let has_signed = |name: &Label| signed.split(' ').any(|person| person == name.as_str());
            assert_eq!(quorum.is_met(&groups, &has_signed), met, "{signed}");
        }
    }

    #[test]
    fn rejects_circles_and_names_that_count_twice() {
        let groups = groups(&[("a", "1:b"), ("b", "1:a"), ("c", "1:anna,bert"), ("d", "1:anna"), ("e", "3:anna,bert")]);
        for text in ["1:a", "1:c,anna", "2:c,d", "1:e", "0:anna", "2:anna", "1:nobody"] {
            let quorum: Quorum = text.parse().unwrap();
            assert!(quorum.persons(&groups, &|name| name.as_str() != "nobody").is_err(), "{text}");
        }
        for text in ["", "1", "x:anna", "1:", "1:Anna", "-1:anna", "1:anna,"] {
            assert!(text.parse::<Quorum>().is_err(), "{text}");
        }
    }
}

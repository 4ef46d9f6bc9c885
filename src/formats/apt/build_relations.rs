//! Build dependencies of source packages (deb-src-control(5)), as `apt-get build-dep` reads it.

use std::collections::BTreeSet;

use super::deb822::Stanza;
use super::relation::{self, Group, Relation};
use crate::formats::Invalid;

/// The fields that name what must be there. `build-dep` takes all of them.
const DEPENDS: [&str; 3] = ["Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep"];
/// The fields that name what must not be there.
const CONFLICTS: [&str; 3] = ["Build-Conflicts", "Build-Conflicts-Arch", "Build-Conflicts-Indep"];

/// The machine that builds.
#[derive(Clone, Debug, Default)]
pub struct BuildMachine<'a> {
    /// Its architecture, such as `amd64`.
    pub architecture: &'a str,
    /// Its other architectures.
    pub foreign: Vec<&'a str>,
    /// The active build profiles, such as `nocheck`; stock apt has none.
    pub profiles: BTreeSet<&'a str>,
}

/// Relations of a package that could be installed in order to build a source package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildRelations {
    /// The value of its `Depends`.
    pub depends: String,
    /// The value of its `Conflicts`.
    pub conflicts: String,
}

impl BuildRelations {
    /// Reads the stanza of a source package, and leaves out what the machine does not need.
    pub fn read(stanza: Stanza<'_>, builder: &BuildMachine<'_>) -> Result<Self, Invalid> {
        Ok(Self { depends: field(stanza, &DEPENDS, builder)?, conflicts: field(stanza, &CONFLICTS, builder)? })
    }
}

fn field(stanza: Stanza<'_>, names: &[&str], builder: &BuildMachine<'_>) -> Result<String, Invalid> {
    let mut groups = Vec::new();
    for value in names.iter().filter_map(|name| stanza.field(name)) {
        groups.extend(relation::parse(value)?.iter().filter_map(|group| alternatives(group, builder)));
    }
    Ok(groups.join(", "))
}

/// The alternatives that count on the machine; `None` if none does.
fn alternatives(group: &Group<'_>, builder: &BuildMachine<'_>) -> Option<String> {
    let counts =
        |relation: &&Relation<'_>| relation.applies_to(builder.architecture) && relation.applies_in(&builder.profiles);
    let all: Vec<String> = group.iter().filter(counts).map(|relation| shown(relation, builder)).collect();
    (!all.is_empty()).then(|| all.join(" | "))
}

/// The relation without restrictions. As apt does, `:any` is left out unless there are several architectures; `:native` is the
/// machine's own.
fn shown(relation: &Relation<'_>, builder: &BuildMachine<'_>) -> String {
    let is_needless = |qualifier: &&str| *qualifier == "native" || builder.foreign.is_empty();
    let qualifier = relation.qualifier.filter(|qualifier| !is_needless(qualifier));
    Relation { qualifier, ..*relation }.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::deb822::Stanzas;
    use super::*;

    fn read(text: &str, builder: &BuildMachine<'_>) -> BuildRelations {
        BuildRelations::read(Stanzas::new(text.as_bytes()).next().unwrap(), builder).unwrap()
    }

    #[test]
    fn all_fields_count_with_their_restrictions() {
        let text = "Package: s\nBuild-Depends: debhelper-compat (= 13), python3:any, a [i386] | b, c [!amd64],\n d <!nocheck>, e <cross>\n\
                    Build-Depends-Arch: f [linux-any]\nBuild-Depends-Indep: g:native <!stage1 !nodoc>, h <stage1> <!cross>\n\
                    Build-Conflicts-Indep: i [any-amd64], j [kfreebsd-any]\n";
        let amd64 = BuildMachine { architecture: "amd64", ..BuildMachine::default() };
        let found = read(text, &amd64);
        assert_eq!(found.depends, "debhelper-compat (= 13), python3, b, d, f, g, h");
        assert_eq!(found.conflicts, "i");
        let several = BuildMachine { foreign: vec!["i386"], profiles: ["nocheck", "cross"].into(), ..amd64 };
        assert_eq!(read(text, &several).depends, "debhelper-compat (= 13), python3:any, b, e, f, g");
        let i386 = BuildMachine { architecture: "i386", ..BuildMachine::default() };
        assert!(read(text, &i386).depends.contains("a | b, c"));
    }

    #[test]
    fn a_source_without_relations_needs_nothing() {
        let found = read(
            "Package: s\nBuild-Depends: a [i386]\n",
            &BuildMachine { architecture: "amd64", ..BuildMachine::default() },
        );
        assert_eq!(found, BuildRelations::default());
    }

    proptest! {
        #[test]
        fn relations_that_are_left_parse_again(field in "([a-z]{1,3}(:any)?( \\(>= [0-9.]{1,3}\\))?( \\[!?amd64\\])?( <!?nocheck>)?[,|] ?){0,4}") {
            let source = format!("Package: s\nBuild-Depends: {field}\n");
            let builder = BuildMachine { architecture: "amd64", foreign: vec!["i386"], ..BuildMachine::default() };
            for stanza in Stanzas::new(source.as_bytes()) {
                if let Ok(found) = BuildRelations::read(stanza, &builder) {
                    prop_assert!(relation::parse(&found.depends).is_ok(), "{}", found.depends);
                }
            }
        }
    }
}

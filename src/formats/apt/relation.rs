//! Dependency fields (Debian Policy 7.1, deb-src-control(5)): groups of alternatives with version constraints,
//! architecture qualifiers and restrictions.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::version;
use crate::formats::{Invalid, shortened};

/// How a version must stand to the one in a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`: earlier.
    Less,
    /// `<=`, and the obsolete `<`: earlier or equal.
    LessOrEqual,
    /// `=`: equal.
    Equal,
    /// `>=`, and the obsolete `>`: later or equal.
    GreaterOrEqual,
    /// `>>`: later.
    Greater,
}

/// One alternative of a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Relation<'a> {
    /// Package name, real or virtual.
    pub name: &'a str,
    /// What stands after a colon: `any`, `native` or an architecture.
    pub qualifier: Option<&'a str>,
    /// The versions that will do.
    pub version: Option<(Operator, &'a str)>,
    /// The architectures in brackets, to which the relation is limited (in source packages).
    pub architectures: Option<&'a str>,
    /// The build profiles in angle brackets (in source packages), as they stand.
    pub profiles: Option<&'a str>,
}

/// Alternatives, of which one is enough, the preferred one first. Never empty.
pub type Group<'a> = Vec<Relation<'a>>;

impl Operator {
    /// Whether `version` stands so to `other`.
    pub fn holds(self, version: &str, other: &str) -> bool {
        let order = version::compare(version, other);
        match self {
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Equal => order == Ordering::Equal,
            Self::GreaterOrEqual => order != Ordering::Less,
            Self::Greater => order == Ordering::Greater,
        }
    }

    fn split(text: &str) -> Option<(Self, &str)> {
        // Longest first.
        let spelt = [
            ("<<", Self::Less),
            ("<=", Self::LessOrEqual),
            (">=", Self::GreaterOrEqual),
            (">>", Self::Greater),
            ("=", Self::Equal),
            ("<", Self::LessOrEqual),
            (">", Self::GreaterOrEqual),
        ];
        spelt.into_iter().find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?.trim())))
    }
}

impl Relation<'_> {
    /// Whether `version` is one that will do.
    pub fn admits(&self, version: &str) -> bool {
        self.version.is_none_or(|(operator, wanted)| operator.holds(version, wanted))
    }

    /// Returns whether the relation counts on `architecture`, by its list in brackets.
    pub fn applies_to(&self, architecture: &str) -> bool {
        let Some(list) = self.architectures else { return true };
        let mut names = list.split_whitespace();
        if list.trim_start().starts_with('!') {
            names.all(|name| name.strip_prefix('!').is_none_or(|pattern| !is_architecture(architecture, pattern)))
        } else {
            names.any(|pattern| is_architecture(architecture, pattern))
        }
    }

    /// Returns whether the relation counts if these build profiles are active. Of several lists in angle brackets one must hold,
    /// and all names in it.
    pub fn applies_in(&self, active: &BTreeSet<&str>) -> bool {
        let Some(lists) = self.profiles else { return true };
        let holds = |name: &str| match name.strip_prefix('!') {
            Some(name) => !active.contains(name),
            None => active.contains(name),
        };
        lists.split('<').skip(1).any(|list| list.trim_end().trim_end_matches('>').split_whitespace().all(holds))
    }
}

impl std::fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        if let Some(qualifier) = self.qualifier {
            write!(f, ":{qualifier}")?;
        }
        let Some((operator, version)) = self.version else { return Ok(()) };
        let sign = match operator {
            Operator::Less => "<<",
            Operator::LessOrEqual => "<=",
            Operator::Equal => "=",
            Operator::GreaterOrEqual => ">=",
            Operator::Greater => ">>",
        };
        write!(f, " ({sign} {version})")
    }
}

/// Returns whether the architecture is what `pattern` names: itself, or a wildcard such as `any`, `linux-any` and `any-arm`
/// (Debian Policy 11.1).
fn is_architecture(architecture: &str, pattern: &str) -> bool {
    if pattern == architecture || pattern == "any" {
        return true;
    }
    let parts = |name| match name {
        "armel" | "armhf" => ("linux", "arm"),
        name => name.rsplit_once('-').unwrap_or(("linux", name)),
    };
    let ((system, processor), (wanted_system, wanted_processor)) = (parts(architecture), parts(pattern));
    let fits = |own: &str, wanted: &str| wanted == "any" || wanted == "any-any" || wanted == own;
    pattern.split('-').any(|part| part == "any") && fits(system, wanted_system) && fits(processor, wanted_processor)
}

/// The groups of a dependency field. Empty groups, as stray commas make them, are passed over.
pub fn parse(field: &str) -> Result<Vec<Group<'_>>, Invalid> {
    field.split(',').map(str::trim).filter(|group| !group.is_empty()).map(parse_group).collect()
}

fn parse_group(group: &str) -> Result<Group<'_>, Invalid> {
    group.split('|').map(|alternative| parse_one(alternative.trim())).collect()
}

fn parse_one(text: &str) -> Result<Relation<'_>, Invalid> {
    let malformed = |reason| Invalid::new(format!("{} is not a relation between packages: {reason}", shortened(text)));
    let end = text.find(|c: char| c.is_whitespace() || "([<".contains(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (name, None),
    };
    if !is_name(name) || qualifier.is_some_and(|qualifier| !is_name(qualifier)) {
        return Err(malformed("it does not begin with the name of a package"));
    }
    let (inner, rest) = bracketed(rest, '(', ')').ok_or_else(|| malformed("a parenthesis is not closed"))?;
    let version = match inner {
        Some(inner) => {
            let version = Operator::split(inner).filter(|(_, version)| is_version(version));
            Some(version.ok_or_else(|| malformed("its parentheses hold no version constraint"))?)
        }
        None => None,
    };
    let (architectures, rest) = bracketed(rest, '[', ']').ok_or_else(|| malformed("a bracket is not closed"))?;
    let profiles = Some(rest.trim()).filter(|profiles| !profiles.is_empty());
    if profiles.is_some_and(|profiles| !(profiles.starts_with('<') && profiles.ends_with('>'))) {
        return Err(malformed("something stands after it"));
    }
    Ok(Relation { name, qualifier, version, architectures, profiles })
}

/// What stands between `open` and `close` at the start of `text`, if anything does, and the rest; nothing if it is not closed.
fn bracketed(text: &str, open: char, close: char) -> Option<(Option<&str>, &str)> {
    let text = text.trim_start();
    match text.strip_prefix(open) {
        Some(inside) => inside.split_once(close).map(|(inner, rest)| (Some(inner.trim()), rest)),
        None => Some((None, text)),
    }
}

/// Whether a text can be the name of a package (or of an architecture): Debian Policy 5.6.1, and the capitals and
/// underscores that some archives use.
pub fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(byte))
}

/// Whether a text has only the characters of a version (Debian Policy 5.6.12).
pub fn is_version(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_field_is_groups_of_alternatives() {
        let field = "libc6 (>= 2.36), default-mta | mail-transport-agent,\n python3:any (<< 3.12) , a(=1), b [!i386 !arm64] <!nocheck> <x>, c(<1),";
        let groups = parse(field).unwrap();
        let shown: Vec<_> =
            groups.iter().map(|group| group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")).collect();
        assert_eq!(
            shown,
            [
                "libc6 (>= 2.36)",
                "default-mta | mail-transport-agent",
                "python3:any (<< 3.12)",
                "a (= 1)",
                "b",
                "c (<= 1)"
            ]
        );
        assert_eq!(groups[4][0].architectures, Some("!i386 !arm64"));
        assert_eq!(groups[4][0].profiles, Some("<!nocheck> <x>"));
        assert!(groups[4][0].applies_to("amd64") && !groups[4][0].applies_to("arm64"));
    }

    #[test]
    fn wildcards_name_systems_and_processors() {
        for (architecture, pattern, expected) in [
            ("amd64", "any", true),
            ("amd64", "linux-any", true),
            ("amd64", "any-amd64", true),
            ("amd64", "any-any", true),
            ("amd64", "any-i386", false),
            ("amd64", "kfreebsd-any", false),
            ("kfreebsd-amd64", "any-amd64", true),
            ("armhf", "any-arm", true),
            ("arm64", "any-arm", false),
            ("amd64", "i386", false),
        ] {
            assert_eq!(is_architecture(architecture, pattern), expected, "{architecture} {pattern}");
        }
    }

    #[test]
    fn what_is_no_relation_is_refused() {
        for text in ["a |", "(>= 1)", "a (>= 1", "a (1)", "a (>= )", "a [b", "a b", "a (= 1) b", "a:", "ä", "a <b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn constraints_go_by_the_order_of_versions() {
        let admits =
            |constraint: &str, version: &str| parse(&format!("a ({constraint})")).unwrap()[0][0].admits(version);
        assert!(admits(">= 1.0~rc1", "1.0") && !admits(">= 1.0", "1.0~rc1"));
        assert!(admits("= 1", "0:1-0") && !admits("<< 1", "1") && admits("< 1", "1") && !admits(">> 1", "1"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}", close in "[a-c:|,()<>=\\[\\] .1]{0,40}") {
            let _ = parse(&text);
            let _ = parse(&close);
        }

        #[test]
        fn what_is_shown_is_read_again(text in "[a-c]{2}(:any)? \\((<<|<=|=|>=|>>) [0-9.~]{1,4}\\)") {
            prop_assert_eq!(parse(&text).unwrap()[0][0].to_string(), text);
        }
    }
}

//! `usr/share/doc/PACKAGE/copyright` in the machine-readable form (DEP-5, copyright-format 1.0), as far as licences go.

use std::collections::BTreeSet;

use super::deb822::Stanzas;

/// The largest file that is read, in bytes; the longest real ones have some 500 KiB.
pub const MAX_COPYRIGHT_BYTES: u64 = 1 << 20;
/// The longest expression of a paragraph, in bytes.
const MAX_EXPRESSION_BYTES: usize = 1000;
/// The most different expressions of a package.
const MAX_EXPRESSIONS: usize = 64;
/// The most words of an expression, as bills of materials have them.
const MAX_WORDS: usize = 128;
/// The end of the address that `Format` names.
const FORMAT: &str = "www.debian.org/doc/packaging-manuals/copyright-format/1.0";

/// Short names of copyright-format 1.0 that mean one licence of the SPDX list, and no other. `MIT` is not among them, since the format
/// calls it ambiguous; nor are `Artistic`, `Perl` and `public-domain`.
const LICENCES: [(&str, &str); 22] = [
    ("Apache-2.0", "Apache-2.0"),
    ("Artistic-2.0", "Artistic-2.0"),
    ("BSD-2-clause", "BSD-2-Clause"),
    ("BSD-3-clause", "BSD-3-Clause"),
    ("BSD-4-clause", "BSD-4-Clause"),
    ("BSL-1.0", "BSL-1.0"),
    ("CC-BY-3.0", "CC-BY-3.0"),
    ("CC-BY-4.0", "CC-BY-4.0"),
    ("CC-BY-SA-3.0", "CC-BY-SA-3.0"),
    ("CC-BY-SA-4.0", "CC-BY-SA-4.0"),
    ("CC0", "CC0-1.0"),
    ("CC0-1.0", "CC0-1.0"),
    ("CDDL-1.0", "CDDL-1.0"),
    ("EPL-2.0", "EPL-2.0"),
    ("EUPL-1.2", "EUPL-1.2"),
    ("Expat", "MIT"),
    ("ISC", "ISC"),
    ("MPL-1.1", "MPL-1.1"),
    ("MPL-2.0", "MPL-2.0"),
    ("OFL-1.1", "OFL-1.1"),
    ("Unlicense", "Unlicense"),
    ("Zlib", "Zlib"),
];

/// Licences of GNU, with their versions: `GPL-2` and `GPL-2+`, as the format and SPDX write them.
const GNU: [(&str, &str); 8] = [
    ("AGPL-3", "AGPL-3.0"),
    ("GPL-1", "GPL-1.0"),
    ("GPL-2", "GPL-2.0"),
    ("GPL-3", "GPL-3.0"),
    ("LGPL-2", "LGPL-2.0"),
    ("LGPL-2.1", "LGPL-2.1"),
    ("LGPL-3", "LGPL-3.0"),
    ("GFDL-NIV-1.3", "GFDL-1.3-no-invariants"),
];

/// Returns the licence of a package as an SPDX expression: that of the whole, if the file states one, or else of all of its parts.
/// Returns `None` unless each name in it means one licence for certain.
pub fn spdx_licence(copyright: &[u8]) -> Option<String> {
    let mut stanzas = Stanzas::new(copyright);
    let header = stanzas.next()?;
    let format = header.field("Format")?.trim_end_matches('/');
    format.strip_prefix("https://").or(format.strip_prefix("http://")).filter(|rest| *rest == FORMAT)?;
    if let Some(whole) = header.field("License") {
        return expression(whole);
    }
    let mut expressions = BTreeSet::new();
    for stanza in stanzas {
        if stanza.field("Files").is_some() {
            expressions.insert(expression(stanza.field("License")?)?);
            if expressions.len() > MAX_EXPRESSIONS {
                return None;
            }
        }
    }
    let whole = joined(&expressions.into_iter().collect::<Vec<_>>(), "AND")?;
    (whole.split(' ').count() <= MAX_WORDS).then_some(whole)
}

/// Returns the SPDX expression of the first line of a field `License`. A comma before `and` or `or` closes all before it.
fn expression(value: &str) -> Option<String> {
    let line = value.lines().next()?.trim();
    if line.is_empty() || line.len() > MAX_EXPRESSION_BYTES {
        return None;
    }
    let mut parts = line.split(',').map(str::trim);
    let mut whole = alternatives(parts.next()?)?;
    for part in parts {
        let (operator, rest) = part.split_once(' ')?;
        let operator = match operator.to_ascii_lowercase().as_str() {
            "and" => "AND",
            "or" => "OR",
            _ => return None,
        };
        whole = joined(&[whole, alternatives(rest)?], operator)?;
    }
    Some(whole)
}

/// Returns the expression of names with `and` and `or`, of which `and` binds tighter, as in SPDX.
fn alternatives(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is = |word: &str, operator: &str| word.eq_ignore_ascii_case(operator);
    let mut written = Vec::new();
    for (place, word) in words.iter().enumerate() {
        written.push(match place % 2 {
            0 => spdx_name(word)?,
            _ if is(word, "and") => "AND".to_owned(),
            _ if is(word, "or") => "OR".to_owned(),
            _ => return None,
        });
    }
    (words.len() % 2 == 1).then(|| written.join(" "))
}

/// Joins expressions, with parentheses around those that have operators.
fn joined(expressions: &[String], operator: &str) -> Option<String> {
    match expressions {
        [] => None,
        [only] => Some(only.clone()),
        several => {
            let group = |text: &String| if text.contains(' ') { format!("({text})") } else { text.clone() };
            Some(several.iter().map(group).collect::<Vec<_>>().join(&format!(" {operator} ")))
        }
    }
}

/// Returns the SPDX name of a licence.
fn spdx_name(word: &str) -> Option<String> {
    if let Some((_, name)) = LICENCES.iter().find(|(short, _)| *short == word) {
        return Some((*name).to_owned());
    }
    let (version, suffix) = match word.strip_suffix('+').or(word.strip_suffix("-or-later")) {
        Some(version) => (version, "or-later"),
        None => (word.strip_suffix("-only").unwrap_or(word), "only"),
    };
    // "Trailing zeroes are optional", says the format of versions.
    let short = version.strip_suffix(".0").unwrap_or(version);
    GNU.iter().find(|(known, _)| *known == short).map(|(_, name)| format!("{name}-{suffix}"))
}

/// All names of SPDX that come out.
#[cfg(test)]
pub(crate) fn spdx_names() -> impl Iterator<Item = String> {
    let gnu = GNU.iter().flat_map(|(_, name)| ["only", "or-later"].map(|suffix| format!("{name}-{suffix}")));
    LICENCES.iter().map(|(_, name)| (*name).to_owned()).chain(gnu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";

    fn licence_of_files(licences: &[&str]) -> Option<String> {
        let files =
            licences.iter().map(|licence| format!("\nFiles: *\nCopyright: 2026 A\nLicense: {licence}\n text\n"));
        spdx_licence(format!("{HEADER}{}", files.collect::<String>()).as_bytes())
    }

    #[test]
    fn certain_names_become_expressions() {
        for (licences, wanted) in [
            (&["GPL-2+"][..], "GPL-2.0-or-later"),
            (&["GPL-3.0"], "GPL-3.0-only"),
            (&["LGPL-2.1-or-later"], "LGPL-2.1-or-later"),
            (&["Expat"], "MIT"),
            (&["GPL-2+", "Expat", "Expat"], "GPL-2.0-or-later AND MIT"),
            (&["GPL-2+ or Expat"], "GPL-2.0-or-later OR MIT"),
            (&["GPL-2 or Expat and Zlib"], "GPL-2.0-only OR MIT AND Zlib"),
            (&["GPL-2 or Expat, and Zlib"], "(GPL-2.0-only OR MIT) AND Zlib"),
            (&["GPL-2 or Expat", "ISC"], "(GPL-2.0-only OR MIT) AND ISC"),
        ] {
            assert_eq!(licence_of_files(licences).as_deref(), Some(wanted), "{licences:?}");
        }
    }

    #[test]
    fn uncertain_names_make_the_whole_unknown() {
        for licences in [
            &["MIT"][..],
            &["Artistic or GPL-1+"],
            &["public-domain"],
            &["GPL-2+ with OpenSSL exception"],
            &["GPL"],
            &["GPL-2+", "other"],
            &["Expat Zlib"],
            &["Expat and"],
            &["Expat, Zlib"],
            &["Expat, and"],
            &[""],
            &[],
        ] {
            assert_eq!(licence_of_files(licences), None, "{licences:?}");
        }
        assert_eq!(spdx_licence(b"Files: *\nLicense: Expat\n"), None, "no Format");
        assert_eq!(spdx_licence(b"Format: https://example.org/1.0\n\nFiles: *\nLicense: Expat\n"), None);
        assert_eq!(spdx_licence(format!("{HEADER}\nFiles: *\nCopyright: a\n").as_bytes()), None, "no License");
    }

    #[test]
    fn a_licence_of_the_whole_goes_before_those_of_files() {
        let text = format!("{HEADER}License: Apache-2.0\n\nFiles: *\nLicense: strange\n");
        assert_eq!(spdx_licence(text.as_bytes()).as_deref(), Some("Apache-2.0"));
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in "(License|Files|Format): (\\PC|[\\n, +]){0,200}", rest in "(\\PC|\\n){0,200}") {
            let _ = spdx_licence(text.as_bytes());
            let _ = spdx_licence(format!("{HEADER}\nFiles: *\n{text}\n{rest}").as_bytes());
        }

        #[test]
        fn expressions_have_known_words_alone(names in proptest::collection::vec("Expat|GPL-[123]\\+?|Zlib|and|or|,|\\(", 1..12)) {
            if let Some(licence) = licence_of_files(&[&names.join(" ")]) {
                let is_known = |word: &str| {
                    let word = word.trim_matches(['(', ')']);
                    ["AND", "OR", "MIT", "Zlib"].contains(&word) || word.starts_with("GPL-")
                };
                prop_assert!(licence.split(' ').all(is_known), "{licence}");
            }
        }
    }
}

//! Licences as upstreams write them, and as SPDX wants them.

/// Licences of the SPDX list that packages name most. Others are given in upstream's words.
const KNOWN: [&str; 47] = [
    "0BSD",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSL-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "EPL-2.0",
    "EUPL-1.2",
    "FTL",
    "GFDL-1.3-no-invariants-only",
    "GFDL-1.3-no-invariants-or-later",
    "GFDL-1.3-only",
    "GFDL-1.3-or-later",
    "GPL-1.0-only",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "ISC",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MPL-1.1",
    "MPL-2.0",
    "NCSA",
    "OFL-1.1",
    "OpenSSL",
    "PSF-2.0",
    "PostgreSQL",
    "Unicode-3.0",
    "Unlicense",
    "Vim",
    "Zlib",
];
/// The most words of an expression.
const MAX_WORDS: usize = 256;

/// Returns `true` if `text` is an expression of SPDX: known licences with `AND`, `OR` and parentheses.
pub(super) fn is_expression(text: &str) -> bool {
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split(' ').filter(|word| !word.is_empty()).take(MAX_WORDS + 1).collect();
    let (mut depth, mut wants_licence) = (0_usize, true);
    for word in &words {
        match (*word, wants_licence) {
            ("(", true) => depth += 1,
            (")", false) if depth > 0 => depth -= 1,
            ("AND" | "OR", false) => wants_licence = true,
            (word, true) if KNOWN.contains(&word) => wants_licence = false,
            _ => return false,
        }
    }
    depth == 0 && !wants_licence && words.len() <= MAX_WORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_all_licences_that_packages_state_inside() {
        for name in crate::formats::apt::copyright::spdx_names() {
            assert!(is_expression(&name), "{name}");
        }
    }

    #[test]
    fn takes_expressions_of_known_licences_alone() {
        for text in ["MIT", "MIT AND Zlib", "(MIT OR Apache-2.0) AND (Zlib)", "((MIT))"] {
            assert!(is_expression(text), "{text}");
        }
        for text in [
            "",
            "GPLv2+",
            "MIT and Zlib",
            "MIT AND",
            "AND MIT",
            "(MIT",
            "MIT)",
            "MIT MIT",
            "()",
            ")(",
            "mit",
            "MIT\nAND Zlib",
        ] {
            assert!(!is_expression(text), "{text}");
        }
        assert!(!is_expression(&format!("MIT{}", " AND MIT".repeat(200))));
    }
}

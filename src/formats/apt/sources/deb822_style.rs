//! The deb822 form: stanzas with Types, URIs, Suites, Components and options.

use super::super::deb822::{Stanza, Stanzas};
use crate::formats::Invalid;
use std::borrow::Cow;

use super::{SignedBy, SourceDraft, named_keys, truth};

pub(super) fn drafts(text: &str) -> Result<Vec<SourceDraft<'static>>, Invalid> {
    let (plain, numbers) = without_comments(text);
    let mut drafts = Vec::new();
    for stanza in Stanzas::new(plain.as_bytes()) {
        let before = stanza.bytes().as_ptr() as usize - plain.as_ptr() as usize;
        let index = plain.as_bytes().iter().take(before).filter(|byte| **byte == b'\n').count();
        let line = numbers.get(index).copied().unwrap_or(1);
        // As for apt: what is turned off is not looked at.
        if stanza.field("Enabled").and_then(truth) != Some(false) {
            drafts.push(draft(stanza, line)?);
        }
    }
    Ok(drafts)
}

/// The text without its comment lines, and for each line that is left its number in the file.
fn without_comments(text: &str) -> (String, Vec<usize>) {
    let (mut plain, mut numbers) = (String::with_capacity(text.len()), Vec::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        plain.push_str(line);
        plain.push('\n');
        numbers.push(index + 1);
    }
    (plain, numbers)
}

fn draft(stanza: Stanza<'_>, line: usize) -> Result<SourceDraft<'static>, Invalid> {
    let words = |name| stanza.field(name).unwrap_or_default().split_whitespace();
    let owned = |name| -> Vec<Cow<'static, str>> { words(name).map(|word| Cow::Owned(word.to_owned())).collect() };
    let mut draft = SourceDraft {
        line,
        uris: owned("URIs"),
        suites: owned("Suites"),
        components: owned("Components"),
        ..SourceDraft::default()
    };
    for kind in words("Types") {
        match kind {
            "deb" => draft.binary = true,
            "deb-src" => draft.source = true,
            _ => return Err(draft.malformed("Types holds something other than deb and deb-src")),
        }
    }
    if !draft.binary && !draft.source {
        return Err(draft.malformed("Types is missing"));
    }
    for field in stanza.fields() {
        if let (Ok(name), Ok(value)) = (std::str::from_utf8(field.name), std::str::from_utf8(field.value)) {
            draft.set_option(&name.to_ascii_lowercase(), value);
        }
    }
    draft.signed_by =
        stanza.field("Signed-By").filter(|keys| !keys.is_empty()).map(|keys| signed_by(keys, line)).transpose()?;
    Ok(draft)
}

fn signed_by(value: &str, line: usize) -> Result<SignedBy, Invalid> {
    if !value.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
        return named_keys(value.split(|c: char| c == ',' || c.is_whitespace()), line);
    }
    // Continuation lines begin with a space, and an empty line is written as a dot.
    let lines = value.lines().map(str::trim).map(|text| if text == "." { "" } else { text });
    Ok(SignedBy::Inline(lines.collect::<Vec<_>>().join("\n") + "\n"))
}

#[cfg(test)]
mod tests {
    use super::super::{ListScope, SourceEntry, parse as parse_file};
    use super::*;

    fn parse(text: &str) -> Result<Vec<SourceEntry>, Invalid> {
        parse_file("x.sources", text, ListScope::default())
    }

    const TEXT: &str = include_str!("../../../../fixtures/apt/commented.sources");

    #[test]
    fn stanzas_are_entries() {
        let entries = parse(TEXT).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [2, 2, 14]);
        let first = &entries[0];
        assert!(first.binary && first.source && first.check_valid_until == Some(false));
        assert_eq!((first.url.as_str(), entries[1].url.as_str()), ("http://a.invalid/x", "http://b.invalid/x"));
        assert_eq!(
            (first.suites.len(), first.components.len(), &first.architectures.instead[..]),
            (2, 2, &["amd64".to_owned()][..])
        );
        let fingerprints = vec!["0123456789012345678901234567890123456789!".to_owned()];
        assert_eq!(first.signed_by, Some(SignedBy::Named { files: vec!["/k.gpg".into()], fingerprints }));
        let key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(entries[2].signed_by, Some(SignedBy::Inline(key.to_owned())));
    }

    #[test]
    fn ignores_stanzas_that_are_turned_off() {
        let off = "Types: deb\nURIs: cdrom:[x]/\nSuites: ./ $(ARCH)\nEnabled: no\n\n";
        assert_eq!(parse(&format!("{off}{TEXT}")).unwrap().len(), 3);
    }

    #[test]
    fn what_is_no_entry_is_refused_with_its_line() {
        let text = "\nTypes: deb\nURIs: http://a.invalid\nSuites: s\nComponents: main\n";
        let refused = |from: &str, to: &str| parse(&text.replace(from, to)).unwrap_err();
        assert!(refused("Types: deb", "Types: rpm").to_string().contains("line 2: "));
        assert!(refused("Types: deb\n", "").to_string().contains("line 2: "));
        assert!(refused("Components: main\n", "").to_string().contains("line 2: "));
        assert!(refused("http://a", "a").to_string().contains("is no URI"));
        assert!(refused("Suites: s", "Suites: s ./").to_string().contains("line 2: "));
    }
}

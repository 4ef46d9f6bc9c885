//! The one-line form: `deb [arch=amd64 signed-by=/key.gpg] URI SUITE COMPONENT…`.

use std::borrow::Cow;

use super::{SourceDraft, named_keys};
use crate::formats::Invalid;

pub(super) fn drafts(text: &str) -> Result<Vec<SourceDraft<'_>>, Invalid> {
    let mut drafts = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_text = without_comment(line).trim();
        if !line_text.is_empty() {
            drafts.push(parse_line(line_text, index + 1)?);
        }
    }
    Ok(drafts)
}

/// The line up to a `#` that does not stand in brackets.
fn without_comment(line: &str) -> &str {
    let mut rest = line;
    while let Some(at) = rest.find(['#', '[']) {
        let (before, after) = (line.len() - rest.len() + at, rest.get(at..).unwrap_or_default());
        match after.find(']').filter(|_| after.starts_with('[')) {
            Some(close) => rest = after.get(close..).unwrap_or_default(),
            None if after.starts_with('#') => return line.get(..before).unwrap_or(line),
            None => return line,
        }
    }
    line
}

fn parse_line(text: &str, line: usize) -> Result<SourceDraft<'_>, Invalid> {
    let mut draft = SourceDraft { line, ..SourceDraft::default() };
    let (kind, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match kind {
        "deb" => draft.binary = true,
        "deb-src" => draft.source = true,
        _ => return Err(draft.malformed("an entry begins with deb or deb-src")),
    }
    let mut rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('[') {
        let (options, after) = inside.split_once(']').ok_or_else(|| draft.malformed("a bracket is not closed"))?;
        for option in options.split_whitespace() {
            set_option(&mut draft, option)?;
        }
        rest = after;
    }
    let mut words = Vec::new();
    while let Some((word, after)) = quoted_word(rest).map_err(|reason| draft.malformed(reason))? {
        words.push(word);
        rest = after;
    }
    let mut words = words.into_iter();
    draft.uris.extend(words.next());
    draft.suites.extend(words.next());
    draft.components.extend(words);
    Ok(draft)
}

/// The first word without its quotes, and what follows it. White space within quotes or brackets is a part of a word, as it
/// is for apt (`ParseQuoteWord`).
fn quoted_word(text: &str) -> Result<Option<(Cow<'_, str>, &str)>, &'static str> {
    let text = text.trim_start();
    let mut close = None;
    let mut end = text.len();
    for (at, character) in text.char_indices() {
        match (close, character) {
            (Some(wanted), _) if character == wanted => close = None,
            (None, '"') => close = Some('"'),
            (None, '[') => close = Some(']'),
            (None, _) if character.is_whitespace() => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    if close.is_some() {
        return Err("a quote or a bracket is not closed");
    }
    let (word, rest) = text.split_at(end);
    let plain = if word.contains('"') { Cow::Owned(word.replace('"', "")) } else { Cow::Borrowed(word) };
    Ok((!word.is_empty()).then_some((plain, rest)))
}

fn set_option(draft: &mut SourceDraft<'_>, option: &str) -> Result<(), Invalid> {
    let (name, value) = option.split_once('=').ok_or_else(|| draft.malformed("an option is not name=value"))?;
    if name == "signed-by" {
        draft.signed_by = Some(named_keys(value.split(','), draft.line)?);
        return Ok(());
    }
    let (plain, suffix) = match (name.strip_suffix('+'), name.strip_suffix('-')) {
        (Some(plain), _) => (plain, "-add"),
        (None, Some(plain)) => (plain, "-remove"),
        (None, None) => (name, ""),
    };
    let long = match plain {
        "arch" => "architectures",
        "lang" => "languages",
        "target" => "targets",
        "architectures" | "languages" | "targets" => return Ok(()), // names of the other form
        other => other,
    };
    draft.set_option(&format!("{long}{suffix}"), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{ListScope, SignedBy, SourceEntry, parse as parse_file};
    use super::*;

    fn parse(text: &str) -> Result<Vec<SourceEntry>, Invalid> {
        parse_file("x.list", text, ListScope::default())
    }

    #[test]
    fn lines_are_entries() {
        let text = "# a comment\n\ndeb [arch=amd64,i386 signed-by=/k.gpg check-valid-until=no lang=en] http://a.invalid/x s main contrib # why\n\tdeb-src http://a.invalid/x s/updates main\n";
        let entries = parse(text).unwrap();
        assert_eq!(entries.len(), 2);
        let first = &entries[0];
        assert_eq!(
            (first.line, first.binary, first.source, first.url.as_str()),
            (3, true, false, "http://a.invalid/x")
        );
        assert_eq!(
            (&first.suites[..], &first.components[..]),
            (&["s".parse().unwrap()][..], &["main".into(), "contrib".into()][..])
        );
        assert_eq!(first.architectures.instead, ["amd64", "i386"]);
        assert_eq!(first.signed_by, Some(SignedBy::Named { files: vec!["/k.gpg".into()], fingerprints: vec![] }));
        assert_eq!((first.check_valid_until, first.insecure_option), (Some(false), None));
        assert!(entries[1].source && !entries[1].binary && entries[1].line == 4);
    }

    #[test]
    fn quotes_and_brackets_hold_words_together() {
        let entries = parse("deb \"http://a.invalid/x\" \"s\" main \"con\"trib # \"\n").unwrap();
        assert_eq!(
            (entries[0].url.as_str(), &entries[0].suites[..]),
            ("http://a.invalid/x", &["s".parse().unwrap()][..])
        );
        assert_eq!(entries[0].components, ["main", "contrib"]);
        let cdrom = "deb cdrom:[Debian GNU/Linux 12 # DVD]/ bookworm main\n";
        assert!(parse(cdrom).unwrap_err().to_string().contains("is not supported"));
        assert!(parse("deb \"http://a.invalid s main\n").unwrap_err().to_string().contains("line 1: "));
    }

    #[test]
    fn what_is_no_entry_is_refused_with_its_line() {
        let refused = |text: &str| parse(&format!("\n{text}\n")).unwrap_err();
        for text in [
            "rpm http://a.invalid s main",
            "deb",
            "deb http://a.invalid s",
            "deb http://a.invalid ./ main",
            "deb [arch=amd64 http://a.invalid s main",
        ] {
            assert!(refused(text).to_string().contains("line 2: "), "{text}");
        }
        assert!(refused("deb [signed-by=key] http://a.invalid s main").to_string().contains("line "));
        assert!(refused("deb a.invalid s main").to_string().contains("is no URI"));
        for text in ["deb cdrom:[Debian 12]/ s main", "deb http://a.invalid $(ARCHS) main"] {
            assert!(refused(text).to_string().contains("is not supported"), "{text}");
        }
    }
}

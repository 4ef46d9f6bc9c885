//! The one-line form: `deb [arch=amd64 signed-by=/key.gpg] URI SUITE COMPONENT…`.

use super::{Draft, SourceEntry, SourcesError, named_keys, truth};

pub(super) fn parse(text: &str) -> Result<Vec<SourceEntry>, SourcesError> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_text = line.split('#').next().unwrap_or_default().trim();
        if !line_text.is_empty() {
            entries.extend(parse_line(line_text, index + 1)?.finish()?);
        }
    }
    Ok(entries)
}

fn parse_line(text: &str, line: usize) -> Result<Draft<'_>, SourcesError> {
    let mut draft = Draft { line, enabled: true, ..Draft::default() };
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
    let mut words = rest.split_whitespace();
    draft.uris.extend(words.next());
    if draft.uris.iter().any(|uri| uri.starts_with("cdrom:")) {
        return Err(SourcesError::Unsupported { line, what: "cdrom:".to_owned() });
    }
    draft.suites.extend(words.next());
    draft.components.extend(words);
    Ok(draft)
}

fn set_option<'a>(draft: &mut Draft<'a>, option: &'a str) -> Result<(), SourcesError> {
    let (name, value) = option.split_once('=').ok_or_else(|| draft.malformed("an option is not name=value"))?;
    match name {
        "arch" => draft.architectures.extend(value.split(',').filter(|word| !word.is_empty())),
        "arch+" | "arch-" => {
            return Err(SourcesError::Unsupported { line: draft.line, what: option.to_owned() });
        }
        "signed-by" => draft.signed_by = Some(named_keys(value.split(','), draft.line)?),
        "check-valid-until" => draft.check_valid_until = truth(value),
        "trusted" => draft.trusted = truth(value),
        // Languages, targets, pdiffs and the like do not decide what is carried.
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::SignedBy;
    use super::*;

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
            (&["s".to_owned()][..], &["main".into(), "contrib".into()][..])
        );
        assert_eq!(first.architectures, ["amd64", "i386"]);
        assert_eq!(first.signed_by, Some(SignedBy::Named { files: vec!["/k.gpg".into()], fingerprints: vec![] }));
        assert_eq!((first.check_valid_until, first.trusted, first.enabled), (Some(false), None, true));
        assert!(entries[1].source && !entries[1].binary && entries[1].line == 4);
    }

    #[test]
    fn what_is_no_entry_is_refused_with_its_line() {
        let refused = |text: &str| parse(&format!("\n{text}\n")).unwrap_err();
        assert_eq!(refused("deb http://a.invalid ./"), SourcesError::Flat { line: 2, suite: "./".into() });
        for text in
            ["rpm http://a.invalid s main", "deb", "deb http://a.invalid s", "deb [arch=amd64 http://a.invalid s main"]
        {
            assert!(matches!(refused(text), SourcesError::Malformed { line: 2, .. }), "{text}");
        }
        assert!(matches!(refused("deb [signed-by=key] http://a.invalid s main"), SourcesError::Malformed { .. }));
        assert!(matches!(refused("deb a.invalid s main"), SourcesError::Uri { line: 2, .. }));
        for text in [
            "deb cdrom:[Debian 12]/ s main",
            "deb http://a.invalid $(ARCH) main",
            "deb [arch+=i386] http://a.invalid s main",
        ] {
            assert!(matches!(refused(text), SourcesError::Unsupported { line: 2, .. }), "{text}");
        }
    }
}

//! Text from outside as a word, a string or a comment of another language, of which it can never get out.

use std::path::Path;

use crate::error_class::Fault;
use crate::terminal::safe;

/// Lines of a comment that begin with `mark`, wherever `text` has line breaks of its own.
pub fn comment(mark: &str, text: &str) -> String {
    text.lines().map(|line| format!("{mark} {}", safe(line)).trim_end().to_owned() + "\n").collect()
}

/// A string of YAML in double quotes (YAML 1.2, section 7.3.1).
pub fn yaml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ => quoted += &format!("\\U{:08x}", u32::from(c)),
        }
    }
    quoted + "\""
}

/// A string of YAML of several lines, `indent` spaces deep: as a block where it is plain, or else in double quotes.
pub fn yaml_block(text: &str, indent: usize) -> String {
    let plain = |c: char| matches!(c, ' '..='~' | '\n');
    if !text.ends_with('\n') || text.ends_with("\n\n") || text.starts_with([' ', '\n']) || !text.chars().all(plain) {
        return yaml(text);
    }
    let line = |line: &str| match line {
        "" => "\n".to_owned(),
        line => format!("\n{:indent$}{line}", ""),
    };
    format!("|{}", text.lines().map(line).collect::<String>())
}

/// A path for the configuration of nginx and Apache, to stand in double quotes there. Neither can escape all characters, and
/// both replace what `$` begins.
pub fn server_path(path: &Path) -> Result<String, Fault> {
    let plain = |c: char| c.is_alphanumeric() || " ._-+@=,:~/".contains(c);
    let text = path.to_str().filter(|text| text.starts_with('/') && text.chars().all(plain));
    text.map(str::to_owned).ok_or_else(|| {
        Fault::usage(format!(
            "the site is in {path:?}, which cannot stand in the configuration of a web server: letters, digits, spaces and \
             ._-+@=,:~/ can"
        ))
    })
}

/// A regular expression that matches `text` alone; of the characters of a publish path, these have a meaning.
pub fn regex(text: &str) -> String {
    text.chars().flat_map(|c| [if ".+^".contains(c) { "\\" } else { "" }.to_owned(), c.to_string()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 6] = ["'; id; '", "$(id)", "a\nb: c", "\"}\n", "`id`", "\\\u{202e}\u{85}"];

    #[test]
    fn comments_stay_comments() {
        for text in HOSTILE {
            assert!(comment("#", text).lines().all(|line| line.starts_with('#')), "{text:?}");
        }
        assert_eq!(comment(";", "a\n\nb\rc"), "; a\n;\n; b\\u{d}c\n");
    }

    #[test]
    fn yaml_strings_are_plain_and_escaped() {
        assert_eq!(yaml("a\"\\\n\u{85}é"), "\"a\\\"\\\\\\U0000000a\\U00000085\\U000000e9\"");
        assert_eq!(yaml_block("a\n\n b: \"c\"\n", 2), "|\n  a\n\n   b: \"c\"");
        for odd in ["a", " a\n", "a\n\n", "a\tb\n", "a\u{2028}\n", "\n", ""] {
            assert!(yaml_block(odd, 2).starts_with('"'), "{odd:?}");
        }
    }

    #[test]
    fn paths_with_a_meaning_are_refused() {
        assert_eq!(server_path(Path::new("/srv/gap ferry/ü")).unwrap(), "/srv/gap ferry/ü");
        for bad in ["srv", "/a\"b", "/a'b", "/a$b", "/a\\b", "/a;b", "/a{b}", "/a\nb", "/a%{x}", "/a#b", "/a*", "/[a]"]
        {
            assert!(server_path(Path::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn dots_are_dots() {
        assert_eq!(regex("/a.b/c++/d-e~"), "/a\\.b/c\\+\\+/d-e~");
    }
}

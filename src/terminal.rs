//! Text from outside, made safe for a terminal, a log line or a page of plain text.

use std::fmt;

/// Shows `text` with every control, bidirectional and zero-width character escaped as `\u{…}`.
///
/// Which characters: Unicode categories Cc, the bidi controls U+202A–202E and U+2066–2069 (CVE-2021-42574), and the
/// zero-width and separator characters that hide text.
pub fn safe(text: &str) -> Safe<'_> {
    Safe(text)
}

/// See [`safe`].
pub struct Safe<'a>(&'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0
            .chars()
            .try_for_each(|c| if is_hidden(c) { write!(f, "{}", c.escape_unicode()) } else { f.write_char(c) })
    }
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// `text` with what stands between `://` and the last `@` as `***`: user name and password of an address, however malformed
/// the address is.
pub fn without_password(text: &str) -> String {
    let hidden = |(scheme, rest): (&str, &str)| Some(format!("{scheme}://***@{}", rest.rsplit_once('@')?.1));
    text.split_once("://").and_then(hidden).unwrap_or_else(|| text.to_owned())
}

/// Returns the longest beginning of the text that has at most so many bytes.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        assert_eq!(safe("a\x1b[2Jb\n").to_string(), "a\\u{1b}[2Jb\\u{a}");
        assert_eq!(safe("x\u{202e}y\u{9b}z").to_string(), "x\\u{202e}y\\u{9b}z");
        assert_eq!(safe("größe ✓").to_string(), "größe ✓");
    }

    #[test]
    fn passwords_are_hidden_in_malformed_addresses_too() {
        assert_eq!(without_password("bad: \"http://me:p@ss@[x/\""), "bad: \"http://***@[x/\"");
        assert_eq!(without_password("http://x.invalid/a"), "http://x.invalid/a");
        assert_eq!(without_password("a@b"), "a@b");
    }
}

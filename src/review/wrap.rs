//! Paragraphs of at most 80 columns.

use std::io::{self, Write};

use crate::terminal::safe;

/// The columns of a terminal.
const WIDTH: usize = 80;

/// Writes a paragraph, escaped, behind `start`; later lines are indented by two columns more than `start`. Words that are too long are cut.
pub(super) fn wrapped(to: &mut dyn Write, start: &str, text: &str) -> io::Result<()> {
    let text = safe(text).to_string();
    let indent = start.trim_start_matches('\n').chars().count() + 2;
    let mut line = start.to_owned();
    let mut used = indent - 2;
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut rest: Vec<char> = word.chars().collect();
        let gap = usize::from(!is_empty);
        if used + gap + rest.len() > WIDTH && !is_empty {
            writeln!(to, "{line}")?;
            (line, used, is_empty) = (" ".repeat(indent), indent, true);
        }
        if !is_empty {
            line.push(' ');
            used += 1;
        }
        while used + rest.len() > WIDTH {
            let tail = rest.split_off(WIDTH - used);
            line.extend(rest);
            writeln!(to, "{line}")?;
            (line, used, rest) = (" ".repeat(indent), indent, tail);
        }
        used += rest.len();
        line.extend(rest);
        is_empty = false;
    }
    writeln!(to, "{line}")
}

/// Writes a number with the word for the things that are counted.
pub(super) fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(start: &str, text: &str) -> String {
        let mut bytes = Vec::new();
        wrapped(&mut bytes, start, text).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn paragraphs_are_indented() {
        assert_eq!(lines("  a  ", ""), "  a  \n");
        let text = lines("\n  ", &"word ".repeat(17));
        assert_eq!(text, format!("\n  {}\n    word word\n", "word ".repeat(15).trim_end()));
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_and_nothing_is_lost(text in "(\\PC|[ \\n\\x1b]){0,300}") {
            let shown = lines("  ", &text);
            prop_assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
            let without_spaces = |text: &str| text.chars().filter(|c| !" \n".contains(*c)).collect::<String>();
            prop_assert_eq!(without_spaces(&shown), without_spaces(&safe(&text).to_string()));
        }
    }
}

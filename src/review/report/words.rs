//! Words that several sections of the report have.

use std::io::{self, Write};

/// The most lines below a heading of the report's own.
pub(super) const MOST: usize = 50;

/// Says how old a signed file was when the bundle was made.
pub(super) fn age_words(days: Option<i64>) -> String {
    match days {
        None => "undated".to_owned(),
        Some(days) if days < 0 => "dated later than the bundle".to_owned(),
        Some(0) => "less than a day old".to_owned(),
        Some(1) => "1 day old".to_owned(),
        Some(days) => format!("{days} days old"),
    }
}

/// Says how many of `count` lines are not printed.
pub(super) fn more(count: usize, to: &mut dyn Write) -> io::Result<()> {
    match count.saturating_sub(MOST) {
        0 => Ok(()),
        rest => writeln!(to, "    … {rest} more in report.json"),
    }
}

//! Where words and JSON go.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Value, json};

use super::error::Failure;
use super::exit::Exit;
use crate::bundle::state::known_versions::{ChangeRefusal, ChangedItem};
use crate::collection_change::ClientWarning;
use crate::error_class::ErrorClass;
use crate::error_class::causes;
use crate::terminal::safe;

/// The readers of stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputFormat {
    /// People.
    Words,
    /// Programs.
    Json,
}

/// stdout, as people or as programs want it.
#[derive(Debug)]
pub(super) struct Output {
    format: OutputFormat,
    /// The first error of writing to stdout.
    unwritable: RefCell<Option<io::Error>>,
}

impl Output {
    pub(super) fn new(format: OutputFormat) -> Self {
        Self { format, unwritable: RefCell::default() }
    }

    /// Whether programs read it.
    pub(super) fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Says how a command ended: `value` to programs, with its outcome; `words` to people.
    pub(super) fn done(&self, value: Value, words: &str) {
        let mut value = value;
        if let Value::Object(fields) = &mut value {
            fields.insert("outcome".to_owned(), json!("done"));
        }
        if self.is_json() { self.print(&json_line(&value)) } else { self.print(words) }
    }

    /// Writes a long result to stdout piece by piece, instead of [`Output::done`]. `write` gets a buffer, and its other errors fail the
    /// command.
    pub(super) fn stream(&self, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut to = io::BufWriter::new(Stdout { failed: &self.unwritable });
        let result = write(&mut to);
        let _ = to.flush(); // its errors are kept
        result
    }

    /// Shows what a command did before it fails, to people alone: programs get it with the failure.
    pub(super) fn text(&self, words: &str) {
        if !self.is_json() {
            self.print(words);
        }
    }

    /// Returns an error if stdout did not accept the result. Every command ends with this call: GNU's `close_stdout` does the
    /// same at exit.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        self.unwritable.take().map_or(Ok(()), |error| Err(Failure::unwritable(error)))
    }

    fn print(&self, text: &str) {
        if let Err(error) = write_to_stdout(text.as_bytes()) {
            self.unwritable.borrow_mut().get_or_insert(error); // the first of several failures is reported
        }
    }

    /// Says why a command failed: on stderr, and to programs as the result too.
    pub(super) fn failure(&self, failure: &Failure) {
        let texts = causes(failure);
        let (error, causes) = texts.split_first().map_or((String::new(), &[][..]), |(e, rest)| (e.clone(), rest));
        let label = if failure.class() == ErrorClass::NothingNew { "note" } else { "error" };
        let mut text = format!("{label}: {}\n", safe(&error));
        causes.iter().for_each(|cause| text.push_str(&format!("  because: {}\n", safe(cause))));
        let _ = io::stderr().write_all(text.as_bytes()); // nowhere is left to say that this failed
        self.failed_with(failure.class().into(), &error, causes, failure.fields());
    }

    /// Says to programs alone why a command failed.
    pub(super) fn failed(&self, exit: Exit, error: &str, causes: &[String]) {
        self.failed_with(exit, error, causes, None);
    }

    fn failed_with(&self, exit: Exit, error: &str, causes: &[String], more: Option<Value>) {
        if self.is_json() {
            let mut value = json!({ "outcome": exit.word(), "exit": exit.code(), "error": error, "causes": causes });
            if let (Value::Object(fields), Some(Value::Object(more))) = (&mut value, more) {
                fields.extend(more);
            }
            self.print(&json_line(&value));
        }
    }
}

/// The most changed items that are listed for people.
const MAX_CHANGES: usize = 100;

/// One line of ASCII: JSON's own rules let C1 controls and marks of writing direction through, and terminals act on them.
fn json_line(value: &Value) -> String {
    // Outside its strings JSON is ASCII.
    ascii(&value.to_string()) + "\n"
}

/// Escapes all but the printable characters of ASCII, as strings of JSON have them.
fn ascii(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars() {
        match c {
            ' '..='~' => line.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| line.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    line
}

/// Writes a value as one line of ASCII, as [`json_line`] does, without holding all of it.
pub(super) fn write_json_line(value: &impl Serialize, to: &mut dyn Write) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *to, AsciiFormatter))?;
    to.write_all(b"\n").map_err(serde_json::Error::io)
}

/// Escapes all that is not ASCII.
struct AsciiFormatter;

impl Formatter for AsciiFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        to.write_all(ascii(fragment).as_bytes())
    }
}

/// stdout, of which the first error is kept and all of them are hidden: [`Output::finish`] reports it.
struct Stdout<'a> {
    failed: &'a RefCell<Option<io::Error>>,
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.borrow().is_none()
            && let Err(error) = write_to_stdout(bytes)
        {
            self.failed.borrow_mut().get_or_insert(error);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens stdout without the buffer of [`io::stdout`], which also reports success if the descriptor cannot be written to (EBADF).
pub(super) fn stdout() -> io::Result<File> {
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

/// Syncs a stream that was written to stdout. Only this shows errors of delayed writing, if stdout is a file; pipes and devices
/// cannot be synced (`EINVAL`, fsync(2)).
pub(super) fn sync(stdout: &File) -> io::Result<()> {
    match stdout.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

/// Writes to stdout. A reader that has closed the pipe is no error: it has what it wanted.
pub(super) fn write_to_stdout(bytes: &[u8]) -> io::Result<()> {
    match stdout()?.write_all(bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Warns on stderr of what clients will not find any more.
pub(super) fn warn(warnings: &[ClientWarning]) {
    warnings.iter().for_each(|warning| note(&format!("warning: {}", warning.message)));
}

/// Warns on stderr of items that have other bytes under the same name and version.
pub(super) fn warn_of_changes(items: &[ChangedItem]) {
    items.iter().take(MAX_CHANGES).for_each(|item| note(&format!("WARNING: {item}")));
    if let Some(more) = items.len().checked_sub(MAX_CHANGES).filter(|more| *more > 0) {
        note(&format!("WARNING: {more} more items have other bytes than before under the same name and version"));
    }
}

/// Warns on the online side of changed items that sites refuse.
pub(super) fn warn_of_refusals(items: &[ChangedItem]) {
    let unsigned = items.iter().filter(|item| item.refusal() == Some(ChangeRefusal::NoProof)).count();
    if unsigned > 0 {
        note(&format!(
            "WARNING: nobody signs {unsigned} of these items: a site refuses them, unless allow-changed in its site.toml names their source"
        ));
    }
}

/// A note on stderr.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", safe(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_ascii_and_says_the_same() {
        let value = json!({ "path": "ü \u{9b}2J \u{202e} \u{7f} 𝄞 \n\"" });
        let line = json_line(&value);
        assert!(line.trim_end().chars().all(|c| (' '..='~').contains(&c)), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        let mut streamed = Vec::new();
        write_json_line(&value, &mut streamed).unwrap();
        assert_eq!(String::from_utf8(streamed).unwrap(), line);
    }
}

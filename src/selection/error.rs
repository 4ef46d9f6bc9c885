//! What can be wrong with a selection.

use std::io;
use std::path::{Path, PathBuf};

use crate::error_class::ErrorClass;
use crate::formats::Invalid;
use crate::kind::Kind;
use crate::terminal::without_password;

/// What can be wrong with a selection.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    #[error("cannot read the selection {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}line {line}: {message}", file.as_ref().map(|f| format!("{}: ", f.display())).unwrap_or_default())]
    Syntax { file: Option<PathBuf>, line: usize, message: String },
    #[error("the selection asks for nothing: add one of the tables {}", tables())]
    Empty,
    #[error("[[{table}]] {name}: {reason}")]
    Source { table: &'static str, name: String, reason: String },
    #[error("[[os-images]]: {0}")]
    OsImages(Invalid),
}

impl SelectionError {
    /// The error of the TOML reader, with its line and with a suggestion where a word is not known.
    pub(super) fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let message = match nearest(error.message()) {
            Some(nearest) => format!("{}; did you mean `{nearest}`?", error.message()),
            None => without_password(error.message()),
        };
        Self::Syntax { file: None, line, message }
    }

    pub(super) fn in_file(mut self, path: &Path) -> Self {
        if let Self::Syntax { file, .. } = &mut self {
            *file = Some(path.to_owned());
        }
        self
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Usage
    }
}

/// The names of all tables.
fn tables() -> String {
    Kind::ALL.iter().map(|kind| format!("[[{kind}]]")).collect::<Vec<_>>().join(", ")
}

/// Of a message "unknown field `x`, expected one of `a`, `b`", the word that `x` is nearest to.
fn nearest(message: &str) -> Option<&str> {
    let mut words = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    let found = words.next()?;
    let score = |word: &&str| (strsim::normalized_damerau_levenshtein(found, word) * 1000.0) as u32;
    words.map(|word| (score(&word), word)).max().filter(|(score, _)| *score >= 500).map(|(_, word)| word)
}

//! The error of parsers.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::error_class::ErrorClass;
use crate::terminal::safe;

/// The fault of a text or of bytes: of their form, a digest or a signature.
///
/// It has no class: the same fault is upstream's in an index, and the user's in a selection. The caller knows whose it is.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Invalid {
    at: String,
    what: Cow<'static, str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Invalid {
    /// A fault of the whole.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self { at: String::new(), what: what.into(), source: None }
    }

    /// A fault of a part, such as `line 3` or a package.
    pub fn at(at: impl fmt::Display, what: impl Into<Cow<'static, str>>) -> Self {
        Self { at: at.to_string(), what: what.into(), source: None }
    }

    /// A part lacks a field.
    pub fn lacks(at: impl fmt::Display, field: &str) -> Self {
        Self::new(format!("{at} has no {field}"))
    }

    /// A field of a part has a value that it cannot have.
    pub fn malformed(at: impl fmt::Display, field: &str) -> Self {
        Self::new(format!("{at} has a malformed {field}"))
    }

    /// Two parts claim one name.
    pub fn twice(at: impl fmt::Display) -> Self {
        Self::new(format!("{at} is there twice"))
    }

    /// Names the part that has the fault.
    pub fn placed(self, at: impl fmt::Display) -> Self {
        Self { at: at.to_string(), ..self }
    }

    /// Adds the cause.
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(Arc::from(source.into())), ..self }
    }

    /// The part that has the fault. Empty for the whole.
    pub fn place(&self) -> &str {
        &self.at
    }
}

/// Compares the messages.
impl PartialEq for Invalid {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && self.what == other.what
    }
}

impl Eq for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.as_str() {
            "" => write!(f, "{}", safe(&self.what)),
            at => write!(f, "{}: {}", safe(at), safe(&self.what)),
        }
    }
}

/// Failure to read a file of an upstream format.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read it")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl ReadError {
    /// The content has a fault.
    pub fn invalid(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(Invalid::new(what))
    }

    /// Makes a fault of the content the cause of another fault.
    pub fn within(self, what: impl Into<Cow<'static, str>>) -> Self {
        match self {
            Self::Io(_) => self,
            Self::Invalid(cause) => Self::Invalid(Invalid::new(what).because(cause)),
        }
    }

    /// Makes an error of the caller.
    pub fn map<E>(self, read: impl FnOnce(io::Error) -> E, invalid: impl FnOnce(Invalid) -> E) -> E {
        match self {
            Self::Io(error) => read(error),
            Self::Invalid(error) => invalid(error),
        }
    }

    /// Returns the class of this error, given that of invalid content.
    pub fn class_or(&self, invalid: ErrorClass) -> ErrorClass {
        match self {
            Self::Io(error) => ErrorClass::of_io(error),
            Self::Invalid(_) => invalid,
        }
    }
}

/// Returns the start of a text from outside, for messages.
pub fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Returns the message of an error and of its causes, for tests.
#[cfg(test)]
pub(crate) fn refusal<T, E: Error + 'static>(result: impl std::borrow::Borrow<Result<T, E>>) -> String {
    let Err(error) = result.borrow() else { panic!("it is accepted") };
    crate::error_class::causes(error).join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_place_and_escape_what_steers_a_terminal() {
        assert_eq!(Invalid::new("it is empty").to_string(), "it is empty");
        let error = Invalid::at("line 3\u{1b}", "x\u{202e}").because(Invalid::lacks("it", "name"));
        assert_eq!(error.to_string(), "line 3\\u{1b}: x\\u{202e}");
        assert_eq!(error.source().unwrap().to_string(), "it has no name");
    }
}

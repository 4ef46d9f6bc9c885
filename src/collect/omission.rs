//! Things that the selection asks for and that are not carried: notes for the user, and entries of the manifest for reviewers.

/// Something that a source of the selection asks for, and that is not carried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Omission {
    /// The thing, such as a path.
    pub what: String,
    /// The reason.
    pub why: String,
    /// Both, for the user.
    note: String,
}

impl Omission {
    /// Leaves out a thing for a reason.
    pub(super) fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        let (what, why) = (what.into(), why.into());
        Self { note: format!("left out {what}: {why}"), what, why }
    }

    /// Sets the note for the user.
    pub(super) fn noted(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// The note for the user.
    pub(super) fn note(&self) -> &str {
        &self.note
    }
}

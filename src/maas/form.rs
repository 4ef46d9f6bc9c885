//! Bodies of requests: `multipart/form-data` (RFC 7578), which MAAS's own client sends too.
//!
//! Keyrings have to be files in it: Django takes `keyring_data` from nowhere else.

use reqwest::multipart;

/// The media type of files in a form.
const FILE: &str = "application/octet-stream";

/// A form that is filled in field by field.
#[derive(Debug, Default)]
pub struct Form {
    /// `None` until the first field. An empty multipart body has no part at all, and Twisted, which serves MAAS, refuses that
    /// since 24.3 with status 400 and an empty answer.
    fields: Option<multipart::Form>,
}

impl Form {
    /// Makes an empty form.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Self {
        self.part(name, multipart::Part::text(value.to_owned()))
    }

    /// Adds a field for each of the values.
    #[must_use]
    pub fn list<'v>(self, name: &str, values: impl IntoIterator<Item = &'v String>) -> Self {
        values.into_iter().fold(self, |form, value| form.text(name, value))
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        let part = || multipart::Part::bytes(content.to_vec()).file_name(name.to_owned());
        self.part(name, part().mime_str(FILE).unwrap_or_else(|_| part()))
    }

    fn part(self, name: &str, part: multipart::Part) -> Self {
        Self { fields: Some(self.fields.unwrap_or_default().part(name.to_owned(), part)) }
    }

    /// Returns the multipart body, or `None` for a form without fields, which is sent without a body and without a type.
    pub(super) fn into_multipart(self) -> Option<multipart::Form> {
        self.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_with_fields_have_a_body() {
        assert!(Form::new().into_multipart().is_none());
        assert!(Form::new().list("a", []).into_multipart().is_none());
        assert!(Form::new().text("a", "").into_multipart().is_some());
        assert!(Form::new().file("k", b"").into_multipart().is_some());
    }
}

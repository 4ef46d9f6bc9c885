//! Bodies of requests: `multipart/form-data` (RFC 7578), which MAAS's own client sends too.
//!
//! Keyrings have to be files in it: Django takes `keyring_data` from nowhere else.

use rand::RngCore as _;

/// A form that is filled in field by field. Names of fields are ours, and need no escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    /// An empty form. Its boundary is random, so that no content can have it.
    pub fn new() -> Self {
        let mut random = [0; 16];
        rand::rngs::OsRng.fill_bytes(&mut random);
        Self { boundary: random.iter().map(|byte| format!("{byte:02x}")).collect(), body: Vec::new() }
    }

    /// Adds a field.
    #[must_use]
    pub fn text(self, name: &str, value: &str) -> Self {
        self.part(&format!("name=\"{name}\""), "", value.as_bytes())
    }

    /// Adds a field for each of the values.
    #[must_use]
    pub fn list<'v>(self, name: &str, values: impl IntoIterator<Item = &'v String>) -> Self {
        values.into_iter().fold(self, |form, value| form.text(name, value))
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, name: &str, content: &[u8]) -> Self {
        let kind = "Content-Type: application/octet-stream\r\n";
        self.part(&format!("name=\"{name}\"; filename=\"{name}\""), kind, content)
    }

    fn part(mut self, which: &str, kind: &str, content: &[u8]) -> Self {
        let head = format!("--{}\r\nContent-Disposition: form-data; {which}\r\n{kind}\r\n", self.boundary);
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(content);
        self.body.extend_from_slice(b"\r\n");
        self
    }

    /// The header `Content-Type`, and the body.
    pub fn finish(mut self) -> (String, Vec<u8>) {
        self.body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        (format!("multipart/form-data; boundary={}", self.boundary), self.body)
    }
}

impl Default for Form {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lists_and_files() {
        let form = Form::new().text("a", "x\ny").list("b", &["1".into(), "2".into()]).file("k", b"\x99\r\n--");
        let (kind, body) = form.finish();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let expected = "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\ny\r\n\
            --B\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n1\r\n\
            --B\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n2\r\n\
            --B\r\nContent-Disposition: form-data; name=\"k\"; filename=\"k\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n\u{99}\r\n--\r\n--B--\r\n"
            .replace('B', boundary);
        let latin: Vec<u8> = expected.chars().map(|c| c as u8).collect();
        assert_eq!(body, latin);
        assert_ne!(Form::new(), Form::new());
    }
}

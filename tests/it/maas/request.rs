//! Requests as MAAS wants them: who asks, and what for.

use std::collections::{BTreeMap, HashSet};

use gapferry::time::Time;

use crate::support::server::Request;

/// How old or how young a request may say to be, in seconds.
const FRESHNESS: i64 = 60;

/// A field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// Only of files.
    pub(super) filename: Option<String>,
    pub(super) content: Vec<u8>,
}

/// A form that came.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(pub(super) Vec<Part>);

impl Fields {
    /// The only value of a text field.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.list(name).into_iter().next()
    }

    /// All values of a text field.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let parts = self.0.iter().filter(|part| part.name == name && part.filename.is_none());
        parts.map(|part| String::from_utf8(part.content.clone()).unwrap()).collect()
    }

    /// A file.
    pub(super) fn file(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|part| part.name == name && part.filename.is_some()).map(|part| part.content.as_slice())
    }

    /// Fields that are none of `known`.
    pub(super) fn unknown(&self, known: &[&str]) -> Vec<String> {
        self.0.iter().map(|part| part.name.clone()).filter(|name| !known.contains(&name.as_str())).collect()
    }
}

/// What is wrong with the header, of a key CONSUMER:TOKEN:SECRET; the second kind of error is a wrong key.
pub(super) fn authorize(request: &Request, key: &str, nonces: &mut HashSet<String>) -> Result<(), (String, bool)> {
    let header = request.header("authorization").ok_or_else(|| ("no header".to_owned(), false))?;
    let bad = |what: &str| (format!("{what} in {header}"), false);
    let fields = header.strip_prefix("OAuth ").ok_or_else(|| bad("another scheme"))?;
    let mut found = BTreeMap::new();
    for field in fields.split(", ") {
        let (name, value) = field.split_once('=').ok_or_else(|| bad("no value"))?;
        let value =
            value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).ok_or_else(|| bad("no quotes"))?;
        if found.insert(name, value).is_some() {
            return Err(bad("twice a field"));
        }
    }
    let names: Vec<&str> = found.keys().copied().collect();
    let wanted = [
        "oauth_consumer_key",
        "oauth_nonce",
        "oauth_signature",
        "oauth_signature_method",
        "oauth_timestamp",
        "oauth_token",
        "oauth_version",
    ];
    if names != wanted {
        return Err(bad("other fields"));
    }
    if (found["oauth_version"], found["oauth_signature_method"]) != ("1.0", "PLAINTEXT") {
        return Err(bad("another method"));
    }
    let age = Time::now().unix() - found["oauth_timestamp"].parse::<i64>().map_err(|_| bad("no time"))?;
    if age.abs() > FRESHNESS {
        return Err(bad("an old time"));
    }
    if found["oauth_nonce"].len() < 8 || !nonces.insert(found["oauth_nonce"].to_owned()) {
        return Err(bad("a nonce that is short or old"));
    }
    let secret = found["oauth_signature"].strip_prefix("%26").ok_or_else(|| bad("no signature"))?;
    match format!("{}:{}:{secret}", found["oauth_consumer_key"], found["oauth_token"]) == key {
        true => Ok(()),
        // As MAAS does.
        false => Err((format!("Authorization Error: 'Invalid access token: {}'", found["oauth_token"]), true)),
    }
}

/// Returns true if Twisted refuses the request before MAAS sees it. Since 24.3 it reads the form of each POST, and takes one without a
/// part for no form.
pub(super) fn is_form_without_a_part(request: &Request) -> bool {
    let is_form = request.header("content-type").is_some_and(|kind| kind.starts_with("multipart/form-data"));
    request.method == "POST" && is_form && form(request).is_ok_and(|fields| fields.0.is_empty())
}

/// The form of a request, which must be exact multipart/form-data (RFC 7578).
pub(super) fn form(request: &Request) -> Result<Fields, String> {
    let kind = request.header("content-type").unwrap_or_default();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").ok_or_else(|| format!("{kind:?} is no form"))?;
    let mut rest = request.body.as_slice();
    let mut parts = Vec::new();
    loop {
        rest = rest.strip_prefix(format!("--{boundary}").as_bytes()).ok_or("no boundary")?;
        if rest == b"--\r\n" {
            return Ok(Fields(parts));
        }
        rest = rest.strip_prefix(b"\r\n").ok_or("no line after a boundary")?;
        let end = find(rest, b"\r\n\r\n").ok_or("no end of headers")?;
        let head = String::from_utf8(rest[..end].to_vec()).map_err(|e| e.to_string())?;
        rest = &rest[end + 4..];
        let end = find(rest, format!("\r\n--{boundary}").as_bytes()).ok_or("no end of a part")?;
        parts.push(part(&head, rest[..end].to_vec())?);
        rest = &rest[end + 2..];
    }
}

fn part(head: &str, content: Vec<u8>) -> Result<Part, String> {
    let mut lines = head.split("\r\n");
    let disposition = lines.next().unwrap_or_default();
    let rest = disposition.strip_prefix("Content-Disposition: form-data; ").ok_or(format!("{head:?}"))?;
    let mut values = BTreeMap::new();
    for field in rest.split("; ") {
        let (name, value) = field.split_once('=').ok_or(format!("{field:?}"))?;
        values.insert(name, value.trim_matches('"').to_owned());
    }
    let filename = values.remove("filename");
    let more: Vec<&str> = lines.collect();
    let expected: &[&str] = if filename.is_some() { &["Content-Type: application/octet-stream"] } else { &[] };
    if more != expected {
        return Err(format!("headers {more:?}"));
    }
    let name = values.remove("name").ok_or("a part without a name")?;
    if values.is_empty() { Ok(Part { name, filename, content }) } else { Err(format!("more in {disposition}")) }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

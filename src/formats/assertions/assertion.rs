//! One assertion, and the streams in which the store and `snap download` give them out.

use std::ops::Range;

use jiff::Timestamp;
use memchr::memmem;

use super::fields;
use super::headers::{self, Headers, Value};
use super::reference::{DEFAULT_PROVENANCE, Reference, has_provenance, max_format, primary_key};
use super::statement::{self, Statement};
use crate::digest::Sha3;
use crate::formats::Invalid;

/// Largest headers of one assertion, in bytes, as in snapd.
pub const MAX_HEADERS_BYTES: usize = 128 << 10;
/// Largest body of one assertion, in bytes, as in snapd.
pub const MAX_BODY_BYTES: usize = 2 << 20;
/// Largest signature of one assertion in base64, in bytes, as in snapd.
pub const MAX_SIGNATURE_BYTES: usize = 128 << 10;
/// Largest stream of assertions, in bytes. Those of one snap have some 10 KiB.
pub const MAX_STREAM_BYTES: usize = 16 << 20;
/// The most assertions in one stream.
pub const MAX_STREAM_ASSERTIONS: usize = 1024;

/// An assertion, read but not verified. It keeps the bytes that were signed, as they were received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// Its name.
    reference: Reference,
    format: u64,
    authority_id: String,
    revision: u64,
    sign_key: Sha3,
    timestamp: Option<Timestamp>,
    headers: Headers,
    statement: Statement,
    /// What is signed, an empty line, the signature, and one newline.
    encoded: Vec<u8>,
    body: Range<usize>,
    /// How much of `encoded` is signed, in bytes.
    signed: usize,
}

impl Assertion {
    /// Reads all assertions of a stream: one after another with an empty line between.
    pub fn parse_stream(stream: &[u8]) -> Result<Vec<Self>, Invalid> {
        if stream.len() > MAX_STREAM_BYTES {
            let length = stream.len();
            return Err(Invalid::new(format!("assertions of {length} bytes are more than {MAX_STREAM_BYTES} bytes")));
        }
        let mut rest = stream;
        let mut assertions = Vec::new();
        while !rest.is_empty() {
            if assertions.len() == MAX_STREAM_ASSERTIONS {
                return Err(too_many(MAX_STREAM_ASSERTIONS));
            }
            let number = assertions.len() + 1;
            assertions.push(next(&mut rest).map_err(|(kind, cause)| unreadable(number, kind, cause))?);
        }
        Ok(assertions)
    }

    /// Reads exactly one assertion.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        match (Self::parse_stream(bytes)?.pop(), bytes) {
            (Some(assertion), bytes) if assertion.encoded.len() + 1 >= bytes.len() => Ok(assertion),
            (Some(_), _) => Err(too_many(1)),
            (None, _) => Err(unreadable(1, None, cut_short())),
        }
    }

    /// Writes a stream that snapd reads: assertions with an empty line between.
    pub fn write_stream<'a>(assertions: impl IntoIterator<Item = &'a Self>) -> Vec<u8> {
        let encoded: Vec<&[u8]> = assertions.into_iter().map(Self::encoded).collect();
        encoded.join(&b"\n"[..])
    }

    /// Its name: type and primary key.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Its type.
    pub fn kind(&self) -> &str {
        &self.reference.kind
    }

    /// `format`: which iteration of its type it is.
    pub fn format(&self) -> u64 {
        self.format
    }

    /// Account that answers for it.
    pub fn authority_id(&self) -> &str {
        &self.authority_id
    }

    /// `revision`: of assertions with one name the highest counts.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Id of the key that signed it.
    pub fn sign_key(&self) -> Sha3 {
        self.sign_key
    }

    /// When it was issued, of types that say so.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.timestamp
    }

    /// All its headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(Value::text)
    }

    /// Its body; empty if it has none.
    pub fn body(&self) -> &[u8] {
        self.encoded.get(self.body.clone()).unwrap_or_default()
    }

    /// What it states.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The whole assertion as the store gives it out: the bytes that were received, ending in one newline.
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The bytes that are signed.
    pub fn content(&self) -> &[u8] {
        self.encoded.get(..self.signed).unwrap_or_default()
    }

    /// The signature, in base64.
    pub fn signature(&self) -> &[u8] {
        self.encoded.get(self.signed + 2..).unwrap_or_default()
    }
}

fn too_many(limit: usize) -> Invalid {
    Invalid::new(format!("there are more than {limit} assertions in one stream"))
}

fn too_large(what: &str, limit: usize) -> Invalid {
    Invalid::new(format!("its {what} has more than {limit} bytes"))
}

fn cut_short() -> Invalid {
    Invalid::new("it is cut short")
}

/// Assertions count from 1.
fn unreadable(number: usize, kind: Option<String>, cause: Invalid) -> Invalid {
    let kind = kind.map(|kind| format!(", of type {kind},")).unwrap_or_default();
    Invalid::new(format!("assertion {number}{kind} cannot be read")).because(cause)
}

/// Takes the first assertion off `rest`, and the empty line that parts it from the next. A failure says the type, if it is
/// known by then.
fn next(rest: &mut &[u8]) -> Result<Assertion, (Option<String>, Invalid)> {
    let whole = *rest;
    let head = take_until_empty_line(rest, MAX_HEADERS_BYTES, "headers").map_err(|flaw| (None, flaw))?;
    if head.len() + 2 > whole.len() {
        let converted = head.contains(&b'\r').then(|| headers::control_character(b'\r'));
        return Err((None, converted.unwrap_or_else(cut_short)));
    }
    let headers = headers::parse(head).map_err(|flaw| (None, flaw))?;
    let kind = headers.get("type").and_then(Value::text).map(str::to_owned);
    finish(whole, rest, head.len(), headers).map_err(|flaw| (kind, flaw))
}

/// What stands before the next empty line or the end; the line is taken too.
fn take_until_empty_line<'a>(rest: &mut &'a [u8], limit: usize, what: &'static str) -> Result<&'a [u8], Invalid> {
    let window = rest.get(..limit + 2).unwrap_or(rest);
    let length = match memmem::find(window, b"\n\n") {
        Some(length) => length,
        None if window.len() == rest.len() => rest.len(),
        None => return Err(too_large(what, limit)),
    };
    let taken = rest.get(..length).unwrap_or_default();
    *rest = rest.get(length + 2..).unwrap_or_default();
    Ok(taken)
}

fn finish<'a>(whole: &'a [u8], rest: &mut &'a [u8], head: usize, headers: Headers) -> Result<Assertion, Invalid> {
    let length = fields::number(&headers, "body-length")?.unwrap_or(0);
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BODY_BYTES);
    let length = length.ok_or_else(|| too_large("body", MAX_BODY_BYTES))?;
    // Without a body, one empty line parts headers and signature; where there are two, snapd counts the first as signed.
    let (signed, body) = if length > 0 || rest.starts_with(b"\n\n") {
        let end = head + 2 + length;
        let after = whole.get(end..).ok_or_else(cut_short)?;
        *rest = after.strip_prefix(b"\n\n").ok_or_else(|| match after.len() {
            0 | 1 => cut_short(),
            _ => Invalid::new("its body does not end where body-length says"),
        })?;
        (end, head + 2..end)
    } else {
        (head, head..head)
    };
    let signature = take_until_empty_line(rest, MAX_SIGNATURE_BYTES, "signature")?;
    let signature = signature.strip_suffix(b"\n").unwrap_or(signature);
    // A newline in front of it would make another text of the assertion once it stands alone.
    if signature.is_empty() || signature.starts_with(b"\n") {
        return Err(Invalid::new("it has no signature"));
    }
    let content = whole.get(..signed).unwrap_or_default();
    let encoded = [content, b"\n\n", signature, b"\n"].concat();
    assemble(headers, encoded, body, signed)
}

fn assemble(headers: Headers, encoded: Vec<u8>, body: Range<usize>, signed: usize) -> Result<Assertion, Invalid> {
    let text = encoded.get(body.clone()).unwrap_or_default();
    if std::str::from_utf8(text).is_err() {
        return Err(headers::not_utf8("body"));
    }
    let kind = fields::text(&headers, "type")?;
    let sign_key = fields::digest(&headers, "sign-key-sha3-384")?;
    let authority_id = fields::text(&headers, "authority-id")?.to_owned();
    let format = fields::number(&headers, "format")?.unwrap_or(0);
    let known = max_format(kind);
    if format > known && Statement::understands(kind) {
        return Err(Invalid::new(format!("it is of format {format}, where {known} is the newest known here")));
    }
    let key = match primary_key(kind) {
        Some(names) => names.iter().map(|name| key_part(kind, name, &headers)).collect::<Result<_, _>>()?,
        None => vec![Sha3::of(&encoded).to_string()],
    };
    let reference = Reference { kind: kind.to_owned(), key };
    let revision = fields::number(&headers, "revision")?.unwrap_or(0);
    let statement = Statement::parse(kind, &headers, text)?;
    let timestamp = statement::timestamp(kind, &headers)?;
    Ok(Assertion {
        reference,
        format,
        authority_id,
        revision,
        sign_key,
        timestamp,
        headers,
        statement,
        encoded,
        body,
        signed,
    })
}

/// One value of the primary key. None may hold a slash, since they are parts of addresses.
fn key_part(kind: &str, name: &str, headers: &Headers) -> Result<String, Invalid> {
    if name == "provenance" && has_provenance(kind) && !headers.contains_key(name) {
        return Ok(DEFAULT_PROVENANCE.to_owned());
    }
    let text = fields::text(headers, name)?;
    if text.contains('/') { Err(fields::malformed(name)) } else { Ok(text.to_owned()) }
}

//! The control file of a binary package (Debian Policy 5.3), checked, and its stanza in an index.

use std::collections::BTreeSet;
use std::str;

use crate::digest::Sha256;
use crate::formats::apt::deb822::Stanzas;
use crate::formats::{Invalid, shortened};
use crate::path::PublishPath;

/// A well-formed control file: one paragraph with a name, a version and an architecture that Debian Policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    text: String,
    package: String,
    version: String,
    architecture: String,
}

impl Control {
    /// Checks a control file; blank lines at its end are dropped.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        // Policy 5.1.
        let text = str::from_utf8(bytes).map_err(|_| Invalid::new("it is not UTF-8"))?.trim_end_matches('\n');
        check_lines(text)?;
        let required = |name, is_allowed: fn(&str) -> bool| {
            let value = field(text, name).ok_or_else(|| Invalid::new(format!("it has no field {name}")))?;
            if is_allowed(value) {
                return Ok(value.to_owned());
            }
            let value = shortened(value);
            Err(Invalid::new(format!("field {name} has the value {value:?}, which Debian Policy does not allow")))
        };
        Ok(Self {
            package: required("Package", is_package_name)?,
            version: required("Version", is_version)?,
            architecture: required("Architecture", is_architecture)?,
            text: format!("{text}\n"),
        })
    }

    /// The whole paragraph, with a newline at its end and no empty line in it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The package's name.
    pub fn package(&self) -> &str {
        &self.package
    }

    /// Its version, with epoch and revision.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its architecture, or `all`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The value of a field, with the lines that go on with it, white space around it removed.
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.text, name)
    }
}

/// The stanza of a package in a Packages index: its control file, and where the .deb is, how long, and its digest.
///
/// What the control file itself claims about file, size or digests is left out, since apt would believe it.
pub fn packages_stanza(control: &Control, filename: &PublishPath, size: u64, sha256: Sha256) -> String {
    const FROM_THE_INDEX: [&str; 6] = ["Filename", "Size", "MD5sum", "SHA1", "SHA256", "SHA512"];
    let mut stanza = String::with_capacity(control.text.len() + 200);
    let mut is_kept = true;
    for line in control.text.lines() {
        if let Some((name, _)) = start_of_field(line) {
            is_kept = FROM_THE_INDEX.iter().all(|other| !name.eq_ignore_ascii_case(other));
        }
        if is_kept {
            stanza.push_str(line);
            stanza.push('\n');
        }
    }
    stanza.push_str(&format!("Filename: {filename}\nSize: {size}\nSHA256: {sha256}\n"));
    stanza
}

fn check_lines(text: &str) -> Result<(), Invalid> {
    let mut names = BTreeSet::new();
    for (number, content) in text.split('\n').enumerate() {
        let line = format!("line {}", number + 1);
        if content.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Invalid::at(line, "it has a control character"));
        }
        if content.trim().is_empty() {
            return Err(if names.is_empty() {
                Invalid::at(line, "it is not a field")
            } else {
                Invalid::at(line, "it begins a second paragraph")
            });
        }
        match start_of_field(content) {
            Some((name, _)) if is_field_name(name) => {
                if !names.insert(name.to_ascii_lowercase()) {
                    return Err(Invalid::at(line, "it repeats a field"));
                }
            }
            None if !names.is_empty() => {}
            _ => return Err(Invalid::at(line, "it is not a field")),
        }
    }
    Ok(())
}

/// Name and first line of the value, if `line` does not go on with the field before it; no colon means an empty name.
fn start_of_field(line: &str) -> Option<(&str, &str)> {
    if line.starts_with([' ', '\t']) { None } else { Some(line.split_once(':').unwrap_or_default()) }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    Stanzas::new(text.as_bytes()).next()?.field(name)
}

/// Policy 5.1: printable ASCII except space and colon, beginning with neither `#` nor `-`.
fn is_field_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['#', '-']) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Policy 5.6.7.
fn is_package_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() >= 2
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().all(|byte| is_plain(byte) || b"+-.".contains(&byte))
}

/// Policy 5.6.12, with the epoch as small as dpkg wants it.
fn is_version(version: &str) -> bool {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    let all = |text: &str, marks: &[u8]| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte));
    epoch.bytes().all(|byte| byte.is_ascii_digit())
        && epoch.parse::<i32>().is_ok()
        && upstream.starts_with(|c: char| c.is_ascii_digit())
        && all(upstream, b".+-~")
        && !revision.is_empty()
        && all(revision, b".+~")
}

/// Policy 5.6.8 and 11.1: of a binary package, one architecture or `all`.
fn is_architecture(architecture: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    architecture.bytes().next().is_some_and(is_plain)
        && architecture.bytes().all(|byte| is_plain(byte) || byte == b'-')
        && !matches!(architecture, "any" | "source")
}

//! Writes Release files for apt.

use std::fmt::Write as _;

use super::{IndexFile, Release, SECTIONS};
use crate::formats::Invalid;
use crate::formats::signed_digest::DigestKind;
use crate::path::PublishPath;
use crate::time::Time;

impl Release {
    /// The text of this Release, to be signed. apt needs the uncompressed form of each index among [`Release::files`],
    /// whether or not it is published.
    pub fn to_text(&self) -> Result<String, Invalid> {
        let mut text = String::new();
        let single = [
            ("Origin", &self.origin),
            ("Label", &self.label),
            ("Suite", &self.suite),
            ("Codename", &self.codename),
            ("Version", &self.version),
        ];
        for (field, value) in single {
            push(&mut text, field, value.as_deref().unwrap_or_default())?;
        }
        for (field, seconds) in [("Date", self.date), ("Valid-Until", self.valid_until)] {
            push(
                &mut text,
                field,
                &seconds.map(|seconds| format_date(field, seconds)).transpose()?.unwrap_or_default(),
            )?;
        }
        let flag = |set: bool| if set { "yes" } else { "" };
        push(&mut text, "NotAutomatic", flag(self.not_automatic))?;
        push(&mut text, "ButAutomaticUpgrades", flag(self.but_automatic_upgrades))?;
        push(&mut text, "Acquire-By-Hash", flag(self.acquire_by_hash))?;
        let all = if self.no_support_for_architecture_all { "Packages" } else { "" };
        push(&mut text, "No-Support-for-Architecture-all", all)?;
        push(&mut text, "Architectures", &self.architectures.join(" "))?;
        push(&mut text, "Components", &self.components.join(" "))?;
        push(&mut text, "Description", self.description.as_deref().unwrap_or_default())?;
        for (field, value) in &self.others {
            push(&mut text, field, value)?;
        }
        for (section, kind) in SECTIONS {
            let files = self.files.iter().filter(|(_, file)| file.digest.kind() == kind);
            let lines: String = files.map(|(path, file)| file_line(path, file)).collect();
            if !lines.is_empty() || kind == DigestKind::Sha256 {
                text += &format!("{section}:\n{lines}");
            }
        }
        Ok(text)
    }
}

fn file_line(path: &PublishPath, file: &IndexFile) -> String {
    format!(" {} {:>10} {path}\n", file.digest.to_hex(), file.size)
}

fn push(text: &mut String, field: &str, value: &str) -> Result<(), Invalid> {
    if value.contains(char::is_control) || value.trim() != value {
        return Err(Invalid::new(format!("{field} cannot be written: {value}")));
    }
    if !value.is_empty() {
        let _ = writeln!(text, "{field}: {value}");
    }
    Ok(())
}

fn format_date(field: &'static str, seconds: i64) -> Result<String, Invalid> {
    let unwritable = |_| Invalid::new(format!("{field} cannot be written: {seconds}"));
    Ok(format!("{} UTC", Time::from_unix(seconds).map_err(unwritable)?.day_and_time()))
}

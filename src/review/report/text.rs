//! The report as text for a terminal of 80 columns.

use std::io::{self, Write};

use super::appendix::write_appendix;
use super::contents::write_contents;
use super::scan::write_scan;
use super::vulnerabilities::write_vulnerabilities;
use super::words::{MOST, age_words, more};
use super::{Against, NamedKey, ReviewReport};
use crate::bundle::FormatError;
use crate::review::diff_text::{TextLimit, write_body};
use crate::review::wrap::wrapped;

/// Writes the report. All text that comes from the states is escaped.
pub fn write_report_text(report: &ReviewReport<'_>, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "Report on {}\n", report.state().manifest.folder())?;
    report.header().iter().try_for_each(|(name, value)| wrapped(to, &format!("{name:<15} "), value))?;
    report.diff.notes().iter().try_for_each(|note| wrapped(to, "note            ", &format!("{note}.")))?;
    write_body(&report.diff, TextLimit::InReport, to)?;
    write_contents(report, to)?;
    write_scan(report, to)?;
    provenance(report, to)?;
    unproven(report, to)?;
    left_out(report, to)?;
    licences(report, to)?;
    if let Some(found) = &report.vulnerabilities {
        write_vulnerabilities(found, to)?;
    }
    writeln!(to, "\nNO DATA")?;
    report.no_data().iter().try_for_each(|line| wrapped(to, "  ", &format!("{}: {}.", line.about, line.why)))?;
    writeln!(to, "\nCHECK IT YOURSELF, in the bundle's folder")?;
    for opinion in report.second_opinions() {
        writeln!(to, "  {}:\n    {}", opinion.says, opinion.command)?;
    }
    write_appendix(report, to)
}

impl ReviewReport<'_> {
    /// Returns the names and values of the header, in the order in which people read them.
    pub(super) fn header(&self) -> Vec<(&'static str, String)> {
        let (state, manifest) = (self.state(), &self.state().manifest);
        let signer = self.signer().map_or_else(|| "nobody".to_owned(), |key| key_words(&key));
        let against = match self.against {
            Against::State => format!("{}, manifest {}", self.diff.before.manifest.folder(), self.diff.before.digest),
            Against::Nothing => "nothing: all items count as new".to_owned(),
        };
        let mut lines = vec![
            (
                "Bundle",
                format!(
                    "{}: site {}, name {}, sequence {}, epoch {}",
                    manifest.folder(),
                    manifest.site,
                    manifest.name,
                    u64::from(manifest.sequence),
                    u64::from(manifest.epoch)
                ),
            ),
            ("Manifest", state.digest.to_hex()),
            ("Compared with", against),
            ("Created", manifest.created.to_string()),
            ("Expires", manifest.expires.to_string()),
        ];
        let optional = [
            ("Next expected", manifest.next_expected.map(|time| time.to_string())),
            ("State before", manifest.previous.map(|digest| digest.to_hex())),
            ("Purpose", manifest.purpose.clone()),
            ("Ticket", manifest.ticket.clone()),
            ("Classification", manifest.classification.clone()),
        ];
        lines.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        lines.push(("Signed by", signer));
        lines.push(("Made with", manifest.generator.clone()));
        let trust = manifest.trust.map(|version| format!("version {version} of the trust file"));
        lines.push(("Made under", trust.unwrap_or_else(|| "no trust file".to_owned())));
        let overrides = &manifest.overrides;
        lines.push(("Overrides", if overrides.is_empty() { "none".to_owned() } else { overrides.join(", ") }));
        lines
    }
}

/// Names a key, with the name by which somebody knows it.
pub(super) fn key_words(key: &NamedKey) -> String {
    match &key.name {
        Some(name) => format!("{name}, {}", key.fingerprint),
        None => format!("{} (no name known)", key.fingerprint),
    }
}

fn provenance(report: &ReviewReport<'_>, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "\nUPSTREAM SIGNATURES, with ages when the bundle was made")?;
    for (index, collection) in report.state().manifest.collections.iter().enumerate() {
        wrapped(to, "  ", &format!("{}, from {}", collection.folder(), collection.upstream().as_str()))?;
        let mut count = 0;
        let each = report.each_signed(index, |file| {
            count += 1;
            if count > MOST {
                return Ok::<_, FormatError>(());
            }
            let keys: Vec<String> = file.signed_by.iter().map(key_words).collect();
            let text = format!("{}: {}, signed by {}", file.path, age_words(file.age_days), keys.join("; "));
            Ok(wrapped(to, "    ", &text)?)
        });
        each.map_err(io::Error::other)?;
        match count {
            0 => writeln!(to, "    nobody upstream signs anything of it")?,
            count => more(count, to)?,
        }
    }
    Ok(())
}

fn unproven(report: &ReviewReport<'_>, to: &mut dyn Write) -> io::Result<()> {
    let count: u64 = report.state().facts.iter().map(|facts| facts.unproven).sum();
    writeln!(to, "\nITEMS WITHOUT UPSTREAM PROOF ({count})")?;
    let mut shown = 0;
    let each = report.each_unproven(|collection, item| {
        shown += 1;
        if shown > MOST {
            return Ok::<_, FormatError>(());
        }
        Ok(wrapped(to, "  ", &format!("{collection}: {} {}, {}", item.name, item.version, item.path))?)
    });
    each.map_err(io::Error::other)?;
    more(shown, to)
}

fn left_out(report: &ReviewReport<'_>, to: &mut dyn Write) -> io::Result<()> {
    let left_out = &report.state().manifest.left_out;
    writeln!(to, "\nLEFT OUT ({})", left_out.len())?;
    for left in left_out.iter().take(MOST) {
        wrapped(to, "  ", &format!("{}: {}: {}", left.collection, left.what, left.why))?;
    }
    more(left_out.len(), to)
}

fn licences(report: &ReviewReport<'_>, to: &mut dyn Write) -> io::Result<()> {
    let mut licences: Vec<_> = report.licences().into_iter().collect();
    licences.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let inside = if report.looks.licences.is_some() { " and copyright files inside of packages" } else { "" };
    wrapped(to, "\nLICENCES", &format!(", as far as upstream's indexes{inside} state them"))?;
    for (licence, items) in licences.iter().take(MOST) {
        let licence = if licence.is_empty() { "unknown" } else { licence };
        wrapped(to, "  ", &format!("{items} items: {licence}"))?;
    }
    more(licences.len(), to)
}

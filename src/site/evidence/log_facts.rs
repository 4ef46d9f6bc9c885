//! Facts of the audit log about one manifest.

use super::facts::Publication;
use super::record::EvidenceRecord;
use crate::digest::Sha256;
use crate::storage::audit::AuditRecord;
use crate::time::Time;

/// The word before the version of the trust file in the line of an import.
const TRUST_WORDS: &str = "trust file ";
/// The word before the digest of the settings in the line of an import.
const POLICY_WORDS: &str = "site.toml ";

/// The settings and the trust file by which an import judges a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::site) struct JudgedBy {
    /// The digest of `site.toml`.
    pub(in crate::site) policy: Sha256,
    /// The version of the trust file.
    pub(in crate::site) version: u64,
    /// The digest of the trust file.
    pub(in crate::site) trust: Sha256,
}

impl JudgedBy {
    /// Returns the words for an import's line in the audit log. They stand before those of media, which may say anything.
    pub(in crate::site) fn audit_text(&self) -> String {
        format!("; {POLICY_WORDS}{}, {TRUST_WORDS}{} {}", self.policy, self.version, self.trust)
    }

    /// Finds it in the line of an import.
    fn parse(detail: &str) -> Option<Self> {
        let (_, text) = detail.split_once("; ")?;
        let (policy, trust) = text.strip_prefix(POLICY_WORDS)?.split_once(", ")?;
        let mut words = trust.strip_prefix(TRUST_WORDS)?.split(' ');
        let (version, trust) = (words.next()?, words.next()?);
        Some(Self { policy: policy.parse().ok()?, version: version.parse().ok()?, trust: trust.parse().ok()? })
    }
}

/// Facts of the audit log about one manifest.
#[derive(Debug, Default)]
pub(super) struct LogFacts {
    /// The lines about its bundle, by their numbers in the log, from 0.
    pub(super) lines: Vec<usize>,
    /// The last import.
    pub(super) judged_by: Option<JudgedBy>,
    /// The flags that lifted refusals at that import.
    pub(super) overrides: Vec<String>,
    /// The publications, in order.
    pub(super) publications: Vec<Publication>,
    /// The result of the review by which it was published last.
    pub(super) review: Option<String>,
    /// The time of the last publication, or else of the last line about it.
    pub(super) time: Option<Time>,
}

impl LogFacts {
    /// Reads them from the log of a site.
    pub(super) fn read(log: &[AuditRecord], record: &EvidenceRecord) -> Self {
        let (bundle, digest) = (record.bundle(), record.manifest.to_hex());
        let mut reader = LogReader { bundle, digest, is_about_it: true, facts: Self::default() };
        for (number, line) in log.iter().enumerate() {
            reader.line(number, line);
        }
        let facts = reader.facts;
        let published = facts.publications.last().map(|publication| publication.time);
        let last = facts.lines.last().and_then(|number| log.get(*number)).map(|line| line.time);
        Self { time: published.or(last), ..facts }
    }
}

/// Reads the lines of a log, one after the other.
struct LogReader {
    bundle: String,
    digest: String,
    /// `false` behind the import of another manifest of the same name: of another epoch, or by another builder.
    is_about_it: bool,
    facts: LogFacts,
}

impl LogReader {
    fn line(&mut self, number: usize, line: &AuditRecord) {
        if line.subject == self.bundle {
            self.line_of_bundle(number, line);
        }
        let Some(generation) = published_generation(line) else { return };
        // A line is written before the switch, so one whose number comes again was interrupted.
        self.facts.publications.retain(|known| known.generation != generation);
        let publishes =
            ["import ", "heal from "].iter().any(|how| line.subject.strip_prefix(how) == Some(&self.bundle));
        if publishes && self.is_about_it {
            self.facts.lines.push(number);
            let before = generation.saturating_sub(1);
            self.facts.publications.push(Publication { before, generation, time: line.time });
        }
    }

    fn line_of_bundle(&mut self, number: usize, line: &AuditRecord) {
        let is_about_it = match line.event.as_str() {
            // Statements name their manifest, and come at any time.
            "review" => line.detail.contains(&self.digest),
            "import" | "heal" => {
                self.is_about_it = line.detail.starts_with(&self.digest);
                self.is_about_it
            }
            _ => self.is_about_it,
        };
        if !is_about_it {
            return;
        }
        self.facts.lines.push(number);
        match line.event.as_str() {
            "import" => {
                self.facts.judged_by = JudgedBy::parse(&line.detail);
                // The words of a medium may look like flags: those of the import stand right behind the digest.
                let words = line.detail.split(' ').skip(1);
                self.facts.overrides = words.take_while(|word| word.starts_with("--")).map(flag).collect();
            }
            "reviewed" | "renewal" => self.facts.review = Some(line.detail.clone()),
            _ => {}
        }
    }
}

/// Returns the number of the generation that a line says was published.
fn published_generation(line: &AuditRecord) -> Option<u64> {
    line.detail.strip_prefix("generation ").filter(|_| line.event == "publish")?.parse().ok()
}

/// Returns a flag without the mark that ends the last one.
fn flag(word: &str) -> String {
    word.trim_end_matches(';').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &str, subject: &str, detail: &str) -> AuditRecord {
        AuditRecord {
            event: event.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
            time: Time::default(),
            previous: Sha256::of(b""),
        }
    }

    #[test]
    fn facts_are_those_of_one_manifest() {
        let [mine, other] = [Sha256::of(b"mine"), Sha256::of(b"other")];
        let judged = JudgedBy { policy: Sha256::of(b"policy"), version: 3, trust: Sha256::of(b"trust") };
        let record = EvidenceRecord {
            epoch: crate::numbers::Epoch::FIRST,
            failure: None,
            files: Default::default(),
            format: 1,
            manifest: mine,
            name: "base".parse().unwrap(),
            newest: Time::default(),
            sequence: crate::numbers::Sequence::FIRST.next(),
            site: "dc1".parse().unwrap(),
        };
        let bundle = record.bundle();
        let import = |digest: Sha256, flags: &str, media: &str| {
            line("import", &bundle, &format!("{digest}{flags}{} by anna on host{media}", judged.audit_text()))
        };
        let log = [
            line("publish", "import dc1-base-000001", "generation 1"),
            line("review", &bundle, &format!("reject by eve in the role reviewer, number 1, on {other}")),
            import(other, " --allow-expired", " from a medium without a sheet: tmpfs"),
            line("refused", &bundle, "no"),
            import(mine, " --allow-changed-items", " from --allow-expired; site.toml 0, trust file 9 0: tmpfs"),
            line("reviewed", &bundle, "approved by anna"),
            line("publish", &format!("import {bundle}"), "generation 2"),
            line("publish", &format!("import {bundle}"), "generation 2"),
            line("publish", "import dc1-other-000001", "generation 3"),
            line("publish", "import dc1-third-000001", "generation 3"),
            line("heal", &bundle, &format!("{mine}")),
            line("publish", &format!("heal from {bundle}"), "generation 4"),
            line("publish", "rollback to 1", "generation 4"),
            line("publish", &format!("heal from {bundle}"), "generation 5"),
        ];
        let facts = LogFacts::read(&log, &record);
        assert_eq!(facts.lines, [4, 5, 6, 7, 10, 11, 13]);
        assert_eq!((facts.judged_by, facts.overrides), (Some(judged), vec!["--allow-changed-items".to_owned()]));
        assert_eq!(facts.review.as_deref(), Some("approved by anna"));
        let numbers: Vec<_> = facts.publications.iter().map(|one| (one.before, one.generation)).collect();
        assert_eq!(numbers, [(1, 2), (4, 5)]);
    }
}

//! Heads of the audit log, to be kept elsewhere: whoever can write the log can rewrite all of it, and then a head that was kept no longer
//! fits.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::Serialize;

use super::{Site, SiteError};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::label::Label;
use crate::storage::audit::{self, AuditChain};
use crate::storage::read_named;
use crate::time::Time;

/// The audit log, below a site's folder.
pub(super) const LOG_FILE: &str = "audit.jsonl";
/// The first word of a head in text.
const WORD: &str = "gapferry-log-head";
/// The largest file of heads that is read, in bytes: a head a day for some decades.
const MAX_HEADS_BYTES: u64 = 4 << 20;

/// The audit log of a site as it was when it had so many records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogHead {
    /// The site.
    pub site: Label,
    /// The number of records.
    pub records: u64,
    /// The digest of the last of them: of its line without the line break.
    pub sha256: Sha256,
    /// The time of the last of them.
    pub time: Time,
}

impl fmt::Display for LogHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{WORD} {} {} {} {}", self.site, self.records, self.sha256, self.time)
    }
}

impl FromStr for LogHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let [word, site, records, sha256, time] = text.split(' ').collect::<Vec<_>>()[..] else {
            return Err("it does not have five words".to_owned());
        };
        if word != WORD {
            return Err(format!("its first word is not {WORD}"));
        }
        let head = Self {
            site: site.parse().map_err(|error| format!("{error}"))?,
            records: records.parse().map_err(|error| format!("its number of records is wrong: {error}"))?,
            sha256: sha256.parse().map_err(|error| format!("{error}"))?,
            time: time.parse().map_err(|error| format!("{error}"))?,
        };
        match head.to_string() == text {
            true => Ok(head),
            false => Err("it is not in the one spelling that a head has".to_owned()),
        }
    }
}

/// Reads a file with a head on each line. Empty lines are left out.
pub fn read_log_heads(path: &Path) -> Result<Vec<LogHead>, SiteError> {
    let text = String::from_utf8_lossy(&read_named(path, MAX_HEADS_BYTES)?).into_owned();
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
    let heads = lines.map(|(number, line)| {
        let bad = |reason| Fault::usage(format!("line {number} of {} is no head of a log: {reason}", path.display()));
        line.parse().map_err(bad)
    });
    match heads.collect::<Result<Vec<_>, _>>()? {
        heads if heads.is_empty() => Err(Fault::usage(format!("{} has no head of a log", path.display())).into()),
        heads => Ok(heads),
    }
}

impl Site {
    /// Reads the audit log, and checks its chain.
    pub fn log(&self) -> Result<AuditChain, SiteError> {
        Ok(audit::read_chain(&self.root().join(LOG_FILE))?)
    }

    /// Returns the head of a log of this site.
    pub fn log_head(&self, log: &AuditChain) -> LogHead {
        LogHead {
            site: self.config.name.clone(),
            records: log.records.len() as u64,
            sha256: log.head,
            time: log.records.last().map(|record| record.time).unwrap_or_default(),
        }
    }

    /// Fails if a log of this site does not go on from a head that was kept.
    pub fn check_log(&self, log: &AuditChain, kept: &LogHead) -> Result<(), SiteError> {
        let (path, here) = (self.root().join(LOG_FILE), &self.config.name);
        if kept.site != *here {
            let of = &kept.site;
            return Err(Fault::usage(format!("the head is of the log of the site {of}, and this is {here}")).into());
        }
        let (path, records) = (path.display(), log.records.len());
        let found = usize::try_from(kept.records).ok().and_then(|count| log.head_at(count));
        match found {
            Some(found) if found == kept.sha256 => Ok(()),
            Some(found) => Err(Fault::unverified(format!(
                "{path} was rewritten: its line {} has the digest {found}, and the head that was kept says {}",
                kept.records, kept.sha256
            ))
            .into()),
            None => Err(Fault::unverified(format!(
                "{path} was cut or begun anew: it has {records} records, and the head that was kept says {}",
                kept.records
            ))
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_one_spelling() {
        let head = LogHead {
            site: "dc1".parse().unwrap(),
            records: 42,
            sha256: Sha256::of(b"line"),
            time: Time::from_unix(1_800_000_000).unwrap(),
        };
        let text = head.to_string();
        assert_eq!(text.parse::<LogHead>().unwrap(), head);
        let others = [
            text.replace(" 42 ", " 042 "),
            format!("{text} "),
            text.replace("-head", "-tail"),
            text.replace("dc1", ""),
        ];
        for other in others {
            assert!(other.parse::<LogHead>().is_err(), "{other}");
        }
    }
}

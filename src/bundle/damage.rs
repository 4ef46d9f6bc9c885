//! Damaged bytes of volumes.

use std::path::PathBuf;

use serde::Serialize;

/// Bytes of a volume that are not what they must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Damage {
    /// The volume's path in the bundle's folder.
    pub volume: String,
    /// Offset of the first damaged byte.
    pub from: u64,
    /// Offset behind the last damaged byte.
    pub to: u64,
    /// From where they were read, if they were not restored.
    #[serde(flatten)]
    pub instead: Option<AlternateCopy>,
}

/// Two copies of a volume, one of which is bad.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AlternateCopy {
    /// The bundle's folder with the bad copy.
    pub bad: PathBuf,
    /// The bundle's folder that it was read from.
    pub read_from: PathBuf,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No paths: audit logs have this.
        let instead = if self.instead.is_some() { ", read from another medium" } else { "" };
        write!(f, "{} bytes {} to {}{instead}", self.volume, self.from, self.to)
    }
}

/// The first few pieces of damage, for a message.
pub(crate) fn pieces(damage: &[Damage]) -> String {
    const SHOWN: usize = 8;
    let mut words: Vec<String> = damage.iter().take(SHOWN).map(ToString::to_string).collect();
    words.extend((damage.len() > SHOWN).then(|| format!("and {} other pieces", damage.len() - SHOWN)));
    words.join(", ")
}

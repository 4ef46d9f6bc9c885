//! Which snaps another needs before it can be installed.

use super::{Metadata, NO_BASE, SnapKind};

/// The base of snaps that name none.
const DEFAULT_BASE: &str = "core";
/// The snap of snapd itself.
const SNAPD: &str = "snapd";

/// A snap that another needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapNeed {
    /// The name of what is needed.
    pub name: String,
    /// What for.
    pub why: NeedReason,
}

/// What a snap needs another for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NeedReason {
    /// It runs in its root file system.
    Base,
    /// snapd installs itself as a snap with the first snap on a device that has it from elsewhere.
    Snapd,
    /// A plug for content is connected to it.
    DefaultProvider,
}

impl Metadata {
    /// The snaps that snapd installs with this one where they are missing: its base, snapd, and default providers.
    ///
    /// As the task `prerequisites` in snapd's `overlord/snapstate`: only apps need others.
    pub fn needs(&self) -> Vec<SnapNeed> {
        if self.kind != SnapKind::App {
            return Vec::new();
        }
        let base = self.base.as_deref().unwrap_or(DEFAULT_BASE);
        let base = (base != NO_BASE).then_some((base, NeedReason::Base));
        let providers = self.default_providers.iter().map(|name| (name.as_str(), NeedReason::DefaultProvider));
        let needs = base.into_iter().chain([(SNAPD, NeedReason::Snapd)]).chain(providers);
        let others = needs.filter(|(name, _)| *name != self.name);
        others.map(|(name, why)| SnapNeed { name: name.to_owned(), why }).collect()
    }
}

//! Recovery files: what repairs volumes that a medium has damaged, and replaces volumes that are lost.
//!
//! They stand beside the volumes and nobody signs them, so nothing in them is believed: they only propose bytes, and every
//! byte that is proposed is checked against the signed manifest like one from the medium. `docs/format.md` specifies them.
//! [`geometry`] says which shards belong together, [`record`] is the file, [`mod@write`] makes them, [`repair`] uses them.

pub mod geometry;
mod patches;
mod protect;
pub mod record;
pub mod repair;
pub mod write;

pub use protect::protect;

pub use crate::units::MAX_SPARES;

/// How much recovery data a bundle gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Of each volume, in percent, 1 to 50.
    pub percent: Option<u32>,
    /// Spare volumes: as many may be lost.
    pub spares: u32,
}

impl Amount {
    /// Whether there is any.
    pub fn is_none(&self) -> bool {
        self.percent.is_none() && self.spares == 0
    }

    /// About what it takes, in bytes, for so many bytes of volumes, the largest of which has `largest`.
    pub fn about(&self, volumes: u64, largest: u64) -> u64 {
        let own = volumes.saturating_mul(u64::from(self.percent.unwrap_or_default())) / 100;
        let spares = largest.saturating_mul(u64::from(self.spares));
        let heads = if self.is_none() { 0 } else { volumes / 100 };
        own.saturating_add(spares).saturating_add(heads)
    }
}

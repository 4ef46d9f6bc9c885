//! Snap assertions: genuine ones, and stock snapd as the judge of our verdicts.

mod genuine;
pub(crate) mod snapd;
mod stock;

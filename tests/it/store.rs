//! The store in `gapferry serve`, asked as snapd, `snap download`, collectors and attackers ask.

mod answers;
mod assertion;
pub(crate) mod fixture;
mod hostile;
mod refresh;
pub(crate) mod stock;
mod tls;

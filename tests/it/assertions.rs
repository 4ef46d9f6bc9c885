//! Snap assertions: genuine ones, and stock snapd as the judge of our verdicts.

mod genuine;
mod snapd;
mod stock;

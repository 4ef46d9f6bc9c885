//! The option of all commands that publish at the time of a clock which the site may doubt.

use crate::site::ClockTrust;

#[derive(Debug, clap::Args)]
pub(super) struct ClockArgs {
    /// Believe the clock though it is more than 90 days past the newest time that the site knows of
    #[arg(long)]
    trust_clock: bool,
}

impl ClockArgs {
    pub(super) fn trust(&self) -> ClockTrust {
        if self.trust_clock { ClockTrust::Given } else { ClockTrust::Doubted }
    }
}

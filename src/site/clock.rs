//! Wrong clocks: what is doubted, and what they have left behind.

use super::{Generation, Site, SiteError};
use crate::error_class::{ErrorClass, Fault};
use crate::next_command;
use crate::time::Time;
use crate::trust::{CLOCK_TOLERANCE_S, check_clock};

/// Treatment of a clock that is far past the newest time that the site knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockTrust {
    /// It is doubted.
    Doubted,
    /// The operator says that it is right.
    Given,
}

impl ClockTrust {
    /// Fails if the clock is doubted and far past what the site has seen and published.
    pub(super) fn check(self, current: &Generation) -> Result<(), SiteError> {
        match self {
            Self::Doubted if current.number > 0 => Ok(check_clock(Time::now(), current.newest_time.max(current.made))?),
            _ => Ok(()),
        }
    }
}

/// Dates of a site that are in the future: its clock was wrong, or is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureDates {
    /// The date of what is published, or the newest time that a bundle has shown.
    pub date: Time,
    /// The clock.
    pub now: Time,
}

impl FutureDates {
    /// Returns the dates of a generation that are in the future; `None` if there are none.
    pub(super) fn of(current: &Generation) -> Option<Self> {
        let now = Time::now();
        let newest = current.newest_time.plus(-CLOCK_TOLERANCE_S);
        let date = current.made.max(current.signed).max(newest);
        (date > now.plus(1)).then_some(Self { date, now })
    }
}

/// Returns the error of a site that has published later than it is now.
pub(super) fn behind(site: &Site, published: Time) -> Fault {
    let (now, redate) = (Time::now(), next_command::redate(site.root()));
    let message = format!(
        "the clock says {now}, and the site published at {published} already: set the clock; if it is right now, and was wrong then, run \
         `{redate}`"
    );
    Fault::new(ErrorClass::WrongClock, message)
}

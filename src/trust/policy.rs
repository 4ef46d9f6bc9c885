//! What may not go backwards: site, epoch, sequence and time of a bundle against what the site has seen.
//!
//! These checks answer the rollback, freeze, fast-forward and mix-and-match attacks of The Update Framework's list
//! (TUF specification, section 1.5.2).

use std::path::Path;

use super::TrustError;
use crate::next_command;
use crate::numbers::{Epoch, Sequence};
use crate::time::Time;

/// The largest step between two sequences that is accepted without asking.
const MAX_SEQUENCE_JUMP: u64 = 1000;
/// The most by which a clock may be past the newest time that is known, in seconds: bundles are valid for 90 days unless the selection says
/// otherwise.
const MAX_AHEAD_S: i64 = 90 * 24 * 3600;
/// How far a clock here may be behind the builder's, in seconds.
pub const CLOCK_TOLERANCE_S: i64 = 24 * 3600;

/// What a manifest says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The site that it is for.
    pub site: &'a str,
    /// The version of the trust file under which it was made, if the builder had one.
    pub trust: Option<u64>,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its sequence within the site, name and epoch.
    pub sequence: Sequence,
    /// When it was made.
    pub created: Time,
    /// When it stops being valid.
    pub expires: Time,
}

/// What the site has seen so far.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The site's name.
    pub site: &'a str,
    /// The trust file's version.
    pub trust: u64,
    /// The trust file's epoch.
    pub epoch: Epoch,
    /// The newest sequence of this epoch that was published; none before the first.
    pub sequence: Option<Sequence>,
    /// The newest time that a trusted bundle has shown; the clock is never believed to be earlier.
    pub newest_time: Time,
    /// The clock.
    pub clock: Time,
    /// The site's folder, for messages.
    pub folder: &'a Path,
}

/// Refusals that an operator may lift, each by a flag of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// Accept a bundle after its expiry.
    pub expired: bool,
    /// Accept a large step of the sequence.
    pub sequence_jump: bool,
    /// Accept upstream's metadata though newer was seen.
    pub older_upstream: bool,
    /// Accept items that have other bytes under the same name and version.
    pub changed_items: bool,
    /// Believe a clock that is far past the newest time that is known.
    pub far_clock: bool,
}

impl Overrides {
    /// The flags that are given, for the audit log; empty if there are none.
    pub fn audit_text(self) -> String {
        let flags = [
            (self.expired, " --allow-expired"),
            (self.sequence_jump, " --allow-sequence-jump"),
            (self.older_upstream, " --allow-older-upstream"),
            (self.changed_items, " --allow-changed-items"),
            (self.far_clock, " --trust-clock"),
        ];
        flags.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag).collect()
    }
}

/// Checks a manifest's header against what the site has seen.
pub fn check(header: &Header<'_>, seen: &Seen<'_>, allow: Overrides) -> Result<(), TrustError> {
    if header.site != seen.site {
        return Err(TrustError::WrongSite { found: header.site.to_owned(), here: seen.site.to_owned() });
    }
    if let Some(found) = header.trust.filter(|version| *version > seen.trust) {
        return Err(TrustError::NewerTrust { found, here: seen.trust });
    }
    if header.epoch != seen.epoch {
        return Err(TrustError::WrongEpoch { found: header.epoch, here: seen.epoch });
    }
    check_sequence(header.sequence, seen, allow)?;
    if header.created > seen.clock.plus(CLOCK_TOLERANCE_S) {
        return Err(TrustError::FromTheFuture { created: header.created, now: seen.clock });
    }
    let now = seen.clock.max(seen.newest_time);
    if header.expires <= now && !allow.expired {
        return Err(TrustError::Expired { expires: header.expires, now });
    }
    if allow.far_clock { Ok(()) } else { check_clock(seen.clock, seen.newest_time.max(header.created)) }
}

/// Doubts a clock that is far past the newest time that is known. What a site publishes at a wrong date stops it until then.
pub fn check_clock(clock: Time, newest: Time) -> Result<(), TrustError> {
    match clock > newest.plus(MAX_AHEAD_S) {
        true => Err(TrustError::FarClock { clock, newest }),
        false => Ok(()),
    }
}

fn check_sequence(found: Sequence, seen: &Seen<'_>, allow: Overrides) -> Result<(), TrustError> {
    if let Some(newest) = seen.sequence.filter(|newest| found <= *newest) {
        return Err(TrustError::OldSequence { found, newest, rollback: next_command::rollback(seen.folder) });
    }
    let newest = seen.sequence.map_or(0, Sequence::get);
    if found.get() - newest > MAX_SEQUENCE_JUMP && !allow.sequence_jump {
        return Err(TrustError::SequenceJump { found, newest, limit: MAX_SEQUENCE_JUMP });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_unix(1_800_000_000 + seconds).unwrap()
    }

    fn nth(sequence: u64) -> Sequence {
        sequence.try_into().unwrap()
    }

    #[test]
    fn every_refusal_has_its_row() {
        let header = Header {
            site: "dc1",
            trust: None,
            epoch: Epoch::FIRST,
            sequence: nth(7),
            created: at(0),
            expires: at(1000),
        };
        let seen = Seen {
            site: "dc1",
            trust: 2,
            epoch: Epoch::FIRST,
            sequence: Some(nth(6)),
            newest_time: at(0),
            clock: at(10),
            folder: Path::new("s"),
        };
        let none = Overrides::default();
        let verdict =
            |header: Header<'_>, seen: Seen<'_>, allow| check(&header, &seen, allow).map_err(|e| format!("{e:?}"));
        let name =
            |r: Result<(), String>| r.err().and_then(|e| e.split(' ').next().map(str::to_owned)).unwrap_or_default();

        assert_eq!(name(verdict(header, seen, none)), "");
        assert_eq!(name(verdict(header, Seen { sequence: None, ..seen }, none)), "");
        assert_eq!(name(verdict(header, Seen { site: "dc2", ..seen }, none)), "WrongSite");
        assert_eq!(name(verdict(header, Seen { epoch: 2.try_into().unwrap(), ..seen }, none)), "WrongEpoch");
        assert_eq!(name(verdict(Header { epoch: 2.try_into().unwrap(), ..header }, seen, none)), "WrongEpoch");
        assert_eq!(name(verdict(header, Seen { sequence: Some(nth(7)), ..seen }, none)), "OldSequence");
        assert_eq!(name(verdict(header, Seen { sequence: Some(nth(8)), ..seen }, none)), "OldSequence");
        assert_eq!(name(verdict(Header { trust: Some(2), ..header }, seen, none)), "");
        assert_eq!(name(verdict(Header { trust: Some(3), ..header }, seen, none)), "NewerTrust");
        let far = Header { sequence: Sequence::MAX, ..header };
        assert_eq!(name(verdict(far, seen, none)), "SequenceJump");
        assert_eq!(name(verdict(far, seen, Overrides { sequence_jump: true, ..none })), "");
        assert_eq!(name(verdict(Header { sequence: nth(1006), ..header }, seen, none)), "");
        let first = Seen { sequence: None, ..seen };
        assert_eq!(name(verdict(Header { sequence: nth(1000), ..header }, first, none)), "");
        assert_eq!(name(verdict(Header { sequence: nth(1001), ..header }, first, none)), "SequenceJump");
        assert_eq!(name(verdict(far, first, Overrides { sequence_jump: true, ..none })), "");
        assert_eq!(name(verdict(header, Seen { clock: at(1000), ..seen }, none)), "Expired");
        assert_eq!(name(verdict(header, Seen { newest_time: at(1000), ..seen }, none)), "Expired");
        assert_eq!(name(verdict(header, Seen { clock: at(2000), ..seen }, Overrides { expired: true, ..none })), "");
        assert_eq!(name(verdict(header, Seen { clock: at(-CLOCK_TOLERANCE_S - 1), ..seen }, none)), "FromTheFuture");
        let long = Header { expires: at(10 * MAX_AHEAD_S), ..header };
        assert_eq!(name(verdict(long, Seen { clock: at(MAX_AHEAD_S), ..seen }, none)), "");
        let far = Seen { clock: at(MAX_AHEAD_S + 1), ..seen };
        assert_eq!(name(verdict(long, far, none)), "FarClock");
        assert_eq!(name(verdict(long, Seen { newest_time: at(1), ..far }, none)), "");
        assert_eq!(name(verdict(long, far, Overrides { far_clock: true, ..none })), "");
    }
}

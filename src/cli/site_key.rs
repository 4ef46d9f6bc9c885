//! `gapferry site rotate-key` and `gapferry site redate`.

use std::path::PathBuf;

use serde_json::json;

use super::clock::ClockArgs;
use super::error::Failure;
use super::output::Output;
use super::snap_roots::open_site;
use crate::formats::openpgp::SiteKeyAlgorithm;
use crate::progress::Progress;
use crate::site::{self, KeyOverlap};

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(super) enum KeyAlgorithm {
    #[default]
    Ed25519,
    Rsa4096,
}

impl From<KeyAlgorithm> for SiteKeyAlgorithm {
    fn from(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::Ed25519 => Self::Ed25519,
            KeyAlgorithm::Rsa4096 => Self::Rsa4096,
        }
    }
}

/// Replace the site's OpenPGP key: both keys are published and sign for a while, then the new one alone
///
/// The current state is published again. Give current/keys/site.asc to all clients while both sign. The first import, rollback or
/// `site rotate-key --finish` after that time is signed by the new key alone, and the old one is deleted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry site rotate-key --site /srv/gapferry --days 60\n  \
    gapferry site rotate-key --site /srv/gapferry --finish")]
pub(super) struct RotateKeyArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// The number of days for which both keys sign
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Let the new key sign alone at once: for a key that was stolen, or was made when the clock was wrong
    #[arg(long, conflicts_with_all = ["days", "finish"])]
    now: bool,
    /// End the time in which both keys sign
    #[arg(long, conflicts_with_all = ["days", "key_algorithm"])]
    finish: bool,
    /// The algorithm of the new key
    #[arg(long, value_name = "ALGORITHM", value_enum, default_value_t)]
    key_algorithm: KeyAlgorithm,
    #[command(flatten)]
    clock: ClockArgs,
}

pub(super) fn rotate(args: &RotateKeyArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let (rotation, generation) = match args.finish {
        true => site::finish_rotation(&site, progress)?,
        false => {
            let overlap = if args.now { KeyOverlap::None } else { KeyOverlap::Days(args.days) };
            let algorithm = args.key_algorithm.into();
            site::rotate_key(&site, algorithm, overlap, args.clock.trust(), progress)?
        }
    };
    let is_alone = args.finish || args.now || generation.is_none();
    let number = generation.as_ref().map(|generation| generation.number);
    let words = match is_alone {
        true => format!("{} signs alone from now on; {} is deleted\n", rotation.new, rotation.old),
        false => format!("{} and {} sign until {}\n", rotation.old, rotation.new, rotation.until),
    };
    let told = generation.map(|generation| format!("generation {} is published\n", generation.number));
    let value = json!({
        "old": rotation.old, "new": rotation.new, "until": rotation.until, "both_sign": !is_alone, "generation": number,
    });
    out.done(value, &(words + &told.unwrap_or_default()));
    Ok(())
}

/// Publish the current state again with right dates, after the clock was wrong
///
/// This is the one way in which the dates of a site go back, and the audit log says so. Set the clock first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gapferry site redate --site /srv/gapferry")]
pub(super) struct RedateArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
}

pub(super) fn redate(args: &RedateArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let generation = site::redate(&site, progress)?;
    out.done(
        json!({ "generation": generation.number, "made": generation.made }),
        &format!("generation {} is published, with the date {}\n", generation.number, generation.made),
    );
    Ok(())
}

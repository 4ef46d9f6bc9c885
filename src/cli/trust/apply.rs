//! `gapferry trust apply`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::error::Failure;
use super::super::output::{Output, note};
use super::super::snap_roots::open_site;
use super::show;
use super::spoken_digest;
use crate::digest::Sha256;
use crate::error_class::{ErrorClass, Fault};
use crate::next_command;
use crate::site::{SiteError, TrustCheck, read_signed_trust};
use crate::trust::TrustError;

/// Let a site take newer versions of its trust file, if the root quorums have signed them
///
/// Each version is signed by the root quorum of the version before it and by its own. A version that the site has already gives
/// the exit code 3. What is published stays published.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry trust apply trust-2.json --site /srv/gapferry --dry-run\n  \
    gapferry trust apply trust-2.json trust-3.json --site /srv/gapferry")]
pub(super) struct ApplyArgs {
    /// Trust files, each with its signatures in FILE.sig
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Take the file without the signatures of the root quorum before, since that was lost: FINGERPRINT is what those who made
    /// the file read out, as `trust show` prints it. The audit log says that it was done
    #[arg(long, value_name = "FINGERPRINT", value_parser = spoken_digest)]
    replace: Option<Sha256>,
    /// Only check, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Adds the command that leads on, if there is one.
fn with_next(args: &ApplyArgs, error: SiteError) -> Failure {
    let last = args.files.last().map_or(Path::new(""), PathBuf::as_path);
    let next = match &error {
        SiteError::Trust(TrustError::BelowRootQuorum(lack)) => {
            let of_version =
                |file: &&PathBuf| read_signed_trust(file).is_ok_and(|signed| signed.file.version == lack.version);
            next_command::trust_sign(args.files.iter().find(of_version).map_or(last, PathBuf::as_path))
        }
        SiteError::Trust(TrustError::NoRootQuorum { .. } | TrustError::OtherTrustFile { .. }) => {
            next_command::trust_show(last)
        }
        SiteError::Trust(TrustError::TrustVersion { .. }) => next_command::trust_show(&args.site),
        _ => return error.into(),
    };
    let class = error.class();
    Fault::new(class, format!("the trust file is not applied; next, run `{next}`")).because(error).into()
}

pub(super) fn run(args: &ApplyArgs, out: &Output) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let chain = args.files.iter().map(|file| read_signed_trust(file)).collect::<Result<Vec<_>, _>>()?;
    let check = args.replace.map_or(TrustCheck::Signatures, TrustCheck::ByHand);
    let applied = match args.dry_run {
        true => site.check_trust(chain, check),
        false => site.lock().and_then(|lock| site.apply_trust(&lock, chain, check)),
    };
    let applied = applied.map_err(|error| with_next(args, error))?;
    let Some(last) = applied.new.last() else {
        let (site, version) = (args.site.display(), applied.before.version);
        let nothing =
            format!("the site in {site} has version {version} of the trust file already, and nothing newer was given");
        return Err(Fault::new(ErrorClass::NothingNew, nothing).into());
    };
    last.file.advice().iter().for_each(|advice| note(&format!("note: {advice}")));
    let versions: Vec<u64> = applied.new.iter().map(|signed| signed.file.version).collect();
    let before = applied.before.version;
    let has = if args.dry_run { "would have" } else { "has" };
    let mut value = show::value(last);
    value["versions"] = json!(versions);
    value["before"] = json!(before);
    value["dry_run"] = json!(args.dry_run);
    let words = format!("{} {has} a new trust file, after version {before}:\n", site.config.name);
    out.done(value, &(words + &show::render(last)));
    Ok(())
}

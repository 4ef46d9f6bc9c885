//! `gapferry site log`.

use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::Output;
use super::snap_roots::open_site;
use crate::site::read_log_heads;
use crate::terminal::safe;

/// Show the audit log of a site, print its head to keep it elsewhere, or check the log against heads that were kept
///
/// Each line of the log has the digest of the line before it, so the head, which is the digest of the last line, stands for all of them.
/// Whoever can write the log can rewrite it as a whole; then a head that is kept on another machine, or on paper, no longer fits.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry site log --site /srv/gapferry\n  \
    gapferry site log --site /srv/gapferry --head\n  \
    gapferry site log --site /srv/gapferry --against heads-dc1")]
pub(super) struct SiteLogArgs {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// Print one line: the number of records and the digest of the last one
    #[arg(long)]
    head: bool,
    /// Check the log against each head in FILE, as --head printed them
    #[arg(long, value_name = "FILE", conflicts_with = "head")]
    against: Option<PathBuf>,
}

pub(super) fn run(args: &SiteLogArgs, out: &Output) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let log = site.log()?;
    let head = site.log_head(&log);
    if args.head {
        out.done(json!({ "head": head }), &format!("{head}\n"));
        return Ok(());
    }
    if let Some(file) = &args.against {
        let kept = read_log_heads(file)?;
        kept.iter().try_for_each(|kept| site.check_log(&log, kept))?;
        let newest = kept.iter().map(|kept| kept.records).max().unwrap_or_default();
        let words = format!(
            "{} heads agree with the log: up to record {newest} of {} it is as it was when they were kept\n",
            kept.len(),
            head.records
        );
        out.done(json!({ "head": head, "heads": kept.len(), "newest": newest }), &words);
        return Ok(());
    }
    let line = |record: &crate::storage::audit::AuditRecord| {
        let (event, subject, detail) = (safe(&record.event), safe(&record.subject), safe(&record.detail));
        format!("{}  {event}  {subject}  {detail}\n", record.time)
    };
    let words: String = log.records.iter().map(line).collect();
    out.done(json!({ "head": head, "records": log.records }), &words);
    Ok(())
}

//! `gapferry demo`.

use std::path::PathBuf;

use serde_json::json;

use super::error::Failure;
use super::output::Output;
use crate::next_command;
use crate::progress::Progress;

/// Show the whole way, offline, in seconds: an upstream, a bundle, the gap, a site, a client
///
/// Generates small signed upstreams of packages, images and snaps, exports from them, carries the bundle's files alone, imports
/// them, serves them, lets the host's own apt-get install from there if there is one, and writes what name servers, clients and MAAS
/// need next. Everything stays in one temporary
/// folder. The snaps are signed under a root that only the demo takes: import and rollback refuse what is kept of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry demo\n  gapferry demo --keep /tmp/gapferry-demo")]
pub(super) struct DemoArgs {
    /// Work in DIR, which must not exist, and leave everything there to look at
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

pub(super) fn run(args: &DemoArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let report = crate::demo::run(args.keep.as_deref(), progress)?;
    let look =
        |folder: &PathBuf| format!("Look around: {}\n", next_command::serve(&folder.join("site"), "127.0.0.1:8080"));
    let next = args.keep.as_ref().map(look).unwrap_or_default();
    out.done(json!({ "steps": report.steps, "folder": args.keep }), &(report.render() + &next));
    Ok(())
}

//! `gapferry diff`.

use std::path::PathBuf;

use super::error::Failure;
use super::output::{Output, write_json_line};
use super::reviewed::open_both;
use crate::bundle::BundleError;
use crate::label::Label;
use crate::review::{DiffJson, TextLimit, compare, write_text};

/// Show what changes between two states, first what a reviewer must not miss
///
/// Each state is that of a bundle, of which the manifest and the item lists suffice, or what a site publishes. No key is needed: the
/// command says whose signature a manifest bears, not whether to trust it. It ends with the exit code 0 also if the states differ.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry diff dc1-base-000041 /media/usb/dc1-base-000042\n  \
    gapferry diff /srv/gapferry /media/usb\n  \
    gapferry diff --json dc1-base-000041 dc1-base-000042 | jq '.alarms[].text'")]
pub(super) struct DiffArgs {
    /// The older state: a bundle's folder or name, a medium that has one bundle, or a site's folder
    #[arg(value_name = "OLD")]
    before: PathBuf,
    /// The newer state, in the same forms
    #[arg(value_name = "NEW")]
    after: PathBuf,
    /// The name of the bundles, if a site publishes several
    #[arg(long)]
    name: Option<Label>,
    /// Print all alarms and changes, not only the first 50 below each heading
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &DiffArgs, out: &Output) -> Result<(), Failure> {
    let (before, after) = open_both([&args.before, &args.after], args.name.as_ref())?;
    let scratch = std::env::temp_dir();
    let diff = compare(&before, &after, &scratch)?;
    let limit = if args.all { TextLimit::All } else { TextLimit::Short };
    out.stream(|to| {
        let written = match out.is_json() {
            true => write_json_line(&DiffJson(&diff), to).map_err(Into::into),
            false => write_text(&diff, limit, to),
        };
        // Errors of stdout are kept elsewhere, and the changes are in files of this process.
        written.map_err(|error| Failure::Bundle(BundleError::io("read", &scratch)(error)))
    })
}

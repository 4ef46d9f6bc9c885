//! `gapferry copy`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::bundle_folder::find;
use super::error::Failure;

use super::output::{Output, note, stdout, sync};
use super::workspace::{CarryArgs, WorkspaceArgs};
use crate::bundle::packing::volume_files::WrongSize;
use crate::bundle::send_stream::send;
use crate::bundle::state::SignedState;
use crate::bundle::{BundleError, STREAM_NAME};
use crate::media::copy::dry_run;
use crate::media::plan::AdditionalMedia;
use crate::media::{Copied, CopyJob, MediaError, MountCheck, copy};
use crate::next_command::{self, USUAL_SITE};
use crate::progress::Progress;
use crate::storage::RunMode;
use crate::storage::capacity::FreeSpace;
use crate::units::Bytes;
use crate::workspace::Workspace;

/// Put a finished bundle onto one or several media, and read everything back
///
/// Whole volumes of all packings go to the media in order, each with its recovery file, if there is one. All other files of the
/// bundle and a transfer sheet, MEDIUM.txt, go onto every medium. Spare volumes go to a medium of their own, or beside all volumes.
/// Which files went where is remembered: the same command with another medium goes on with the rest, and finishes a run that was
/// killed. The first lines of each sheet are its label, to be printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gapferry copy out/dc1-base-000042 /media/stick-a /media/stick-b\n  \
    gapferry copy out/dc1-base-000042 /media/stick-c --after-reinsert\n  \
    gapferry copy /media/stick/dc1-base-000042 /media/stick    # in place, after `export --out /media/stick`\n  \
    gapferry copy out/dc1-base-000042 - | nc diode 4242")]
pub(super) struct CopyArgs {
    /// The bundle's folder or name
    bundle: PathBuf,
    /// The folders of mounted media; `-` writes the bundle to stdout as one stream, for `import -`
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<PathBuf>,
    #[command(flatten)]
    place: WorkspaceArgs,
    #[command(flatten)]
    carried: CarryArgs,
    /// Say what would go where, and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Forget which volumes went to media before
    #[arg(long)]
    again: bool,
    /// Begin whatever a medium says of its free space: some drivers for FAT always say 0. All is read back as ever
    #[arg(long)]
    ignore_free_space: bool,
    /// Read everything once more after each medium was pulled and put back
    #[arg(long, conflicts_with = "dry_run")]
    after_reinsert: bool,
    /// How long to wait for that, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "after_reinsert")]
    timeout: u64,
}

impl CopyArgs {
    /// Returns the options that the next medium needs too.
    fn lasting_options(&self) -> Vec<&'static str> {
        let options = [
            ("--allow-folder", self.carried.mount_check() == MountCheck::Skipped),
            ("--ignore-free-space", self.ignore_free_space),
        ];
        options.into_iter().filter(|(_, given)| *given).map(|(option, _)| option).collect()
    }
}

pub(super) fn run(args: &CopyArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    if args.targets.iter().any(|target| target.as_os_str() == STREAM_NAME) {
        return to_stdout(args, out, progress);
    }
    let root = args.place.folder()?;
    // Who signed it does not matter here: the workspace's owner carries it, and the site asks.
    let state = SignedState::open(&find(&args.bundle, Some(&root))?)?.trusted(|_| Ok::<_, BundleError>(()))?;
    let search = state.packings(WrongSize::Refused, |_| Ok(()))?;
    if let Some(error) = search.absent.into_iter().next() {
        return Err(error.into());
    }
    let job = CopyJob {
        state: &state,
        packings: &search.found,
        targets: &args.targets,
        home: &root,
        named_workspace: WorkspaceArgs::named(&root),
        mount_check: args.carried.mount_check(),
        again: args.again,
        free_space: if args.ignore_free_space { FreeSpace::Ignored } else { FreeSpace::Checked },
        reinsert: args.after_reinsert.then(|| Duration::from_secs(args.timeout)),
        say: &note,
        progress,
    };
    let copied = if args.dry_run { plan_only(&job, &root)? } else { copy(&job, &Workspace::open(&root)?)? };
    say(&state.manifest.folder(), &copied, &root, args, out)
}

fn plan_only(job: &CopyJob<'_>, root: &Path) -> Result<Copied, Failure> {
    let mut known = Workspace::media_of(root, &job.state.manifest.folder(), &job.state.digest)?;
    if job.again {
        known.media.clear();
    }
    Ok(dry_run(job, known)?)
}

fn to_stdout(args: &CopyArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    if args.targets.len() > 1 || args.dry_run || args.again || args.after_reinsert || args.ignore_free_space {
        return Err(Failure::usage("a stream goes to `-` alone, and has no other options"));
    }
    if out.is_json() {
        return Err(Failure::usage("stdout has the stream: leave --json away"));
    }
    let root = args.place.folder().ok();
    let folder = find(&args.bundle, root.as_deref())?;
    let mut stdout = stdout().map_err(MediaError::io("open", Path::new(STREAM_NAME)))?;
    send(&folder, &mut stdout, progress)?;
    Ok(sync(&stdout).map_err(MediaError::io("write to", Path::new(STREAM_NAME)))?)
}

/// Says what was copied; files that are on no medium yet make it a failure.
fn say(name: &str, copied: &Copied, root: &Path, args: &CopyArgs, out: &Output) -> Result<(), Failure> {
    let media = copied.media.iter().map(|medium| {
        json!({
            "target": medium.target, "name": medium.name, "label": medium.label, "written": medium.written,
            "kept": medium.kept,
        })
    });
    let more = copied.more.as_ref().map(|more| json!({ "count": more.count, "free_bytes": more.free }));
    let value = json!({
        "bundle": name, "media": media.collect::<Vec<_>>(), "remaining": copied.rest, "more": more, "left_out": copied.left_out,
        "dry_run": args.dry_run,
    });
    let next = |more: &AdditionalMedia| {
        let count = usize::try_from(more.count).unwrap_or(usize::MAX);
        let targets: Vec<PathBuf> = args.targets.iter().take(count).cloned().collect();
        next_command::copy(&args.bundle, &targets, &args.lasting_options(), WorkspaceArgs::named(root))
    };
    let mode = if args.dry_run { RunMode::DryRun } else { RunMode::Apply };
    let words = render(name, copied, mode);
    if copied.rest.is_empty() {
        out.done(value, &words);
        return Ok(());
    }
    out.text(&words);
    let next = match &copied.more {
        Some(more) => {
            let (media, free) = (count(more.count, "medium"), Bytes(more.free));
            format!("{media} more with {free} free on each; with the next mounted in the same place: `{}`", next(more))
        }
        None => "the media that have their volumes once more: recovery files belong beside these".to_owned(),
    };
    Err(Failure::NotAllCopied { bundle: name.to_owned(), files: copied.rest.len(), next, report: value })
}

fn render(name: &str, copied: &Copied, mode: RunMode) -> String {
    let mut text = String::new();
    let (written, is) = match mode {
        RunMode::DryRun => ("would be written", "would be"),
        RunMode::Apply => ("written and read back", "is"),
    };
    for medium in &copied.media {
        text += &format!("{}, {}:\n", medium.name, medium.target.display());
        for (files, what) in [(&medium.written, written), (&medium.kept, "there already")] {
            for (files, name) in kinds(files) {
                if let (Some(first), Some(last)) = (files.first(), files.last()) {
                    let range = if first == last { (*first).clone() } else { format!("{first} … {last}") };
                    text += &format!("  {} {what}: {range}\n", count(files.len() as u64, name));
                }
            }
        }
        if mode == RunMode::Apply {
            text += &format!("  label: {}\n", medium.label.join(" | "));
        }
    }
    for (files, kind) in kinds(&copied.rest) {
        if let Some(first) = files.first() {
            text += &format!("{} on no medium yet, from {first} on\n", count_are(files.len() as u64, kind));
        }
    }
    if copied.rest.is_empty() {
        text += &format!(
            "all of {name} {is} on media. On the site's host, in the folder of each medium:\n  {}\n",
            next_command::import_here(Path::new(USUAL_SITE))
        );
    }
    text
}

/// Volumes, and recovery files.
fn kinds(files: &[String]) -> [(Vec<&String>, &'static str); 2] {
    let (recovery, volumes) = files.iter().partition(|file| file.ends_with(".rec"));
    [(volumes, "volume"), (recovery, "recovery file")]
}

fn count(number: u64, what: &str) -> String {
    match (number, what) {
        (1, what) => format!("1 {what}"),
        (_, "medium") => format!("{number} media"),
        _ => format!("{number} {what}s"),
    }
}

fn count_are(files: u64, what: &str) -> String {
    format!("{} {}", count(files, what), if files == 1 { "is" } else { "are" })
}

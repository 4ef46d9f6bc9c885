//! `gapferry maas`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::error::Failure;
use super::output::{Output, note};
use super::snap_roots::open_site;
use crate::fetch::FetchOptions;
use crate::label::Label;
use crate::maas::{
    ApiKey, Change, LostArchives, MaasChoice, MaasClient, MaasPlan, Telling, WaitLimits, apply, dry_run, wanted,
};
use crate::progress::Progress;
use crate::setup::ServeUrl;
use crate::storage::RunMode;
use crate::terminal::safe;

/// Set a MAAS of the air-gapped side up
#[derive(Debug, clap::Args)]
pub(super) struct MaasArgs {
    #[command(subcommand)]
    command: MaasCommand,
}

#[derive(Debug, Subcommand)]
enum MaasCommand {
    Apply(Apply),
}

/// Let a MAAS take its images and packages from this site, through its own API
///
/// Sets boot sources with their keyrings, selections, package repositories with their keys and the settings that an air gap
/// asks for, then imports the images and waits for them. Only what differs is changed, and the plan is printed before; so it
/// can be run again at any time. `serve` must answer at --serve-url for MAAS and its machines. docs/maas.md says
/// what is set and why.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  gapferry maas apply --site /srv/gapferry --url http://maas.dc1.example:5240/MAAS \\\n    \
    --api-key-file maas.key --serve-url http://gapferry.dc1.example --ntp-server ntp.dc1.example\n  \
    gapferry maas apply --site /srv/gapferry --url https://maas.dc1.example/MAAS \\\n    \
    --api-key-file maas.key --serve-url http://gapferry.dc1.example --dry-run --json"
)]
struct Apply {
    /// The site's folder
    #[arg(long, value_name = "SITE", env = "GAPFERRY_SITE")]
    site: PathBuf,
    /// MAAS, such as http://HOST:5240/MAAS; over plain http, whoever listens has the key
    #[arg(long, value_name = "URL")]
    url: String,
    /// A file with an administrator's API key and nothing else, as `maas apikey` prints it
    #[arg(long, value_name = "FILE")]
    api_key_file: PathBuf,
    #[command(flatten)]
    choice: Wishes,
    /// Point MAAS's own archives at Ubuntu's again, where they point at what this site has ceased to publish
    #[arg(long)]
    reset_archives: bool,
    /// Say what would be changed, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// How long MAAS may take to read a boot source, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    cache_timeout: u64,
    /// How long the import may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
    /// Certificates to trust for https besides the platform's (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// The settings of a MAAS that the operator gives; `setup maas` takes the same ones.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Wishes {
    /// The address at which `serve` answers for MAAS and its machines
    #[arg(long, value_name = "URL")]
    serve_url: ServeUrl,
    /// Published images that become a boot source, by name, os-images for those of other systems; can be given several times [default: all]
    #[arg(long = "images", value_name = "NAME")]
    images: Vec<Label>,
    /// The published archive that becomes main_archive (amd64, i386) [default: the only one of Ubuntu's that can]
    #[arg(long, value_name = "NAME")]
    main_archive: Option<String>,
    /// The published archive that becomes ports_archive (arm64, ppc64el, …) [default: the only one of Ubuntu's that can]
    #[arg(long, value_name = "NAME")]
    ports_archive: Option<String>,
    /// A Debian archive that is handed to machines all the same; can be given several times
    #[arg(long = "repository", value_name = "NAME")]
    repositories: Vec<String>,
    /// The proxy that machines use [default: none]
    #[arg(long, value_name = "URL")]
    http_proxy: Option<String>,
    /// A time server of this side; can be given several times [default: MAAS's setting stays]
    #[arg(long = "ntp-server", value_name = "HOST")]
    ntp_servers: Vec<String>,
    /// A DNS server that MAAS asks; can be given several times [default: MAAS's setting stays]
    #[arg(long = "upstream-dns", value_name = "ADDR")]
    upstream_dns: Vec<String>,
}

impl Wishes {
    pub(in crate::cli) fn chosen(&self) -> MaasChoice {
        MaasChoice {
            serve_url: self.serve_url.to_string(),
            images: self.images.clone(),
            main_archive: self.main_archive.clone(),
            ports_archive: self.ports_archive.clone(),
            repositories: self.repositories.clone(),
            http_proxy: self.http_proxy.clone(),
            ntp_servers: self.ntp_servers.clone(),
            upstream_dns: self.upstream_dns.clone(),
            ..MaasChoice::default()
        }
    }
}

pub(super) fn run(args: MaasArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    match args.command {
        MaasCommand::Apply(args) => run_apply(args, out, progress),
    }
}

fn run_apply(args: Apply, out: &Output, progress: &Progress) -> Result<(), Failure> {
    let site = open_site(&args.site)?;
    let key = ApiKey::load(&args.api_key_file)?;
    let client = MaasClient::new(&args.url, key, FetchOptions { ca_file: args.ca_file, ..FetchOptions::default() })?;
    let lost_archives = if args.reset_archives { LostArchives::Reset } else { LostArchives::Keep };
    let choice = MaasChoice { lost_archives, ..args.choice.chosen() };
    let wanted = wanted(&site, &choice)?;
    if args.dry_run {
        let plan = dry_run(&client, &wanted)?;
        tell(&plan);
        say(&plan, RunMode::DryRun, out);
        return Ok(());
    }
    let limits = WaitLimits {
        cache: Duration::from_secs(args.cache_timeout),
        import: Duration::from_secs(args.timeout),
        ..WaitLimits::default()
    };
    let done = apply(&client, &wanted, limits, progress, |told| match told {
        Telling::Plan { plan, again: false } => tell(plan),
        Telling::Plan { .. } => {}
        Telling::Change(change) => note(&format!("now: {change}")),
        Telling::Waiting { source_url, seconds } => {
            note(&format!("waiting for MAAS to read the boot source {source_url}, at most {seconds} s"));
        }
    })?;
    say(&done, RunMode::Apply, out);
    Ok(())
}

/// The plan and its notes, on stderr.
fn tell(plan: &MaasPlan) {
    plan.notes.iter().for_each(|text| note(&format!("note: {text}")));
    plan.changes.iter().for_each(|change| note(&format!("plan: {change}")));
}

fn say(plan: &MaasPlan, mode: RunMode, out: &Output) {
    let change = |change: &Change| json!({ "change": change.word(), "text": change.to_string() });
    let changes: Vec<Value> = plan.changes.iter().map(change).collect();
    let words = match (plan.changes.len(), mode) {
        (0, _) => "MAAS is as it should be: nothing was changed\n".to_owned(),
        (count, RunMode::DryRun) => format!("MAAS would need {count} changes; nothing was changed\n"),
        (_, RunMode::Apply) => {
            plan.changes.iter().map(|change| format!("done: {}\n", safe(&change.to_string()))).collect()
        }
    };
    out.done(json!({ "dry_run": mode == RunMode::DryRun, "changes": changes, "notes": plan.notes }), &words);
}

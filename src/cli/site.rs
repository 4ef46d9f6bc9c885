//! `gapferry site`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::error::Failure;
use super::output::{Output, note};
use super::site_check;
use super::site_key;
use super::site_key::KeyAlgorithm;
use super::site_log;
use super::snap_roots::open_site;
use super::trust::spoken;
use crate::label::Label;
use crate::next_command;
use crate::progress::Progress;
use crate::site::{NewSite, PinnedKeys, Pinning, init, pin, pinned};
use crate::trust::{PublicKey, Quorum, Role, TrustFile};

/// Make a site, say whom it trusts, and check what it holds
#[derive(Debug, clap::Args)]
pub(super) struct SiteArgs {
    #[command(subcommand)]
    command: SiteCommand,
}

#[derive(Debug, Subcommand)]
enum SiteCommand {
    Init(Init),
    Pin(PinArgs),
    Check(site_check::SiteCheckArgs),
    Log(site_log::SiteLogArgs),
    RotateKey(site_key::RotateKeyArgs),
    Redate(site_key::RedateArgs),
}

/// Make a new site in a new folder, with an OpenPGP key of its own
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gapferry site init --site /srv/gapferry --name dc1 --builder builder.key.pub \\\n    \
    --keyring ubuntu=/usr/share/keyrings/ubuntu-archive-keyring.gpg"
)]
struct Init {
    #[command(flatten)]
    place: SitePlace,
    /// The site's name, as selections write it
    #[arg(long)]
    name: Label,
    /// The key that signs bundles for it
    #[arg(long, value_name = "KEY.pub")]
    builder: PathBuf,
    /// A person who may sign changes of the trust file, as PERSON=KEY.pub; can be given several times
    #[arg(long, value_name = "PERSON=KEY.pub", value_parser = label_and_file)]
    root: Vec<(Label, PathBuf)>,
    /// The number of these persons who must sign a change; more than half if it is not given
    #[arg(long, value_name = "NUMBER", requires = "root")]
    root_quorum: Option<usize>,
    /// Pin upstream's keyring for a source of the selection, as SOURCE=FILE; can be given several times
    #[arg(long, value_name = "SOURCE=FILE", value_parser = label_and_file)]
    keyring: Vec<(Label, PathBuf)>,
    /// Accept items of this source without proof by upstream, such as own .debs; can be given several times
    #[arg(long, value_name = "SOURCE")]
    allow_unsigned: Vec<Label>,
    /// The algorithm of the site's own key: rsa4096 where a client has GnuPG 1.4 or 2.0, as Ubuntu 16.04 and RHEL 7 do
    #[arg(long, value_name = "ALGORITHM", value_enum, default_value_t)]
    key_algorithm: KeyAlgorithm,
}

/// Pin upstream's keyring for a source: only what these keys vouch for is accepted from it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gapferry site pin --site /srv/gapferry --source ubuntu \\\n    \
    --keyring /usr/share/keyrings/ubuntu-archive-keyring.gpg\n  \
    gapferry site pin --site /srv/gapferry --source ubuntu --keyring new-key.gpg --add\n  \
    gapferry site pin --site /srv/gapferry --source ubuntu --show")]
struct PinArgs {
    #[command(flatten)]
    place: SitePlace,
    /// The source's name in the selection
    #[arg(long)]
    source: Label,
    /// Upstream's public keys, binary or armored
    #[arg(long, value_name = "FILE", required_unless_present = "show")]
    keyring: Option<PathBuf>,
    /// Trust these keys besides those that are pinned
    #[arg(long, requires = "keyring")]
    add: bool,
    /// Trust these keys instead of those that are pinned
    #[arg(long, requires = "keyring", conflicts_with = "add")]
    replace: bool,
    /// Show the keys that are pinned, and change nothing
    #[arg(long, conflicts_with = "keyring")]
    show: bool,
}

/// The site's folder, as an option like everywhere else, or as an argument.
#[derive(Debug, clap::Args)]
struct SitePlace {
    /// The site's folder [env: GAPFERRY_SITE]
    #[arg(long, value_name = "SITE")]
    site: Option<PathBuf>,
    /// The same as --site
    #[arg(value_name = "SITE")]
    folder: Option<PathBuf>,
}

impl SitePlace {
    fn folder(&self) -> Result<PathBuf, Failure> {
        match (&self.site, &self.folder) {
            (Some(option), Some(argument)) if option != argument => {
                let (option, argument) = (option.display(), argument.display());
                Err(Failure::usage(format!("--site says {option}, and the argument says {argument}: give one of them")))
            }
            (Some(site), _) | (None, Some(site)) => Ok(site.clone()),
            (None, None) => {
                let from_environment = std::env::var_os("GAPFERRY_SITE").filter(|site| !site.is_empty());
                let missing = || Failure::usage("give the site's folder by --site SITE");
                from_environment.map(PathBuf::from).ok_or_else(missing)
            }
        }
    }
}

fn label_and_file(text: &str) -> Result<(Label, PathBuf), String> {
    let (source, file) = text.split_once('=').ok_or("it is not NAME=FILE")?;
    Ok((source.parse().map_err(|e: crate::label::MalformedLabel| e.to_string())?, file.into()))
}

pub(super) fn run(args: SiteArgs, out: &Output, progress: &Progress) -> Result<(), Failure> {
    match args.command {
        SiteCommand::Init(args) => run_init(args, out),
        SiteCommand::Check(args) => site_check::run(&args, out, progress),
        SiteCommand::Log(args) => site_log::run(&args, out),
        SiteCommand::RotateKey(args) => site_key::rotate(&args, out, progress),
        SiteCommand::Redate(args) => site_key::redate(&args, out, progress),
        SiteCommand::Pin(args) => run_pin(&args, out),
    }
}

fn run_pin(args: &PinArgs, out: &Output) -> Result<(), Failure> {
    let (site, source) = (open_site(&args.place.folder()?)?, &args.source);
    let pinning = match (args.add, args.replace) {
        (true, _) => Pinning::Add,
        (_, true) => Pinning::Replace,
        _ => Pinning::First,
    };
    let PinnedKeys { keys, added, removed } = match &args.keyring {
        Some(file) => pin(&site, source, file, pinning)?,
        None => pinned(&site, source)?.unwrap_or_default(),
    };
    let mark = |key: &String| if added.contains(key) { "added" } else { "pinned" };
    let mut words: String = keys.iter().map(|key| format!("{source}  {key}  {}\n", mark(key))).collect();
    words.extend(removed.iter().map(|key| format!("{source}  {key}  REMOVED\n")));
    if keys.is_empty() {
        words = format!("{source}  no key is pinned\n");
    }
    out.done(json!({ "source": source, "fingerprints": keys, "added": added, "removed": removed }), &words);
    Ok(())
}

fn run_init(args: Init, out: &Output) -> Result<(), Failure> {
    let folder = args.place.folder()?;
    let mut pinned = BTreeSet::new();
    if let Some((source, file)) = args.keyring.iter().find(|(source, _)| !pinned.insert(source)) {
        return Err(Failure::usage(format!(
            "--keyring is given twice for {source}: give one here, then run `{}`",
            next_command::pin_too(&folder, source.as_str(), file)
        )));
    }
    let builder = PublicKey::load(&args.builder)?;
    let new = NewSite {
        trust: first_trust_file(&args, &builder)?,
        name: args.name,
        allow_unsigned: args.allow_unsigned.into_iter().collect(),
        keyrings: args.keyring,
        key_algorithm: args.key_algorithm.into(),
    };
    let site = init(&folder, &new)?;
    let key = site.key_fingerprint()?;
    new.trust.advice().iter().for_each(|text| note(&format!("note: {text}")));
    let builder = builder.fingerprint();
    let words = format!(
        "{}  is the site {}\ntrusts the builder {builder}\nsigns what it publishes with the key {key}\nfingerprint of its trust file: {}\n",
        folder.display(),
        new.name,
        spoken(&new.trust.digest()),
    );
    let trust = new.trust.digest();
    out.done(json!({ "site": folder, "name": new.name, "builder": builder, "key": key, "trust": trust }), &words);
    Ok(())
}

/// Returns version 1 of the trust file, with the builder and the roots that were given.
fn first_trust_file(args: &Init, builder: &PublicKey) -> Result<TrustFile, Failure> {
    let mut file = TrustFile::of_builder(&args.name, builder);
    for (person, key) in &args.root {
        file.add_key(person, BTreeSet::from([Role::Root]), &PublicKey::load(key)?);
    }
    let of: BTreeSet<Label> = args.root.iter().map(|(person, _)| person.clone()).collect();
    if !of.is_empty() {
        let need = args.root_quorum.unwrap_or(of.len() / 2 + 1);
        file.quorums.insert(Role::Root, Quorum { need, of });
    }
    let wrong = |reason| Failure::usage(format!("the site's trust file would be wrong: {reason}"));
    TrustFile::parse(file.to_json().as_bytes()).map_err(wrong)
}

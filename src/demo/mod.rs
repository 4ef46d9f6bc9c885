//! `gapferry demo`: the whole way on an embedded upstream, offline.

mod client;
mod images;
mod service;
mod snaps;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::bundle::names;
use crate::error_class::{ErrorClass, Fault};
use crate::export::{ExportError, Settings, export};
use crate::fetch::FetchError;
use crate::formats::Invalid;
use crate::formats::openpgp::SiteKey;
use crate::maas::MaasError;
use crate::media::MountCheck;
use crate::numbers::VolumeNumber;
use crate::progress::Progress;
use crate::selection::{Selection, SelectionError};
use crate::serve::{ServeError, Server};
use crate::setup::SetupError;
use crate::site::{ClockTrust, NewSite, Site, SiteError, import, init, rollback};
use crate::storage::FileError;
use crate::time::Time;
use crate::trust::{Overrides, SecretKey, TrustError, TrustFile};
use crate::upstream::assertions::SignError;
use crate::upstream::{DebSpec, Payload, Upstream};

/// Why the demo stopped.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Collect(#[from] crate::collect::CollectError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error(transparent)]
    Maas(#[from] MaasError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl DemoError {
    /// Makes the error of a part that does not do what the demo shows.
    fn failed(what: impl Display) -> Self {
        Fault::failed(what).into()
    }

    /// For `map_err`: the failure of `action` on `path`.
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        FileError::on(action, path)
    }

    /// Returns the class of this error.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::File(error) => error.class(),
            Self::Fault(error) => error.class(),
            Self::Invalid(_) | Self::Sign(_) => ErrorClass::Failed,
            Self::Selection(error) => error.class(),
            Self::Trust(error) => error.class(),
            Self::Export(error) => error.class(),
            Self::Site(error) => error.class(),
            Self::Serve(error) => error.class(),
            Self::Setup(error) => error.class(),
            Self::Maas(error) => error.class(),
            Self::Collect(error) => error.class(),
            Self::Fetch(error) => error.class(),
        }
    }
}

/// What the demo did.
#[derive(Debug, Default)]
pub struct Report {
    /// One sentence per step.
    pub steps: Vec<String>,
    seconds: f64,
}

impl Report {
    fn step(&mut self, text: String) {
        self.steps.push(text);
    }

    /// The steps, numbered, for people.
    pub fn render(&self) -> String {
        let steps = (1..).zip(&self.steps).map(|(number, step)| format!("{number:>2}  {step}\n"));
        format!("{}The whole way took {:.1} s.\n", steps.collect::<String>(), self.seconds)
    }
}

/// The folders of both sides.
struct Places {
    upstream: PathBuf,
    online: PathBuf,
    medium: PathBuf,
    site: PathBuf,
    setup: PathBuf,
}

/// Runs the demo in a temporary folder, or in `keep`, which stays.
pub fn run(keep: Option<&Path>, progress: &Progress) -> Result<Report, DemoError> {
    let temporary = tempfile::tempdir().map_err(DemoError::io("create a folder in", &std::env::temp_dir()))?;
    if let Some(keep) = keep {
        fs::create_dir(keep).map_err(DemoError::io("create", keep))?;
    }
    // Absolute, since the upstream's address is made of it.
    let root =
        fs::canonicalize(keep.unwrap_or(temporary.path())).map_err(DemoError::io("look at", temporary.path()))?;
    let places = Places {
        upstream: root.join("upstream"),
        online: root.join("online"),
        medium: root.join("medium"),
        site: root.join("site"),
        setup: root.join("setup"),
    };
    for folder in [&places.upstream, &places.online, &places.medium] {
        fs::create_dir(folder).map_err(DemoError::io("create", folder))?;
    }
    let started = Instant::now();
    let mut report = Report::default();
    tour(&places, progress, &mut report)?;
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// What upstream has at a time.
struct UpstreamState {
    /// The version of hello-gap.
    version: &'static str,
    /// The serial of jammy's images.
    serial: &'static str,
    /// The revision of the app among the snaps.
    revision: u64,
}

const FIRST: UpstreamState = UpstreamState { version: "1.0-1", serial: "20250615", revision: 1 };
const SECOND: UpstreamState = UpstreamState { version: "2.0-1", serial: "20250718", revision: 2 };

fn tour(places: &Places, progress: &Progress, report: &mut Report) -> Result<(), DemoError> {
    let upstream_key = SiteKey::generate("Demo Upstream <upstream@demo.invalid>", Time::now().unix() - 60)?;
    publish_upstream(places, &upstream_key, &FIRST)?;
    report.step(format!(
        "An upstream, with keys of its own, has hello-gap {} and what it needs, MAAS images of jammy {}, and the snap {} in \
         revision {} with its base and snapd.",
        FIRST.version,
        FIRST.serial,
        snaps::APP,
        FIRST.revision
    ));
    let key = SecretKey::generate();
    key.save(&places.online.join("builder.key"), "demo builder", None)?;
    let selection = selection(places)?;
    let first = export_next(&selection, places, &key, progress)?;
    report.step(format!(
        "export wrote {} with the closure of hello-gap, jammy's images, all of MAAS's bootloaders, and the snaps: {}.",
        name(&first),
        listing(&first)
    ));

    let keyring = places.upstream.join("archive.gpg");
    let names = selection.apt.iter().map(|s| &s.name).chain(selection.images.iter().map(|s| &s.name));
    let pins: Vec<_> = names.map(|name| (name.clone(), keyring.clone())).collect();
    let new = NewSite {
        name: selection.site.clone(),
        trust: TrustFile::of_builder(&selection.site, &key.public()),
        allow_unsigned: Default::default(),
        keyrings: pins,
        key_algorithm: Default::default(),
    };
    init(&places.site, &new)?;
    service::name_upstreams(&places.site)?;
    let mut site = Site::open(&places.site)?;
    site.snap_roots = snaps::roots()?;
    let imported = import(&site, &first, Overrides::default(), progress)?;
    report.step(format!(
        "import checked every byte and upstream's signatures, and published generation {}.",
        imported.generation.number
    ));
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::start(&site, loopback)?;
    let client = client::DemoClient::new(&places.online.with_file_name("client"), &places.site, &server)?;
    let device = snaps::DemoDevice::new(&server)?;
    let sees = |state: &UpstreamState, report: &mut Report| {
        report.step(client.sees(state.version)?);
        report.step(images::sees(&server, &places.site, state.serial)?);
        Ok::<_, DemoError>(())
    };
    sees(&FIRST, report)?;
    report.step(device.installs(FIRST.revision)?);
    report.step(service::answers_for_upstreams(&server, &places.site)?);
    report.step(service::shows_status(&server)?);
    report.step(service::sets_up(&site, &places.setup)?);

    publish_upstream(places, &upstream_key, &SECOND)?;
    let second = export_next(&selection, places, &key, progress)?;
    import(&site, &second, Overrides::default(), progress)?;
    report.step(format!(
        "Upstream released {}, jammy {} and {} revision {}; {} brought all of them across.",
        SECOND.version,
        SECOND.serial,
        snaps::APP,
        SECOND.revision,
        name(&second)
    ));
    sees(&SECOND, report)?;
    report.step(device.refreshes(FIRST.revision, SECOND.revision)?);

    rollback(&site, None, ClockTrust::Doubted, &Progress::hidden())?;
    report.step("rollback published yesterday's state again, with a new date so that apt takes it.".to_owned());
    sees(&FIRST, report)?;
    report.step(device.stays(SECOND.revision, FIRST.revision)?);
    tamper(&site, &second, progress, report)
}

/// Flips one byte in a copy of the second bundle's volume, and lets a fresh look at it fail.
fn tamper(site: &Site, bundle: &Path, progress: &Progress, report: &mut Report) -> Result<(), DemoError> {
    let packing = site.packings(&site.bundle(bundle)?)?.found.into_iter().next();
    let Some(packing) = packing else { return Err(DemoError::failed("the bundle has no packing")) };
    let volume = packing.files.expected(&names::volume(VolumeNumber::FIRST));
    let mut bytes = fs::read(&volume).map_err(DemoError::io("read", &volume))?;
    let middle = bytes.len() / 2;
    bytes.get_mut(middle).into_iter().for_each(|byte| *byte ^= 1);
    fs::write(&volume, &bytes).map_err(DemoError::io("write", &volume))?;
    match site.verify(bundle, Overrides::default(), progress) {
        Err(error) => report.step(format!("One bit of the bundle was flipped, and verify says: {error}.")),
        Ok(_) => return Err(DemoError::failed("a flipped bit went unnoticed".to_owned())),
    }
    Ok(())
}

fn publish_upstream(places: &Places, key: &SiteKey, state: &UpstreamState) -> Result<(), DemoError> {
    images::publish(&places.upstream.join("images"), key, state.serial)?;
    snaps::publish(&places.upstream.join("snaps"), state.revision)?;
    let mut upstream = Upstream::new("Demo", &["amd64"]);
    let hello = DebSpec {
        depends: "libgap1 (>= 1.0)".to_owned(),
        payload: Payload::Pseudorandom { size: 200_000, seed: 7 },
        ..DebSpec::new("hello-gap", state.version, "amd64")
    };
    upstream.add("stable", "main", hello);
    upstream.add("stable", "main", DebSpec::new("libgap1", "1.2-1", "amd64"));
    upstream.add("stable", "main", DebSpec::new("not-needed", "1.0-1", "amd64"));
    upstream.suite("stable").date = Time::now().unix() - 30;
    upstream.write_to(&places.upstream, key).map_err(DemoError::io("write", &places.upstream))?;
    let keyring = places.upstream.join("archive.gpg");
    fs::write(&keyring, key.public_binary()?).map_err(DemoError::io("write", &keyring))
}

fn selection(places: &Places) -> Result<Selection, DemoError> {
    let path = places.online.join("selection.toml");
    let url = url::Url::from_directory_path(&places.upstream)
        .map_err(|()| DemoError::failed(format!("{} has no address", places.upstream.display())))?;
    let text = format!(
        "site = \"demo\"\nname = \"base\"\n\n[[apt]]\nname = \"demo\"\nurl = \"{url}\"\nsuites = [\"stable\"]\n\
         components = [\"main\"]\narchitectures = [\"amd64\"]\nkeyring = \"../upstream/archive.gpg\"\npackages = [\"hello-gap\"]\n"
    );
    let images = url.join("images/").map_err(|error| DemoError::failed(error.to_string()))?;
    let text = text + &images::table(&images) + snaps::table();
    fs::write(&path, text).map_err(DemoError::io("write", &path))?;
    Ok(Selection::load(&path)?)
}

fn export_next(
    selection: &Selection,
    places: &Places,
    key: &SecretKey,
    progress: &Progress,
) -> Result<PathBuf, DemoError> {
    let (out, workspace) = (&places.medium, &places.online.join("workspace"));
    let usual = Settings::new(out, workspace, Some(key), progress);
    // The demo carries nothing anywhere, so its medium may be any folder.
    let settings = Settings { snap_roots: snaps::roots()?, mount_check: MountCheck::Skipped, ..usual };
    let folder = export(selection, &settings)?.folder;
    folder.ok_or_else(|| DemoError::failed("the export wrote no bundle".to_owned()))
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn listing(folder: &Path) -> String {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().filter_map(Result::ok);
    let files = entries.filter(|entry| entry.file_type().is_file());
    let names = files.filter_map(|entry| Some(entry.path().strip_prefix(folder).ok()?.display().to_string()));
    names.collect::<Vec<_>>().join(", ")
}

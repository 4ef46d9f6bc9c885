//! Carries a plan out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::change::{Change, DISABLE_SOURCES, SKIP_VERIFICATION, Select, disabling};
use super::client::{MaasClient, MaasReply};
use super::error::not_kept;
use super::import::follow;
use super::plan::{MaasPlan, MaasState, plan};
use super::read::read;
use super::wait::{Reading, WaitLimits};
use super::wanted::{WantedState, same_url};
use super::{Form, MaasError};
use crate::error_class::Fault;
use crate::progress::Progress;

/// The most plans of one run. MAAS may change selections by itself when a source is changed, drops images with a selection, and may
/// change selections again after an import.
const ROUNDS: usize = 5;

/// What [`apply`] would do, without doing any of it.
pub fn dry_run(client: &MaasClient, wanted: &WantedState) -> Result<MaasPlan, MaasError> {
    let state = read(client, wanted)?;
    Ok(plan(&state, wanted))
}

/// Makes MAAS as it is wanted, and returns what was done. `tell` hears of each plan before anything of it is done, and of
/// each change as it is made.
pub fn apply(
    client: &MaasClient,
    wanted: &WantedState,
    limits: WaitLimits,
    progress: &Progress,
    mut tell: impl FnMut(Telling<'_>),
) -> Result<MaasPlan, MaasError> {
    let mut done = MaasPlan::default();
    let mut accepted = BTreeSet::new();
    for round in 0..ROUNDS {
        let state = read(client, wanted)?;
        let plan = plan(&state, wanted);
        tell(Telling::Plan { plan: &plan, again: round > 0 });
        done.notes.clone_from(&plan.notes);
        if plan.changes.is_empty() {
            return Ok(done);
        }
        if round + 1 == ROUNDS {
            let changes = plan.changes.iter().map(Change::to_string).collect::<Vec<_>>().join("; ");
            return Err(not_kept(&changes));
        }
        let mut carrier =
            Carrier { client, wanted, limits, progress, state: &state, accepted: &mut accepted, tell: &mut tell };
        let mut of_sources = false;
        for change in plan.changes {
            // With a source its selections may have changed, so MAAS is looked at again before those are.
            if of_sources && !change.is_of_source() {
                break;
            }
            of_sources |= change.is_of_source();
            (carrier.tell)(Telling::Change(&change));
            carrier.carry_out(&change)?;
            done.changes.push(change);
        }
    }
    Ok(done)
}

/// What the caller is told.
#[derive(Debug)]
pub enum Telling<'p> {
    /// What is to be done.
    Plan {
        /// The plan.
        plan: &'p MaasPlan,
        /// Whether another one was carried out before, at least in part.
        again: bool,
    },
    /// A change that is made now.
    Change(&'p Change),
    /// MAAS has to read a boot source first.
    Waiting {
        /// The boot source.
        source_url: &'p str,
        /// The longest that it is waited for, in seconds.
        seconds: u64,
    },
}

impl Change {
    fn is_of_source(&self) -> bool {
        matches!(
            self,
            Self::AddSource { .. } | Self::UpdateSource { .. } | Self::DisableSource { .. } | Self::DeleteSource { .. }
        )
    }
}

struct Carrier<'a> {
    client: &'a MaasClient,
    wanted: &'a WantedState,
    limits: WaitLimits,
    progress: &'a Progress,
    state: &'a MaasState,
    /// The sources of which MAAS has accepted a selection, so that it has read them.
    accepted: &'a mut BTreeSet<String>,
    tell: &'a mut dyn FnMut(Telling<'_>),
}

impl Carrier<'_> {
    fn carry_out(&mut self, change: &Change) -> Result<(), MaasError> {
        let client = self.client;
        let source = |id: &u64| format!("boot-sources/{id}/");
        let repository_path = |id: &u64| format!("package-repositories/{id}/");
        let said = match change {
            Change::Set { name, value } => {
                let form = Form::new().text("name", name).text("value", &value.to_string());
                client.post("maas/?op=set_config", form)?
            }
            Change::AddSource { source, name } => client.post("boot-sources/", source.form(name.as_deref()))?,
            Change::UpdateSource { id, source: wanted, name, .. } => {
                client.put(&source(id), wanted.form(name.as_deref()))?
            }
            Change::DisableSource { id, skip_keyring_verification, keyring, .. } => {
                let form = disabling(keyring.as_deref());
                client.put(&source(id), form.text(SKIP_VERIFICATION, &skip_keyring_verification.to_string()))?
            }
            Change::DeleteSource { id, .. } => client.delete(&source(id))?,
            Change::AddRepository { repository } => {
                let form = repository.form(&[]).text(DISABLE_SOURCES, &repository.no_sources.to_string());
                client.post("package-repositories/", form)?
            }
            Change::UpdateRepository { id, arches, disable_sources, repository } => {
                let form = repository.form(arches).text(DISABLE_SOURCES, &disable_sources.to_string());
                client.put(&repository_path(id), form)?
            }
            Change::DeleteRepository { id, .. } => client.delete(&repository_path(id))?,
            Change::AddSelection { source_url, selection } => return self.select(source_url, None, selection),
            Change::UpdateSelection { source_url, id, selection } => {
                return self.select(source_url, Some(*id), selection);
            }
            Change::ReplaceSelection { source_url, id, selection } => {
                let path = format!("{}{id}/", self.selections_path(source_url)?);
                client.delete(&path)?.or_refused(change)?;
                return self.select(source_url, None, selection);
            }
            Change::Import { running: true, .. } => return self.join_import(),
            Change::Import { running: false, .. } => return self.import(),
            Change::Upload { upload, .. } => {
                return super::upload::upload(client, upload, self.limits, self.progress);
            }
            Change::DeleteSelection { source_url, id, .. } => {
                client.delete(&format!("{}{id}/", self.selections_path(source_url)?))?
            }
        };
        said.or_refused(change)
    }

    fn selections_path(&self, source_url: &str) -> Result<String, MaasError> {
        let source = self.state.sources.iter().find(|source| same_url(&source.url, source_url));
        let gone = || not_kept(&format!("add the boot source {source_url}"));
        Ok(format!("boot-sources/{}/selections/", source.ok_or_else(gone)?.id))
    }

    /// Adds or changes a selection. MAAS refuses what it has not read of the source yet. It reads a source by itself some time after
    /// it is made, but up to 3.7 never its first one, and a source that it has read before only once an hour: an import makes it
    /// read all of them.
    fn select(&mut self, source_url: &str, id: Option<u64>, selection: &Select) -> Result<(), MaasError> {
        let path = self.selections_path(source_url)?;
        let mut reading = Reading::new(self.limits);
        loop {
            let said = match id {
                Some(id) => self.client.put(&format!("{path}{id}/"), selection.form())?,
                None => self.client.post(&path, selection.form())?,
            };
            let answer = match said {
                MaasReply::Done => {
                    self.accepted.insert(source_url.to_owned());
                    return Ok(());
                }
                MaasReply::No(answer) if is_unlisted(&answer) => answer,
                MaasReply::No(answer) => {
                    return Err(MaasError::Refused { change: format!("select {selection}"), answer });
                }
            };
            if reading.is_new() {
                (self.tell)(Telling::Waiting { source_url, seconds: self.limits.cache.as_secs() });
            }
            if !reading.again(|| super::read::importing(self.client), || self.ask_for_import())? {
                let is_read = self.accepted.contains(source_url) || self.has_read(source_url);
                return Err(unlisted(source_url, is_read.then_some(selection), self.limits.cache, &answer));
            }
        }
    }

    /// Whether MAAS has images of the source selected that are published: it takes no selection before it has read it.
    fn has_read(&self, source_url: &str) -> bool {
        let wanted = self.wanted.sources.iter().filter(|source| same_url(&source.url, source_url));
        let images: Vec<_> = wanted.flat_map(|source| source.images.keys()).collect();
        let now = self.state.sources.iter().filter(|source| same_url(&source.url, source_url));
        now.flat_map(|source| &source.selections)
            .any(|selection| images.iter().any(|image| image.os == selection.os && image.release == selection.release))
    }

    /// Imports the images and follows that to its end.
    fn import(&self) -> Result<(), MaasError> {
        if super::read::importing(self.client)? {
            return self.join_import();
        }
        self.ask_for_import()?;
        follow(self.client, self.wanted, self.limits, self.progress)
    }

    /// Follows an import that somebody else began. It may not know of all selections, so one more is asked for if images are missing
    /// at its end.
    fn join_import(&self) -> Result<(), MaasError> {
        match follow(self.client, self.wanted, self.limits, self.progress) {
            Err(MaasError::ImportIncomplete { .. }) => {
                self.ask_for_import()?;
                follow(self.client, self.wanted, self.limits, self.progress)
            }
            followed => followed,
        }
    }

    fn ask_for_import(&self) -> Result<(), MaasError> {
        self.client.post("boot-resources/?op=import", Form::new())?.or_refused("import images")
    }
}

/// Whether MAAS refuses a selection since it knows no such image: it answers with an object of complaints by field, and has
/// one about the operating system, the release or the architectures. A selection that is there already is another matter.
pub fn is_unlisted(answer: &str) -> bool {
    let fields = ["\"os\"", "\"release\"", "\"arches\""];
    !answer.contains("__all__") && fields.iter().any(|field| answer.contains(field))
}

/// Makes the error of a boot source that lacks what the site publishes. `image` is `None` if MAAS has not read the source.
fn unlisted(source_url: &str, image: Option<&Select>, waited: Duration, answer: &str) -> MaasError {
    let seconds = waited.as_secs();
    let what = match image {
        Some(image) => format!(
            "the boot source {source_url}, as MAAS has read it, does not list {image}, though the site publishes it; waited \
             {seconds} s: check that this site is served there, then run again"
        ),
        None => format!(
            "MAAS has not read the boot source {source_url} within {seconds} s: check that this site is served there for MAAS and \
             that its keyring is right, then run again"
        ),
    };
    Fault::unavailable(format!("{what} (MAAS says: {answer})")).into()
}

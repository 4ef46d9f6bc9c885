//! Reads what a MAAS is like.

use std::collections::BTreeSet;

use serde_json::Value;

use super::MaasError;
use super::answers::{BootSource, PackageRepository, Resource};
use super::client::MaasClient;
use super::plan::LOOKED_AT;
use super::plan::{COMMISSIONING, DEFAULT_OSYSTEM, DEFAULT_SERIES, MaasState, is_of, is_uploaded_as};
use super::version::{MaasVersion, VersionAnswer};
use super::wanted::WantedState;

/// Reads what MAAS has of all that is wanted. The first question tells whether there is a MAAS, and takes the key.
pub fn read(client: &MaasClient, wanted: &WantedState) -> Result<MaasState, MaasError> {
    let mut sources: Vec<BootSource> = client.first("boot-sources/")?;
    for source in &mut sources {
        source.selections = client.get(&format!("boot-sources/{}/selections/", source.id))?;
    }
    let repositories: Vec<PackageRepository> = client.get("package-repositories/")?;
    let version = version(client, &sources)?;
    let mut state = MaasState { version, sources, repositories, ..MaasState::default() };
    let names: BTreeSet<&str> = wanted
        .settings
        .keys()
        .map(String::as_str)
        .chain([COMMISSIONING, DEFAULT_OSYSTEM, DEFAULT_SERIES])
        .chain(LOOKED_AT)
        .collect();
    for name in names {
        if let Some(value) = setting(client, name)? {
            state.settings.insert(name.to_owned(), value);
        }
    }
    state.resources = resources(client, wanted)?;
    let uploaded: Vec<Resource> = client.get("boot-resources/?type=uploaded")?;
    state.uploaded_names = uploaded.iter().map(|resource| resource.name.clone()).collect();
    let is_wanted = |resource: &Resource| wanted.uploads.iter().any(|upload| is_uploaded_as(resource, upload));
    state.uploaded = whole(client, uploaded, is_wanted)?;
    state.importing = importing(client)?;
    Ok(state)
}

/// Reads the version. One that says nothing, such as that of a development tree, is known by what its sources have.
fn version(client: &MaasClient, sources: &[BootSource]) -> Result<MaasVersion, MaasError> {
    let answer: VersionAnswer = client.get("version/")?;
    let has_fields = sources.iter().any(|source| source.enabled.is_some());
    let guess = || if has_fields { MaasVersion::V3_8 } else { MaasVersion::default() };
    Ok(MaasVersion::parse(&answer.version).unwrap_or_else(guess))
}

/// MAAS's complaint about a setting that it does not have.
const NO_SUCH_SETTING: &str = "is not a valid config setting";

/// Returns the value of a setting, or `None` if this MAAS does not have it.
fn setting(client: &MaasClient, name: &str) -> Result<Option<Value>, MaasError> {
    match client.ask::<Value>(&format!("maas/?op=get_config&name={name}"))? {
        Ok(value) => Ok(Some(value)),
        Err(answer) if answer.contains(NO_SUCH_SETTING) => Ok(None),
        Err(answer) => Err(MaasError::Refused { change: format!("tell its setting {name}"), answer }),
    }
}

/// Whether an import is under way.
pub(super) fn importing(client: &MaasClient) -> Result<bool, MaasError> {
    client.get("boot-resources/?op=is_importing")
}

/// The kernels of all wanted images, with their versions. A list of resources does not tell versions.
pub(super) fn resources(client: &MaasClient, wanted: &WantedState) -> Result<Vec<Resource>, MaasError> {
    let images = || wanted.sources.iter().flat_map(|source| source.images.keys());
    let listed = client.get("boot-resources/?type=synced")?;
    whole(client, listed, |resource| images().any(|image| is_of(resource, image)))
}

/// Reads the versions of the resources that pass.
fn whole(
    client: &MaasClient,
    listed: Vec<Resource>,
    passes: impl Fn(&Resource) -> bool,
) -> Result<Vec<Resource>, MaasError> {
    let of_it = listed.into_iter().filter(passes);
    let mut resources = Vec::new();
    for resource in of_it {
        // One that is gone meanwhile is no error.
        match client.get::<Resource>(&format!("boot-resources/{}/", resource.id)) {
            Ok(whole) => resources.push(Resource { sets: whole.sets, ..resource }),
            Err(MaasError::Status { status: 404, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(resources)
}

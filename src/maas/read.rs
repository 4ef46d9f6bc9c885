//! Reads what a MAAS is like.

use serde_json::Value;

use super::MaasError;
use super::answers::{Repository, Resource, Source};
use super::client::Client;
use super::plan::{COMMISSIONING, State, is_of, is_uploaded_as};
use super::wanted::Wanted;

/// Reads what MAAS has of all that is wanted. The first question tells whether there is a MAAS, and takes the key.
pub fn read(client: &Client, wanted: &Wanted) -> Result<State, MaasError> {
    let mut sources: Vec<Source> = client.first("boot-sources/")?;
    for source in &mut sources {
        source.selections = client.get(&format!("boot-sources/{}/selections/", source.id))?;
    }
    let repositories: Vec<Repository> = client.get("package-repositories/")?;
    let mut state = State { sources, repositories, ..State::default() };
    for name in wanted.settings.keys().map(String::as_str).chain([COMMISSIONING]) {
        if let Some(value) = setting(client, name)? {
            state.settings.insert(name.to_owned(), value);
        }
    }
    state.resources = resources(client, wanted)?;
    state.uploaded = uploaded(client, wanted)?;
    state.importing = importing(client)?;
    Ok(state)
}

/// MAAS's complaint about a setting that it does not have.
const NO_SUCH_SETTING: &str = "is not a valid config setting";

/// Returns the value of a setting, or `None` if this MAAS does not have it.
fn setting(client: &Client, name: &str) -> Result<Option<Value>, MaasError> {
    match client.ask::<Value>(&format!("maas/?op=get_config&name={name}"))? {
        Ok(value) => Ok(Some(value)),
        Err(answer) if answer.contains(NO_SUCH_SETTING) => Ok(None),
        Err(answer) => Err(MaasError::Refused { change: format!("tell its setting {name}"), answer }),
    }
}

/// Whether an import is under way.
pub(super) fn importing(client: &Client) -> Result<bool, MaasError> {
    client.get("boot-resources/?op=is_importing")
}

/// The kernels of all wanted images, with their versions. A list of resources does not tell versions.
pub(super) fn resources(client: &Client, wanted: &Wanted) -> Result<Vec<Resource>, MaasError> {
    let images = || wanted.sources.iter().flat_map(|source| source.images.keys());
    whole(client, "synced", |resource| images().any(|image| is_of(resource, image)))
}

/// What was uploaded under the names of wanted images.
fn uploaded(client: &Client, wanted: &Wanted) -> Result<Vec<Resource>, MaasError> {
    match wanted.uploads.as_slice() {
        [] => Ok(Vec::new()),
        uploads => whole(client, "uploaded", |resource| uploads.iter().any(|upload| is_uploaded_as(resource, upload))),
    }
}

/// The resources that pass, of one type, with their versions.
fn whole(client: &Client, kind: &str, passes: impl Fn(&Resource) -> bool) -> Result<Vec<Resource>, MaasError> {
    let listed: Vec<Resource> = client.get(&format!("boot-resources/?type={kind}"))?;
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

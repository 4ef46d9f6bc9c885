//! Follows an import of images until MAAS has all of them.

use std::collections::BTreeSet;
use std::time::Instant;

use super::MaasError;
use super::answers::Resource;
use super::client::MaasClient;
use super::plan::{is_of, missing};
use super::read::{importing, resources};
use super::wait::{Wait, WaitLimits};
use super::wanted::{WantedImage, WantedState};
use crate::error_class::Fault;
use crate::progress::Progress;

/// Waits until MAAS has all wanted images and its import has come to an end.
pub(super) fn follow(
    client: &MaasClient,
    wanted: &WantedState,
    limits: WaitLimits,
    progress: &Progress,
) -> Result<(), MaasError> {
    let images: Vec<_> = wanted.sources.iter().flat_map(|source| &source.images).collect();
    let progress = progress.phase("importing images", images.iter().map(|(_, build)| build.bytes).sum());
    let mut wait = Wait::new(limits.import);
    let mut last_seen_running = Instant::now();
    loop {
        // In this order: what ended between the two questions is then seen as complete.
        let running = importing(client)?;
        let resources = resources(client, wanted)?;
        let missing = missing(&resources, wanted);
        let here: u64 = images.iter().filter(|(image, _)| !missing.contains(image)).map(|(_, build)| build.bytes).sum();
        let begun: u64 = missing.iter().map(|image| complete_bytes(&resources, image)).sum();
        progress.add((here + begun).saturating_sub(progress.done_bytes()));
        progress.message(&named(&missing));
        if running {
            last_seen_running = Instant::now();
        } else if missing.is_empty() {
            return Ok(());
        } else if last_seen_running.elapsed() >= limits.settle {
            return Err(MaasError::ImportIncomplete { missing: named(&missing) });
        }
        if !wait.again() {
            let missing = if missing.is_empty() { "the rest".to_owned() } else { named(&missing) };
            let seconds = limits.import.as_secs();
            return Err(Fault::failed(format!(
                "MAAS has not imported {missing} within {seconds} s: it goes on by itself, and running this again follows it"
            ))
            .into());
        }
    }
}

/// Bytes of those versions of an image that are whole, as far as the newest go.
fn complete_bytes(resources: &[Resource], image: &WantedImage) -> u64 {
    let newest = resources
        .iter()
        .filter(|resource| is_of(resource, image))
        .filter_map(|resource| resource.sets.values().next_back());
    newest.filter(|set| set.complete).map(|set| set.size).fold(0, u64::saturating_add)
}

fn named(images: &BTreeSet<WantedImage>) -> String {
    images.iter().map(WantedImage::to_string).collect::<Vec<_>>().join(", ")
}

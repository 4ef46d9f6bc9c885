//! The preferences that count for a source: those that it names, or those of the apt folder of its source lists.

use std::path::PathBuf;

use crate::collect::keyring::read_small;
use crate::collect::{CollectError, apt_folder};
use crate::error_class::Fault;
use crate::formats::apt::preferences::Preferences;
use crate::selection::AptSource;

/// Reads them, as apt does: `preferences` first, then the files of `preferences.d` by their names.
pub(super) fn read(source: &AptSource) -> Result<Preferences, CollectError> {
    let paths = match &source.preferences {
        Some(paths) => paths.0.clone(),
        None => beside_lists(source.lists()).into_iter().filter(|path| path.exists()).collect(),
    };
    let mut preferences = Preferences::default();
    for path in paths {
        for file in apt_folder::files_of(&path, "pref")? {
            let text = String::from_utf8_lossy(&read_small(&file)?).into_owned();
            let add = preferences.read(&text);
            add.map_err(|error| Fault::usage(file.display()).because(error))?;
        }
    }
    Ok(preferences)
}

/// Returns the paths of apt's preferences, given those of its source lists.
fn beside_lists(lists: &[PathBuf]) -> Vec<PathBuf> {
    let folders = apt_folder::of_lists(lists).into_iter();
    folders.flat_map(|folder| ["preferences", "preferences.d"].map(|name| folder.join(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_lie_in_the_apt_folder_of_the_lists() {
        let lists = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/a.sources"].map(PathBuf::from);
        assert_eq!(beside_lists(&lists), ["/etc/apt/preferences", "/etc/apt/preferences.d"].map(PathBuf::from));
    }
}

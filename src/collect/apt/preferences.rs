//! The preferences that count for a source: those that it names, or those of the apt folder of its source lists.

use std::fs;
use std::path::{Path, PathBuf};

use super::AptError;
use crate::collect::keyring::read_small;
use crate::formats::apt::preferences::Preferences;
use crate::selection::AptSource;
use crate::storage::FileError;

/// Reads them, as apt does: `preferences` first, then the files of `preferences.d` by their names.
pub(super) fn read(source: &AptSource) -> Result<Preferences, AptError> {
    let paths = match &source.preferences {
        Some(paths) => paths.0.clone(),
        None => beside_lists(&source.sources.0).into_iter().filter(|path| path.exists()).collect(),
    };
    let mut preferences = Preferences::default();
    for path in paths {
        for file in files_of(&path)? {
            let text = String::from_utf8_lossy(&read_small(&file)?).into_owned();
            let add = preferences.read(&text);
            add.map_err(|source| AptError::Preferences { path: file.clone(), source })?;
        }
    }
    Ok(preferences)
}

/// Returns the paths of apt's preferences, given those of its source lists.
fn beside_lists(lists: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for list in lists {
        let folder = list.parent().unwrap_or(Path::new(""));
        let folder = if folder.ends_with("sources.list.d") { folder.parent().unwrap_or(folder) } else { folder };
        for path in ["preferences", "preferences.d"].map(|name| folder.join(name)) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    paths
}

/// The file itself, or the files of a folder that apt reads (apt_preferences(5)).
fn files_of(path: &Path) -> Result<Vec<PathBuf>, AptError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(FileError::on::<AptError>("read", path))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FileError::on::<AptError>("read", path))?.path();
        if is_read(&entry) && entry.is_file() {
            files.push(entry);
        }
    }
    files.sort();
    Ok(files)
}

/// Files without an extension or with `.pref`, named with letters, digits, `-`, `_` and `.` alone.
fn is_read(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let allowed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    allowed && !name.starts_with('.') && path.extension().is_none_or(|extension| extension == "pref")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_lie_in_the_apt_folder_of_the_lists() {
        let lists = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/a.sources"].map(PathBuf::from);
        assert_eq!(beside_lists(&lists), ["/etc/apt/preferences", "/etc/apt/preferences.d"].map(PathBuf::from));
    }

    #[test]
    fn files_are_read_by_their_names() {
        for (name, expected) in [("99x", true), ("a.pref", true), ("a.pref.bak", false), ("a~", false), (".a", false)] {
            assert_eq!(is_read(Path::new(name)), expected, "{name}");
        }
    }
}

//! Folders of apt's configuration: the one that a source list lies in, and the files of a `.d` folder that apt reads.

use std::fs;
use std::path::{Path, PathBuf};

use crate::storage::FileError;

/// Returns the apt folders of source lists, such as `/etc/apt`, each once.
pub(super) fn of_lists(lists: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for list in lists {
        let folder = list.parent().unwrap_or(Path::new(""));
        let folder = if folder.ends_with("sources.list.d") { folder.parent().unwrap_or(folder) } else { folder };
        if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

/// The file itself, or the files of a folder that apt reads, in its order: those with this extension or with none.
pub(super) fn files_of(path: &Path, extension: &str) -> Result<Vec<PathBuf>, FileError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(FileError::on::<FileError>("read", path))?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FileError::on::<FileError>("read", path))?.path();
        if is_read(&entry, extension) && entry.is_file() {
            files.push(entry);
        }
    }
    files.sort();
    Ok(files)
}

/// Named with letters, digits, `-`, `_` and `.` alone.
fn is_read(path: &Path, extension: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let allowed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    allowed && !name.starts_with('.') && path.extension().is_none_or(|own| own == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_lie_in_the_apt_folder_or_one_below() {
        let lists = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/a.sources", "x.list"].map(PathBuf::from);
        assert_eq!(of_lists(&lists), ["/etc/apt", ""].map(PathBuf::from));
    }

    #[test]
    fn files_are_read_by_their_names() {
        for (name, expected) in
            [("99x", true), ("a.pref", true), ("a.conf", false), ("a.pref.bak", false), ("a~", false), (".a", false)]
        {
            assert_eq!(is_read(Path::new(name), "pref"), expected, "{name}");
        }
    }
}

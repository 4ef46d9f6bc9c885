//! Lists the files below a folder that a selection names, with one rule for symbolic links: a link within the folder is
//! followed, and any other one is refused by its name. So a folder never carries what lies elsewhere.

use std::path::{Path, PathBuf};

use super::CollectError;
use super::named_files::{special, what};
use crate::storage::FileError;

/// A file below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FolderFile {
    /// Its path on this machine.
    pub(super) path: PathBuf,
    /// Its path below the folder.
    pub(super) name: String,
}

/// Lists the files below `folder` whose path is `wanted`, in the order of their names. The folder itself may be a link.
pub(super) fn list_folder(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<FolderFile>, CollectError> {
    let mut files = Vec::new();
    each_file(folder, wanted, |file| {
        files.push(file);
        Ok(())
    })?;
    Ok(files)
}

/// The same, file by file.
pub(super) fn each_file(
    folder: &Path,
    wanted: impl Fn(&Path) -> bool,
    mut file: impl FnMut(FolderFile) -> Result<(), CollectError>,
) -> Result<(), CollectError> {
    let root = folder.canonicalize().map_err(FileError::on_named::<CollectError>("read", folder))?;
    for entry in walkdir::WalkDir::new(&root).follow_links(true).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => match refused_link(&error) {
                Some((path, _)) if !wanted(&path) && !path.is_dir() => continue,
                Some((path, what)) => return Err(special(&path, what).into()),
                None => return Err(FileError::on_named("read", folder)(error.into())),
            },
        };
        let is_wanted = wanted(entry.path());
        if entry.path_is_symlink() && (is_wanted || entry.file_type().is_dir()) && !is_within(entry.path(), &root) {
            let what = "a symbolic link that leads out of its folder";
            return Err(special(entry.path(), what).into());
        }
        match what(entry.file_type()) {
            _ if entry.file_type().is_dir() || !is_wanted => continue,
            Some(what) => return Err(special(entry.path(), what).into()),
            None => {}
        }
        let name = entry.path().strip_prefix(&root).unwrap_or(entry.path()).to_string_lossy().into_owned();
        file(FolderFile { path: entry.into_path(), name })?;
    }
    Ok(())
}

/// Returns the link that `error` is about, and what is wrong with it. `None` if the error has another reason.
fn refused_link(error: &walkdir::Error) -> Option<(PathBuf, &'static str)> {
    let path = error.path()?.to_owned();
    let is_link = path.symlink_metadata().is_ok_and(|data| data.file_type().is_symlink());
    match error.loop_ancestor() {
        Some(_) => Some((path, "a symbolic link to a folder above it")),
        None if is_link => Some((path, "a symbolic link that leads nowhere")),
        None => None,
    }
}

fn is_within(path: &Path, root: &Path) -> bool {
    path.canonicalize().is_ok_and(|target| target.starts_with(root))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Result<String, String> {
        let is_deb = |path: &Path| path.extension().is_some_and(|extension| extension == "deb");
        let files = list_folder(folder, is_deb).map_err(|error| error.to_string())?;
        Ok(files.into_iter().map(|file| file.name).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn follows_links_within_the_folder_and_refuses_others() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |below: &str| scratch.path().join(below);
        fs::create_dir_all(path("debs/pool")).unwrap();
        for file in ["debs/pool/a.deb", "debs/readme", "elsewhere.deb"] {
            fs::write(path(file), file).unwrap();
        }
        symlink("pool/a.deb", path("debs/b.deb")).unwrap();
        symlink("pool", path("debs/stable")).unwrap();
        symlink("/etc/hostname", path("debs/host")).unwrap(); // nobody asked for it
        symlink("nowhere", path("debs/gone")).unwrap();
        symlink("debs", path("link")).unwrap();
        for folder in ["debs", "link"] {
            assert_eq!(names(&path(folder)), Ok("b.deb pool/a.deb stable/a.deb".to_owned()));
        }
        for (to, from, words) in [
            ("../elsewhere.deb", "x.deb", "x.deb is a symbolic link that leads out of its folder"),
            ("/etc", "etc", "etc is a symbolic link that leads out of its folder"),
            ("gone", "y.deb", "y.deb is a symbolic link that leads nowhere"),
            ("..", "pool/up", "up is a symbolic link to a folder above it"),
        ] {
            let link = path("debs").join(from);
            symlink(to, &link).unwrap();
            let said = names(&path("debs"));
            assert!(said.as_ref().is_err_and(|said| said.contains(words)), "{words}: {said:?}");
            fs::remove_file(link).unwrap();
        }
        std::os::unix::net::UnixListener::bind(path("debs/z.deb")).unwrap();
        assert!(names(&path("debs")).unwrap_err().contains("z.deb is a pipe, socket or device"));
    }
}

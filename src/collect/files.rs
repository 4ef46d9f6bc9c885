//! Collects any other files. Nobody vouches for them, and the manifest says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::folder::list_folder;
use super::{CollectContext, CollectError, address, named_files};
use crate::collection::{Collection, Item, Publish};
use crate::digest::Sha256;
use crate::error_class::Fault;
use crate::kind::{Details, Kind};
use crate::label::Label;
use crate::origin::Origin;
use crate::path::{MalformedPath, PublishPath};
use crate::selection::{FilePlace, FilesSource};
use crate::storage::FileError;

/// Takes the files of all tables that are called `name` into the depot.
pub fn collect(name: &Label, sources: &[&FilesSource], with: &CollectContext<'_>) -> Result<Collection, CollectError> {
    let mut batch = with.depot.batch();
    let mut found: BTreeMap<PublishPath, FoundFile> = BTreeMap::new();
    let mut selected = Vec::new();
    for source in sources {
        match &source.place {
            FilePlace::Url { url, sha256 } => {
                selected.push(named_files::selected(url, *sha256, with)?);
                let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
                let origin = address::origin(url);
                let malformed =
                    |error| Fault::usage(format!("{origin} does not end in a name that can be carried")).because(error);
                let path = published(source, name).map_err(malformed)?;
                add(&mut found, path, FoundFile { sha256: *sha256, origin: Origin::Url(origin) })?;
            }
            FilePlace::Path { path, .. } => {
                for (path, name) in listed(path)? {
                    let sha256 = named_files::take(&path, None, &mut batch, with)?;
                    let malformed = |error| {
                        let path = path.display();
                        Fault::usage(format!(
                            "{path} cannot be carried under its name: rename it, or name it with its url and to"
                        ))
                        .because(error)
                    };
                    add(
                        &mut found,
                        published(source, &name).map_err(malformed)?,
                        FoundFile { sha256, origin: Origin::Local },
                    )?;
                }
            }
        }
    }
    batch.commit()?;
    with.fetch_selected("fetching files", selected)?;
    let collection = Collection {
        files: found.iter().map(|(path, file)| (path.clone(), file.sha256)).collect(),
        items: found.into_iter().map(|(path, file)| describe(path, file)).collect(),
        kind: Kind::Files,
        name: name.clone(),
        origin: Origin::Local,
        proofs: Vec::new(),
        publish: Publish::Verbatim,
        second_digest: None,
        source: name.clone(),
    };
    match collection.conflict() {
        Some(path) => Err(Fault::usage(format!("{path} would be both a file and a folder")).into()),
        None => Ok(collection),
    }
}

/// A file that a table names.
struct FoundFile {
    sha256: Sha256,
    origin: Origin,
}

fn add(found: &mut BTreeMap<PublishPath, FoundFile>, path: PublishPath, file: FoundFile) -> Result<(), CollectError> {
    let sha256 = file.sha256;
    match found.entry(path.clone()).or_insert(file) {
        there if there.sha256 != sha256 => {
            Err(Fault::usage(format!("two different files would be published as {path}")).into())
        }
        _ => Ok(()),
    }
}

fn describe(path: PublishPath, FoundFile { sha256, origin }: FoundFile) -> Item {
    Item {
        architecture: String::new(), // nothing is known of what is inside
        name: path.to_string(),
        file: path,
        details: Details::File { origin },
        proof: None,
        publisher: String::new(),
        reason: "requested".to_owned(),
        version: sha256.abbreviated(),
    }
}

fn published(source: &FilesSource, name: &str) -> Result<PublishPath, MalformedPath> {
    match &source.to {
        Some(folder) => folder.join(name),
        None => name.parse(),
    }
}

/// The files that `from` means, each with its name: those below a folder by their paths there, and of a pattern each match by its
/// own name. What is named outright may be a symbolic link; below a folder [`list_folder`] has the rule.
fn listed(from: &Path) -> Result<Vec<(PathBuf, String)>, CollectError> {
    if from.is_dir() {
        return below(from, "");
    }
    if from.exists() {
        return Ok(vec![(from.to_owned(), own_name(from))]);
    }
    let mut files = Vec::new();
    for path in matching(from)? {
        match path.is_dir() {
            true => files.extend(below(&path, &format!("{}/", own_name(&path)))?),
            false => files.push((path.clone(), own_name(&path))),
        }
    }
    if files.is_empty() { Err(no_file(from).into()) } else { Ok(files) }
}

/// The paths that match a pattern, in the order of their names.
pub(super) fn matching(pattern: &Path) -> Result<Vec<PathBuf>, CollectError> {
    let bad = |error| Fault::usage(format!("{} is not a pattern", pattern.display())).because(error);
    let found = glob::glob(&pattern.to_string_lossy()).map_err(bad)?;
    let readable = |found: glob::GlobResult| found.map_err(|error| FileError::on("read", error.path())(error.into()));
    found.map(readable).collect()
}

fn no_file(path: &Path) -> Fault {
    Fault::usage(format!("there is no file {}", path.display()))
}

fn below(folder: &Path, prefix: &str) -> Result<Vec<(PathBuf, String)>, CollectError> {
    let files = list_folder(folder, |_| true)?;
    if files.is_empty() {
        return Err(no_file(&folder.join("*")).into());
    }
    Ok(files.into_iter().map(|file| (file.path, format!("{prefix}{}", file.name))).collect())
}

fn own_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_folders_and_patterns() {
        let root = tempfile::tempdir().unwrap();
        let path = |below: &str| root.path().join(below);
        fs::create_dir_all(path("a/b")).unwrap();
        for file in ["a/1", "a/b/2", "x.iso", "[odd]"] {
            fs::write(path(file), "x").unwrap();
        }
        let names = |from: &str| {
            listed(&path(from)).map(|files| files.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(names("a").unwrap(), "1 b/2");
        assert_eq!(names("x.iso").unwrap(), "x.iso");
        assert_eq!(names("[odd]").unwrap(), "[odd]"); // refused later, by its name
        assert_eq!(names("[ax]*").unwrap(), "a/1 a/b/2 x.iso");
        assert!(matches!(names("*.deb"), Err(CollectError::Fault(_))));
        assert!(matches!(names("***"), Err(CollectError::Fault(_))));
        symlink(path("x.iso"), path("a/link")).unwrap();
        let error = names("a").unwrap_err().to_string();
        assert!(error.contains("a/link is a symbolic link that leads out of its folder"), "{error}");
        fs::remove_file(path("a/link")).unwrap();
        symlink("b/2", path("a/link")).unwrap();
        assert_eq!(names("a").unwrap(), "1 b/2 link");
        symlink(path("a/b"), path("elsewhere")).unwrap();
        assert_eq!(names("elsewhere").unwrap(), "2");
        std::os::unix::net::UnixListener::bind(path("a/b/socket")).unwrap();
        assert!(names("elsewhere").unwrap_err().to_string().contains("is a pipe, socket or device"));
    }
}

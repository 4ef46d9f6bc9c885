//! Credentials for an export: those that a selection names, and those of the host's apt.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::CollectError;
use super::apt_folder;
use super::secret_file::{read_private, read_secret};
use crate::error_class::Fault;
use crate::fetch::access::{Access, Grant, LoginFile};
use crate::fetch::tls::{ClientCertificate, TlsOptions};
use crate::formats::apt::auth_conf::AuthConf;
use crate::selection::{AccessKeys, Selection};
use crate::storage::FileError;

/// apt's folder where its configuration cannot be asked.
const APT_FOLDER: &str = "/etc/apt";
/// A file of logins in apt's folder, and the folder of more of them (apt_auth.conf(5)).
const LOGIN_FILES: [&str; 2] = ["auth.conf", "auth.conf.d"];

/// Reads the credentials for a selection. Says in `notes` what is not as safe as it could be.
pub fn of_selection(selection: &Selection, notes: &mut Vec<String>) -> Result<Access, CollectError> {
    let mut access = Access::default();
    for keys in selection.access() {
        add(&mut access, &keys, notes)?;
    }
    let lists: Vec<PathBuf> = selection.apt.iter().flat_map(|source| source.lists()).cloned().collect();
    add_host(&mut access, &apt_folder::of_lists(&lists));
    Ok(access)
}

/// Reads the credentials for one source, such as one that the command line names.
pub fn of_keys(keys: &AccessKeys<'_>, notes: &mut Vec<String>) -> Result<Access, CollectError> {
    let mut access = Access::default();
    add(&mut access, keys, notes)?;
    add_host(&mut access, &[]);
    Ok(access)
}

/// Adds what a source names.
fn add(access: &mut Access, keys: &AccessKeys<'_>, notes: &mut Vec<String>) -> Result<(), CollectError> {
    let failed = |error| CollectError::within(source_of(keys))(error);
    for path in keys.auth_files {
        if !access.login_files.iter().any(|known| known.path == *path) {
            let content = Ok(read_logins(path, notes).map_err(failed)?);
            access.login_files.push(LoginFile { path: path.clone(), content });
        }
    }
    let Some(scope) = &keys.scope else { return Ok(()) };
    if let Some(path) = keys.secret_file {
        let (secret, user) = (read_secret(path).map_err(failed)?, keys.login.map(str::to_owned));
        let grant = Grant { scope: scope.clone(), user, secret, path: path.to_owned() };
        match access.grants.iter().find(|known| known.scope == grant.scope) {
            Some(known) if (&known.user, &known.secret) == (&grant.user, &grant.secret) => {}
            Some(_) => return Err(contradiction(keys)),
            None => access.grants.push(grant),
        }
        if scope.is_unencrypted() {
            let name = &keys.name;
            notes.push(format!("{name}: its secret goes to the server unencrypted, since the URL is not https"));
        }
    }
    if let Some(path) = keys.client_cert {
        let key = keys.client_key.map(Path::to_owned);
        read_private(key.as_deref().unwrap_or(path)).map_err(failed)?;
        let (server, certificate) = (scope.server(), ClientCertificate { certificate: path.to_owned(), key });
        match access.certificates.iter().find(|(known, _)| *known == server) {
            Some((_, known)) if *known == certificate => {}
            Some(_) => return Err(contradiction(keys)),
            None => access.certificates.push((server, certificate)),
        }
    }
    Ok(())
}

/// Names the source in messages.
fn source_of(keys: &AccessKeys<'_>) -> String {
    format!("[[{}]] {}", keys.table, keys.name)
}

fn contradiction(keys: &AccessKeys<'_>) -> CollectError {
    let source = source_of(keys);
    Fault::usage(format!("{source}: another source has other credentials for the same URLs: give both the same ones"))
        .into()
}

/// Reads a file of logins that a selection names. One that all can read is taken, as apt takes it, and noted.
fn read_logins(path: &Path, notes: &mut Vec<String>) -> Result<AuthConf, CollectError> {
    let text = match read_private(path) {
        Err(CollectError::WorldReadable { command, .. }) => {
            let shown = path.display();
            notes.push(format!("{shown} holds logins, and every user of this machine can read it: run `{command}`"));
            std::fs::read(path).map_err(FileError::on_named::<CollectError>("read", path))?.into()
        }
        read => read?,
    };
    Ok(AuthConf::parse(&text))
}

/// Adds the logins and TLS settings of the host's apt: first the logins beside source lists that the selection names.
fn add_host(access: &mut Access, folders: &[PathBuf]) {
    // apt-config takes some 20 ms, so both calls run side by side.
    let (host, dump) = thread::scope(|scope| {
        let dump = scope.spawn(|| apt_config(&["dump", "--format", "%f=%v%n"]));
        (host_login_files(), dump.join().ok().flatten().unwrap_or_default())
    });
    access.tls = TlsOptions::parse(&dump);
    let beside = folders.iter().flat_map(|folder| LOGIN_FILES.map(|name| folder.join(name)));
    let paths: Vec<PathBuf> = beside.chain(host).filter(|path| path.exists()).collect();
    for path in paths {
        // A folder that cannot be listed counts as a file that cannot be read.
        for file in apt_folder::files_of(&path, "conf").unwrap_or_else(|_| vec![path]) {
            if !access.login_files.iter().any(|known| known.path == file) {
                access.login_files.push(LoginFile::of_apt(&file));
            }
        }
    }
}

/// The file and the folder of logins of the host's apt, as its configuration names them.
fn host_login_files() -> Vec<PathBuf> {
    let usual = || LOGIN_FILES.map(|name| Path::new(APT_FOLDER).join(name)).to_vec();
    let shell = apt_config(&["shell", "FILE", "Dir::Etc::netrc/f", "FOLDER", "Dir::Etc::netrcparts/d"]);
    shell.map_or_else(usual, |text| text.lines().filter_map(assigned).map(PathBuf::from).collect())
}

/// The value of `NAME='VALUE'`, as `apt-config shell` prints it: a quote in it ends and begins the quotes.
fn assigned(line: &str) -> Option<String> {
    let (_, value) = line.split_once('=')?;
    Some(value.strip_prefix('\'')?.strip_suffix('\'')?.replace("'\\''", "'"))
}

/// The output of apt-config(8), which heeds `APT_CONFIG` as apt does. Returns `None` if the host has no apt.
fn apt_config(arguments: &[&str]) -> Option<String> {
    let output = Command::new("apt-config").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_apt_config_are_unquoted() {
        assert_eq!(assigned("FILE='/etc/apt/auth.conf'").as_deref(), Some("/etc/apt/auth.conf"));
        assert_eq!(assigned("FILE='/a b/it'\\''s'").as_deref(), Some("/a b/it's"));
        assert_eq!(assigned("FILE"), None);
    }
}

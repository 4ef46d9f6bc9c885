//! The one user to whom a site or a workspace belongs. Files that another user makes there, such as root, stand in the owner's
//! way later.

use std::env;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::shell::quoted;

/// A user of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    id: u32,
    /// `None` for a user that is not in `/etc/passwd`.
    name: Option<String>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "the user {}", self.id),
        }
    }
}

impl Owner {
    /// Returns the owner of the folder; `None` if nothing is there.
    fn of(folder: &Path) -> Option<Self> {
        let id = fs::metadata(folder).ok()?.uid();
        Some(Self { id, name: fs::read_to_string("/etc/passwd").ok().and_then(|text| name_of(id, &text)) })
    }

    /// Returns the command of this process, run as this user.
    pub(super) fn command(&self) -> String {
        let user = self.name.clone().unwrap_or_else(|| format!("#{}", self.id));
        let words = ["sudo".into(), "-u".into(), user.into()].into_iter().chain(env::args_os());
        words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
    }
}

/// Returns the name of a user, by the lines of `/etc/passwd`: name, password, id and more, with colons between.
fn name_of(id: u32, passwd: &str) -> Option<String> {
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&id.to_string()))?;
    line.split(':').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Returns the owner of the folder if that is another user than the one who runs this.
pub(crate) fn other_owner(folder: &Path) -> Option<Owner> {
    Owner::of(folder).filter(|owner| owner.id != rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_third_field() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\ngap:x:997:997::/srv/gap:/usr/sbin/nologin\n:x:5::::\n";
        assert_eq!(name_of(997, passwd).as_deref(), Some("gap"));
        assert_eq!((name_of(97, passwd), name_of(5, passwd)), (None, None));
        let unknown = Owner { id: 4711, name: None };
        assert!(unknown.command().starts_with("sudo -u '#4711' "), "{}", unknown.command());
    }
}

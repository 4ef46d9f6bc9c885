//! cloud-init user data for machines of the Red Hat family: their packages come from this site's RPM repositories.
//!
//! cloud-init's module `yum_repos` passes over a repository whose file is there already, and leaves all others on. So ours have
//! names of their own, and what the image brought is moved away first – once, since `bootcmd` runs at every boot.

use std::fmt;
use std::str::FromStr;

use super::facts::Repository;
use super::quote::{comment, shell, yaml};
use super::{Certificates, Facts, ServeUrl, SetupError, cloud_init};
use crate::collection::Label;

/// Where the image's own repositories are.
const REPOS: &str = "/etc/yum.repos.d";
/// Where certificates of further authorities are (update-ca-trust(8)).
const ANCHORS: &str = "/etc/pki/ca-trust/source/anchors";

/// The operating system of the machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Os {
    /// Red Hat Enterprise Linux.
    Rhel,
    /// CentOS.
    Centos,
    /// Rocky Linux.
    Rocky,
    /// AlmaLinux.
    Alma,
}

/// Its release, such as `9` or `9.4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    major: u8,
    text: String,
}

/// The text is not a [`Release`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no release such as 9 or 9.4")]
pub struct MalformedRelease(String);

impl FromStr for Release {
    type Err = MalformedRelease;

    fn from_str(text: &str) -> Result<Self, MalformedRelease> {
        let number = |text: &str| text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty();
        let (major, minor) = text.split_once('.').map_or((text, None), |(major, minor)| (major, Some(minor)));
        match major.parse() {
            Ok(major) if minor.is_none_or(number) => Ok(Self { major, text: text.to_owned() }),
            _ => Err(MalformedRelease(text.chars().take(16).collect())),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Os {
    /// The word by which repositories name it.
    fn word(self) -> &'static str {
        match self {
            Self::Rhel => "rhel",
            Self::Centos => "centos",
            Self::Rocky => "rocky",
            Self::Alma => "alma",
        }
    }

    /// What MAAS calls its images: packer-maas uploads the latter two as custom ones.
    fn in_maas(self, release: &Release) -> (&'static str, String) {
        let system = match self {
            Self::Rhel => "rhel",
            Self::Centos => "centos",
            Self::Rocky | Self::Alma => "custom",
        };
        (system, format!("{}{}", self.word(), release.major))
    }
}

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The machines' operating system.
    pub os: Os,
    /// Its release.
    pub release: Release,
    /// Repositories, by the names of their collections; those that fit where none is named.
    pub repositories: Vec<Label>,
    /// Where clients reach the site.
    pub serve_url: ServeUrl,
    /// Time servers.
    pub ntp_servers: Vec<String>,
    /// An authority that machines are to trust.
    pub authority: Option<Certificates>,
}

/// User data.
pub fn user_data(facts: &Facts, choice: &Choice) -> Result<String, SetupError> {
    let repositories = chosen(facts, choice)?;
    let sections = [
        boot_commands(choice),
        "yum_repos:\n".to_owned(),
        repositories.iter().map(|repository| section(facts, repository, choice)).collect(),
        "package_update: true\n".to_owned(),
        cloud_init::time(&choice.ntp_servers),
    ];
    let head = format!("{}\n{}", facts.headline("User data"), how_to_pass_it(choice));
    Ok("#cloud-config\n".to_owned() + &comment("#", &head) + &sections.concat())
}

/// For MAAS, whose API takes user data in base64.
fn how_to_pass_it(choice: &Choice) -> String {
    let (system, series) = choice.os.in_maas(&choice.release);
    format!(
        "With MAAS, for an image of {} {} that is called {series} there:\n  maas PROFILE machine deploy SYSTEM_ID \
         osystem={system} distro_series={series} user_data=\"$(base64 -w0 FILE)\"\nIt acts at the first boot. What curtin \
         installs before that has to be in the image, and MAAS's enable_http_proxy has to be off.",
        choice.os.word(),
        choice.release,
    )
}

/// The repositories that were named, each of which must be there; or those that fit.
fn chosen<'f>(facts: &'f Facts, choice: &Choice) -> Result<Vec<&'f Repository>, SetupError> {
    let all = &facts.repositories;
    let named = |name: &Label| all.iter().find(|repository| repository.name == *name);
    let found: Vec<&Repository> = match choice.repositories.as_slice() {
        [] => all.iter().filter(|repository| fits(repository.name.as_str(), choice)).collect(),
        names => names.iter().map_while(named).collect(),
    };
    if !found.is_empty() && (choice.repositories.is_empty() || found.len() == choice.repositories.len()) {
        return Ok(found);
    }
    let wanted = choice.repositories.iter().find(|name| named(name).is_none());
    let what =
        wanted.map_or_else(|| format!("for {} {}", choice.os.word(), choice.release), |name| format!("{name:?}"));
    let names: Vec<&str> = all.iter().map(|repository| repository.name.as_str()).collect();
    let there = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    Err(SetupError::NoRepository { what, there })
}

/// Whether a repository of this name is for the machines: it names no other system and no other release. Words and numbers
/// count by themselves: `rocky9-baseos` is for Rocky Linux 9, `epel-9` for all of release 9, `tools` for all.
fn fits(name: &str, choice: &Choice) -> bool {
    const OTHERS: [&str; 8] = ["rhel", "centos", "rocky", "alma", "almalinux", "fedora", "oracle", "suse"];
    let is_digit = |c: char| c.is_ascii_digit();
    let mut words = name.split('-').flat_map(|part| {
        let at = part.find(is_digit).unwrap_or(part.len());
        let (word, number) = part.split_at(at);
        [word, number]
    });
    words.all(|word| match word.parse::<u8>() {
        Ok(release) => release == choice.release.major,
        Err(_) => !OTHERS.contains(&word) || word.trim_end_matches("linux") == choice.os.word(),
    })
}

/// Certificates come here too: cloud-init's own module for them knows only RHEL of these, and packages are fetched before
/// commands of `runcmd` run.
fn boot_commands(choice: &Choice) -> String {
    let away = format!(
        "mkdir -p {REPOS}/stock && for file in {REPOS}/*.repo; do [ ! -e \"$file\" ] || mv \"$file\" {REPOS}/stock/; done"
    );
    let once =
        |what: &str, script: &str| format!("  - [cloud-init-per, once, gapferry-{what}, sh, -c, {}]\n", yaml(script));
    let mut text = "bootcmd:\n".to_owned() + &once("stock-repos", &away);
    if let Some(authority) = &choice.authority {
        let each: Vec<String> = authority.text().lines().map(shell).collect();
        let trust = format!("printf '%s\\n' {} >{ANCHORS}/gapferry.pem && update-ca-trust", each.join(" "));
        text += &once("authority", &trust);
    }
    text
}

fn section(facts: &Facts, repository: &Repository, choice: &Choice) -> String {
    let (url, name) = (&choice.serve_url, &repository.name);
    // Who signs the packages, and who the list of them.
    let mut keys = vec![format!("{url}/keys/site.asc")];
    if repository.has_upstream_key {
        keys.push(format!("{url}/keys/yum/{name}.asc"));
    }
    let title = yaml(&format!("{name} at the site {}", facts.site));
    let (base, keys) = (yaml(&format!("{url}/yum/{name}/")), yaml(&keys.join(" ")));
    let unsigned = if repository.is_signed { "" } else { "    # Nobody signs the list of its packages.\n" };
    format!(
        "  gapferry-{name}:\n    name: {title}\n    baseurl: {base}\n    enabled: true\n    gpgcheck: true\n{unsigned}    \
         repo_gpgcheck: {}\n    gpgkey: {keys}\n",
        repository.is_signed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    fn choice(os: Os, release: &str) -> Choice {
        Choice {
            os,
            release: release.parse().unwrap(),
            repositories: Vec::new(),
            serve_url: "http://gapferry.dc1.example".parse().unwrap(),
            ntp_servers: Vec::new(),
            authority: None,
        }
    }

    fn site(names: &[&str]) -> Facts {
        let repository = |name: &&str| Repository {
            name: name.parse().unwrap(),
            is_signed: *name != "unsigned",
            has_upstream_key: *name != "own",
        };
        Facts { repositories: names.iter().map(repository).collect(), ..facts() }
    }

    fn names(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix("  gapferry-")?.strip_suffix(':')).collect()
    }

    #[test]
    fn a_repository_has_names_and_keys_of_its_own() {
        let text = user_data(&site(&["rocky9-baseos", "own", "unsigned"]), &choice(Os::Rocky, "9.4")).unwrap();
        for words in [
            "#cloud-config\n# User data for the site dc1, generation 7",
            "osystem=custom distro_series=rocky9 user_data=\"$(base64 -w0 FILE)\"\n",
            "\nbootcmd:\n  - [cloud-init-per, once, gapferry-stock-repos, sh, -c, \"mkdir -p /etc/yum.repos.d/stock && ",
            "yum_repos:\n  gapferry-rocky9-baseos:\n    name: \"rocky9-baseos at the site dc1\"\n    \
             baseurl: \"http://gapferry.dc1.example/yum/rocky9-baseos/\"\n    enabled: true\n    gpgcheck: true\n    \
             repo_gpgcheck: true\n    gpgkey: \"http://gapferry.dc1.example/keys/site.asc \
             http://gapferry.dc1.example/keys/yum/rocky9-baseos.asc\"\n",
            "    gpgkey: \"http://gapferry.dc1.example/keys/site.asc\"\n",
            "    # Nobody signs the list of its packages.\n    repo_gpgcheck: false\n",
            "\npackage_update: true\n",
        ] {
            assert!(text.contains(words), "{words}\nis not in\n{text}");
        }
    }

    #[test]
    fn only_what_fits_is_taken() {
        let all = ["rocky9-baseos", "rocky-8-baseos", "alma9", "almalinux-8", "epel-9", "tools", "centos7-os"];
        for (os, release, expected) in [
            (Os::Rocky, "9", &["rocky9-baseos", "epel-9", "tools"][..]),
            (Os::Alma, "9.3", &["alma9", "epel-9", "tools"]),
            (Os::Alma, "8", &["almalinux-8", "tools"]),
            (Os::Centos, "7", &["tools", "centos7-os"]),
            (Os::Rhel, "10", &["tools"]),
        ] {
            assert_eq!(names(&user_data(&site(&all), &choice(os, release)).unwrap()), expected, "{os:?} {release}");
        }
        let mut choice = choice(Os::Rocky, "9");
        choice.repositories = vec!["centos7-os".parse().unwrap(), "tools".parse().unwrap()];
        assert_eq!(names(&user_data(&site(&all), &choice).unwrap()), ["centos7-os", "tools"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let refused = |names: &[&str], choice: &Choice| user_data(&site(names), choice).unwrap_err().to_string();
        let error = refused(&["alma8"], &choice(Os::Rhel, "9"));
        assert!(error.starts_with("the site publishes no RPM repository for rhel 9 (it has alma8): "), "{error}");
        let mut choice = choice(Os::Rhel, "9");
        choice.repositories = vec!["b".parse().unwrap()];
        assert!(refused(&[], &choice).contains("\"b\" (it has none)"));
        for text in ["", "9.", "nine", "9.4.1", "-1", "999", "9;"] {
            assert!(text.parse::<Release>().is_err(), "{text:?}");
        }
    }
}

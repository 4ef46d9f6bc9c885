//! cloud-init user data for machines of the Red Hat family: their packages come from this site's RPM repositories.
//!
//! cloud-init's module `yum_repos` passes over a repository whose file is there already, and leaves all others on. So ours have
//! names of their own, and what the image brought is moved away first – once, since `bootcmd` runs at every boot.

use std::fmt;
use std::str::FromStr;

use super::facts::{ListSigner, RpmRepository};
use super::quote::{comment, yaml};
use super::{Certificates, Facts, ServeUrl, cloud_init};
use crate::error_class::Fault;
use crate::formats::openpgp::SiteKeyAlgorithm;
use crate::label::Label;
use crate::shell::shell_word;

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
pub struct SystemRelease {
    major: u32,
    minor: Option<u32>,
    text: String,
}

/// The text is not a [`SystemRelease`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no release such as 9 or 9.4")]
pub struct MalformedRelease(String);

impl FromStr for SystemRelease {
    type Err = MalformedRelease;

    fn from_str(text: &str) -> Result<Self, MalformedRelease> {
        let is_number = |text: &str| text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
        let number = |text: &str| text.parse().ok().filter(|_| is_number(text));
        let (major, minor) = text.split_once('.').map_or((text, None), |(major, minor)| (major, Some(minor)));
        let malformed = || MalformedRelease(text.chars().take(16).collect());
        let minor = minor.map(|minor| number(minor).ok_or_else(malformed)).transpose()?;
        let major = major.parse::<u8>().ok().filter(|_| is_number(major)).map(u32::from);
        Ok(Self { major: major.ok_or_else(malformed)?, minor, text: text.to_owned() })
    }
}

impl fmt::Display for SystemRelease {
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
    fn in_maas(self, release: &SystemRelease) -> (&'static str, String) {
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
pub struct UserDataChoice {
    /// The machines' operating system.
    pub os: Os,
    /// Its release.
    pub release: SystemRelease,
    /// Repositories, by the names of their collections; those that fit where none is named.
    pub repositories: Vec<Label>,
    /// Where clients reach the site.
    pub serve_url: ServeUrl,
    /// Time servers.
    pub ntp_servers: Vec<String>,
    /// An authority that machines are to trust.
    pub authority: Option<Certificates>,
}

/// The newest release whose GnuPG (2.0) and rpm know no Ed25519.
const LAST_WITHOUT_ED25519: u32 = 7;

/// User data.
pub fn user_data(facts: &Facts, choice: &UserDataChoice) -> Result<String, Fault> {
    let repositories = chosen(facts, choice)?;
    let notes: String = notes(facts, choice).iter().map(|text| format!("\n{text}")).collect();
    let sections = [
        boot_commands(choice),
        "yum_repos:\n".to_owned(),
        repositories.iter().map(|repository| section(facts, repository, choice)).collect(),
        "package_update: true\n".to_owned(),
        cloud_init::time(&choice.ntp_servers),
    ];
    let head = format!("{}\n{}{notes}", facts.headline("User data"), how_to_pass_it(choice));
    Ok("#cloud-config\n".to_owned() + &comment("#", &head) + &sections.concat())
}

/// Returns what the operator should know: which repositories are left out, and which lists of packages go unchecked.
pub fn notes(facts: &Facts, choice: &UserDataChoice) -> Vec<String> {
    let Ok(taken) = chosen(facts, choice) else { return Vec::new() };
    let names = |of: &dyn Fn(&RpmRepository) -> bool| {
        let names: Vec<&str> = facts.repositories.iter().filter(|it| of(it)).map(|it| it.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let is_taken = |it: &RpmRepository| taken.iter().any(|taken| taken.name == it.name);
    let left_out = names(&|it| choice.repositories.is_empty() && !is_taken(it));
    let unread = names(&|it| is_taken(it) && !is_readable(it, choice));
    let system = format!("{} {}", choice.os.word(), choice.release);
    let left_out = left_out.map(|names| {
        format!("left out, since their names say another system or release than {system}: {names}; --repos takes them")
    });
    let unread = unread.map(|names| {
        format!(
            "{system} cannot read the site's Ed25519 key, so these have repo_gpgcheck off: {names}; packages are still \
             checked with upstream's keys. Publish them verbatim, or make the site with --key-algorithm rsa4096"
        )
    });
    left_out.into_iter().chain(unread).collect()
}

/// Returns true if the machines can check the signature over the list of packages.
fn is_readable(repository: &RpmRepository, choice: &UserDataChoice) -> bool {
    let is_old = choice.release.major <= LAST_WITHOUT_ED25519;
    !(is_old && repository.signer == ListSigner::Site(SiteKeyAlgorithm::Ed25519))
}

/// For MAAS, whose API takes user data in base64.
fn how_to_pass_it(choice: &UserDataChoice) -> String {
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
fn chosen<'f>(facts: &'f Facts, choice: &UserDataChoice) -> Result<Vec<&'f RpmRepository>, Fault> {
    let all = &facts.repositories;
    let named = |name: &Label| all.iter().find(|repository| repository.name == *name);
    let found: Vec<&RpmRepository> = match choice.repositories.as_slice() {
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
    Err(Fault::usage(format!(
        "the site publishes no RPM repository {what} ({there}): choose others with --repos, or carry one by a [[yum]] table of \
         the selection, with an export there and an import here"
    )))
}

/// Whether a repository of this name is for the machines: it names no other system and no other release. Words and numbers
/// count by themselves: `rocky9-baseos` is for Rocky Linux 9, `epel-9` for all of release 9, `tools` for all. A number after
/// that of the release is the minor one: `rhel9-4` is for RHEL 9.4 alone.
fn fits(name: &str, choice: &UserDataChoice) -> bool {
    const OTHERS: [&str; 8] = ["rhel", "centos", "rocky", "alma", "almalinux", "fedora", "oracle", "suse"];
    let is_digit = |c: char| c.is_ascii_digit();
    let words = name.split('-').flat_map(|part| {
        let at = part.find(is_digit).unwrap_or(part.len());
        let (word, number) = part.split_at(at);
        [word, number]
    });
    let mut follows_major = false;
    words.filter(|word| !word.is_empty()).all(|word| {
        let may_be_minor = std::mem::take(&mut follows_major);
        match word.parse::<u32>() {
            Ok(number) if may_be_minor => choice.release.minor == Some(number),
            Ok(number) => {
                follows_major = true;
                number == choice.release.major
            }
            Err(_) => !OTHERS.contains(&word) || word.trim_end_matches("linux") == choice.os.word(),
        }
    })
}

/// Certificates come here too: cloud-init's own module for them knows only RHEL of these, and packages are fetched before
/// commands of `runcmd` run.
fn boot_commands(choice: &UserDataChoice) -> String {
    let away = format!(
        "mkdir -p {REPOS}/stock && for file in {REPOS}/*.repo; do [ ! -e \"$file\" ] || mv \"$file\" {REPOS}/stock/; done"
    );
    let once =
        |what: &str, script: &str| format!("  - [cloud-init-per, once, gapferry-{what}, sh, -c, {}]\n", yaml(script));
    let mut text = "bootcmd:\n".to_owned() + &once("stock-repos", &away);
    if let Some(authority) = &choice.authority {
        let each: Vec<String> = authority.text().lines().map(shell_word).collect();
        let trust = format!("printf '%s\\n' {} >{ANCHORS}/gapferry.pem && update-ca-trust", each.join(" "));
        text += &once("authority", &trust);
    }
    text
}

fn section(facts: &Facts, repository: &RpmRepository, choice: &UserDataChoice) -> String {
    let (url, name) = (&choice.serve_url, &repository.name);
    // Who signs the list of packages, and who the packages. A key that the machine cannot read makes yum end with an error.
    let is_readable = is_readable(repository, choice);
    let own = matches!(repository.signer, ListSigner::Site(_)) && is_readable;
    let own = own.then(|| format!("{url}/keys/site.asc"));
    let keys: Vec<String> =
        own.into_iter().chain(repository.has_upstream_key.then(|| format!("{url}/keys/yum/{name}.asc"))).collect();
    let title = yaml(&format!("{name} at the site {}", facts.site));
    let base = yaml(&format!("{url}/yum/{name}/"));
    let keys = if keys.is_empty() { String::new() } else { format!("    gpgkey: {}\n", yaml(&keys.join(" "))) };
    let unchecked = match repository.signer {
        ListSigner::Nobody => "    # Nobody signs the list of its packages.\n",
        _ if !is_readable => {
            "    # This release cannot read the site's Ed25519 key, which signs the list of packages.\n"
        }
        _ => "",
    };
    let is_checked = unchecked.is_empty();
    format!(
        "  gapferry-{name}:\n    name: {title}\n    baseurl: {base}\n    enabled: true\n    gpgcheck: true\n{unchecked}    \
         repo_gpgcheck: {is_checked}\n{keys}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::facts::tests::facts;

    fn choice(os: Os, release: &str) -> UserDataChoice {
        UserDataChoice {
            os,
            release: release.parse().unwrap(),
            repositories: Vec::new(),
            serve_url: "http://gapferry.dc1.example".parse().unwrap(),
            ntp_servers: Vec::new(),
            authority: None,
        }
    }

    fn site(names: &[&str]) -> Facts {
        let repository = |name: &&str| RpmRepository {
            name: name.parse().unwrap(),
            signer: match *name {
                "unsigned" => ListSigner::Nobody,
                "verbatim" => ListSigner::Upstream,
                "rsa" => ListSigner::Site(SiteKeyAlgorithm::Rsa4096),
                _ => ListSigner::Site(SiteKeyAlgorithm::Ed25519),
            },
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
            "    # Nobody signs the list of its packages.\n    repo_gpgcheck: false\n    \
             gpgkey: \"http://gapferry.dc1.example/keys/yum/unsigned.asc\"\n",
            "\npackage_update: true\n",
        ] {
            assert!(text.contains(words), "{words}\nis not in\n{text}");
        }
    }

    #[test]
    fn only_what_fits_is_taken() {
        let all = [
            "rocky9-baseos",
            "rocky-8-baseos",
            "alma9",
            "almalinux-8",
            "epel-9",
            "tools",
            "centos7-os",
            "rhel9-4",
            "rhel9-2",
        ];
        for (os, release, expected) in [
            (Os::Rocky, "9", &["rocky9-baseos", "epel-9", "tools"][..]),
            (Os::Alma, "9.3", &["alma9", "epel-9", "tools"]),
            (Os::Alma, "8", &["almalinux-8", "tools"]),
            (Os::Centos, "7", &["tools", "centos7-os"]),
            (Os::Rhel, "10", &["tools"]),
            (Os::Rhel, "9.4", &["epel-9", "tools", "rhel9-4"]),
            (Os::Rhel, "9", &["epel-9", "tools"]),
        ] {
            assert_eq!(names(&user_data(&site(&all), &choice(os, release)).unwrap()), expected, "{os:?} {release}");
        }
        let mut choice = choice(Os::Rocky, "9");
        choice.repositories = vec!["centos7-os".parse().unwrap(), "tools".parse().unwrap()];
        assert_eq!(names(&user_data(&site(&all), &choice).unwrap()), ["centos7-os", "tools"]);
    }

    #[test]
    fn repositories_left_out_are_named() {
        let site = site(&["rhel9-4", "rhel9-2", "rocky9", "tools"]);
        let mut choice = choice(Os::Rhel, "9.4");
        let expected = "left out, since their names say another system or release than rhel 9.4: rhel9-2, rocky9; --repos takes them";
        assert_eq!(notes(&site, &choice), [expected]);
        assert!(user_data(&site, &choice).unwrap().contains(&format!("\n# {expected}\n")));
        choice.repositories = vec!["rhel9-2".parse().unwrap()];
        assert_eq!(notes(&site, &choice), [""; 0], "who names some wants no others");
    }

    #[test]
    fn release_7_is_given_no_ed25519_key() {
        let site = site(&["elliptic", "rsa", "verbatim"]);
        let text = user_data(&site, &choice(Os::Centos, "7")).unwrap();
        for (name, check, keys) in [
            ("elliptic", "false", "http://gapferry.dc1.example/keys/yum/elliptic.asc"),
            ("rsa", "true", "http://gapferry.dc1.example/keys/site.asc http://gapferry.dc1.example/keys/yum/rsa.asc"),
            ("verbatim", "true", "http://gapferry.dc1.example/keys/yum/verbatim.asc"),
        ] {
            let (_, section) = text.split_once(&format!("  gapferry-{name}:\n")).unwrap();
            let lines = format!("repo_gpgcheck: {check}\n    gpgkey: \"{keys}\"\n");
            let (_, found) = section.split_once("    repo_gpgcheck").unwrap();
            assert!(format!("repo_gpgcheck{found}").starts_with(&lines), "{name}:\n{section}");
        }
        let told = notes(&site, &choice(Os::Centos, "7"));
        assert!(told.len() == 1 && told[0].contains("repo_gpgcheck off: elliptic; "), "{told:?}");
        assert_eq!(notes(&site, &choice(Os::Centos, "8")), [""; 0]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let refused =
            |names: &[&str], choice: &UserDataChoice| user_data(&site(names), choice).unwrap_err().to_string();
        let error = refused(&["alma8"], &choice(Os::Rhel, "9"));
        assert!(error.starts_with("the site publishes no RPM repository for rhel 9 (it has alma8): "), "{error}");
        let mut choice = choice(Os::Rhel, "9");
        choice.repositories = vec!["b".parse().unwrap()];
        assert!(refused(&[], &choice).contains("\"b\" (it has none)"));
        for text in ["", "9.", "nine", "9.4.1", "-1", "999", "9;"] {
            assert!(text.parse::<SystemRelease>().is_err(), "{text:?}");
        }
    }
}

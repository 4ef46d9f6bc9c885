//! MAAS: what `gapferry maas apply` does through the API, as a script for MAAS's own command line.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::quote::comment;
use super::snapd::base64_lines;
use crate::maas::{
    COMMISSIONING, DEFAULT_SERIES, DEFAULT_SOURCE_HOST, NO_PROXY, REPOSITORY_PREFIX, RepositoryKind, Setting,
    WantedRepository, WantedSource, WantedState,
};
use crate::shell::shell_word;

/// A script that logs in as nobody: the profile must be there. Its order is that of `gapferry maas apply`.
pub fn script(facts: &Facts, wanted: &WantedState) -> String {
    let mut text = "#!/bin/sh\n".to_owned() + &comment("#", &facts.headline("The commands of MAAS")) + HEAD;
    for note in &wanted.notes {
        text += &comment("# Note:", note);
    }
    if !wanted.sources.is_empty() {
        text += &sources(wanted);
    }
    text += "\n# Nothing is fetched from outside, and nothing is told to it.\n";
    text += &settings(wanted, |name| wanted.sources.is_empty() || name != NO_PROXY);
    if !wanted.repositories.is_empty() {
        text += "\n# Packages for machines.\n";
        wanted.repositories.iter().for_each(|wanted| text += &repository(wanted));
    }
    if !wanted.sources.is_empty() {
        text += "\n";
        text += &command("boot-resources import", &[]);
    }
    text += &uploads(wanted);
    if let Some(release) = wanted.commissioning.first() {
        text += "\n# MAAS refuses these until the import has brought the release.\n";
        for name in [COMMISSIONING, DEFAULT_SERIES] {
            text += "repeat 360 ";
            text += &command("maas set-config", &[("name", name), ("value", release)]);
        }
    }
    text
}

fn settings(wanted: &WantedState, takes: impl Fn(&str) -> bool) -> String {
    let taken = wanted.settings.iter().filter(|(name, _)| takes(name));
    let set = |(name, value): (&String, &Setting)| {
        command("maas set-config", &[("name", name), ("value", &value.to_string())])
    };
    taken.map(set).collect()
}

/// Before the settings, some of which make MAAS read its sources, and its own is out of reach.
fn sources(wanted: &WantedState) -> String {
    let mut text = "\n# Images. MAAS's own source is out of reach.\n".to_owned();
    text += &settings(wanted, |name| name == NO_PROXY);
    text += &format!(
        "for id in $(sources_of {DEFAULT_SOURCE_HOST}); do\n    maas \"$PROFILE\" boot-source delete \"$id\" ||\n        \
         maas \"$PROFILE\" boot-source update \"$id\" enabled=false\ndone\n"
    );
    wanted.sources.iter().for_each(|wanted| text += &source(wanted));
    text
}

/// MAAS answers with JSON, and python3 is where MAAS is. It reads a boot source some time after its creation, and
/// refuses selections until then.
const HEAD: &str = r#"# After: maas login admin http://MAAS:5240/MAAS API-KEY
# For a MAAS that is set up for the first time. `maas apply` of gapferry does the same, and can be run again.
set -eu
PROFILE=${PROFILE:-admin}
keyring=$(mktemp)
trap 'rm -f "$keyring"' EXIT
id_of() {
    python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'
}
sources_of() {
    maas "$PROFILE" boot-sources read | python3 -c 'import json, sys, urllib.parse as u
for s in json.load(sys.stdin):
    if u.urlsplit(s["url"]).hostname == sys.argv[1]: print(s["id"])' "$1"
}
repeat() {
    left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        if [ "$left" -eq 0 ]; then return 1; fi
        sleep "${PAUSE:-10}"
    done
}
"#;

/// A command with its fields.
fn command(words: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!(" {}", field(name, value))).collect();
    format!("maas \"$PROFILE\" {words}{fields}\n")
}

fn field(name: &str, value: &str) -> String {
    match value.is_empty() {
        true => format!("{name}="),
        false => format!("{name}={}", lines(value)),
    }
}

/// A value of one line as a word, and one of several as what prints them: a key in armor has many.
fn lines(value: &str) -> String {
    let lines: Vec<String> = value.lines().map(shell_word).collect();
    match lines.as_slice() {
        [one] => one.clone(),
        many => format!("\"$(printf '%s\\n' {})\"", many.join(" ")),
    }
}

/// MAAS's own archives are there, and others are added.
fn repository(wanted: &WantedRepository) -> String {
    let mut fields = vec![("url", wanted.url.as_str()), ("key", wanted.key.as_str()), ("enabled", "true")];
    fields.push(("disable_sources", if wanted.no_sources { "true" } else { "false" }));
    let lists = |name: &'static str, values: &BTreeSet<String>| match values.is_empty() {
        true => vec![(name, String::new())],
        false => values.iter().map(|value| (name, value.clone())).collect::<Vec<_>>(),
    };
    match &wanted.kind {
        RepositoryKind::BuiltIn { disabled_pockets, disabled_components } => {
            let off = [lists("disabled_pockets", disabled_pockets), lists("disabled_components", disabled_components)]
                .concat();
            fields.extend(off.iter().map(|(name, value)| (*name, value.as_str())));
            command(&format!("package-repository update {}", shell_word(&wanted.name)), &fields)
        }
        RepositoryKind::Additional { distributions, components, arches } => {
            let lists =
                [lists("distributions", distributions), lists("components", components), lists("arches", arches)]
                    .concat();
            fields.extend(lists.iter().map(|(name, value)| (*name, value.as_str())));
            fields.insert(0, ("name", wanted.name.as_str()));
            command("package-repositories create", &fields)
        }
    }
}

/// Images that no stream can tell MAAS of. MAAS's client wants an absolute path.
fn uploads(wanted: &WantedState) -> String {
    let mut text = String::new();
    if !wanted.uploads.is_empty() {
        text += "\n# Images that are uploaded; their files are on the machine of the site. MAAS takes one only once it has imported an\n\
                 # image of Ubuntu for its architecture.\n";
    }
    for upload in &wanted.uploads {
        let path = upload.path.to_string_lossy();
        let mut fields = vec![("name", upload.name.as_str()), ("title", &upload.title)];
        fields.extend([("architecture", upload.architecture.as_str()), ("filetype", &upload.filetype)]);
        fields.extend(upload.base_image.iter().map(|base| ("base_image", base.as_str())));
        fields.push(("content@", &path));
        text += &format!("repeat 360 {}", command("boot-resources create", &fields));
    }
    text
}

fn source(wanted: &WantedSource) -> String {
    let mut text = format!(
        "\nbase64 -d >\"$keyring\" <<'END'\n{}END\nid=$(maas \"$PROFILE\" boot-sources create {} {} keyring_filename= \
         keyring_data@=\"$keyring\" | id_of)\n",
        base64_lines(&wanted.keyring),
        field("url", &wanted.url),
        field("name", &format!("{REPOSITORY_PREFIX}{}", wanted.name)),
    );
    let mut releases: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for image in wanted.images.keys() {
        releases.entry((&image.os, &image.release)).or_default().insert(&image.arch);
    }
    for ((os, release), arches) in releases {
        let arches: String = arches.into_iter().map(|arch| format!(" {}", field("arches", arch))).collect();
        let what = format!("{} {}{arches}", field("os", os), field("release", release));
        text += &format!(
            "repeat 12 maas \"$PROFILE\" boot-source-selections create \"$id\" {what} subarches=\"*\" labels=\"*\"\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maas::{Build, LostArchives, WantedImage, WantedUpload};
    use crate::setup::facts::tests::facts;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn wanted(evil: &str) -> WantedState {
        let repository = |name: &str, kind| WantedRepository {
            name: name.into(),
            url: "http://g/apt/ubuntu".into(),
            key: format!("BEGIN\n\nA'A{evil}\nEND"),
            no_sources: true,
            kind,
        };
        let image =
            |release: &str, arch: &str| WantedImage { os: "ubuntu".into(), release: release.into(), arch: arch.into() };
        WantedState {
            serve_url: "http://g".into(),
            settings: BTreeMap::from([("ntp_servers".into(), Setting::Words(vec!["a".into(), "b".into()]))]),
            repositories: vec![
                repository(
                    "main_archive",
                    RepositoryKind::BuiltIn { disabled_pockets: set(&["backports"]), disabled_components: set(&[]) },
                ),
                repository(
                    "gapferry-extra",
                    RepositoryKind::Additional {
                        distributions: set(&["noble", evil]),
                        components: set(&["main"]),
                        arches: set(&["amd64", "i386"]),
                    },
                ),
            ],
            sources: vec![WantedSource {
                name: "maas".into(),
                url: "http://g/images/maas/".into(),
                keyring: b"\x99key\n".to_vec(),
                images: BTreeMap::from([
                    (image("jammy", "amd64"), Build::default()),
                    (image("jammy", "arm64"), Build::default()),
                    (image(&format!("x{evil}"), evil), Build::default()),
                ]),
            }],
            uploads: vec![WantedUpload {
                name: "custom/rocky9".into(),
                resource: "rocky9".into(),
                architecture: "amd64/generic".into(),
                title: format!("Rocky Linux {evil}"),
                filetype: "tgz".into(),
                base_image: Some("rhel/9".into()),
                sha256: crate::digest::Sha256::of(b""),
                size: 0,
                path: format!("/srv/{evil}/root.tar.gz").into(),
            }],
            commissioning: vec![format!("jammy{evil}")],
            lost_archives: LostArchives::Keep,
            notes: vec![format!("note{evil}")],
        }
    }

    #[test]
    fn commands_are_those_of_maas() {
        let text = script(&facts(), &wanted("x"));
        for words in [
            "\nmaas \"$PROFILE\" maas set-config name=ntp_servers value='a b'\n",
            "package-repository update main_archive url=http://g/apt/ubuntu key=\"$(printf '%s\\n' BEGIN '' 'A'\\''Ax' END)\" \
             enabled=true disable_sources=true disabled_pockets=backports disabled_components=\n",
            "package-repositories create name=gapferry-extra url=",
            "components=main arches=amd64 arches=i386\n",
            "\nbase64 -d >\"$keyring\" <<'END'\nmWtleQo=\nEND\nid=$(maas \"$PROFILE\" boot-sources create \
             url=http://g/images/maas/ name=gapferry-maas keyring_filename= keyring_data@=\"$keyring\" | id_of)\n",
            "\nrepeat 12 maas \"$PROFILE\" boot-source-selections create \"$id\" os=ubuntu release=jammy arches=amd64 arches=arm64 subarches=\"*\" labels=\"*\"\n",
            "\nrepeat 360 maas \"$PROFILE\" boot-resources create name=custom/rocky9 title='Rocky Linux x' architecture=amd64/generic \
             filetype=tgz base_image=rhel/9 content@=/srv/x/root.tar.gz\n",
            "name=commissioning_distro_series value=jammyx\n",
        ] {
            assert!(text.contains(words), "{words}\nis not in\n{text}");
        }
    }

    /// Run to its end with a MAAS that takes everything: what was injected would be seen.
    #[test]
    fn nothing_gets_out_of_its_word() {
        for evil in [
            "'; touch injected; '",
            "$(touch injected)",
            "\"; touch injected; \"",
            "\ntouch injected\n",
            "`touch injected`",
        ] {
            let folder = tempfile::tempdir().unwrap();
            let text = format!("maas() {{ echo '{{\"id\": 1}}'; }}\n{}", script(&facts(), &wanted(evil)));
            let mut command = std::process::Command::new("sh");
            let ended = command.args(["-c", &text]).env("PAUSE", "0").current_dir(folder.path()).output().unwrap();
            assert!(ended.status.success(), "{}\n{text}", String::from_utf8_lossy(&ended.stderr));
            assert!(!folder.path().join("injected").exists(), "{evil}\n{text}");
        }
    }
}

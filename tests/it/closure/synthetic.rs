//! The closure against apt over small made-up archives: full of alternatives, virtual packages, conflicts, several versions
//! and architectures, they reach corners that a real archive does not.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use gapferry::collect::apt::closure::{ClosureIndex, ClosureRequest, Pin, solve};
use gapferry::digest::Sha256;
use gapferry::formats::apt::release::{IndexFile, Release};

use super::apt_root::run;
use super::picked;
use crate::support::sample::{Level, seed};
use crate::support::world::scratch;

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// An archive of two suites, and a target.
struct World {
    /// Of each suite the indexes of amd64 and i386.
    suites: [[String; 2]; 2],
    status: String,
    foreign: bool,
    not_automatic: bool,
}

const NAMES: usize = 14;

fn name(dice: &mut Dice) -> String {
    if dice.percent(25) { format!("v{}", dice.below(4)) } else { format!("p{}", dice.below(NAMES)) }
}

fn relation(dice: &mut Dice, foreign: bool) -> String {
    let mut text = name(dice);
    if foreign && dice.percent(10) {
        text.push_str(":any");
    }
    if dice.percent(25) {
        let _ = write!(text, " ({} {})", dice.pick(&["<<", "<=", "=", ">=", ">>"]), 1 + dice.below(3));
    }
    text
}

fn groups(dice: &mut Dice, foreign: bool, most: usize, alternatives: usize) -> String {
    let mut groups = Vec::new();
    for _ in 0..dice.below(most + 1) {
        let group: Vec<_> = (0..1 + dice.below(alternatives)).map(|_| relation(dice, foreign)).collect();
        groups.push(group.join(" | "));
    }
    groups.join(", ")
}

fn stanza(dice: &mut Dice, name: &str, version: usize, architecture: &str, foreign: bool) -> String {
    let mut text = format!("Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n");
    let mut field = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name}: {value}");
        }
    };
    field("Priority", dice.pick(&["optional", "optional", "optional", "standard", "important", "extra"]).to_owned());
    if foreign {
        field("Multi-Arch", dice.pick(&["", "", "same", "foreign", "allowed"]).to_owned());
    }
    field("Depends", groups(dice, foreign, 2, 3));
    if dice.percent(10) {
        field("Pre-Depends", groups(dice, foreign, 1, 2));
    }
    if dice.percent(40) {
        field("Recommends", groups(dice, foreign, 2, 2));
    }
    if dice.percent(20) {
        field("Suggests", groups(dice, foreign, 2, 2));
    }
    if dice.percent(15) {
        field("Conflicts", relation(dice, false));
    }
    if dice.percent(10) {
        field("Breaks", relation(dice, false));
    }
    if dice.percent(35) {
        let version = if dice.percent(30) { format!(" (= {})", 1 + dice.below(3)) } else { String::new() };
        field("Provides", format!("v{}{version}", dice.below(4)));
    }
    let sha256 = Sha256::of(text.as_bytes());
    let _ = write!(text, "Filename: pool/{name}_{version}_{architecture}.deb\nSize: 1000\nSHA256: {sha256}\n\n");
    text
}

impl World {
    fn new(seed: u64) -> Self {
        let dice = &mut Dice(seed);
        let foreign = dice.percent(40);
        let not_automatic = dice.percent(25);
        let mut suites = <[[String; 2]; 2]>::default();
        for number in 0..NAMES {
            let name = format!("p{number}");
            let architectures: &[&str] = match dice.below(10) {
                0..2 => &["all"],
                2..6 if foreign => &["amd64", "i386"],
                6 if foreign => &["i386"],
                _ => &["amd64"],
            };
            for architecture in architectures {
                for (suite, chance) in suites.iter_mut().zip([92, 35]) {
                    if dice.percent(chance) {
                        let version = 1 + dice.below(2) + usize::from(chance == 35);
                        let stanza = stanza(dice, &name, version, architecture, foreign);
                        suite[usize::from(*architecture == "i386")].push_str(&stanza);
                    }
                }
            }
        }
        let mut world = Self { suites, status: String::new(), foreign, not_automatic };
        if dice.percent(60) {
            world.install_some(dice);
        }
        world
    }

    /// Makes a target that is in order: what some seeds need, from the first suite alone.
    fn install_some(&mut self, dice: &mut Dice) {
        let seeds: Vec<_> = (0..1 + dice.below(3)).map(|_| format!("p{}", dice.below(NAMES))).collect();
        let mut request = self.request(&seeds, dice.percent(50));
        request.indexes.truncate(2);
        let solution = solve(&request).unwrap_or_default();
        let packages = solution.picks.iter().map(|pick| pick.package().unwrap());
        let mut status = String::new();
        for package in packages {
            let stanza = String::from_utf8_lossy(package.stanza.bytes());
            let (first, rest) = stanza.split_once('\n').unwrap();
            let _ = write!(status, "{first}\nStatus: install ok installed\n{rest}\n\n");
        }
        self.status = status;
    }

    fn request(&self, seeds: &[String], recommends: bool) -> ClosureRequest<'_> {
        let pins = [Pin::Normal, if self.not_automatic { Pin::NotAutomatic } else { Pin::Normal }];
        let indexes = self.suites.iter().zip(pins).flat_map(|(suite, pin)| suite.iter().map(move |text| (text, pin)));
        ClosureRequest {
            architecture: "amd64",
            foreign: if self.foreign { vec!["i386"] } else { Vec::new() },
            indexes: indexes
                .map(|(text, pin)| ClosureIndex { text: text.as_bytes(), pin, ..ClosureIndex::default() })
                .collect(),
            seeds: seeds.iter().map(|seed| seed.parse().unwrap()).collect(),
            recommends,
            installed: Some(self.status.as_bytes()),
            ..ClosureRequest::default()
        }
    }

    /// Writes the archive and a configuration for apt, and lets it read them.
    fn write(&self, root: &Path) {
        for name in ["none", "etc/preferences.d", "lists/partial", "cache/archives/partial", "log"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let place = root.display();
        let mut sources = String::new();
        for (number, text) in self.suites.iter().enumerate() {
            let suite = root.join(format!("archive/dists/s{number}"));
            let mut release = Release {
                suite: Some(format!("s{number}")),
                date: Some(1_700_000_000),
                not_automatic: number == 1 && self.not_automatic,
                ..Release::default()
            };
            for (architecture, index) in ["amd64", "i386"].into_iter().zip(text) {
                let path = format!("main/binary-{architecture}/Packages");
                fs::create_dir_all(suite.join(&path).parent().unwrap()).unwrap();
                fs::write(suite.join(&path), index).unwrap();
                let file = IndexFile { size: index.len() as u64, digest: Sha256::of(index.as_bytes()).into() };
                release.files.insert(path.parse().unwrap(), file);
            }
            fs::write(suite.join("Release"), release.to_text().unwrap()).unwrap();
            let _ = writeln!(sources, "deb [trusted=yes] file:{place}/archive s{number} main");
        }
        fs::write(root.join("etc/sources.list"), sources).unwrap();
        fs::write(root.join("status"), &self.status).unwrap();
        let architectures = if self.foreign { "\"amd64\"; \"i386\";" } else { "\"amd64\";" };
        // A root of its own with the target's state, the architectures of the case, and no user `_apt`, which may not enter
        // temporary folders.
        let configuration = format!(
            "Dir \"{place}\"; Dir::Etc \"{place}/etc\"; Dir::Etc::Parts \"{place}/none\"; Dir::State::lists \"{place}/lists\";\n\
             Dir::State::status \"{place}/status\"; Dir::Cache \"{place}/cache\"; APT::Architecture \"amd64\";\n\
             APT::Architectures {{ {architectures} }}; APT::Sandbox::User \"root\";\n\
             Dir::Log \"{place}/log\";\n"
        );
        fs::write(root.join("apt.conf"), configuration).unwrap();
        run(apt_get(root).args(["update", "-qq"])).unwrap();
    }
}

fn apt_get(root: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.env("APT_CONFIG", root.join("apt.conf")).env("LC_ALL", "C.UTF-8");
    command
}

/// What apt would fetch, version for version, or what it says.
fn apt_fetches(root: &Path, seeds: &[String], recommends: bool) -> Result<BTreeSet<String>, String> {
    let mut command = apt_get(root);
    command.args(["install", "--print-uris", "-y", "-qq", "-o"]).arg(format!("APT::Install-Recommends={recommends}"));
    let text = run(command.args(seeds))?;
    let file = |line: &str| Some(line.split(' ').nth(1)?.strip_suffix(".deb")?.to_owned());
    Ok(text.lines().filter_map(file).collect())
}

fn differences(number: u64) -> Vec<String> {
    let world = World::new(number);
    let folder = scratch();
    world.write(folder.path());
    let dice = &mut Dice(number ^ 0x5eed);
    let mut differences = Vec::new();
    for _ in 0..6 {
        let seeds: Vec<_> = (0..1 + dice.below(3)).map(|_| format!("p{}", dice.below(NAMES))).collect();
        let recommends = dice.percent(50);
        let apt = apt_fetches(folder.path(), &seeds, recommends);
        let ours = solve(&world.request(&seeds, recommends)).map(|solution| picked(&solution));
        let same = match (&apt, &ours) {
            (Ok(apt), Ok(ours)) => apt == ours,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        if !same {
            let ours = ours.map_err(|error| error.to_string());
            differences
                .push(format!("world {number}, {seeds:?}, recommends {recommends}:\n  apt {apt:?}\n  we  {ours:?}"));
        }
    }
    differences
}

#[test]
fn made_up_archives_are_solved_as_apt_solves_them() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, count) = (number("GAPFERRY_WORLD", 1), number("GAPFERRY_WORLDS", 12));
    // A complete run makes up others, too.
    let more = Level::of_run().pick(0, 12);
    let numbers = (first..first + count).chain(seed()..seed() + more);
    let all: Vec<String> = numbers.flat_map(differences).collect();
    assert!(all.is_empty(), "{} differ:\n{}", all.len(), all.join("\n"));
}

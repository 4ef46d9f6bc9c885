//! Closures over small indexes, written out here; tests/it compares with apt itself.

use proptest::prelude::*;

use super::*;
use crate::error_class::ErrorClass;
use crate::formats::apt::packages::installed;
use crate::formats::apt::relation;

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An index of packages, each written `NAME VERSION [ARCHITECTURE]; FIELD: VALUE; …`.
fn index(packages: &[&str]) -> String {
    let mut text = String::new();
    for package in packages {
        let mut parts = package.split(';').map(str::trim);
        let mut words = parts.next().unwrap().split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap_or("1"));
        let architecture = words.next().unwrap_or("amd64");
        let head = format!(
            "Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: {architecture}\n"
        );
        let rest: Vec<_> = parts.collect();
        let tail = format!("Filename: pool/{name}_{version}_{architecture}.deb\nSize: 1\nSHA256: {DIGEST}\n");
        text.push_str(&format!("{head}{}{}{tail}\n", rest.join("\n"), if rest.is_empty() { "" } else { "\n" }));
    }
    text
}

fn request<'a>(indexes: &'a [String], seeds: &[&str]) -> ClosureRequest<'a> {
    ClosureRequest {
        architecture: "amd64",
        indexes: indexes.iter().map(|text| ClosureIndex { text: text.as_bytes(), ..ClosureIndex::default() }).collect(),
        seeds: seeds.iter().map(|seed| seed.parse().unwrap()).collect(),
        recommends: true,
        ..ClosureRequest::default()
    }
}

/// `NAME=VERSION` of each pick, native architectures not shown.
fn names(solution: &Solution<'_>) -> Vec<String> {
    let name = |pick: &Pick<'_>| {
        let control = pick.package().unwrap().control;
        let architecture = if ["amd64", "all"].contains(&control.architecture) { "" } else { control.architecture };
        let colon = if architecture.is_empty() { "" } else { ":" };
        format!("{}{colon}{architecture}={}", control.name, control.version)
    };
    solution.picks.iter().map(name).collect()
}

fn solved(packages: &[&str], seeds: &[&str]) -> Vec<String> {
    names(&solve(&request(&[index(packages)], seeds)).unwrap())
}

fn refused(packages: &[&str], seeds: &[&str]) -> String {
    solve(&request(&[index(packages)], seeds)).unwrap_err().to_string()
}

#[test]
fn the_first_alternative_that_can_be_installed_is_taken() {
    assert_eq!(solved(&["a; Depends: b | c", "b", "c"], &["a"]), ["a=1", "b=1"]);
    assert_eq!(solved(&["a; Depends: b | c", "b; Depends: gone", "c"], &["a"]), ["a=1", "c=1"]);
    assert_eq!(solved(&["a; Depends: b (>= 2) | c", "b", "c"], &["a"]), ["a=1", "c=1"]);
    // What is selected already is enough.
    assert_eq!(solved(&["a; Depends: b | c", "b", "c"], &["c", "a"]), ["a=1", "c=1"]);
}

#[test]
fn a_real_package_comes_before_its_providers() {
    let packages = ["a; Depends: v", "p; Provides: v; Priority: required", "v"];
    assert_eq!(solved(&packages, &["a"]), ["a=1", "v=1"]);
    let packages = ["a; Depends: v", "p; Provides: v", "q; Provides: v; Priority: standard"];
    assert_eq!(solved(&packages, &["a"]), ["a=1", "q=1"]);
}

#[test]
fn a_versioned_dependency_needs_a_versioned_provider() {
    let packages = ["a; Depends: v (>= 2)", "p; Provides: v", "q; Provides: v (= 2)"];
    assert_eq!(solved(&packages, &["a"]), ["a=1", "q=1"]);
}

#[test]
fn indexes_are_solved_together() {
    let indexes = [index(&["a 1; Depends: b (>= 2)", "b 1"]), index(&["b 2", "c 1"]), index(&["b 3"])];
    let mut request = request(&indexes, &["a"]);
    assert_eq!(names(&solve(&request).unwrap()), ["a=1", "b=3"]);
    request.indexes[2].pin = Pin::NotAutomatic;
    let solution = solve(&request).unwrap();
    assert_eq!((names(&solution), solution.picks[1].index), (vec!["a=1".to_owned(), "b=2".to_owned()], 1));
}

#[test]
fn a_seed_can_name_version_suite_and_architecture() {
    let indexes = [index(&["a 1", "b 1"]), index(&["a 2; Depends: b (>= 2)", "b 2"]), index(&["a 1 i386"])];
    let mut request = request(&indexes, &["a=1"]);
    request.foreign = vec!["i386"];
    request.indexes[1].pin = Pin::NotAutomatic;
    request.indexes[1].suites = vec!["backports".to_owned()];
    assert_eq!(names(&solve(&request).unwrap()), ["a=1"]);
    request.seeds = vec!["a/backports".parse().unwrap()];
    assert_eq!(names(&solve(&request).unwrap()), ["a=2", "b=2"]);
    request.seeds = vec!["a:i386".parse().unwrap()];
    assert_eq!(names(&solve(&request).unwrap()), ["a:i386=1"]);
    request.seeds = vec!["a=3".parse().unwrap()];
    assert_eq!(
        solve(&request).unwrap_err().to_string(),
        "there is no a=3; there is: a=2 (backports), a=1 (), a:i386=1 ()"
    );
}

#[test]
fn multi_arch_decides_what_counts_for_another_architecture() {
    let packages = [
        "a 1 i386; Depends: lib, tool, perl:any",
        "lib 1; Multi-Arch: same",
        "lib 1 i386; Multi-Arch: same",
        "tool 1; Multi-Arch: foreign",
        "perl 1; Multi-Arch: allowed",
        "plain 1",
    ];
    let indexes = [index(&packages)];
    let mut request = request(&indexes, &["a", "lib"]);
    request.foreign = vec!["i386"];
    assert_eq!(names(&solve(&request).unwrap()), ["a:i386=1", "lib=1", "lib:i386=1", "perl=1", "tool=1"]);
}

#[test]
fn what_the_target_has_is_taken_away() {
    let indexes = [index(&["a 2; Depends: b, c | d", "b 1", "c 1", "d 1"])];
    let status = index(&["b 1", "d 1"]);
    let mut request = request(&indexes, &["a"]);
    request.installed = Some(status.as_bytes());
    assert_eq!(names(&solve(&request).unwrap()), ["a=2"]);
    let status = index(&["a 2; Depends: b, c | d", "b 1", "d 1"]);
    request.installed = Some(status.as_bytes());
    assert_eq!(solve(&request).unwrap(), Solution::default());
}

#[test]
fn a_newer_package_takes_its_source_along() {
    let indexes = [index(&["a 2; Source: s", "b 2; Source: s", "c 2; Source: s"])];
    let status = index(&["a 1; Source: s", "b 1; Source: s"]);
    let mut request = request(&indexes, &["a"]);
    request.installed = Some(status.as_bytes());
    let solution = solve(&request).unwrap();
    assert_eq!(names(&solution), ["a=2", "b=2"]);
    assert_eq!(solution.picks[1].reason, Reason::UpgradedWith("a".to_owned()));
}

#[test]
fn what_is_recommended_can_be_left_out() {
    let indexes = [index(&["a; Recommends: b; Suggests: c", "b", "c"])];
    let mut request = request(&indexes, &["a"]);
    assert_eq!(names(&solve(&request).unwrap()), ["a=1", "b=1"]);
    request.recommends = false;
    assert_eq!(names(&solve(&request).unwrap()), ["a=1"]);
}

#[test]
fn priorities_and_tasks_are_seeds() {
    let indexes = [index(&["a; Priority: required", "b; Task: desktop, server", "c", "libc; Priority: optional"])];
    let mut request = request(&indexes, &[]);
    assert_eq!(solve(&request).unwrap_err().to_string(), "the closure is empty: nothing was asked for");
    request.priorities = vec![Priority::Required];
    request.tasks = vec!["server".to_owned()];
    let solution = solve(&request).unwrap();
    assert_eq!(names(&solution), ["a=1", "b=1"]);
    let reasons: Vec<_> = solution.picks.iter().map(|pick| pick.reason.to_string()).collect();
    assert_eq!(reasons, ["priority required", "task server"]);
    request.tasks = vec!["kiosk".to_owned()];
    assert_eq!(solve(&request).unwrap_err().to_string(), "no package belongs to task kiosk");
}

#[test]
fn each_pick_says_why_by_the_shortest_way() {
    let indexes = [index(&["a; Depends: b; Recommends: d, r", "b; Depends: c", "c; Pre-Depends: d", "d", "r"])];
    let solution = solve(&request(&indexes, &["a"])).unwrap();
    let reasons: Vec<_> = solution.picks.iter().map(|pick| pick.reason.to_string()).collect();
    assert_eq!(reasons, ["requested", "needed by a", "needed by b", "needed by c", "recommended by a"]);
}

#[test]
fn what_conflicts_is_avoided_or_named() {
    let packages =
        ["a; Depends: x | y; Conflicts: x", "x", "y", "b; Conflicts: c", "c", "d; Recommends: b", "e; Depends: c"];
    assert_eq!(solved(&packages, &["a"]), ["a=1", "y=1"]);
    assert_eq!(solved(&packages, &["e", "d"]), ["c=1", "d=1", "e=1"]);
    assert_eq!(refused(&packages, &["b", "c"]), "cannot be installed: b conflicts with c, which is needed too");
}

#[test]
fn what_was_selected_in_vain_is_taken_back() {
    let packages =
        ["a; Depends: b | c", "b; Depends: helper, late", "late; Depends: l2", "l2; Conflicts: a", "helper", "c"];
    assert_eq!(solved(&packages, &["a"]), ["a=1", "c=1"]);
}

#[test]
fn errors_help() {
    let packages = ["nginx-core; Depends: gone (>= 2)", "p; Provides: mta", "q; Provides: mta"];
    assert_eq!(refused(&packages, &["ngnix-core"]), "no package is called ngnix-core; did you mean nginx-core?");
    assert_eq!(refused(&packages, &["zzz"]), "no package is called zzz");
    assert_eq!(refused(&packages, &["mta"]), "mta is a virtual package; choose one of its providers: p, q");
    let unsatisfiable = "cannot be installed: nginx-core depends on gone (>= 2), which no index has";
    assert_eq!(refused(&packages, &["nginx-core"]), unsatisfiable);
    let malformed = solve(&request(&[index(&["a; Depends: b ("])], &["a"])).unwrap_err();
    assert_eq!(malformed.to_string(), "a relation of a is malformed");
    assert_eq!(malformed.class(), ErrorClass::VerificationFailed);
    let broken = ["Package: a\n".to_owned()];
    assert_eq!(solve(&request(&broken, &["a"])).unwrap_err().to_string(), "cannot carry a");
}

#[test]
fn unusable_entries_count_as_absent() {
    let mut text = index(&["a; Depends: b", "c"]);
    text.push_str("Package: b\nVersion: 1/2\nArchitecture: amd64\n\n");
    let texts = [text];
    let solution = solve(&request(&texts, &["c"])).unwrap();
    assert_eq!((solution.picks.len(), solution.unusable.len()), (1, 1));
    let refused = solve(&request(&texts, &["a"])).unwrap_err().to_string();
    assert!(refused.ends_with("b: the field Version is malformed"), "{refused}");
}

#[test]
fn a_long_chain_is_followed_and_an_endless_one_refused() {
    let chain = |length: usize| {
        let package = |number| format!("p{number}; Depends: p{}", number + 1);
        let packages: Vec<_> = (0..length).map(package).chain([format!("p{length}")]).collect();
        index(&packages.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let indexes = [chain(2500)];
    assert_eq!(solve(&request(&indexes, &["p0"])).unwrap().picks.len(), 2501);
    let indexes = [chain(10_000)];
    assert_eq!(solve(&request(&indexes, &["p0"])).unwrap_err().class(), ErrorClass::UpstreamUnavailable);
}

#[test]
fn seeds_are_read_and_written() {
    for text in ["a", "libc6:i386", "a=1:2-3~x", "a/bookworm-backports", "a:amd64=1"] {
        assert_eq!(text.parse::<Seed>().unwrap().to_string(), text);
    }
    for text in ["", "a b", "../a", "a=", "a/", "a:", "-a", "a=1/x"] {
        assert!(text.parse::<Seed>().is_err(), "{text}");
    }
}

/// Whether what is there in the end has all that it depends on and nothing that it excludes.
fn is_sound(solution: &Solution<'_>, status: &str) -> Result<(), String> {
    let mut there: Vec<_> = solution.picks.iter().map(|pick| pick.package().unwrap().control).collect();
    for control in installed(status.as_bytes()).map(|(_, control)| control.unwrap()) {
        let replaced = there.iter().any(|other| other.name == control.name);
        if !replaced && !solution.removals.contains(&control.name.to_owned()) {
            there.push(control);
        }
    }
    let meets = |relation: &relation::Relation<'_>, owner: Option<&str>| {
        there.iter().filter(|control| Some(control.name) != owner).any(|control| {
            let provides = relation::parse(control.provides).unwrap_or_default().into_iter().flatten();
            let mut provided = provides.filter(|provided| provided.name == relation.name);
            let is_provided = provided.any(|provided| match provided.version {
                Some((_, version)) => relation.admits(version),
                None => relation.version.is_none(),
            });
            is_provided || (control.name == relation.name && relation.admits(control.version))
        })
    };
    for control in &there {
        for group in relation::parse(control.depends).unwrap() {
            if !group.iter().any(|relation| meets(relation, None)) {
                return Err(format!("{} lacks {}", control.name, group[0]));
            }
        }
        for relation in relation::parse(control.conflicts).unwrap().into_iter().flatten() {
            if meets(&relation, Some(control.name)) {
                return Err(format!("{} clashes with {relation}", control.name));
            }
        }
    }
    Ok(())
}

fn package() -> impl Strategy<Value = String> {
    let relation = "[a-hvw]( \\((<<|<=|=|>=|>>) [1-3]\\))?";
    let depends = proptest::option::weighted(
        0.7,
        concat!("[a-hvw]( \\((<<|<=|=|>=|>>) [1-3]\\))?", "( \\| [a-hvw])?", "(, [a-hvw] \\((<<|>=) [1-3]\\))?"),
    );
    let conflicts = proptest::option::weighted(0.2, relation);
    let provides = proptest::option::weighted(0.3, "[vw]( \\(= [1-3]\\))?");
    let recommends = proptest::option::weighted(0.3, "[a-hvw]");
    ("[a-h] [1-3]", depends, conflicts, provides, recommends).prop_map(
        |(head, depends, conflicts, provides, recommends)| {
            let fields =
                [("Depends", depends), ("Conflicts", conflicts), ("Provides", provides), ("Recommends", recommends)];
            let fields = fields.into_iter().filter_map(|(name, value)| Some(format!("; {name}: {}", value?)));
            head + &fields.collect::<String>()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_closure_is_sound_and_always_the_same(packages in proptest::collection::vec(package(), 1..16), seeds in proptest::collection::vec("[a-h]", 1..3)) {
        let indexes = [index(&packages.iter().map(String::as_str).collect::<Vec<_>>())];
        let seeds: Vec<_> = seeds.iter().map(String::as_str).collect();
        let request = request(&indexes, &seeds);
        if let Ok(solution) = solve(&request) {
            prop_assert_eq!(is_sound(&solution, ""), Ok(()));
            prop_assert!(seeds.iter().all(|seed| solution.picks.iter().any(|pick| pick.package().unwrap().control.name == *seed)));
            prop_assert_eq!(solve(&request).unwrap(), solution);
        }
    }

    #[test]
    fn any_text_is_solved_or_refused(text in "((Package|Version|Architecture|Depends|Provides|Size|SHA256): ?[a-c1:|(), ]{0,9}\n\n?){0,12}") {
        let indexes = [text.clone()];
        let mut request = request(&indexes, &["a"]);
        request.installed = Some(text.as_bytes());
        let _ = solve(&request);
    }
}

/// `NAME: REASON` of each pick.
fn reasons_of(packages: &[&str], seeds: &[&str]) -> Vec<String> {
    let indexes = [index(packages)];
    let solution = solve(&request(&indexes, seeds)).unwrap();
    let line = |pick: &Pick<'_>| format!("{}: {}", pick.package().unwrap().control.name, pick.reason);
    solution.picks.iter().map(line).collect()
}

#[test]
fn a_recommendation_is_a_stronger_reason_than_a_suggestion() {
    // `perl` is reached before `passwd`.
    let packages = ["a; Depends: perl, passwd", "passwd; Recommends: utils", "perl; Suggests: utils", "utils"];
    assert_eq!(reasons_of(&packages, &["a"])[3], "utils: recommended by passwd");
}

#[test]
fn a_dependency_of_what_is_recommended_is_a_stronger_reason_than_a_recommendation() {
    let packages = ["a; Depends: libc; Recommends: tls", "libc; Recommends: idn", "tls; Depends: idn", "idn"];
    assert_eq!(reasons_of(&packages, &["a"])[1], "idn: needed by tls");
    // The walk comes to the recommendation first.
    assert_eq!(reasons_of(&packages, &["libc", "a"])[1], "idn: needed by tls");
}

#[test]
fn reasons_lead_back_to_what_was_asked_for() {
    // `b` and `c` depend on each other, and only a recommendation leads to either.
    let packages = ["a; Recommends: b, c", "b; Depends: c", "c; Depends: b"];
    assert_eq!(reasons_of(&packages, &["a"]), ["a: requested", "b: needed by c", "c: recommended by a"]);
}

//! The closure against the judge: apt itself, in a root of its own, over the archive that this host is configured for.
//!
//! Each set of seeds is solved by both, with and without Recommends, for an empty target and for a small installed one.
//! What is to be fetched must be the same, version for version, except where `seeds::KNOWN` says why not. Where the host has
//! no sources of a known archive there is nothing to compare with, and the test says so.
//!
//! Variables widen the search: `GAPFERRY_CLOSURE=all` asks every set in all four ways, `GAPFERRY_CLOSURE_RANDOM=300` adds
//! random seeds (others with `GAPFERRY_CLOSURE_SEED`), `GAPFERRY_CLOSURE_FOREIGN=i386` adds an architecture, and
//! `GAPFERRY_WORLDS=1000` (from `GAPFERRY_WORLD`) makes up that many archives.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gapferry::collect::apt::closure::{ClosureInputs, ClosureRequest, Solution, solve};
use gapferry::formats::apt::packages::Priority;

use crate::support::skip::{Needs, skip};
use apt_root::AptRoot;

use crate::support::sample::Sample;

mod apt_root;
mod seeds;
mod synthetic;

/// A query: which target, which seeds, with Recommends or not.
#[derive(Clone)]
struct Query {
    minbase: bool,
    recommends: bool,
    seeds: Vec<String>,
}

fn request<'a>(root: &'a AptRoot, status: &'a [u8], query: &Query) -> ClosureRequest<'a> {
    ClosureRequest {
        architecture: &root.architecture,
        foreign: root.foreign.iter().map(String::as_str).collect(),
        indexes: root.indexes(),
        seeds: query.seeds.iter().map(|seed| seed.parse().unwrap()).collect(),
        recommends: query.recommends,
        installed: Some(status),
        ..ClosureRequest::default()
    }
}

/// `NAME_VERSION_ARCHITECTURE` of each package to fetch.
fn picked(solution: &Solution<'_>) -> BTreeSet<String> {
    let name = |pick: &gapferry::collect::apt::closure::Pick<'_>| {
        let control = pick.package().unwrap().control;
        format!("{}_{}_{}", control.name, control.version, control.architecture)
    };
    solution.picks.iter().map(name).collect()
}

/// What dpkg would say of a target that has the packages of priority required, and apt.
fn minbase_status(root: &AptRoot) -> Vec<u8> {
    let request = ClosureRequest {
        architecture: &root.architecture,
        indexes: root.indexes(),
        seeds: vec!["apt".parse().unwrap()],
        priorities: vec![Priority::Required],
        ..ClosureRequest::default()
    };
    let mut status = Vec::new();
    for pick in solve(&request).unwrap().picks {
        let stanza = String::from_utf8_lossy(pick.package().unwrap().stanza.bytes());
        let (first, rest) = stanza.split_once('\n').unwrap();
        status.extend_from_slice(format!("{first}\nStatus: install ok installed\n{rest}\n\n").as_bytes());
    }
    status
}

/// The difference between apt and us, if there is one.
fn compare<'a>(
    root: &'a AptRoot,
    (status, archive): &(&'a [u8], ClosureInputs<'a>),
    query: &Query,
    times: &mut (Duration, Duration),
) -> Option<String> {
    let start = Instant::now();
    let expected = root.print_uris(query.minbase, query.recommends, &query.seeds);
    let middle = Instant::now();
    let ours = archive.solve(&request(root, status, query));
    let end = Instant::now();
    times.0 += middle - start;
    times.1 += end - middle;
    let target = if query.minbase { "minbase" } else { "empty" };
    let what = format!("{} on {target}, recommends {}", query.seeds.join(" "), query.recommends);
    match (expected, ours) {
        (Ok(expected), Ok(ours)) => {
            let ours = picked(&ours);
            let missing: Vec<_> = expected.difference(&ours).collect();
            let extra: Vec<_> = ours.difference(&expected).collect();
            let same = missing.is_empty() && extra.is_empty();
            (!same).then(|| format!("{what}: apt alone {missing:?}, we alone {extra:?}"))
        }
        (Err(_), Err(_)) => None,
        (Ok(expected), Err(error)) => Some(format!("{what}: apt has {} packages, we say: {error}", expected.len())),
        (Err(error), Ok(ours)) => Some(format!("{what}: apt says {error}, we have {} packages", ours.picks.len())),
    }
}

fn run(root: &AptRoot, queries: &[Query]) -> Vec<String> {
    let minbase = minbase_status(root);
    root.write_minbase(&minbase);
    let (mut differences, mut times) = (Vec::new(), (Duration::ZERO, Duration::ZERO));
    let read = |status| {
        let start = Instant::now();
        let query = Query { minbase: false, recommends: false, seeds: Vec::new() };
        let archive = ClosureInputs::read(&request(root, status, &query));
        eprintln!("closure: read in {:.2?}", start.elapsed());
        (status, archive)
    };
    let targets = [read(&[]), read(&minbase)];
    for query in queries {
        let target = if query.minbase { &targets[1] } else { &targets[0] };
        let known = seeds::KNOWN.iter().any(|(seeds, _)| *seeds == query.seeds.join(" "));
        match (compare(root, target, query, &mut times), known) {
            (Some(difference), false) => differences.push(difference),
            (None, true) => differences.push(format!("{:?} is the same by now", query.seeds)),
            _ => {}
        }
    }
    let (apt, ours) = times;
    eprintln!("closure: {} queries, apt {apt:.1?}, gapferry {ours:.1?}", queries.len());
    differences
}

#[test]
fn the_closure_is_what_apt_would_install() {
    let Some(root) = AptRoot::of_host() else {
        return skip(Needs::HostArchive, "apt on this host has no sources of a Debian archive");
    };
    let mut queries: Vec<Query> = Vec::new();
    let known = seeds::KNOWN.iter().map(|(seeds, _)| seeds);
    for (index, seeds) in seeds::SETS.iter().chain(known).enumerate() {
        let seeds: Vec<_> = seeds.split(' ').map(str::to_owned).collect();
        // A set meets one of the four kinds of query in turn: with every set on all four, as GAPFERRY_CLOSURE=all has it,
        // apt takes minutes.
        let all = std::env::var("GAPFERRY_CLOSURE").is_ok();
        for kind in 0..4 {
            if all || kind == index % 4 {
                queries.push(Query { minbase: kind & 2 != 0, recommends: kind & 1 != 0, seeds: seeds.clone() });
            }
        }
    }
    let mut queries = Sample::new().strata(queries, 2, |query| (query.minbase, query.recommends));
    if let Ok(count) = std::env::var("GAPFERRY_CLOSURE_RANDOM") {
        queries.extend(random(&root, count.parse().unwrap()));
    }
    let differences = run(&root, &queries);
    assert!(differences.is_empty(), "{} of {} differ:\n{}", differences.len(), queries.len(), differences.join("\n"));
}

/// Seeds drawn from the whole archive, the same each time.
fn random(root: &AptRoot, count: usize) -> Vec<Query> {
    let names: Vec<String> = root.names();
    let mut state: u64 = std::env::var("GAPFERRY_CLOSURE_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let query = |_| {
        let seeds = (0..1 + draw(8) / 6).map(|_| names[draw(names.len())].clone()).collect();
        Query { minbase: draw(2) == 0, recommends: draw(2) == 0, seeds }
    };
    (0..count).map(query).collect()
}

//! Two levels of test runs: one takes a sample of long lists of cases, the other takes all of them.
//!
//! A test gives each of its cases a stratum, such as a system call or a region of a format. A run of the level
//! [`Level::Sampled`] takes the first case, the last case and some between of each stratum. The seed and the test's
//! name decide which. `tests/run --complete` sets the level [`Level::Complete`], which takes all cases.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use gapferry::digest::Sha256;

use super::world::{Content, Role};

/// The level of a test run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Some cases of each stratum. Every change takes this run.
    Sampled,
    /// All cases. Releases take this run.
    Complete,
}

impl Level {
    /// The level of this run.
    pub(crate) fn of_run() -> Self {
        match std::env::var("GAPFERRY_TESTS").as_deref() {
            Ok("complete") => Self::Complete,
            Ok("sampled") | Err(std::env::VarError::NotPresent) => Self::Sampled,
            other => panic!("GAPFERRY_TESTS is {other:?}, but must be \"sampled\" or \"complete\""),
        }
    }

    /// One of two values.
    pub(crate) fn pick<T>(self, sampled: T, complete: T) -> T {
        if self == Self::Sampled { sampled } else { complete }
    }
}

/// The seed of this run: the variable `SEED`, or the number in the file `tests/seed`.
pub(crate) fn seed() -> u64 {
    let text = std::env::var("SEED").unwrap_or_else(|_| include_str!("../../seed").to_owned());
    text.trim().parse().unwrap_or_else(|error| panic!("the seed {text:?} is not a number: {error}"))
}

/// Chooses cases for one test.
pub(crate) struct Sample {
    /// The level of this run.
    pub(crate) level: Level,
    random: StdRng,
}

impl Sample {
    /// A sampler for the test that runs on this thread. Prints how to repeat its choice.
    pub(crate) fn new() -> Self {
        let (seed, level) = (seed(), Level::of_run());
        let thread = std::thread::current();
        let test = thread.name().unwrap_or_default();
        let complete = level.pick("", " --complete");
        eprintln!("seed {seed}; to repeat: SEED={seed} tests/run{complete} {test}");
        let digest = Sha256::of(format!("{seed} {test}").as_bytes());
        Self { level, random: StdRng::from_seed(*digest.as_bytes()) }
    }

    /// The first case, the last case and `between` others of each stratum, in their order.
    pub(crate) fn strata<T, K: Ord>(&mut self, cases: Vec<T>, between: usize, stratum: impl Fn(&T) -> K) -> Vec<T> {
        if self.level == Level::Complete {
            return cases;
        }
        let mut strata: BTreeMap<K, Vec<usize>> = BTreeMap::new();
        for (index, case) in cases.iter().enumerate() {
            strata.entry(stratum(case)).or_default().push(index);
        }
        let mut chosen: BTreeSet<usize> = BTreeSet::new();
        for members in strata.values() {
            chosen.extend(members.first().into_iter().chain(members.last()));
            let inner = members.get(1..members.len() - 1).unwrap_or_default();
            chosen.extend(inner.choose_multiple(&mut self.random, between));
        }
        eprintln!("{} of {} cases, in {} strata", chosen.len(), cases.len(), strata.len());
        cases.into_iter().enumerate().filter(|(index, _)| chosen.contains(index)).map(|(_, case)| case).collect()
    }

    /// At most `count` of the cases, as many of each stratum as of the others, in their order.
    pub(crate) fn some<T, K: Ord>(&mut self, cases: Vec<T>, count: usize, stratum: impl Fn(&T) -> K) -> Vec<T> {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        order.shuffle(&mut self.random);
        let mut counts: BTreeMap<K, usize> = BTreeMap::new();
        let mut ranked: Vec<(usize, usize)> = Vec::new();
        for index in order {
            let rank = counts.entry(stratum(&cases[index])).or_default();
            *rank += 1;
            ranked.push((*rank, index));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let chosen: BTreeSet<usize> = ranked.into_iter().take(count).map(|(_, index)| index).collect();
        cases.into_iter().enumerate().filter(|(index, _)| chosen.contains(index)).map(|(_, case)| case).collect()
    }

    /// Rows of a table that do not depend on the kind of content. A sample takes all of them for the leading kind, and for
    /// the other kinds the first, the last and one between.
    pub(crate) fn rows<T>(&mut self, content: &dyn Content, rows: Vec<T>) -> Vec<T> {
        match content.role() {
            Role::Leading => rows,
            Role::Other => self.strata(rows, 1, |_| ()),
        }
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.random.gen_range(0..limit)
    }
}

#[test]
fn a_sample_has_the_ends_and_some_between_of_each_stratum() {
    let mut sample = Sample { level: Level::Sampled, random: StdRng::seed_from_u64(1) };
    let chosen = sample.strata((0..100).collect(), 3, |case| case / 50);
    assert_eq!(chosen.len(), 10);
    assert!([0, 49, 50, 99].iter().all(|end| chosen.contains(end)), "{chosen:?}");
    assert!(chosen.is_sorted());
    assert_eq!(sample.strata(vec![7], 3, |_| ()), [7]);
    assert_eq!(sample.strata(vec![7, 8], 3, |_| ()), [7, 8]);
    assert!(sample.strata(Vec::<u8>::new(), 3, |_| ()).is_empty());
    let some = sample.some((0..100).collect(), 6, |case| case / 90);
    assert_eq!(some.iter().filter(|case| **case < 90).count(), 3, "{some:?}");
    assert!(some.len() == 6 && some.is_sorted());
    let mut again = Sample { level: Level::Sampled, random: StdRng::seed_from_u64(1) };
    assert_eq!(again.strata((0..100).collect(), 3, |case| case / 50), chosen);
    let mut complete = Sample { level: Level::Complete, random: StdRng::seed_from_u64(1) };
    assert_eq!(complete.strata((0..100).collect::<Vec<_>>(), 3, |_| ()).len(), 100);
}

//! The dependency closure of packages: what `apt-get install` would fetch, and why each package is among it.
//!
//! A pure function over the indexes of several suites, pockets and archives, solved together as apt 2.6 solves them: the
//! candidate is the highest version, the first alternative that can be installed is taken, the real package comes before
//! its providers. An installed system, if one is given, satisfies what it can and is taken away. `universe` holds all
//! that could be installed, `policy` chooses candidates, `mark` selects packages and what they need, `resolve` repairs
//! what is broken then, `sweep` takes back what nothing needs.

mod candidate;
mod conflicts;
mod mark;
mod providers;
mod reason;
mod reasons;
mod resolve;
mod score;
mod seeds;
mod state;
mod sweep;
#[cfg(test)]
mod tests;
mod universe;

pub use reason::{PackageNeed, Reason};

use crate::error_class::Fault;
use crate::formats::Invalid;
use crate::formats::apt::deb822::Stanza;
use crate::formats::apt::packages::BinaryPackage;
use crate::formats::apt::packages::Priority;
use crate::formats::apt::preferences::{IndexOrigin, Preferences};
use crate::formats::apt::seed::Seed;

/// Room for the deepest recursion that is allowed.
const STACK_BYTES: usize = 64 << 20;

/// What is to be solved.
#[derive(Clone, Debug, Default)]
pub struct ClosureRequest<'a> {
    /// Native architecture of the target, such as `amd64`.
    pub architecture: &'a str,
    /// Foreign architectures of the target, the preferred one first.
    pub foreign: Vec<&'a str>,
    /// The indexes, in the order of the sources they come from.
    pub indexes: Vec<ClosureIndex<'a>>,
    /// What is asked for by name.
    pub seeds: Vec<Seed>,
    /// Every package of these priorities is asked for too.
    pub priorities: Vec<Priority>,
    /// Every package of these tasks is asked for too.
    pub tasks: Vec<String>,
    /// The consequence if no index has what is asked for.
    pub absent: AbsentSeeds,
    /// Whether to install what is recommended, as apt does unless told otherwise.
    pub recommends: bool,
    /// dpkg's status file of the target: what is there already.
    pub installed: Option<&'a [u8]>,
    /// apt's preferences on the target.
    pub preferences: Preferences,
}

/// The consequence if no index has what is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbsentSeeds {
    /// An error.
    #[default]
    Refuse,
    /// The closure of the rest.
    LeaveOut,
}

/// The Packages index of one component and architecture.
///
/// Local .debs are an index too: of stanzas made from their control data, with file name, size and digest.
#[derive(Clone, Debug, Default)]
pub struct ClosureIndex<'a> {
    /// The whole index.
    pub text: &'a [u8],
    /// The way its versions compete, if no preferences say otherwise.
    pub pin: Pin,
    /// Its origin, as preferences name it.
    pub origin: IndexOrigin<'a>,
    /// Suite and codename, for seeds that name one.
    pub suites: Vec<String>,
}

/// How the versions of an index compete with those of others (apt_preferences(5), default priorities).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pin {
    /// Priority 1, `NotAutomatic: yes`: taken only where no other index has the package.
    NotAutomatic,
    /// Priority 100, `ButAutomaticUpgrades: yes` as well: like [`Pin::NotAutomatic`], but upgrades what came from it.
    ButAutomaticUpgrades,
    /// Priority 500.
    #[default]
    Normal,
}

impl Pin {
    /// The priority of the versions of an index.
    fn priority(self) -> i32 {
        match self {
            Self::NotAutomatic => 1,
            Self::ButAutomaticUpgrades => 100,
            Self::Normal => 500,
        }
    }
}

/// What to fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solution<'a> {
    /// The packages, sorted by name, architecture and version.
    pub picks: Vec<Pick<'a>>,
    /// Installed packages that apt would remove to make room, sorted.
    pub removals: Vec<String>,
    /// Entries that cannot be used, and that nothing asked for.
    pub unusable: Vec<UnusableEntry>,
}

/// An entry of an index or of the target's status that cannot be used. It counts as absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableEntry {
    /// Its place among [`ClosureRequest::indexes`]; `None` for the target's status.
    pub index: Option<usize>,
    /// Its fault.
    pub error: Invalid,
}

/// A package to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick<'a> {
    /// Its stanza.
    pub stanza: Stanza<'a>,
    /// The index among [`ClosureRequest::indexes`] that it was taken from.
    pub index: usize,
    /// Why.
    pub reason: Reason,
}

impl<'a> Pick<'a> {
    /// Reads the package from its stanza.
    pub fn package(&self) -> Result<BinaryPackage<'a>, Invalid> {
        BinaryPackage::new(self.stanza)
    }
}

/// Indexes and target of a request, read once for several closures.
pub struct ClosureInputs<'a>(universe::Universe<'a>);

/// The closure of what `request` asks for. Nothing to fetch is no error if all of it is installed.
pub fn solve<'a>(request: &ClosureRequest<'a>) -> Result<Solution<'a>, Fault> {
    ClosureInputs::read(request).solve(request)
}

impl<'a> ClosureInputs<'a> {
    /// Reads the indexes and the status of `request`.
    pub fn read(request: &ClosureRequest<'a>) -> Self {
        Self(universe::Universe::read(request))
    }

    /// Returns whether an index has a package of this name.
    pub fn has_package(&self, name: &str) -> bool {
        self.0.name(name).is_some_and(|name| !self.0.group(name).packages.is_empty())
    }

    /// The closure of what `request` asks for, a request with the same indexes and target.
    pub fn solve(&self, request: &ClosureRequest<'a>) -> Result<Solution<'a>, Fault> {
        // Marking recurses as deep as dependencies do; hostile ones reach the limit of that.
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name("closure".to_owned()).stack_size(STACK_BYTES);
            let solver = builder
                .spawn_scoped(scope, || self.solve_here(request))
                .map_err(|error| Fault::failed("no thread for the solver").because(error))?;
            solver.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn solve_here(&self, request: &ClosureRequest<'a>) -> Result<Solution<'a>, Fault> {
        let universe = &self.0;
        let wanted = seeds::wanted(universe, request)?;
        if wanted.is_empty() {
            return match request.absent {
                AbsentSeeds::Refuse => Err(Fault::usage("the closure is empty: nothing was asked for")),
                AbsentSeeds::LeaveOut => Ok(Solution::default()),
            };
        }
        let mut marks = state::Marks::new(universe, request);
        for want in &wanted {
            marks.request(want.version);
        }
        for want in &wanted {
            if let Some(suite) = &want.suite {
                marks.follow_suite(want.version, &|id| seeds::is_of_suite(universe, request, id, suite));
            }
        }
        marks.request_dependencies(wanted.iter().map(|want| universe.version(want.version).package));
        resolve::repair(&mut marks);
        let mut problems = marks.problems();
        if !problems.is_empty() {
            add_unusable(&mut problems, &universe.unusable);
            return Err(Fault::unavailable(format!("cannot be installed: {}", problems.join("; "))));
        }
        sweep::sweep(&mut marks);
        let solution = reasons::solution(&marks, &wanted)?;
        Ok(Solution { unusable: universe.unusable.clone(), ..solution })
    }
}

/// Adds to problems the reasons why entries of the packages that they name cannot be used.
fn add_unusable(problems: &mut Vec<String>, unusable: &[UnusableEntry]) {
    let is_named = |package: &str| {
        problems.iter().any(|problem| problem.split([' ', ':', ',', '(', ')']).any(|word| word == package))
    };
    let named = unusable.iter().filter(|entry| is_named(entry.error.place()));
    let mut named: Vec<String> = named.map(|entry| entry.error.to_string()).collect();
    named.dedup();
    problems.extend(named);
}

//! Long lists of independent cases on both cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs `work` for all of `jobs` on two threads, each with a state of its own.
pub(crate) fn on_two_threads<J: Sync, S>(jobs: &[J], start: impl Fn() -> S + Sync, work: impl Fn(&S, &J) + Sync) {
    let next = AtomicUsize::new(0);
    let worker = || {
        let state = start();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(&state, job);
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(worker))));
}

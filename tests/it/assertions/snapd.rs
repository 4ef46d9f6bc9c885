//! Stock snapd, asked whether it takes assertions. Needs root, for a daemon in namespaces of its own.

use crate::support::snapd::{Build, Snapd, cage};

/// What stock snapd says of one stream.
#[derive(Debug)]
pub(crate) struct Says {
    pub(crate) accepts: bool,
    /// Its words.
    pub(crate) words: String,
}

/// What `snap ack` says to one daemon of each of `streams`; nothing where no daemon can be started. A stream that is accepted is
/// known to the daemon from then on, one that is refused is not.
pub(crate) fn ack(streams: &[Vec<u8>]) -> Option<Vec<Says>> {
    let snapd = Snapd::start(cage(Build::Stock, &[])?, None);
    Some(streams.iter().map(|stream| says(&snapd, stream)).collect())
}

/// What `snap ack` says to this daemon of one stream.
fn says(snapd: &Snapd, stream: &[u8]) -> Says {
    std::fs::write(snapd.cage.path("stream"), stream).expect("write");
    let ended = snapd.snap("ack stream");
    assert!(!ended.err.contains("cannot communicate with server"), "{}", ended.err);
    let words = ended.err.split("\n---").next().unwrap_or_default().to_owned();
    Says { accepts: ended.code == 0, words }
}

//! A run that was killed goes on where it stopped.

use std::fs;
use std::process::Stdio;

use gapferry::upstream::SampleCompression;

use super::{Fault, PACKAGES, upstream};
use crate::support::desk::{heavy, wait_for};
use crate::support::server::{self, Times};

const LARGE: &str = "pool/main/l/large/large_1.0-1_amd64.deb";

#[test]
fn killed_in_the_middle_of_a_large_file() {
    let mut upstream = upstream();
    let large = heavy("large", "1.0-1", 8_000_000);
    upstream.add("stable", "main", gapferry::upstream::DebSpec { packing: SampleCompression::Plain, ..large });
    let fault = Fault::of(upstream);
    fault.server.fault(LARGE, Times(1), server::Fault::StallAt(5_000_000));
    let export = "export online/selection.toml --out medium --key online/builder.key --workspace online/workspace";
    let mut child = fault.desk.command(export).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let partial = fault.desk.path("online/workspace/depot/partial");
    // All small ones are complete, and what came of the large one is on the disk.
    let arrived = || {
        let files: Vec<u64> =
            fs::read_dir(&partial).into_iter().flatten().filter_map(|f| Some(f.ok()?.metadata().ok()?.len())).collect();
        files.iter().any(|length| *length > 4_000_000)
            && files.iter().filter(|length| **length > 100_000).count() > PACKAGES
    };
    wait_for(|| format!("{:?}", fs::read_dir(&partial)), || arrived().then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    fault.wrote_nothing();

    fault.desk.init(&["demo"], "");
    assert_eq!(fault.desk.ferry()["items"], PACKAGES + 1);
    let requests = fault.server.requests(LARGE);
    let range = requests[1]
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<u64>().ok());
    assert!(requests.len() == 2 && range.is_some_and(|from| from > 4_000_000), "{requests:?}");
    assert_eq!(fault.asked(), [1; PACKAGES], "what was complete is not fetched again");
    let carried = fault.desk.path("site/current/apt/demo").join(LARGE);
    assert_eq!(fs::read(carried).unwrap(), fs::read(fault.desk.path("up").join(LARGE)).unwrap());
}

//! An older state comes back: clients see its serial as the newest, and what they had read just before is still there.

use super::{Cycle, serials};

fn back_and_on_again(keep: usize) {
    let cycle = Cycle::new(keep);
    cycle.update(keep);
    // Clients that have the newer state: they drop what is not listed, or keep it as far as there is room.
    let mut clients: Vec<(&str, &[&str])> = vec![("drop", &["--max=1"]), ("two", &["--max=2", "--keep"])];
    clients.extend((keep == 1).then_some(("keep", &["--max=1", "--keep"][..])));
    for (out, arguments) in &clients {
        assert_eq!(cycle.mirror(out, arguments).pop_last(), serials(keep..=keep).pop_last());
    }
    let rolled = cycle.desk.run("rollback --site site --json").ok().json();
    assert_eq!(rolled["reason"], "rollback to 1");

    let (newest, listed) = (serials(keep - 1..keep), serials(..keep));
    assert_eq!(cycle.listed(), listed);
    assert_eq!(cycle.reachable(), serials(..=keep), "what was rolled back from is still there");
    assert_eq!(cycle.mirror("fresh", &["--max=1"]), newest);
    assert_eq!(cycle.mirror("fresh", &[]), listed, "all that is named is there");
    for (out, arguments) in &clients {
        let wanted = if *out == "two" { serials(..2) } else { newest.clone() };
        assert_eq!(cycle.mirror(out, arguments), wanted, "{arguments:?}");
    }
    cycle.collect_garbage();
    assert_eq!(cycle.reachable(), serials(..=keep));

    // And on again.
    cycle.update(keep + 1);
    assert_eq!(cycle.listed(), serials(2..=keep + 1));
    assert_eq!(cycle.mirror("drop", &["--max=1"]), serials(keep + 1..=keep + 1));
    assert!(cycle.reachable().is_superset(&listed), "the state before is still there");
}

#[test]
fn the_older_serial_is_the_newest_again() {
    back_and_on_again(1);
}

#[test]
fn the_older_pair_of_serials_is_the_newest_again() {
    back_and_on_again(2);
}

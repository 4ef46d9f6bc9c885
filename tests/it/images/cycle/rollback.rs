//! An older state comes back: clients see its serial as the newest, and what they had read just before is still there.

use super::{Cycle, serials};

#[test]
fn the_older_serial_is_the_newest_again() {
    for keep in [1, 2] {
        let cycle = Cycle::new(keep);
        cycle.update(keep);
        // Clients that have the newer state: one that drops what is not listed, and two that keep more.
        let clients: [(&str, &[&str]); 3] =
            [("drop", &["--max=1"]), ("keep", &["--max=1", "--keep"]), ("two", &["--max=2", "--keep"])];
        for (out, arguments) in clients {
            let newest = cycle.mirror(out, arguments).pop_last();
            assert_eq!(newest, serials(keep..=keep).pop_last());
        }
        let rolled = cycle.desk.run("rollback --site site --json").ok().json();
        assert_eq!(rolled["reason"], "rollback to 1");

        let (newest, listed) = (serials(keep - 1..keep), serials(..keep));
        assert_eq!(cycle.listed(), listed);
        assert_eq!(cycle.reachable(), serials(..=keep), "what was rolled back from is still there");
        assert_eq!(cycle.mirror("fresh", &["--max=1"]), newest);
        assert_eq!(cycle.mirror("fresh-all", &[]), listed, "all that is named is there");
        assert_eq!(cycle.mirror("drop", &["--max=1"]), newest);
        // These never have an older one in place of a newer.
        let kept = cycle.mirror("keep", &["--max=1", "--keep"]);
        assert_eq!(kept, newest);
        let kept = cycle.mirror("two", &["--max=2", "--keep"]);
        assert!(kept.is_superset(&newest), "{kept:?}");
        cycle.collect_garbage();
        assert_eq!(cycle.reachable(), serials(..=keep));

        // And on again.
        cycle.update(keep + 1);
        let [newest, listed] = [serials(keep + 1..=keep + 1), serials(2..=keep + 1)];
        assert_eq!(cycle.listed(), if keep == 1 { newest.clone() } else { listed });
        for out in ["drop", "fresh"] {
            assert_eq!(cycle.mirror(out, &["--max=1"]), newest);
        }
        assert!(cycle.reachable().is_superset(&serials(..keep)), "the state before is still there");
    }
}

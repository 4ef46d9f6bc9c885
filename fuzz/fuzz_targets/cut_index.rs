//! Lists of files, of programs and of commands, cut down to a few packages: no panic. Cutting a list of files twice changes nothing.
#![no_main]

use gapferry::formats::apt::cut_index::{CutIndex, Names, cut_contents};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let packages = Names::from(["a", "bash", "ferry"]);
    let contents = |text: &[u8]| {
        let mut cut = Vec::new();
        cut_contents(text, &packages, &mut cut).ok().map(|()| cut)
    };
    if let Some(once) = contents(text) {
        assert_eq!(contents(&once).as_ref(), Some(&once));
    }
    // Text that has no head or marker of its own gets another one, so only the size is certain.
    let mut cut = CutIndex::default();
    cut.add_commands(text, &packages);
    assert!(cut.finish().len() <= 2 * text.len() + 2);
    let mut cut = CutIndex::default();
    cut.add_components(text, &packages);
    assert!(cut.finish().len() <= 2 * text.len() + 5);
});

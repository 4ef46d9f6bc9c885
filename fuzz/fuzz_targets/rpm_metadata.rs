//! repomd.xml, lists of packages and module streams: read or refused; what is cut of a list is a list of as many packages.
#![no_main]

use gapferry::formats::Invalid;
use gapferry::formats::rpm::{Modules, Repomd, cut_by, cut_packages, packages};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let _ = Repomd::parse(text, |_| true);
    let _ = Modules::read(text);
    let open = || Ok::<_, Invalid>(text);
    let _ = cut_by(open, "filelists", 0, |_| true);
    let mut count = 0;
    let all = packages(text, |entry, _| {
        count += usize::from(entry.is_ok());
        Ok::<(), Invalid>(())
    });
    if all.is_ok() {
        let cut = cut_packages(open, 0, |_| true).expect("a list that was read");
        assert_eq!(cut.packages, count);
        let cut = gapferry::formats::compression::reader(
            cut.bytes.as_slice(),
            gapferry::formats::compression::Compression::Gzip,
        );
        let again = std::io::BufReader::new(cut.expect("gzip"));
        packages(again, |_, _| Ok::<(), Invalid>(())).expect("a list that we wrote");
    }
});

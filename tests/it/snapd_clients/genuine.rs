//! Genuine assertions, served by us, are good to stock snapd.

use gapferry::formats::assertions::Assertion;

use super::shop::{FIRST, desk};
use crate::assertions::snapd::ack;
use crate::support::genuine::shared_data;
use crate::support::snapd::{Build, alone};

#[test]
fn stock_snapd_takes_the_store_assertion_that_is_served() {
    let Some(folder) = shared_data() else { return };
    let file = folder.join("store-heS0H76d.assert");
    let desk = desk(FIRST);
    desk.run(&format!("store-assertion --site site {}", file.display())).ok();
    let serving = desk.serve();
    let url = format!("http://{}", serving.address);
    for (part, keys) in Assertion::parse_stream(&std::fs::read(file).unwrap()).unwrap().iter().zip([
        "account-key public-key-sha3-384=BWDEoaqyr25nF5SNCvEv2v7QnM9QsfCc0PBMYD_i2NGSQ32EF2d4D0hqUel3m8ul",
        "account account-id=BhgbYoDtThegqVkEU7oiZP8GQwCoUIxz",
        "store store=heS0H76dk4bNRuKjR7wla9I1ImsE7AGr",
    ]) {
        let known = alone(Build::Stock, &url, &desk.path("medium"), &format!("known --remote {keys}")).unwrap().ok();
        assert_eq!(known.out.as_bytes(), part.encoded(), "{keys}");
    }
    let (status, own) = crate::serve::fetch(&serving, "/v2/auth/store/assertions");
    assert_eq!(status, 200);
    let Some(says) = ack(&[own]) else { return };
    assert!(says[0].accepts, "{says:?}");
}

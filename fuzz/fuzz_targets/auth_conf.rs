//! apt's files of logins.
#![no_main]

use gapferry::formats::apt::auth_conf::{AuthConf, LoginLookup, LoginTarget};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let conf = AuthConf::parse(text);
    for (scheme, port) in [("https", None), ("http", Some(1))] {
        let found = conf.login(LoginTarget { scheme, host: "h.example", port, path: "/a/b" });
        if let LoginLookup::Found(_) = found {
            let has = |word: &[u8]| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
            assert!(has(b"machine") && has(b"h.example"));
        }
    }
});

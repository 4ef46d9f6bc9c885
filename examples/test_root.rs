//! Prints the root that a gapferry built for tests trusts besides the store's: the account and its key, as a stream of
//! assertions. `tests/install-snapd` builds a snapd that trusts it too.

use std::io::Write as _;
use std::process::ExitCode;

use gapferry::upstream::assertions::TestAuthority;

fn main() -> ExitCode {
    let Some(authority) = TestAuthority::trusted_in_tests() else {
        eprintln!("test_root: no keys can be made");
        return ExitCode::FAILURE;
    };
    match std::io::stdout().write_all(authority.roots()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("test_root: {error}");
            ExitCode::FAILURE
        }
    }
}

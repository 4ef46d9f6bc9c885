//! A MAAS that refuses, fails, lies or is not there.

use std::fs;
use std::time::{Duration, Instant};

use gapferry::cli::Exit;
use serde_json::json;

use super::version::Version;
use super::{Case, hides_the_key};
use crate::support::desk::Ended;
use crate::support::port::port;
use crate::support::server::{Fault, Server, Times};
use crate::support::tls::authority;

const SOURCES: &str = "MAAS/api/2.0/boot-sources/";

impl Case {
    /// The command with another address of MAAS.
    #[track_caller]
    fn apply_to(&self, url: &str, more: &str) -> Ended {
        hides_the_key(self.desk.run(&self.arguments(more).replace(&self.maas.url(), url)))
    }
}

#[test]
fn keys_that_are_none_and_keys_that_are_not_taken() {
    let case = Case::new(Version::V3_8, "re-indexed");
    for text in ["", "consumerKEY1", "consumerKEY1:tokenTOKEN2", "consumerKEY1:tokenTOKEN2:secretSECRET3:x", "a\n:b:c"]
    {
        fs::write(case.desk.path("maas.key"), text).unwrap();
        case.apply("--json").says(Exit::Usage, &["maas.key has no API key", "CONSUMER:TOKEN:SECRET"]);
    }
    fs::write(case.desk.path("maas.key"), "a".repeat(10_000)).unwrap();
    case.apply("").says(Exit::Usage, &["has no API key"]);
    fs::remove_file(case.desk.path("maas.key")).unwrap();
    case.apply("").says(Exit::Usage, &["cannot read the API key from maas.key"]);
    // MAAS's answer to a wrong key quotes it.
    for key in ["consumerKEY1:tokenTOKEN2:other", "consumerKEY1:other:secretSECRET3", "other:tokenTOKEN2:secretSECRET3"]
    {
        fs::write(case.desk.path("maas.key"), key).unwrap();
        let ended = case.apply("--json").says(Exit::Usage, &["refuses the API key (status 401)", "maas apikey"]);
        assert!(!ended.err.contains("other") && !ended.out.contains("other"), "{}", ended.err);
        assert_eq!(ended.json()["exit"], json!(2));
    }
    fs::write(case.desk.path("maas.key"), super::KEY).unwrap();
    case.maas.server.fault(SOURCES, Times::ALWAYS, Fault::Status(403, vec![]));
    case.apply("").says(Exit::Usage, &["refuses the API key (status 403)", "administrator"]);
    assert_eq!(case.maas.count(), 0);
}

#[test]
fn addresses_where_there_is_no_maas() {
    let case = Case::new(Version::V3_8, "re-indexed");
    let root = case.maas.server.url("").to_string();
    case.apply_to(&root, "").says(Exit::UpstreamUnavailable, &["there is no MAAS at", "status 404", ":5240/MAAS"]);
    let page = Server::start(&case.desk.path("online"));
    page.answer_all(|_| (200, b"<!doctype html>".to_vec()));
    let url = page.url("MAAS").to_string();
    case.apply_to(&url, "").says(Exit::UpstreamUnavailable, &["there is no MAAS at", "its answer is not MAAS's"]);
    page.answer_all(|_| (200, b"{\"not\": \"a list\"}".to_vec()));
    case.apply_to(&url, "").says(Exit::UpstreamUnavailable, &["there is no MAAS at", "its answer is not MAAS's"]);
    page.answer_all(|_| (200, vec![b'['; 20 << 20]));
    case.apply_to(&url, "").says(Exit::VerificationFailed, &["is larger than the 16777216 bytes"]);
    page.answer_all(|_| (200, Vec::new()));
    case.apply_to(&url, "").says(Exit::UpstreamUnavailable, &["there is no MAAS at"]);
    page.fault(SOURCES, Times::ALWAYS, Fault::Redirect(case.maas.url()));
    case.apply_to(&url, "").says(Exit::UpstreamUnavailable, &["there is no MAAS at", "status 302"]);
    let url = format!("http://127.0.0.1:{}/MAAS", port());
    case.apply_to(&url, "").says(Exit::UpstreamUnavailable, &["cannot reach", &url]);
    for bad in ["maas:5240", "ftp://h/MAAS", "http://me:hidden@h/MAAS"] {
        let ended = case.apply_to(bad, "").says(Exit::Usage, &["is no address that can be used"]);
        assert!(!ended.err.contains("hidden"), "{}", ended.err);
    }
    assert_eq!(case.maas.count(), 0);
}

#[test]
fn a_maas_that_fails_is_quoted_without_the_key() {
    let case = Case::new(Version::V3_8, "re-indexed");
    case.maas.server.fault(SOURCES, Times(1), Fault::Status(500, vec![]));
    case.apply("").says(Exit::UpstreamUnavailable, &["with status 500", "look at its logs"]);
    // What passes by itself is waited for.
    case.maas.server.fault(SOURCES, Times(1), Fault::Status(503, vec![]));
    case.apply("--dry-run").ok();
    case.maas.server.fault("MAAS/api/2.0/boot-sources/1/", Times(1), Fault::Status(500, vec![]));
    case.apply("").says(Exit::UpstreamUnavailable, &["boot-sources/1/ with status 500"]);
    case.maas.server.heal("MAAS/api/2.0/boot-sources/1/");
    let echo = Server::start(&case.desk.path("online"));
    echo.answer_all(|request| (500, request.header("authorization").unwrap_or_default().as_bytes().to_vec()));
    case.apply_to(echo.url("MAAS").as_str(), "").says(Exit::UpstreamUnavailable, &["with status 500", "***"]);
    case.apply("").ok();
    case.is_set_up();
}

#[test]
fn a_source_that_is_never_read_and_an_image_that_it_does_not_list() {
    let case = Case::new(Version::V3_6, "re-indexed");
    case.maas.model().blind = true;
    let source = case.url("images/maas/");
    let said = case
        .apply("--cache-timeout 1")
        .says(Exit::UpstreamUnavailable, &[&source, "has not read the boot source", "within 1 s"]);
    for words in ["no available images for download", "waiting for MAAS to read the boot source"] {
        assert!(said.err.contains(words), "{}", said.err);
    }
    {
        let mut model = case.maas.model();
        model.blind = false;
        model.overlooks = Some("noble".into());
    }
    case.apply("--cache-timeout 1").says(Exit::UpstreamUnavailable, &[&source, "does not list ubuntu/noble for amd64"]);
    case.maas.model().overlooks = None;
    case.apply("").ok();
    case.is_set_up();
    case.stays();
}

#[test]
fn imports_that_do_not_end_well() {
    let case = Case::new(Version::V3_8, "re-indexed");
    case.maas.model().fails_imports = true;
    case.apply("--timeout 2")
        .says(Exit::Failed, &["has not imported ubuntu/jammy/amd64, ", "within 2 s", "running this again"]);
    case.apply("--timeout 60").says(Exit::Failed, &["import ended without ubuntu/jammy/amd64, ", "logs"]);
    case.maas.model().fails_imports = false;
    case.apply("").ok();
    case.is_set_up();
}

/// Refused while MAAS has not read the source yet, and refused when only the import is left to do.
#[test]
fn an_empty_refusal_is_named_by_its_status_at_once() {
    let case = Case::new(Version::V3_6, "re-indexed");
    let words = ["MAAS refuses to import images: status 400 Bad Request, with an empty answer"];
    case.maas.model().refuses_imports = true;
    let begun = Instant::now();
    case.apply("--cache-timeout 300").says(Exit::Failed, &words);
    assert!(begun.elapsed() < Duration::from_secs(100), "the refusal is not waited out");
    case.maas.model().refuses_imports = false;
    case.apply("").ok();
    {
        let mut model = case.maas.model();
        model.refuses_imports = true;
        model.resources.clear();
    }
    case.apply("").says(Exit::Failed, &words);
    case.maas.model().refuses_imports = false;
    case.apply("").ok();
    case.is_set_up();
}

/// A refused question is no missing setting.
#[test]
fn a_refused_question_about_a_setting_is_told() {
    let case = Case::new(Version::V3_6, "re-indexed");
    case.maas.server.fault("MAAS/api/2.0/maas/", Times(1), Fault::Status(400, vec![]));
    case.apply("").says(Exit::Failed, &["MAAS refuses to tell its setting boot_images_auto_import: fault"]);
    assert_eq!(case.maas.count(), 0);
}

#[test]
fn over_tls_with_an_authority_of_ones_own() {
    let case = Case::new(Version::V3_8, "re-indexed");
    let (authority, tls) = authority(&case.desk.path("online"));
    let maas = Server::start_tls(&case.desk.path("online"), tls);
    maas.answer_all(|_| (500, Vec::new()));
    let url = maas.url("MAAS").to_string();
    case.apply_to(&url, "").says(Exit::VerificationFailed, &["is not trusted", "CA file"]);
    let trusting = format!("--ca-file {}", authority.display());
    case.apply_to(&url, &trusting).says(Exit::UpstreamUnavailable, &["with status 500: an empty answer"]);
}

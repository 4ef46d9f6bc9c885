use std::io::Cursor;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::output::{NumberedFinding, verdict};
use super::process::{ProcessEnd, ProcessLimit, run_limited};
use super::*;
use crate::digest::Sha256;

fn ended(code: Option<i32>, stdout: &str) -> ProcessEnd {
    ProcessEnd { code, end: ProcessLimit::Kept, stdout: stdout.into(), stderr: "some reason\n".into() }
}

#[test]
fn only_the_exit_code_0_of_a_run_to_its_end_is_clean() {
    assert_eq!(verdict(&ended(Some(0), ""), "/x"), Default::default());
    for (end, words) in [
        (ended(Some(2), ""), "exit code 2: some reason"),
        (ended(Some(127), ""), "exit code 127"),
        (ended(None, ""), "a signal"),
        (ProcessEnd { end: ProcessLimit::TookTooLong, ..ended(None, "") }, "too long"),
        (ProcessEnd { end: ProcessLimit::WroteTooMuch, ..ended(Some(0), "") }, "more than is read"),
    ] {
        let error = verdict(&end, "/x").error.unwrap();
        assert!(error.contains(words), "{error}");
    }
    let found = verdict(&ended(Some(1), ""), "/x").found;
    assert_eq!(found[0].number, None, "it found something, wherever it is");
}

#[test]
fn findings_lead_back_to_files_whatever_the_exit_code_is() {
    let output = "/x/12: Eicar-Test: 1 FOUND\n/x/none: Other FOUND\nnoise\n/y/3: Third FOUND\n";
    let found = |number, finding: &str| NumberedFinding { number, finding: finding.into() };
    let wanted = [found(Some(12), "Eicar-Test: 1"), found(None, "Other"), found(None, "Third")];
    for code in [0, 1, 2] {
        assert_eq!(verdict(&ended(Some(code), output), "/x").found, wanted, "{code}");
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_scanner_that_does_not_end_is_killed_with_its_children() {
    let started = Instant::now();
    let ended = run_limited(shell("sleep 1000 & sleep 1000"), Duration::from_millis(100)).unwrap();
    assert_eq!((ended.end, ended.code), (ProcessLimit::TookTooLong, None));
    // A child that is left behind holds the output open.
    run_limited(shell("sleep 1000 & exit 0"), Duration::from_secs(60)).unwrap();
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn endless_output_is_capped() {
    let ended = run_limited(shell("head -c 20000000 /dev/zero"), Duration::from_secs(60)).unwrap();
    assert_eq!(ended.end, ProcessLimit::WroteTooMuch);
    assert!(ended.stdout.len() < 9 << 20);
}

#[test]
fn files_have_numbers_for_names_and_a_table_leads_back() {
    let scratch = tempfile::tempdir().unwrap();
    // A scanner of our own, which takes the folder as its last argument and finds the word in files.
    let script = scratch.path().join("scanner");
    let text = "#!/bin/sh\n[ \"$1\" = --version ] && { echo own 1; exit; }\n\
                grep -l evil -r \"$1\" | sed 's/$/: Evil FOUND/'\n[ -z \"$(grep -l evil -r \"$1\")\" ]\n";
    std::fs::write(&script, text).unwrap();
    for path in [scratch.path(), &script] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let command: ScanCommand = script.to_str().unwrap().parse().unwrap();
    let mut session = ScanSession::start(command, Duration::from_secs(60), scratch.path()).unwrap();
    let blob = Sha256::of(b"package");
    for (path, content) in [("/../../etc/passwd", "good"), ("/x\u{1b}[2J", "evil"), ("/y", "good")] {
        session.add(&blob, path, &mut Cursor::new(content)).unwrap();
    }
    session.end_package(&blob);
    let facts = session.finish().unwrap();
    let item = |name| ScannedItem { collection: "apt/a", name, version: "1", blob };
    let report = facts.report(|each| each(item("a"))).unwrap();
    assert_eq!((report.result, report.version.as_str(), report.files), (ScanResult::Found, "own 1", 3));
    assert_eq!((report.findings[0].path.as_str(), report.findings[0].finding.as_str()), ("/x\u{1b}[2J", "Evil"));
    let left = std::fs::read_dir(scratch.path()).unwrap().count();
    assert_eq!(left, 1, "only the scanner is left");
    let other = ScannedItem { blob: Sha256::of(b"other"), ..item("b") };
    let report = facts.report(|each| each(other)).unwrap();
    assert_eq!(report.not_scanned[0].why, "its volume is not here");
    assert_eq!(report.result, ScanResult::Incomplete);
}

#[test]
fn databases_are_those_that_the_command_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("own.ndb"), "x").unwrap();
    std::fs::write(path("daily.cvd"), "ClamAV-VDB:08 Sep 2026 07-30 -0400:27000:rest").unwrap();
    let of = |command: String| command.parse::<ScanCommand>().unwrap().databases().unwrap();
    for command in [
        format!("clamscan -d {}", folder.path().display()),
        format!("/usr/bin/clamscan --database={}", folder.path().display()),
    ] {
        let databases = of(command).unwrap();
        assert_eq!(databases[0].name, "daily.cvd");
        assert_eq!(databases[0].date.as_deref(), Some("08 Sep 2026 07-30 -0400"));
        assert_eq!((databases[1].date.as_deref(), databases[1].sha256), (None, Sha256::of(b"x")));
    }
    assert_eq!(of(format!("clamscan -d{}", path("own.ndb").display())).unwrap().len(), 1);
    assert_eq!(of("other -d x".into()), None);
    assert!(" ".parse::<ScanCommand>().is_err());
    assert!(!"no-such-program".parse::<ScanCommand>().unwrap().is_installed());
    assert!(Path::new("/bin/sh").is_file() && "/bin/sh -c".parse::<ScanCommand>().unwrap().is_installed());
}

proptest! {
    #[test]
    fn any_output_is_read(output in "(/x/[0-9]{1,30}: |\\PC|\\n| FOUND){0,40}", code: Option<i32>) {
        let verdict = verdict(&ended(code, &output), "/x");
        prop_assert!(code == Some(0) || !verdict.found.is_empty() || verdict.error.is_some());
    }
}

//! The command line: one file per command, arguments in, words or JSON out.
//!
//! A command's file holds its arguments, calls the library once, and says what came of it. stdout has the result, and with
//! `--json` nothing but one JSON object; progress, notes and errors go to stderr. Exit codes stand in [`Exit`].

mod access;
mod approve;
mod bundle_folder;
mod clock;
mod confirm;
mod copy;
mod demo;
mod diff;
mod error;
mod evidence;
mod evidence_reports;
mod exit;
mod export;
mod feed_files;
mod gc;
mod import;
mod inspect;
mod keygen;
mod list_images;
mod maas;
mod output;
mod package_looks;
mod passphrase;
#[cfg(test)]
mod printed_commands;
mod protect;
mod push;
mod receipt;
mod recut;
mod report;
mod report_subject;
mod reviewed;
mod rollback;
mod rollback_words;
mod serve;
mod setup;
mod signing;
mod site;
mod site_check;
mod site_key;
mod site_log;
mod snap_roots;
mod status;
mod store_assertion;
mod trust;
mod verify;
mod workspace;

use std::io::Write as _;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::error::Failure;
pub use self::exit::Exit;
use self::output::{Output, OutputFormat};
use crate::progress::Progress;
use crate::terminal::without_password;

/// Carry packages, images and snaps across an air gap in one signed bundle.
///
/// `export` collects on the online side; `import` verifies and publishes on the air-gapped side; `serve` answers for the
/// upstreams there.
#[derive(Debug, Parser)]
#[command(name = "gapferry", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

#[derive(Debug, clap::Args)]
struct Global {
    /// Print one JSON object with the result on stdout
    #[arg(long, global = true)]
    json: bool,
    /// Show no progress
    #[arg(long, short, global = true)]
    quiet: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 nothing new, 4 verification failed, 5 refused by policy, \
6 volumes missing, 7 no space, 8 upstream unavailable, 9 wrong clock, 10 rot found, 11 approval missing";

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(keygen::KeygenArgs),
    Export(export::ExportArgs),
    ListImages(list_images::ListImagesArgs),
    Confirm(confirm::ConfirmArgs),
    Copy(copy::CopyArgs),
    Recut(recut::RecutArgs),
    Protect(protect::ProtectArgs),
    Verify(verify::VerifyArgs),
    Inspect(inspect::InspectArgs),
    Diff(diff::DiffArgs),
    Report(report::ReportArgs),
    Approve(approve::ApproveArgs),
    Reject(approve::RejectArgs),
    Evidence(evidence::EvidenceArgs),
    Site(site::SiteArgs),
    Import(import::ImportArgs),
    Status(status::StatusArgs),
    Receipt(receipt::ReceiptArgs),
    Rollback(rollback::RollbackArgs),
    Gc(gc::GcArgs),
    Push(push::PushArgs),
    Serve(serve::ServeArgs),
    Setup(setup::SetupArgs),
    Maas(maas::MaasArgs),
    StoreAssertion(store_assertion::StoreAssertionArgs),
    Trust(trust::TrustArgs),
    Demo(demo::DemoArgs),
}

/// Returns the command line as clap knows it: every subcommand with its arguments and its help.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the program's arguments. Where they ask for help or are wrong, that is said here, and the exit code comes back.
pub fn parse() -> Result<Cli, Exit> {
    let refuse = |error: clap::Error| {
        if !error.use_stderr() {
            return show_help(&error);
        }
        // clap shows arguments as they were given, and an address may have a password.
        let text = error.to_string();
        let hidden: String = text.split_inclusive(char::is_whitespace).map(without_password).collect();
        // Nowhere is left to say that this failed.
        let _ = if hidden == text { error.print() } else { write!(std::io::stderr(), "{hidden}") };
        let json = std::env::args_os().any(|argument| argument == "--json");
        let format = if json { OutputFormat::Json } else { OutputFormat::Words };
        Output::new(format).failed(Exit::Usage, hidden.trim_end(), &[]);
        Exit::Usage
    };
    Cli::try_parse().map_err(refuse)
}

/// Prints the help or the version that was asked for.
fn show_help(help: &clap::Error) -> Exit {
    let printed = help.print().and_then(|()| std::io::stdout().flush());
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => unwritable_exit(&Failure::unwritable(error)),
        _ => Exit::Done,
    }
}

/// Reports on stderr alone that stdout cannot be written to.
fn unwritable_exit(failure: &Failure) -> Exit {
    Output::new(OutputFormat::Words).failure(failure);
    failure.class().into()
}

/// Runs the command line `cli`, and says how it ended.
pub fn run(cli: Cli) -> Exit {
    let out = Output::new(if cli.global.json { OutputFormat::Json } else { OutputFormat::Words });
    let progress = if cli.global.quiet { Progress::hidden() } else { Progress::stderr() };
    let result = match cli.command {
        Command::Keygen(args) => keygen::run(&args, &out),
        Command::Export(args) => export::run(&args, &out, &progress),
        Command::ListImages(args) => list_images::run(&args, &out),
        Command::Confirm(args) => confirm::run(&args, &out),
        Command::Copy(args) => copy::run(&args, &out, &progress),
        Command::Recut(args) => recut::run(&args, &out, &progress),
        Command::Protect(args) => protect::run(&args, &out, &progress),
        Command::Verify(args) => verify::run(&args, &out, &progress),
        Command::Inspect(args) => inspect::run(&args, &out),
        Command::Diff(args) => diff::run(&args, &out),
        Command::Report(args) => report::run(&args, &out, &progress),
        Command::Approve(args) => approve::approve(&args, &out),
        Command::Reject(args) => approve::reject(&args, &out),
        Command::Evidence(args) => evidence::run(&args, &out),
        Command::Site(args) => site::run(args, &out, &progress),
        Command::Import(args) => import::run(&args, &out, &progress),
        Command::Status(args) => status::run(&args, &out),
        Command::Receipt(args) => receipt::run(&args, &out),
        Command::Rollback(args) => rollback::run(&args, &out, &progress),
        Command::Gc(args) => gc::run(&args, &out),
        Command::Push(args) => push::run(&args, &out),
        Command::Serve(args) => serve::run(&args, &out),
        Command::Setup(args) => setup::run(args, &out),
        Command::Maas(args) => maas::run(args, &out, &progress),
        Command::StoreAssertion(args) => store_assertion::run(&args, &out),
        Command::Trust(args) => trust::run(args, &out),
        Command::Demo(args) => demo::run(&args, &out, &progress),
    };
    if let Err(failure) = &result {
        out.failure(failure);
    }
    match (result, out.finish()) {
        (Ok(()), Ok(())) => Exit::Done,
        (Err(failure), _) => failure.class().into(),
        (Ok(()), Err(unwritable)) => unwritable_exit(&unwritable),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{EXIT_CODES, Exit};
    use crate::error_class::ErrorClass;

    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }

    #[test]
    fn the_help_has_every_exit_code() {
        for class in ErrorClass::ALL {
            let (code, words) = (Exit::from(class).code(), class.word().replace('-', " "));
            assert!(EXIT_CODES.contains(&format!(" {code} {words}")), "{code} {words}");
        }
    }

    /// The README's table names every command, and no other.
    #[test]
    fn the_readme_has_every_command() {
        let readme = include_str!("../../README.md");
        let table = readme.split("## Commands").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
        let rows = table.lines().filter_map(|line| line.split(" | ").next()).flat_map(|cell| cell.split('`'));
        let told: BTreeSet<&str> = rows.filter_map(|text| text.strip_prefix("gapferry ")?.split(' ').next()).collect();
        let cli = super::command();
        let there: BTreeSet<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(told, there);
        let setup = cli.find_subcommand("setup").unwrap().get_subcommands();
        setup.for_each(|what| assert!(table.contains(what.get_name()), "setup {}", what.get_name()));
    }

    #[test]
    fn every_command_has_an_example() {
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands() {
                let leaf = sub.get_subcommands().next().is_none();
                let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(!leaf || help.contains("Example"), "{} has no example", sub.get_name());
                check(sub);
            }
        }
        check(&super::command());
    }
}

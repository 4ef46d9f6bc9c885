//! Commands in the texts of `src` and in help. A text names a command of gapferry's only if that command is complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Texts that look like a command and are none.
const NO_COMMANDS: [&str; 3] = ["gapferry site {name}", "gapferry site {}", "gapferry receipt 2"];

#[test]
fn every_command_in_a_text_of_the_source_parses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut count = 0;
    for entry in walkdir::WalkDir::new(&root).into_iter().map(Result::unwrap) {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "rs") || path.ends_with("tests.rs") {
            continue;
        }
        let source = fs::read_to_string(path).unwrap();
        let product = source.split("\n#[cfg(test)]").next().unwrap();
        for text in literals(product) {
            for command in commands(&text) {
                count += 1;
                parses(&command, &path.display().to_string());
            }
        }
    }
    assert!(count > 40, "only {count} commands were found: does this test still read the source?");
}

#[test]
fn every_command_in_help_parses() {
    fn check(command: &mut clap::Command) {
        // In one line for each paragraph, as no terminal breaks it.
        let help = command.clone().term_width(0).render_long_help().to_string();
        for example in commands(&help) {
            parses(&example, command.get_name());
        }
        command.get_subcommands_mut().for_each(check);
    }
    check(&mut gapferry::cli::command());
}

/// Fails unless the command line accepts the command, as a real shell splits it.
#[track_caller]
fn parses(command: &str, place: &str) {
    // What is behind a pipe, or before it, is no command of gapferry's.
    let script =
        format!("gapferry() {{ printf '%s\\0' gapferry \"$@\"; }}\nnc() {{ cat; }}\njq() {{ cat; }}\n{command}");
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{place}: {command}: {}", String::from_utf8_lossy(&output.stderr));
    let words = String::from_utf8(output.stdout).unwrap();
    let parsed = gapferry::cli::command().try_get_matches_from(words.trim_end_matches('\0').split('\0'));
    assert!(parsed.is_ok(), "{place} prints `{command}`: {}", parsed.unwrap_err());
}

/// The commands of gapferry's in a text: from the program's name to the end of the line or of the quotes.
fn commands(text: &str) -> Vec<String> {
    let names: BTreeSet<String> =
        gapferry::cli::command().get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let joined = text.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines().filter(|line| !NO_COMMANDS.iter().any(|none| line.contains(none))) {
        for (at, _) in line.match_indices("gapferry ") {
            let rest = &line[at..];
            let name = rest.split([' ', '`']).nth(1).unwrap_or_default();
            if names.contains(name) {
                found.push(rest.split('`').next().unwrap_or_default().trim().to_owned());
            }
        }
    }
    found
}

/// The values of the string literals in Rust source; comments are not among them.
fn literals(source: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), source);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = if rest.starts_with("//") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if rest.starts_with("r#\"") || rest.starts_with("r\"") {
            let (open, close) = if rest.starts_with("r#") { (3, "\"#") } else { (2, "\"") };
            let (text, after) = rest[open..].split_once(close).unwrap();
            found.push(text.to_owned());
            after
        } else if c == '"' {
            let (text, after) = string(after);
            found.push(text);
            after
        } else if let Some(after) = character(rest) {
            after
        } else if c.is_alphanumeric() || c == '_' {
            // A whole word, so that the r at its end begins no raw string.
            rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
        } else {
            after
        };
    }
    found
}

/// The value of a literal whose opening quote is behind us, and what follows it.
fn string(source: &str) -> (String, &str) {
    let (mut text, mut chars) = (String::new(), source.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, &source[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((at, '\n')) => {
                    let skipped = source[at..].len() - source[at..].trim_start().len();
                    (1..skipped).for_each(|_| {
                        chars.next();
                    });
                }
                Some((_, c)) => text.push(c),
                None => break,
            },
            c => text.push(c),
        }
    }
    panic!("a literal has no end: {text}");
}

/// Returns the source behind a character literal, which may be a quote; `None` if there is no such literal.
fn character(source: &str) -> Option<&str> {
    let rest = source.strip_prefix('\'')?;
    let mut chars = rest.chars();
    let length = match chars.next()? {
        '\\' => 1 + rest[1..].chars().next()?.len_utf8(),
        c => c.len_utf8(),
    };
    rest[length..].strip_prefix('\'')
}

#[test]
fn literals_are_read_as_the_compiler_reads_them() {
    let source = r##"let a = "x\n\"y"; // "no"
        let b = ('"', '\'', "z \
           w"); fn f<'a>(x: &'a str) { r#"raw "q""#; r"q"; br; }"##;
    assert_eq!(literals(source), ["x\n\"y", "z w", "raw \"q\"", "q"]);
}

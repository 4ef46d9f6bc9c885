//! Rows on the frame of clear-signed text: escapes, line ends, headers, and what stands around the block.

use super::keys::Keys;
use super::surgery::clear_message;
use super::table::Expect::{BothAccept, BothRefuse, OnlyGpgv, OtherText};
use super::table::{Expect, Row};

/// Why text around the block is refused.
const AROUND: &str = "nothing but white space may stand around the block, and that only after it";

pub(super) fn rows(keys: &Keys) -> Vec<Row> {
    let ring = keys.ring(&[&keys.alice]);
    let row = |name, message: String, expect| Row::clear(name, &ring, message, expect);
    let sign = |text: &str| keys.clear(&[&keys.alice], text);
    let plain = sign("Origin: x\n-dash\nb\n");
    let edit = |from: &str, to: &str| {
        assert!(plain.contains(from), "{from}");
        plain.replacen(from, to, 1)
    };
    let good: [(&str, String); 12] = [
        ("plain", plain.clone()),
        ("escaped dashes", sign("- a\n--\n-----BEGIN PGP SIGNATURE-----\n- - b\n")),
        ("a line that begins with From", sign("From me\n")),
        ("no final newline", sign("a\nb")),
        ("two final newlines", sign("a\n\n")),
        ("empty text", sign("")),
        ("a single newline", sign("\n")),
        ("carriage return in a line", sign("a\rb\n")),
        ("white space at line ends when signing", sign("a \t\nb  \n")),
        ("white space added at a line end", edit("\nb\n", "\nb \t\n")),
        ("a dash escape too many", edit("Origin", "- Origin")),
        ("white space after the block", format!("{plain}\n \r\n\n")),
    ];
    let mut rows: Vec<Row> = good.into_iter().map(|(name, message)| row(name, message, BothAccept)).collect();
    rows.push(Row::clear(
        "not UTF-8",
        &ring,
        keys.gpg_at(super::keys::SIGNED, &["-u", &keys.alice, "--clearsign"], b"a\xff\0b\n"),
        BothAccept,
    ));
    rows.push(row("no checksum line", remove_checksum(&plain), BothAccept));
    let bad: [(&str, String); 9] = [
        ("a letter changed", edit("Origin", "origin")),
        ("a line added", edit("Origin", "a\nOrigin")),
        ("a line removed", edit("b\n", "")),
        ("an empty line at the end", edit("\nb\n", "\nb\n\n")),
        ("space at the beginning of a line", edit("\nb\n", "\n b\n")),
        ("form feed at a line end", edit("\nb\n", "\nb\x0c\n")),
        ("no Hash header", edit("Hash: SHA256\n", "")),
        ("wrong Hash header", edit("SHA256", "SHA1,SHA512")),
        ("unknown Hash header", edit("SHA256", "SHA999")),
    ];
    rows.extend(bad.into_iter().map(|(name, message)| row(name, message, BothRefuse)));
    rows.extend([
        row("header other than Hash", edit("Hash:", "Comment: x\nHash:"), BothRefuse),
        row("no signature", plain[..plain.find("-----BEGIN PGP SIGNATURE").unwrap()].to_owned(), BothRefuse),
        row("empty signature", clear_message("Hash: SHA256\n", "a\n", b""), BothRefuse),
        row("text before the block", format!("x\n{plain}"), OnlyGpgv(AROUND)),
        row("text after the block", format!("{plain}x\n"), OnlyGpgv(AROUND)),
        row("not signed at all", "Origin: x\n".to_owned(), BothRefuse),
    ]);
    rows.extend(differing(keys, &plain, &row));
    rows
}

/// Where we are stricter than gpgv, or make another text of the same signed bytes.
fn differing(keys: &Keys, plain: &str, row: &dyn Fn(&'static str, String, Expect) -> Row) -> Vec<Row> {
    let edit = |from: &str, to: &str| plain.replacen(from, to, 1);
    let lf = "line ends are not signed, so ours are always LF";
    vec![
        row("CR LF line ends", plain.replace('\n', "\r\n"), OtherText(lf)),
        row("one CR LF line end", edit("\nb\n", "\nb\r\n"), OtherText(lf)),
        row("dash not escaped", edit("- -dash", "-dash"), OnlyGpgv("RFC 4880 section 7.1 wants it escaped")),
        row(
            "NotDashEscaped",
            keys.clear_with(&[&keys.alice], "-a\n", super::keys::SIGNED, &["--not-dash-escaped"]),
            OnlyGpgv("a GnuPG invention; headers other than Hash are refused"),
        ),
        row("blank line before the block", format!("\n{plain}"), OnlyGpgv(AROUND)),
        row("two signed blocks", plain.repeat(2), OnlyGpgv("gpgv writes only the first text; one block per file")),
        row("no END line", edit("-----END PGP SIGNATURE-----\n", ""), OnlyGpgv("the file is cut short")),
        row(
            "no text lines at all",
            clear_message("Hash: SHA256\n", "", &super::surgery::signatures_of(&keys.clear(&[&keys.alice], ""))),
            OtherText("the same bytes are signed as for one empty line"),
        ),
        row(
            "wrong checksum line",
            wrong_checksum(plain),
            Expect::OnlyUs("RFC 9580 section 6.1: the checksum is not a reason to refuse"),
        ),
    ]
}

fn remove_checksum(message: &str) -> String {
    message.lines().filter(|line| !is_checksum(line)).map(|line| format!("{line}\n")).collect()
}

fn wrong_checksum(message: &str) -> String {
    message.lines().map(|line| if is_checksum(line) { "=AAAA\n".to_owned() } else { format!("{line}\n") }).collect()
}

fn is_checksum(line: &str) -> bool {
    line.len() == 5 && line.starts_with('=')
}

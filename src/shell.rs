//! Words for a shell.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::terminal::safe;

/// Returns a word for a shell (POSIX, Shell Command Language, 2.2.2).
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:=,+@%".contains(&byte);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", safe(text).to_string().replace('\'', "'\\''")),
    }
}

/// Quotes a word for a shell, in characters that are harmless on a terminal.
///
/// Hidden characters and bytes that are no UTF-8 become escapes between `$'` and `'` (POSIX.1-2024, Shell Command Language,
/// 2.2.4), which bash, zsh, ksh and busybox know.
pub(crate) fn quoted(word: &OsStr) -> String {
    if let Some(text) = word.to_str().filter(|text| safe(text).to_string() == **text) {
        return shell_word(text);
    }
    let byte = |byte: &u8| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    format!("$'{}'", word.as_bytes().iter().map(byte).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_real_shell_sees_one_word() {
        for text in ["'; id; '", "$(id)", "a\nb: c", "\"}\n", "`id`", "\\\u{202e}\u{85}", "", "plain", "-n"] {
            let script = format!("printf '%s|' {}", shell_word(text));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}|", safe(text)), "{script}");
        }
    }
}

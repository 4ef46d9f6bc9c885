//! Writes text into HTML: everything is escaped, and what hides text is shown.

use std::fmt::{self, Write as _};

use crate::terminal::safe;

/// A text in a page or in an attribute between double quotes.
pub(crate) struct HtmlText<'a>(pub(crate) &'a str);

impl fmt::Display for HtmlText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in safe(self.0).to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_gets_out_of_a_text(text in "\\PC{0,40}[<>&\"'\\u{202e}\\n]{0,5}\\PC{0,10}") {
            let shown = HtmlText(&text).to_string();
            let bad = ['<', '>', '"', '\'', '\n', '\u{202e}'];
            prop_assert!(!shown.contains(bad));
            let unescaped = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            prop_assert_eq!(unescaped.replace("&amp;", "&"), safe(&text).to_string());
        }
    }
}

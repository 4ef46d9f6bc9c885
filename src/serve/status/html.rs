//! Writes HTML: every text is escaped, and what hides text is shown.

use std::fmt::{self, Write as _};

use crate::terminal::safe;

/// A text in a page or in an attribute between double quotes.
pub(super) struct HtmlText<'a>(pub(super) &'a str);

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

/// A table with a caption; the first cell of each row is its header. No rows, no table.
pub(super) fn table(caption: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut body = String::new();
    for row in rows {
        body += "<tr>";
        for (at, cell) in row.iter().enumerate() {
            let _ = match at {
                0 => write!(body, "<th scope=\"row\">{}</th>", HtmlText(cell)),
                _ => write!(body, "<td>{}</td>", HtmlText(cell)),
            };
        }
        body += "</tr>\n";
    }
    if body.is_empty() {
        return body;
    }
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", HtmlText(head))).collect();
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n<table>\n<caption>{0}</caption>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n",
        HtmlText(caption)
    )
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

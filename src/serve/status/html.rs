//! Tables of the page.

use std::fmt::Write as _;

use crate::html::HtmlText;

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

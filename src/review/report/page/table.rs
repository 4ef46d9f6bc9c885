//! Tables of the page. On narrow screens each row becomes a block, so cells repeat the title of their column.

use std::io;

use super::PageWriter;
use crate::html::HtmlText;

/// A table: its columns, of which the first one has the headers of rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageTable {
    /// The class that gives the columns their widths.
    pub(super) class: &'static str,
    pub(super) columns: &'static [PageColumn],
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageColumn {
    pub(super) title: &'static str,
    pub(super) align: ColumnAlign,
}

/// The side at which the cells of a column begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnAlign {
    Left,
    /// For numbers.
    Right,
}

impl PageColumn {
    /// A column of texts.
    pub(super) const fn text(title: &'static str) -> Self {
        Self { title, align: ColumnAlign::Left }
    }

    /// A column of numbers.
    pub(super) const fn number(title: &'static str) -> Self {
        Self { title, align: ColumnAlign::Right }
    }

    fn class(&self) -> &'static str {
        match self.align {
            ColumnAlign::Left => "",
            ColumnAlign::Right => " class=\"num\"",
        }
    }
}

impl PageTable {
    /// Begins the table. Roles stand at all parts of it, since a display of another kind takes them away on narrow screens.
    pub(super) fn begin(&self, caption: &str, page: &mut PageWriter<'_>) -> io::Result<()> {
        let (class, caption) = (self.class, HtmlText(caption));
        write!(page.to, "<table role=\"table\" class=\"{class}\">\n<caption>{caption}</caption>\n")?;
        page.raw("<thead role=\"rowgroup\"><tr role=\"row\">")?;
        for column in self.columns {
            let (title, class) = (column.title, column.class());
            write!(page.to, "<th role=\"columnheader\" scope=\"col\"{class}>{title}</th>")?;
        }
        page.raw("</tr></thead>\n<tbody role=\"rowgroup\">\n")
    }

    /// Writes a row: its header, then the cells. All of them are HTML.
    pub(super) fn row(&self, cells: &[String], page: &mut PageWriter<'_>) -> io::Result<()> {
        page.raw("<tr role=\"row\">")?;
        for (place, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let (title, class) = (column.title, column.class());
            match (place, cell.is_empty()) {
                (0, _) => write!(page.to, "<th role=\"rowheader\" scope=\"row\">{cell}</th>")?,
                (_, true) => page.raw("<td role=\"cell\"></td>")?,
                (_, false) => write!(page.to, "<td role=\"cell\" data-label=\"{title}\"{class}>{cell}</td>")?,
            }
        }
        page.raw("</tr>\n")
    }

    /// Ends the table.
    pub(super) fn end(&self, page: &mut PageWriter<'_>) -> io::Result<()> {
        page.raw("</tbody>\n</table>\n")
    }
}

/// A bar that shows a part of a whole. The numbers stand beside it, so it says nothing to a screen reader.
pub(super) fn bar(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    let (width, rest) = (tenths / 10, tenths % 10);
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
         <rect class=\"t\" width=\"100\" height=\"10\"/><rect width=\"{width}.{rest}\" height=\"10\"/></svg>"
    )
}

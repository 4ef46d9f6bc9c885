//! The sections on the origin of items: upstream's signatures, items without any, what was left out, licences.

use std::io;

use super::table::{PageColumn, PageTable, bar};
use super::{MOST, PageWriter};
use crate::bundle::FormatError;
use crate::html::HtmlText;
use crate::review::report::words::age_words;
use crate::review::report::{NamedKey, ReviewReport, SignedFile};
use crate::time::Time;

const SIGNED: PageTable = PageTable {
    class: "signed",
    columns: &[
        PageColumn::text("Collection"),
        PageColumn::text("File"),
        PageColumn::text("Signed by"),
        PageColumn::text("Signed on"),
        PageColumn::text("Age"),
    ],
};

const UNPROVEN: PageTable = PageTable {
    class: "unproven quiet",
    columns: &[
        PageColumn::text("Item"),
        PageColumn::text("Version"),
        PageColumn::text("Collection"),
        PageColumn::text("SHA-256"),
    ],
};

const LEFT_OUT: PageTable = PageTable {
    class: "left-out quiet",
    columns: &[PageColumn::text("What"), PageColumn::text("Of"), PageColumn::text("Why")],
};

const LICENCES: PageTable = PageTable {
    class: "licences quiet",
    columns: &[PageColumn::text("Licence"), PageColumn::number("Items"), PageColumn::text("Share")],
};

impl PageWriter<'_> {
    pub(super) fn provenance(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("provenance")?;
        self.paragraph(
            "The builder verified these signatures with the keys of the selection. The site verifies them again at the import, with the keys \
             that it has pinned.",
        )?;
        SIGNED.begin("Files that upstream signs", self)?;
        for (index, collection) in report.state().manifest.collections.iter().enumerate() {
            let upstream = collection.upstream();
            let header = format!("{} <small>{}</small>", HtmlText(&collection.folder()), HtmlText(upstream.as_str()));
            let mut count = 0;
            let each = report.each_signed(index, |file| {
                count += 1;
                if count > MOST { Ok::<_, FormatError>(()) } else { Ok(self.signed_file(&header, &file)?) }
            });
            each.map_err(io::Error::other)?;
            if count == 0 {
                let nobody = "<span class=\"warn\">nobody upstream signs anything of it</span>";
                SIGNED.row(&[header, String::new(), nobody.to_owned(), String::new(), String::new()], self)?;
            }
        }
        SIGNED.end(self)?;
        self.end_section()
    }

    fn signed_file(&mut self, header: &str, file: &SignedFile) -> io::Result<()> {
        let key = |key: &NamedKey| match &key.name {
            Some(name) => format!("{} <small><code>{}</code></small>", HtmlText(name), HtmlText(&key.fingerprint)),
            None => format!("<code>{}</code> <small>no name known</small>", HtmlText(&key.fingerprint)),
        };
        let cells = [
            header.to_owned(),
            HtmlText(&file.path).to_string(),
            file.signed_by.iter().map(key).collect::<Vec<_>>().join("<br>"),
            file.date.map(date_cell).unwrap_or_default(),
            age_words(file.age_days),
        ];
        SIGNED.row(&cells, self)
    }

    pub(super) fn unproven(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("unproven")?;
        let count: u64 = report.state().facts.iter().map(|facts| facts.unproven).sum();
        if count == 0 {
            self.paragraph("None: upstream vouches for every item.")?;
            return self.end_section();
        }
        self.paragraph(
            "The builder’s key alone vouches for these. A site takes them only from sources that its policy names.",
        )?;
        UNPROVEN.begin("Items without upstream proof", self)?;
        let mut shown = 0;
        let each = report.each_unproven(|collection, item| {
            shown += 1;
            if shown > MOST {
                return Ok::<_, FormatError>(());
            }
            let digest = format!("<code>{}</code>", item.sha256);
            let [name, version, collection] =
                [&item.name, &item.version, collection].map(|text| HtmlText(text).to_string());
            Ok(UNPROVEN.row(&[name, version, collection, digest], self)?)
        });
        each.map_err(io::Error::other)?;
        UNPROVEN.end(self)?;
        self.more(count, "items")?;
        self.end_section()
    }

    pub(super) fn left_out(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("left-out")?;
        let manifest = &report.state().manifest;
        match manifest.left_out.as_slice() {
            [] => self.paragraph("Nothing that the selection asks for was left out.")?,
            left_out => {
                LEFT_OUT.begin("Left out", self)?;
                for left in left_out.iter().take(MOST as usize) {
                    let cells =
                        [&left.what, &left.collection, &left.why].map(|text: &String| HtmlText(text).to_string());
                    LEFT_OUT.row(&cells, self)?;
                }
                LEFT_OUT.end(self)?;
                self.more(left_out.len() as u64, "things")?;
            }
        }
        match manifest.overrides.as_slice() {
            [] => self.paragraph("No rule was relaxed at the export.")?,
            overrides => self.paragraph(&format!("Rules were relaxed at the export: {}.", overrides.join(", ")))?,
        }
        self.end_section()
    }

    pub(super) fn licences(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("licences")?;
        let mut licences: Vec<_> = report.licences().into_iter().collect();
        licences.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let all = report.state().items();
        self.paragraph(match &report.looks.licences {
            None => "As far as upstream’s own indexes state them. Those of Debian packages stand inside of the packages (--licences).",
            Some(_) => {
                "As upstream’s own indexes state them, or the copyright files of Debian packages where every name in one means one licence."
            }
        })?;
        LICENCES.begin("Items by licence", self)?;
        for (licence, items) in licences.iter().take(MOST as usize) {
            let name = if licence.is_empty() { "unknown" } else { licence };
            LICENCES.row(&[HtmlText(name).to_string(), items.to_string(), bar(*items, all)], self)?;
        }
        LICENCES.end(self)?;
        self.more(licences.len() as u64, "licences")?;
        self.end_section()
    }
}

/// A date, with the time below it.
fn date_cell(date: Time) -> String {
    let text = date.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} <small>{}</small>", time.trim_end_matches('Z'))
}

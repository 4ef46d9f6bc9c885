//! The sections of alarms and changes.

use std::io;

use super::table::{PageColumn, PageTable, bar};
use super::{MOST, PageWriter};
use crate::bundle::state::ItemLine;
use crate::digest::Sha256;
use crate::html::HtmlText;
use crate::review::alarm::Alarm;
use crate::review::item_change::{ItemChange, shown_version};
use crate::review::report::ReviewReport;
use crate::review::state::CollectionFacts;
use crate::review::state_diff::CollectionDiff;
use crate::review::wrap::counted;
use crate::units::Bytes;

/// The most changes of a class that are shown without a click.
const MOST_OPEN: u64 = 50;

/// The changes of one class. Its heading is the summary above it, so only screen readers are told the caption.
const CHANGES: PageTable = PageTable {
    class: "changes quiet",
    columns: &[
        PageColumn::text("Item"),
        PageColumn::text("Before"),
        PageColumn::text("Now"),
        PageColumn::text("Collection"),
        PageColumn::number("Size"),
        PageColumn::text("Why it is in"),
    ],
};

const COLLECTIONS: PageTable = PageTable {
    class: "collections",
    columns: &[
        PageColumn::text("Collection"),
        PageColumn::number("Items"),
        PageColumn::number("Before"),
        PageColumn::number("Size"),
        PageColumn::text("Share of the largest"),
        PageColumn::text("New to it"),
    ],
};

impl PageWriter<'_> {
    pub(super) fn alarms(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("alarms")?;
        let count = report.diff.totals.alarm_count();
        if count == 0 {
            self.paragraph("None.")?;
            return self.end_section();
        }
        self.raw("<ol class=\"findings\">\n")?;
        let mut shown = 0;
        report.diff.each_alarm(|alarm| {
            shown += 1;
            if shown > MOST { Ok::<_, io::Error>(()) } else { self.alarm(&alarm) }
        })?;
        self.raw("</ol>\n")?;
        self.more(count, "alarms")?;
        self.end_section()
    }

    fn alarm(&mut self, alarm: &Alarm) -> io::Result<()> {
        let digest = |name: &str, digest: Option<Sha256>| {
            digest.map(|digest| format!("<br>{name} <code>{digest}</code>")).unwrap_or_default()
        };
        let architecture = alarm.architecture.as_ref().map(|text| format!(" [{}]", HtmlText(text))).unwrap_or_default();
        writeln!(
            self.to,
            "<li><code>{}</code><div><h3>{}: {}</h3><p>{}{architecture}{}{}</p></div></li>",
            alarm.id,
            alarm.alarm,
            HtmlText(&alarm.collection),
            HtmlText(&alarm.text),
            digest("was", alarm.before),
            digest("is", alarm.after),
        )
    }

    pub(super) fn changes(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        self.section("changes")?;
        let totals = &report.diff.totals;
        self.raw("<dl class=\"figures\">\n")?;
        for of in &totals.changes {
            writeln!(self.to, "<div><dt>{}</dt><dd>{}</dd></div>", of.change.words(), of.items)?;
        }
        writeln!(self.to, "<div><dt>unchanged</dt><dd>{}</dd></div>\n</dl>", totals.unchanged)?;
        for note in report.diff.notes() {
            self.paragraph(&format!("Note: {note}."))?;
        }
        self.collections(report)?;
        let (mut class, mut shown) = (None, 0);
        report.diff.each_change(|change| {
            if class != Some(change.change) {
                if class.is_some() {
                    self.end_of_class(shown)?;
                }
                (class, shown) = (Some(change.change), 0);
                let (words, count) = (change.change.words(), totals.items(change.change));
                let open = if count <= MOST_OPEN { " open" } else { "" };
                write!(self.to, "<details{open}>\n<summary>{count} {words}</summary>\n")?;
                CHANGES.begin(words, self)?;
            }
            shown += 1;
            if shown > MOST { Ok::<_, io::Error>(()) } else { self.change(&change) }
        })?;
        if class.is_some() {
            self.end_of_class(shown)?;
        }
        self.end_section()
    }

    fn end_of_class(&mut self, count: u64) -> io::Result<()> {
        CHANGES.end(self)?;
        self.more(count, "changes")?;
        self.raw("</details>\n")
    }

    fn change(&mut self, change: &ItemChange) -> io::Result<()> {
        let version = |item: &Option<ItemLine>| {
            item.as_ref().map(|item| HtmlText(&shown_version(item)).to_string()).unwrap_or_default()
        };
        let mut name = HtmlText(change.name()).to_string();
        if let Some(architecture) = change.architecture() {
            name += &format!(" <small>{}</small>", HtmlText(architecture));
        }
        if change.after.as_ref().is_some_and(|after| after.proof.is_none()) {
            name += " <small class=\"warn\">without upstream proof</small>";
        }
        let mut collection = HtmlText(&change.collection).to_string();
        if let Some(from) = &change.moved_from {
            collection += &format!(" <small>from {}</small>", HtmlText(from));
        }
        let item = change.item();
        let mut reasons: Vec<&str> = item.map(|item| item.reason.as_str()).into_iter().collect();
        reasons.extend(change.because.iter().map(String::as_str));
        let size = item.map(|item| Bytes(item.size).to_string()).unwrap_or_default();
        let reasons = HtmlText(&reasons.join(", ")).to_string();
        CHANGES.row(&[name, version(&change.before), version(&change.after), collection, size, reasons], self)
    }

    fn collections(&mut self, report: &ReviewReport<'_>) -> io::Result<()> {
        let largest = report.diff.collections.iter().filter_map(|of| of.after.as_ref().map(|facts| facts.bytes)).max();
        let largest = largest.unwrap_or_default();
        COLLECTIONS.begin("Collections", self)?;
        for CollectionDiff { after, before, collection, new_architectures, new_keys, new_publishers } in
            &report.diff.collections
        {
            let items = |facts: &Option<CollectionFacts>| {
                facts.as_ref().map_or_else(|| "none".to_owned(), |facts| facts.items.to_string())
            };
            let bytes = after.as_ref().map(|facts| facts.bytes).unwrap_or_default();
            let counts = [("architecture", new_architectures), ("key", new_keys), ("publisher", new_publishers)];
            let new = counts.iter().filter(|(_, new)| !new.is_empty());
            let new: Vec<String> = new.map(|(what, new)| counted(new.len() as u64, what)).collect();
            let name = HtmlText(collection).to_string();
            let size = Bytes(bytes).to_string();
            COLLECTIONS.row(&[name, items(after), items(before), size, bar(bytes, largest), new.join(", ")], self)?;
        }
        COLLECTIONS.end(self)
    }
}

//! A difference as text for a terminal of 80 columns: first what a reviewer must not miss.

use std::io::{self, Write};

use super::item_change::{ChangeClass, ItemChange, StayingLine, shown_version};
use super::state::ReviewedState;
use super::state_diff::{CollectionDiff, StateDiff};
use super::totals::DiffTotals;
use super::wrap::{counted, wrapped};
use crate::bundle::state::ItemLine;
use crate::trust::PublicKey;
use crate::units::Bytes;

/// The most alarms or changes of a class that are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextLimit {
    /// As many as a person reads. `gapferry diff --all` prints the others.
    Short,
    /// As many, in a report, whose JSON has the others.
    InReport,
    /// All of them.
    All,
}

impl TextLimit {
    /// The number of entries below one heading.
    fn most(self) -> u64 {
        match self {
            Self::Short | Self::InReport => 50,
            Self::All => u64::MAX,
        }
    }

    /// Says how many entries are not printed, and who has them.
    fn more(self, count: u64, to: &mut dyn Write) -> io::Result<()> {
        match (count, self) {
            (0, _) => Ok(()),
            (_, Self::InReport) => writeln!(to, "  … {count} more: report.json has them"),
            _ => writeln!(to, "  … {count} more: --all prints them"),
        }
    }
}

/// Classes whose changes are told as alarms and not again.
const TOLD_AS_ALARMS: [ChangeClass; 2] = [ChangeClass::OtherBytes, ChangeClass::Downgraded];

/// Writes the difference. All text that comes from the states is escaped.
pub fn write_text(diff: &StateDiff<'_>, limit: TextLimit, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "{} against {}\n", diff.after.manifest.folder(), diff.before.manifest.folder())?;
    header("before", diff.before, to)?;
    header("after", diff.after, to)?;
    diff.notes().iter().try_for_each(|note| wrapped(to, "note      ", &format!("{note}.")))?;
    write_body(diff, limit, to)
}

/// Writes the difference without the header.
pub(super) fn write_body(diff: &StateDiff<'_>, limit: TextLimit, to: &mut dyn Write) -> io::Result<()> {
    alarms(diff, limit, to)?;
    wrapped(to, "\nCHANGES  ", &totals(&diff.totals))?;
    collections(diff, to)?;
    Listing { to, limit, class: None, collection: String::new(), shown: 0, entries: Entries::default() }.write(diff)
}

fn header(what: &str, state: &ReviewedState, to: &mut dyn Write) -> io::Result<()> {
    let (manifest, items, bytes) = (&state.manifest, counted(state.items(), "item"), Bytes(state.bytes()));
    let signer = match &state.signer {
        Some(signer) => format!("signed by {}", PublicKey::fingerprint(signer)),
        None => "no signature beside it".to_owned(),
    };
    writeln!(to, "{what:<8}  {}, made {}, {items}, {bytes}", manifest.folder(), manifest.created)?;
    writeln!(to, "          {signer}\nmanifest  {}", state.digest)
}

fn alarms(diff: &StateDiff<'_>, limit: TextLimit, to: &mut dyn Write) -> io::Result<()> {
    let count = diff.totals.alarm_count();
    if count == 0 {
        return writeln!(to, "\nALARMS  none");
    }
    writeln!(to, "\nALARMS ({count}): each needs an explanation")?;
    let mut left = limit.most();
    diff.each_alarm(|alarm| {
        left = match left.checked_sub(1) {
            Some(left) => left,
            None => return Ok::<_, io::Error>(()),
        };
        writeln!(to, "  {}  {}", alarm.id, alarm.alarm)?;
        let architecture = alarm.architecture.map(|architecture| format!(" [{architecture}]")).unwrap_or_default();
        wrapped(to, "                ", &format!("{}: {}{architecture}", alarm.collection, alarm.text))
    })?;
    limit.more(count.saturating_sub(limit.most()), to)
}

fn totals(totals: &DiffTotals) -> String {
    let class = |class: &ChangeClass| match totals.items(*class) {
        0 => None,
        items => Some(format!("{items} {}", class.words())),
    };
    let mut parts: Vec<String> = ChangeClass::ALL.iter().filter_map(class).collect();
    parts.push(format!("{} unchanged", totals.unchanged));
    let mut text = format!("{}. {} of new bytes", parts.join("; "), Bytes(totals.new_bytes));
    if totals.new_names > 0 {
        text += &format!("; {}", counted(totals.new_names, "new name"));
    }
    if totals.moved > 0 {
        text += &format!("; {} in another collection", totals.moved);
    }
    if totals.unproven_changes > 0 {
        text += &format!("; {} WITHOUT UPSTREAM PROOF", counted(totals.unproven_changes, "new file"));
    }
    text + "."
}

fn collections(diff: &StateDiff<'_>, to: &mut dyn Write) -> io::Result<()> {
    writeln!(to, "\nCOLLECTIONS")?;
    for CollectionDiff { after, before, collection, new_architectures, .. } in &diff.collections {
        let mut text = match (before, after) {
            (Some(old), Some(new)) if old.items == new.items => counted(new.items, "item"),
            (Some(old), Some(new)) => format!("{}, {} before", counted(new.items, "item"), old.items),
            (None, Some(new)) => format!("NEW, {}", counted(new.items, "item")),
            (Some(old), None) => format!("GONE, {} before", counted(old.items, "item")),
            (None, None) => continue,
        };
        if let Some(new) = after {
            text += &format!(", from {}", new.origin);
            if new.unproven > 0 {
                text += &format!(", {} WITHOUT UPSTREAM PROOF", new.unproven);
            }
        }
        if let (Some(old), Some(new)) = (before, after)
            && old.publish != new.publish
        {
            text += &format!(", published {}, {} before", new.publish, old.publish);
        }
        if before.is_some() && !new_architectures.is_empty() {
            text += &format!(", new architectures: {}", new_architectures.join(", "));
        }
        wrapped(to, "  ", &format!("{collection}: {text}"))?;
    }
    Ok(())
}

/// Writes the changes below the headings of their classes and collections.
struct Listing<'a> {
    to: &'a mut dyn Write,
    limit: TextLimit,
    class: Option<ChangeClass>,
    collection: String,
    shown: u64,
    entries: Entries,
}

/// Changes of one version of one thing: the files of a source package.
#[derive(Default)]
struct Entries {
    text: String,
    files: u64,
    bytes: u64,
    reasons: String,
}

impl Listing<'_> {
    fn write(mut self, diff: &StateDiff<'_>) -> io::Result<()> {
        diff.each_change(|change| match TOLD_AS_ALARMS.contains(&change.change) {
            true => Ok::<_, io::Error>(()),
            false => self.change(&change, &diff.totals),
        })?;
        self.end_of_class()
    }

    fn change(&mut self, change: &ItemChange, totals: &DiffTotals) -> io::Result<()> {
        if self.class != Some(change.change) {
            self.end_of_class()?;
            let count = totals.items(change.change);
            writeln!(self.to, "\n{} ({count})", change.change.words().to_uppercase())?;
            (self.class, self.shown) = (Some(change.change), 0);
            self.collection.clear();
        }
        let text = words(change);
        if self.entries.files > 0 && (&self.entries.text, &self.collection) != (&text, &change.collection) {
            self.flush()?;
        }
        if self.collection != change.collection {
            self.flush()?;
            self.collection.clone_from(&change.collection);
            if self.shown < self.limit.most() {
                writeln!(self.to, "  {}", self.collection)?;
            }
        }
        let size = change.item().map(|item| item.size).unwrap_or_default();
        let Entries { files, bytes, .. } = self.entries;
        self.entries = Entries { text, files: files + 1, bytes: bytes + size, reasons: reasons(change) };
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let Entries { text, files, bytes, reasons } = std::mem::take(&mut self.entries);
        if files == 0 {
            return Ok(());
        }
        self.shown += files;
        if self.shown > self.limit.most() {
            return Ok(());
        }
        let count = if files > 1 { format!("{files} files, ") } else { String::new() };
        wrapped(self.to, "    ", &format!("{text}, {count}{}{reasons}", Bytes(bytes)))
    }

    fn end_of_class(&mut self) -> io::Result<()> {
        self.flush()?;
        self.limit.more(self.shown.saturating_sub(self.limit.most()), self.to)
    }
}

/// Says what happened to an item.
fn words(change: &ItemChange) -> String {
    let architecture = change.architecture().map(|architecture| format!(" [{architecture}]")).unwrap_or_default();
    let (name, moved) = (change.name(), change.moved_from.as_ref().map(|from| format!(", from {from}")));
    let mut text = match (&change.before, &change.after) {
        (Some(old), Some(new)) if shown_version(old) != shown_version(new) => {
            format!("{name} {} -> {}{architecture}", shown_version(old), shown_version(new))
        }
        (Some(old), Some(new)) if change.change == ChangeClass::Relisted => {
            format!("{name} {}{architecture}{}", shown_version(new), relisted(old, new))
        }
        (_, Some(item)) | (Some(item), None) => format!("{name} {}{architecture}", shown_version(item)),
        (None, None) => String::new(),
    };
    text += &moved.unwrap_or_default();
    if change.stays == Some(StayingLine::Before) {
        text += ", and the older one stays";
    } else if change.change == ChangeClass::New && !change.new_name {
        text += ", a known name";
    }
    if change.after.as_ref().is_some_and(|after| after.proof.is_none()) {
        text += ", WITHOUT UPSTREAM PROOF";
    }
    text
}

/// Says which fields of a line differ.
fn relisted(old: &ItemLine, new: &ItemLine) -> String {
    let listed = [old, new].map(|item| item.details.listed_in());
    let publishers = [old, new].map(|item| item.publisher.as_deref().unwrap_or("nobody"));
    let fields = [
        ("reason", old.reason.as_str(), new.reason.as_str()),
        ("listed in", &listed[0], &listed[1]),
        ("path", old.path.as_str(), new.path.as_str()),
        ("publisher", publishers[0], publishers[1]),
    ];
    let differ = fields.iter().filter(|(_, old, new)| old != new);
    differ.map(|(field, old, new)| format!(", {field}: {old} -> {new}")).collect()
}

/// The reason of a new item, and those that it leads to.
fn reasons(change: &ItemChange) -> String {
    match &change.after {
        Some(after) if change.change == ChangeClass::New => {
            let all: Vec<&str> = std::iter::once(&after.reason).chain(&change.because).map(String::as_str).collect();
            format!(": {}", all.join(", "))
        }
        _ => String::new(),
    }
}

//! Progress of long work: a bar on a terminal, a line every few seconds elsewhere.
//!
//! Everything goes to stderr, so that stdout stays one result. No thread runs behind it: what is shown is brought up
//! to date by the work itself, whenever it reports bytes.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::safe;

/// Time between two lines where stderr is not a terminal; a phase that takes less shows nothing.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how far one phase of long work is. Cheap to clone; clones show the same phase.
///
/// The last clone that goes away ends the phase, so an error leaves no stale bar behind.
#[derive(Clone)]
pub struct Progress(Arc<Phase>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum ProgressMode {
    Hidden,
    Bar,
    Lines,
}

struct Phase {
    mode: ProgressMode,
    done_bytes: AtomicU64,
    shown: ProgressOutput,
}

enum ProgressOutput {
    Nothing,
    Bar(ProgressBar),
    Lines(Mutex<LineOutput>),
}

impl Progress {
    /// Shows nothing: for `--quiet`, for tests, and for the library's own use.
    pub fn hidden() -> Self {
        Self::with(ProgressMode::Hidden, ProgressOutput::Nothing)
    }

    /// Shows phases on stderr: as a bar if that is a terminal, otherwise as lines.
    pub fn stderr() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let mode = if io::stderr().is_terminal() && !dumb { ProgressMode::Bar } else { ProgressMode::Lines };
        Self::with(mode, ProgressOutput::Nothing)
    }

    /// Starts a phase of `total_bytes`, shown where this progress is shown. `title` says what is being done.
    pub fn phase(&self, title: &str, total_bytes: u64) -> Self {
        let title = safe(title).to_string();
        let shown = match self.0.mode {
            ProgressMode::Hidden => ProgressOutput::Nothing,
            ProgressMode::Bar => ProgressOutput::Bar(bar(title, total_bytes)),
            ProgressMode::Lines => ProgressOutput::Lines(Mutex::new(LineOutput::new(
                title,
                total_bytes,
                LINE_EVERY,
                Box::new(io::stderr()),
            ))),
        };
        Self::with(self.0.mode, shown)
    }

    /// `bytes` more are done.
    pub fn add(&self, bytes: u64) {
        let done = self.0.done_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        match &self.0.shown {
            ProgressOutput::Nothing => {}
            ProgressOutput::Bar(bar) => bar.inc(bytes),
            // Whoever comes while another clone writes its line has nothing to add to it.
            ProgressOutput::Lines(lines) => drop(lines.try_lock().map(|mut lines| lines.tick(done))),
        }
    }

    /// Says what is being worked on within the phase, such as a file name.
    pub fn message(&self, text: &str) {
        match &self.0.shown {
            ProgressOutput::Nothing => {}
            ProgressOutput::Bar(bar) => bar.set_message(safe(text).to_string()),
            ProgressOutput::Lines(lines) => lock(lines).message = safe(text).to_string(),
        }
    }

    /// Bytes done so far in this phase.
    pub fn done_bytes(&self) -> u64 {
        self.0.done_bytes.load(Ordering::Relaxed)
    }

    /// Ends the phase: a bar goes away; where a line was shown, a last one says how it ended.
    pub fn finish(&self) {
        self.0.finish();
    }

    fn with(mode: ProgressMode, shown: ProgressOutput) -> Self {
        Self(Arc::new(Phase { mode, done_bytes: AtomicU64::new(0), shown }))
    }
}

impl Phase {
    fn finish(&self) {
        match &self.shown {
            ProgressOutput::Nothing => {}
            ProgressOutput::Bar(bar) => bar.finish_and_clear(),
            ProgressOutput::Lines(lines) => lock(lines).finish(self.done_bytes.load(Ordering::Relaxed)),
        }
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        self.finish();
    }
}

fn lock(lines: &Mutex<LineOutput>) -> std::sync::MutexGuard<'_, LineOutput> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bar(title: String, total_bytes: u64) -> ProgressBar {
    let template =
        "{prefix} {bar:24} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left {wide_msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr()).with_prefix(title);
    bar.set_style(style);
    bar
}

/// The state behind lines: when the last one was written, and where they go.
struct LineOutput {
    title: String,
    message: String,
    total_bytes: u64,
    every: Duration,
    started: Instant,
    last: Instant,
    written: bool,
    finished: bool,
    out: Box<dyn Write + Send>,
}

impl LineOutput {
    fn new(title: String, total_bytes: u64, every: Duration, out: Box<dyn Write + Send>) -> Self {
        let now = Instant::now();
        let (message, written, finished) = (String::new(), false, false);
        Self { title, message, total_bytes, every, started: now, last: now, written, finished, out }
    }

    fn tick(&mut self, done: u64) {
        if self.last.elapsed() < self.every || self.finished {
            return;
        }
        let rate = rate(done, self.started.elapsed());
        let mut line = format!("{}: {}", self.title, DecimalBytes(done));
        if self.total_bytes > 0 {
            line += &format!(" of {}", DecimalBytes(self.total_bytes));
        }
        line += &format!(", {}/s", DecimalBytes(rate));
        if let Some(seconds) = self.total_bytes.saturating_sub(done).checked_div(rate).filter(|seconds| *seconds > 0) {
            line += &format!(", {} left", HumanDuration(Duration::from_secs(seconds)));
        }
        if !self.message.is_empty() {
            line += &format!(", {}", self.message);
        }
        self.write(&line);
    }

    fn finish(&mut self, done: u64) {
        if self.written && !self.finished {
            let took = self.started.elapsed();
            self.write(&format!("{}: {} in {}", self.title, DecimalBytes(done), HumanDuration(took)));
        }
        self.finished = true;
    }

    fn write(&mut self, line: &str) {
        // Progress that cannot be shown is no reason to stop the work.
        let _ = writeln!(self.out, "{line}");
        (self.last, self.written) = (Instant::now(), true);
    }
}

/// Bytes per second.
fn rate(bytes: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(bytes) * 1000 / time.as_millis().max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct ScreenPage(Arc<Mutex<Vec<u8>>>);

    impl Write for ScreenPage {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(every: Duration) -> (Progress, ScreenPage) {
        let page = ScreenPage::default();
        let lines = LineOutput::new("getting".into(), 4_000_000, every, Box::new(page.clone()));
        (Progress::with(ProgressMode::Lines, ProgressOutput::Lines(Mutex::new(lines))), page)
    }

    fn text(page: &ScreenPage) -> String {
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_short_phase_shows_nothing() {
        let (progress, page) = lines(LINE_EVERY);
        progress.add(4_000_000);
        progress.finish();
        drop(progress);
        assert_eq!(text(&page), "");
    }

    #[test]
    fn a_long_phase_shows_lines_and_its_end_once() {
        let (progress, page) = lines(Duration::from_millis(1));
        std::thread::sleep(Duration::from_millis(5));
        progress.message("a\x1b[2J");
        progress.add(1_000_000);
        progress.clone().finish();
        drop(progress);
        let text = text(&page);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].starts_with("getting: 1.00 MB of 4.00 MB, "), "{text}");
        assert!(lines[0].ends_with("a\\u{1b}[2J"), "{text}");
        assert!(lines[1].starts_with("getting: 1.00 MB in "), "{text}");
    }

    #[test]
    fn clones_count_together() {
        let progress = Progress::hidden().phase("x", 10);
        progress.clone().add(3);
        progress.add(4);
        assert_eq!(progress.done_bytes(), 7);
    }

    #[test]
    fn rates_do_not_overflow() {
        assert_eq!(rate(u64::MAX, Duration::ZERO), u64::MAX);
        assert_eq!(rate(3000, Duration::from_secs(2)), 1500);
    }
}

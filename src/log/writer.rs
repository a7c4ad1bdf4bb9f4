//! A writer that never blocks and never fails. Lines wait in a buffer of limited size, from which a thread writes them
//! to the output. A line is dropped, and counted, if the buffer is full or if the output refuses it.
//!
//! `tracing-appender` is not suitable: it does not count lines that the output refuses, limits its queue by lines
//! rather than bytes, and at exit reports a stalled output by printing to standard output.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use metrics::{counter, describe_counter};
use tracing::warn;

const DROPPED: &str = "context_services_log_lines_dropped_total";

/// The maximum number of waiting bytes. As many again may be in the process of being written.
const LIMIT: usize = 4 * 1024 * 1024;

/// The time for which lines are gathered before they are written together. A thread that logs would otherwise wake the
/// writing thread for nearly every line.
const GATHER: Duration = Duration::from_millis(10);

/// The number of waiting bytes that are written without gathering more.
const ENOUGH: usize = 256 * 1024;

/// Registers the metric of dropped lines.
pub fn describe() {
    describe_counter!(DROPPED, "Log lines dropped because standard output did not accept them in time.");
}

/// The buffer between the threads that log and the thread that writes.
pub(super) struct Writer {
    state: Mutex<State>,
    /// Notified when there is something to write, when the writer is closed, and when the last line is written.
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    closed: bool,
    /// The thread has ended, and no lines are waiting.
    ended: bool,
}

impl Writer {
    /// Starts the thread that writes to `output`.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<Arc<Self>> {
        let writer = Self { state: Mutex::default(), changed: Condvar::new(), dropped: AtomicU64::new(0) };
        let writer = Arc::new(writer);
        let of_thread = Arc::clone(&writer);
        thread::Builder::new().name("log".into()).spawn(move || of_thread.run(output))?;
        Ok(writer)
    }

    /// Writes the waiting lines and ends the thread. Gives up after `timeout`: the output may have stalled.
    pub(super) fn close(&self, timeout: Duration) {
        let mut state = self.lock();
        state.closed = true;
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(state, timeout, |state| !state.ended));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that runs with the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > LIMIT {
            drop(state);
            return self.count_dropped(line);
        }
        let is_first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        let wake = is_first || state.waiting.len() >= ENOUGH;
        drop(state);
        if wake {
            self.changed.notify_all();
        }
    }

    fn count_dropped(&self, lines: &[u8]) {
        let lines = lines.split(|byte| *byte == b'\n').skip(1).count() as u64;
        let before = self.dropped.fetch_add(lines, Ordering::Relaxed);
        counter!(DROPPED).absolute(before + lines);
    }

    /// The thread's loop.
    fn run(&self, output: impl Write) {
        let mut output = Output { output, torn: false };
        let (mut lines, mut works, mut reported) = (Vec::new(), true, 0);
        while self.take(&mut lines) {
            // The buffer is empty at this point, so there is room for the report.
            if works {
                reported = self.report_dropped(reported);
            }
            let written = output.write(&lines);
            works = written == lines.len();
            self.count_dropped(&lines[written..]);
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits for lines, gathers more for a moment, and takes them all. Returns false once the writer is closed and
    /// empty.
    fn take(&self, lines: &mut Vec<u8>) -> bool {
        lines.clear();
        let state = self.lock();
        let state = self.changed.wait_while(state, |state| state.waiting.is_empty() && !state.closed);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let gathering = |state: &mut State| state.waiting.len() < ENOUGH && !state.closed;
        let gathered = self.changed.wait_timeout_while(state, GATHER, gathering);
        let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.waiting, lines);
        !lines.is_empty()
    }

    /// Logs how many lines were dropped since the last report, if any. Returns the total reported so far.
    fn report_dropped(&self, reported: u64) -> u64 {
        let total = self.dropped.load(Ordering::Relaxed);
        if total > reported {
            warn!(dropped = total - reported, total, "log lines dropped: standard output did not accept them in time");
        }
        total
    }
}

impl Write for &Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The output, and whether its last line is incomplete because of an error. The next write then ends that line first.
struct Output<W> {
    output: W,
    torn: bool,
}

impl<W: Write> Output<W> {
    /// Writes as much as the output accepts. Returns the number of bytes written.
    fn write(&mut self, lines: &[u8]) -> usize {
        if self.torn && self.output.write_all(b"\n").is_err() {
            return 0;
        }
        self.torn = false;
        let mut written = 0;
        while written < lines.len() {
            match self.output.write(&lines[written..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
                Ok(more) => written += more,
            }
        }
        self.torn = lines[..written].last().is_some_and(|byte| *byte != b'\n');
        written
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const PLENTY: Duration = Duration::from_secs(60);

    /// Accepts a write only when told how many bytes to accept, and refuses it when told 0.
    struct Gate {
        allowed: Receiver<usize>,
        text: Arc<Mutex<String>>,
    }

    impl Write for Gate {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            let allowed = self.allowed.recv().unwrap_or(usize::MAX).min(lines.len());
            if allowed == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.text.lock().expect("no test panics with it").push_str(&String::from_utf8_lossy(&lines[..allowed]));
            Ok(allowed)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Arc<Writer>, Sender<usize>, Arc<Mutex<String>>) {
        let ((allow, allowed), text) = (channel(), Arc::default());
        let writer = Writer::start(Gate { allowed, text: Arc::clone(&text) }).expect("a thread");
        (writer, allow, text)
    }

    fn text(text: &Mutex<String>) -> String {
        text.lock().expect("no test panics with it").clone()
    }

    #[test]
    fn lines_are_written_in_their_order_and_closing_waits_for_the_last() {
        let (writer, allow, written) = gated();
        drop(allow);
        let lines: Vec<_> = (0..1000).map(|number| format!("line {number}\n")).collect();
        for line in &lines {
            writer.push(line.as_bytes());
        }
        writer.close(PLENTY);
        assert_eq!(text(&written), lines.concat());
        assert_eq!(writer.dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_stalled_output_holds_up_neither_logging_nor_closing() {
        let (writer, allow, written) = gated();
        let line = [vec![b'x'; 1023], vec![b'\n']].concat();
        for _ in 0..3 * LIMIT / line.len() {
            writer.push(&line);
        }
        // One buffer waits, and at most one more is being written.
        let lines = (LIMIT / line.len()) as u64;
        let dropped = writer.dropped.load(Ordering::Relaxed);
        assert!((lines..=2 * lines).contains(&dropped), "{dropped} of {}", 3 * lines);
        writer.close(Duration::from_millis(1));
        assert_eq!(text(&written), "");
        drop(allow);
        writer.close(PLENTY);
        assert_eq!(text(&written).len() as u64, (3 * lines - dropped) * line.len() as u64);
    }

    #[test]
    fn what_the_output_refuses_is_counted_and_the_next_line_begins_a_line() {
        let (writer, allow, written) = gated();
        writer.push(b"first\nsecond\nthird\n");
        for bytes in [8, 0] {
            allow.send(bytes).expect("the thread waits");
        }
        while writer.dropped.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        writer.push(b"fourth\n");
        drop(allow);
        writer.close(PLENTY);
        assert_eq!(text(&written), "first\nse\nfourth\n");
        assert_eq!(writer.dropped.load(Ordering::Relaxed), 2);
    }
}

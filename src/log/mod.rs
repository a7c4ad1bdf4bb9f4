//! The log: lines of text or JSON on standard output, or on standard error for a subcommand.
//!
//! Logging never blocks and never fails. A dedicated thread writes the lines. Lines that standard output does not
//! accept in time are dropped and counted (`context_services_log_lines_dropped_total`).

mod writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal, stderr, stdout};
use std::os::fd::AsFd;
use std::panic;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tracing::error;
use tracing_subscriber::EnvFilter;

use crate::settings::{LogArgs, LogFormat};
use writer::Writer;

pub use writer::describe;

/// The longest wait for the output to accept the last lines at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The running log. Dropping it writes the remaining lines, for at most one second.
#[must_use = "the last lines are lost unless the log is dropped at the end of the process"]
pub struct Log(Arc<Writer>);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.close(FLUSH_TIMEOUT);
    }
}

/// The destination of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output, for the service.
    Stdout,
    /// Standard error, for a subcommand that prints a result.
    Stderr,
}

impl Output {
    /// Opens a file of its own. `Stdout` has a lock, which a stalled write would hold, and a buffer that splits at
    /// lines.
    fn file(self) -> io::Result<File> {
        let descriptor = match self {
            Self::Stdout => stdout().as_fd().try_clone_to_owned(),
            Self::Stderr => stderr().as_fd().try_clone_to_owned(),
        };
        descriptor.map(File::from)
    }
}

/// Starts the log, for the whole process. From then on, panics are logged, too.
///
/// Fails if `LOG_LEVEL` does not parse, if the output cannot be used, or if a log has been started before.
pub fn start(settings: &LogArgs, output: Output) -> Result<Log> {
    // Hides messages about malformed HTTP, which is the client's error, and the framework's startup messages, which
    // repeat our own.
    let level = format!("actix_server=warn,actix_http=off,sqlx::postgres::notice=warn,{}", settings.log_level);
    let filter = EnvFilter::try_new(level).context("LOG_LEVEL does not parse")?;
    let output = output.file().context("cannot open the output of the log")?;
    let colour = has_colour(output.is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    let writer = Writer::start(output).context("cannot start the log's thread")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(colour);
    let log = log.with_writer(Arc::clone(&writer)).log_internal_errors(false);
    let started = match settings.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
    };
    started.map_err(|error| anyhow!("cannot start the log: {error}"))?;
    panic::set_hook(Box::new(|panic| log_panic(&panic.to_string())));
    Ok(Log(writer))
}

/// Whether the log has colour, given the variable `NO_COLOR` (<https://no-color.org>).
fn has_colour(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

/// An error with its causes. A cause is omitted if the text before already contains it.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut error) = (error.to_string(), error);
    while let Some(cause) = error.source() {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        error = cause;
    }
    text
}

/// Logs a panic, with a backtrace if `RUST_BACKTRACE` asks for one. Standard error is not used: like standard output,
/// it may be full or stalled.
fn log_panic(panic: &str) {
    let backtrace = Backtrace::capture();
    let captured = (backtrace.status() == BacktraceStatus::Captured).then_some(&backtrace);
    let thread = thread::current();
    let backtrace = captured.map(tracing::field::display);
    error!(thread = thread.name(), backtrace, "{}", panic.replace('\n', " "));
}

#[cfg(test)]
mod tests {
    use super::has_colour;

    #[test]
    fn only_a_terminal_has_colour_and_only_without_no_color() {
        assert!(has_colour(true, None) && has_colour(true, Some("".as_ref())));
        assert!(!has_colour(true, Some("1".as_ref())) && !has_colour(false, None));
    }
}

//! `postmaster.pid` and the lock file of the socket, by which PostgreSQL prevents two servers from using the same data
//! or socket. Their first line is the server's process ID. The eighth line of `postmaster.pid` says whether the server
//! is ready.
//!
//! A server that was killed leaves both behind, and its process ID may later belong to any other process.

use std::fs;
use std::path::Path;

use procfs::process::Process;

use super::{EmbeddedError, file_error};

/// The contents of a lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockFile {
    /// The file does not exist, or cannot be read.
    Absent,
    /// The file names no process, for example because it was being written when the machine stopped.
    Garbled,
    /// The file names this process.
    Of {
        /// The process ID.
        pid: u32,
        /// Whether the server accepts connections.
        ready: bool,
    },
}

impl LockFile {
    pub(super) fn read(path: &Path) -> Self {
        fs::read(path).map_or(Self::Absent, |text| Self::parse(&String::from_utf8_lossy(&text)))
    }

    fn parse(text: &str) -> Self {
        // PostgreSQL writes the process ID of a single-user server as a negative number.
        let first = text.lines().next().unwrap_or_default().trim().trim_start_matches('-');
        let ready = text.lines().nth(7).is_some_and(|status| status.trim() == "ready");
        match first.parse() {
            Ok(0) | Err(_) => Self::Garbled,
            Ok(pid) => Self::Of { pid, ready },
        }
    }

    /// The ID of the process that the file names.
    pub(super) fn pid(self) -> Option<u32> {
        if let Self::Of { pid, .. } = self { Some(pid) } else { None }
    }
}

/// Removes a lock file that names no process. PostgreSQL does not start while there is one.
pub(super) fn remove_garbled(path: &Path) -> Result<(), EmbeddedError> {
    if LockFile::read(path) != LockFile::Garbled {
        return Ok(());
    }
    tracing::warn!("removing {}, which names no process", path.display());
    fs::remove_file(path).map_err(|source| file_error("remove", path, source))
}

/// Whether a process is running. A zombie, whose end its parent has not noticed yet, is not.
pub(super) fn is_alive(pid: u32) -> bool {
    let state = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok()?.stat().ok()).map(|stat| stat.state);
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::LockFile::{self, Garbled, Of};

    #[test]
    fn a_lock_file_names_a_process_or_is_garbled() {
        let whole = "4711\n/data\n1764145000\n5432\n/run\n\n  1234   5678\nready   \n";
        for (text, expected) in [
            (whole, Of { pid: 4711, ready: true }),
            (&whole.replace("ready   ", "starting"), Of { pid: 4711, ready: false }),
            ("4711\n", Of { pid: 4711, ready: false }),
            ("-4711\n/data\n", Of { pid: 4711, ready: false }),
            ("", Garbled),
            ("\n\n", Garbled),
            ("0\n", Garbled),
            ("\0\0\0\0", Garbled),
            ("no number\n/data\n", Garbled),
        ] {
            assert_eq!(LockFile::parse(text), expected, "{text:?}");
        }
    }
}

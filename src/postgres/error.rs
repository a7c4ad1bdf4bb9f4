//! Errors of the embedded server.

use std::io;
use std::path::{Path, PathBuf};

/// Existing data, and the version of PostgreSQL that they belong to.
#[derive(Debug, Clone)]
pub struct DataVersion {
    /// The major version, such as `15`.
    pub version: String,
    /// The directory of the data.
    pub data: PathBuf,
}

/// The reason why the embedded server does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// PostgreSQL's programs were not found.
    #[error(
        "no PostgreSQL server found in POSTGRES_BIN_DIR, on PATH or under /usr/lib/postgresql/*/bin; install one \
         (Debian: apt-get install postgresql) or set DATABASE_URL"
    )]
    NotInstalled,
    /// PostgreSQL's programs are of another major version than the data.
    #[error(
        "the data in {} were created by PostgreSQL {}, but the programs that were found belong to PostgreSQL {found}: install \
         PostgreSQL {} too (Debian: apt-get install postgresql-{}) or set POSTGRES_BIN_DIR to its programs; to move the \
         data to PostgreSQL {found}, see \"Backup and restore\" in docs/operating.md",
        data.data.display(), data.version, data.version, data.version
    )]
    OtherVersion {
        /// The data.
        data: DataVersion,
        /// The version of the programs.
        found: String,
    },
    /// The directory of the data contains something else.
    #[error(
        "{} is not empty, and is not a PostgreSQL data directory: restore it, or move it away to begin with an empty \
         database",
        .0.display()
    )]
    NotData(PathBuf),
    /// Another process has locked the data directory.
    #[error("another context-services is using the data directory {}", .0.display())]
    InUse(PathBuf),
    /// The path of the socket is too long.
    #[error("the data directory's path is too long for a Unix socket: {} has {} bytes", .0.display(), .0.as_os_str().len())]
    PathTooLong(PathBuf),
    /// PostgreSQL cannot use a directory of this name.
    #[error(
        "the data directory's path {0:?} has a line break or is not UTF-8, which PostgreSQL cannot use: choose another one"
    )]
    UnusableName(PathBuf),
    /// This process is root, and there is no account to run the server as.
    #[error("PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody` to run it as")]
    NoAccount,
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {output}")]
    Program {
        /// The name of the program.
        program: &'static str,
        /// Its output.
        output: String,
    },
    /// The server ended while it was being started.
    #[error("PostgreSQL ended: {said} (its log is {})", log.display())]
    Ended {
        /// The last line of its log.
        said: String,
        /// Its log.
        log: PathBuf,
    },
    /// The server does not stop.
    #[error("PostgreSQL, process {0}, does not stop")]
    DoesNotStop(u32),
    /// The server is being stopped, and cannot be started again.
    #[error("PostgreSQL is being stopped")]
    Stopping,
    /// An operation on a file or directory failed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// The operation, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The server runs, but its database cannot be created.
    #[error("cannot set up the database of the embedded server")]
    Database(#[source] sqlx::Error),
}

pub(super) fn file_error(action: &'static str, path: &Path, source: io::Error) -> EmbeddedError {
    EmbeddedError::File { action, path: path.to_owned(), source }
}

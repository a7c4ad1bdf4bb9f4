//! The server's directory: `data`, `run` for the socket, and `server.log`.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::{DataVersion, EmbeddedError, PORT, file_error};

/// The length in bytes that the path of a Unix socket must stay below on Linux.
const SOCKET_PATH_LIMIT: usize = 108;

/// The directory for data if PostgreSQL's account cannot enter the configured one.
const ELSEWHERE: &str = "/var/lib/context-services";

/// The prefix of the names under which data are created. Data under such a name are incomplete, and no server uses
/// them.
const NEW_DATA: &str = "data.new";

/// The number of bytes at the end of the server's log that are searched for the reason why it ended.
const LOG_END: u64 = 16 * 1024;

/// The server's directory.
#[derive(Debug, Clone)]
pub(super) struct Home(PathBuf);

impl Home {
    /// The server's directory in a data directory. It need not exist.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self(data_dir.join("postgres"))
    }

    /// The same with an absolute path.
    pub(super) fn absolute(&self) -> Result<Self, EmbeddedError> {
        absolute(&self.0).map(Self)
    }

    /// Creates the directories that are missing.
    pub(super) fn prepare(data_dir: &Path, account: Account) -> Result<Self, EmbeddedError> {
        let place = data_dir.join("postgres");
        if !place.exists() && !account.can_enter(data_dir) {
            // A new name each time, because a user who deletes the link wants to start from scratch.
            let elsewhere = PathBuf::from(ELSEWHERE).join(uuid::Uuid::now_v7().simple().to_string());
            tracing::warn!(
                "the account that runs PostgreSQL cannot enter {}: storing data in {}, with a link to it from {}",
                data_dir.display(),
                elsewhere.display(),
                place.display()
            );
            make_dir(Path::new(ELSEWHERE), 0o755)?;
            make_dir(&elsewhere, 0o700)?;
            symlink(&elsewhere, &place).map_err(|source| file_error("create the link", &place, source))?;
        }
        make_dir(&place, 0o700)?;
        account.own(&place)?;
        let home = Self(absolute(&place)?);
        // PostgreSQL's lock file has the path as a line, and its configuration is UTF-8 text.
        if home.0.to_str().is_none_or(|path| path.contains(['\n', '\r'])) {
            return Err(EmbeddedError::UnusableName(home.0));
        }
        make_dir(&home.socket_dir(), 0o700)?;
        account.own(&home.socket_dir())?;
        let socket = home.socket();
        if socket.as_os_str().len() >= SOCKET_PATH_LIMIT { Err(EmbeddedError::PathTooLong(socket)) } else { Ok(home) }
    }

    /// The directory itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    pub(super) fn socket_dir(&self) -> PathBuf {
        self.0.join("run")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.socket_dir().join(format!(".s.PGSQL.{PORT}"))
    }

    pub(super) fn socket_lock(&self) -> PathBuf {
        self.socket_dir().join(format!(".s.PGSQL.{PORT}.lock"))
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    /// The major version of the data, or `None` if there are none yet. Fails if something else is in their place.
    pub(super) fn data_version(&self) -> Result<Option<DataVersion>, EmbeddedError> {
        let data = self.data();
        match fs::read_to_string(data.join("PG_VERSION")) {
            Ok(version) if version.trim().starts_with(|first: char| first.is_ascii_digit()) => {
                Ok(Some(DataVersion { version: version.trim().to_owned(), data }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound && is_empty(&data) => Ok(None),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(file_error("read", &data.join("PG_VERSION"), error))
            }
            Ok(_) | Err(_) => Err(EmbeddedError::NotData(data)),
        }
    }

    /// A new name for data that are being created.
    pub(super) fn new_data(&self) -> PathBuf {
        self.0.join(format!("{NEW_DATA}-{}", uuid::Uuid::new_v4().simple()))
    }

    /// Removes incomplete data. A killed process may have left an `initdb` behind that is still writing; a later start
    /// removes the data that it writes.
    pub(super) fn remove_incomplete(&self) {
        let is_new = |name: &str| {
            name == NEW_DATA
                || name.strip_prefix(NEW_DATA).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_identifier)
        };
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(is_new)) {
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::warn!("cannot remove incomplete data in {} yet: {error}", entry.path().display());
            }
        }
    }

    /// Puts complete data in their place.
    pub(super) fn adopt(&self, new: &Path) -> Result<(), EmbeddedError> {
        fs::rename(new, self.data()).map_err(|source| file_error("rename", new, source))?;
        // Acknowledged events will be in this directory, so its new name must be durable.
        let synced = File::open(&self.0).and_then(|directory| directory.sync_all());
        synced.map_err(|source| file_error("write", &self.0, source))
    }

    /// The length of the server's log.
    pub(super) fn log_length(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |metadata| metadata.len())
    }

    /// The last line that the server has logged since its log had this length. Lines that say why the server ended are
    /// preferred.
    pub(super) fn last_words(&self, since: u64) -> Option<String> {
        let mut log = File::open(self.log()).ok()?;
        let end = log.metadata().ok()?.len();
        log.seek(SeekFrom::Start(since.max(end.saturating_sub(LOG_END)).min(end))).ok()?;
        let mut text = Vec::new();
        log.take(LOG_END).read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text);
        let severe = |line: &&str| line.contains("FATAL:") || line.contains("PANIC:");
        let line = text.lines().rfind(severe).or_else(|| text.lines().rfind(|line| !line.is_empty()))?;
        // Omits the time and the process ID.
        let start = line.find("FATAL:").or_else(|| line.find("PANIC:")).or_else(|| line.find("LOG:")).unwrap_or(0);
        Some(line[start..].split_whitespace().collect::<Vec<_>>().join(" "))
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join("server.log")
    }
}

fn is_identifier(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a directory has no entries, or does not exist.
fn is_empty(directory: &Path) -> bool {
    match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Locks a data directory for as long as the file is open.
pub(super) fn lock(data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = data_dir.join("lock");
    let file = File::create(&path).map_err(|source| file_error("create", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(data_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(file_error("lock", &path, source)),
    }
}

pub(super) fn make_dir(path: &Path, mode: u32) -> Result<(), EmbeddedError> {
    let created = DirBuilder::new().recursive(true).mode(mode).create(path);
    created.map_err(|source| file_error("create the directory", path, source))
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf, EmbeddedError> {
    path.canonicalize().map_err(|source| file_error("find", path, source))
}

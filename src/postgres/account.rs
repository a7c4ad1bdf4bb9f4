//! The account that runs the server. PostgreSQL refuses to run as root.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown, fchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User, geteuid};

use super::{EmbeddedError, file_error};

/// The account of the server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Account {
    /// The account of this process.
    Own,
    /// Another account, because this process runs as root.
    Other {
        /// The user ID.
        uid: u32,
        /// The group ID.
        gid: u32,
    },
}

impl Account {
    /// This process's account, unless it is root. For root: the owner of the server's directory `home` if it exists,
    /// otherwise `postgres` or `nobody`.
    pub(super) fn of_owner(home: &Path) -> Result<Self, EmbeddedError> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        if let Ok(metadata) = fs::metadata(home)
            && metadata.uid() != 0
        {
            return Ok(Self::Other { uid: metadata.uid(), gid: metadata.gid() });
        }
        let named = |name| User::from_name(name).ok().flatten();
        let user = named("postgres").or_else(|| named("nobody")).ok_or(EmbeddedError::NoAccount)?;
        let (uid, gid): (Uid, Gid) = (user.uid, user.gid);
        Ok(Self::Other { uid: uid.as_raw(), gid: gid.as_raw() })
    }

    /// Makes the account the owner of a directory.
    pub(super) fn own(self, path: &Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => {
                chown(path, Some(uid), Some(gid)).map_err(|source| file_error("change the owner of", path, source))
            }
        }
    }

    /// Makes the account the owner of an open file.
    pub(super) fn own_file(self, file: &File) -> std::io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => fchown(file, Some(uid), Some(gid)),
        }
    }

    /// Whether the account can enter a directory, including all of its parents.
    pub(super) fn can_enter(self, directory: &Path) -> bool {
        let mut command = Command::new("test");
        command.arg("-x").arg(directory).current_dir("/");
        self.run("test", &mut command).is_ok()
    }

    /// Whether `seen` is `directory`. It may be a path that only this account can resolve, such as the working
    /// directory of its process.
    pub(super) fn is_same(self, seen: &Path, directory: &Path) -> bool {
        let mut command = Command::new("test");
        command.arg(seen).arg("-ef").arg(directory).current_dir("/");
        self.run("test", &mut command).is_ok()
    }

    /// Runs a program as the account and waits for its end. If the program fails, the error contains its output.
    pub(super) fn run(self, program: &'static str, command: &mut Command) -> Result<(), EmbeddedError> {
        let ran = self.prepare(command).output();
        let output = ran.map_err(|error| EmbeddedError::Program { program, output: error.to_string() })?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(EmbeddedError::Program { program, output: one_line(&String::from_utf8_lossy(&said)) })
    }

    /// Makes a command run as the account, in a process group of its own, so that a signal to this process's group,
    /// such as that of Ctrl-C, does not reach the command.
    pub(super) fn prepare(self, command: &mut Command) -> &mut Command {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        // PGPORT, PGDATA and the like are meant for another server.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").stdin(Stdio::null()).process_group(0)
    }
}

/// The output of a program, as one line.
fn one_line(output: &str) -> String {
    output.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

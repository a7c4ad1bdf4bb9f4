//! Location of the programs of an installed PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

/// Debian's directory of installed versions.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The directory with `initdb`, `pg_ctl` and `postgres`; `None` if they are on `PATH`.
#[derive(Debug, Clone)]
pub(super) struct Binaries(Option<PathBuf>);

impl Binaries {
    /// Finds the programs: in the directory `setting` if given, or else on `PATH`, or else of the newest installed version.
    /// Existing data need programs of their own major version `version`, which then come before `PATH`.
    pub(super) fn find(setting: Option<&Path>, version: Option<&str>) -> Result<Self, EmbeddedError> {
        let candidates = match (setting, version) {
            // Absolute, because the programs run with other working directories.
            (Some(directory), _) => directory.canonicalize().into_iter().map(Some).collect(),
            (None, Some(version)) => vec![Some(Path::new(VERSIONS).join(version).join("bin")), None],
            (None, None) => std::iter::once(None).chain(installed().into_iter().map(Some)).collect(),
        };
        candidates.into_iter().map(Self).find(Self::work).ok_or(EmbeddedError::NotInstalled)
    }

    /// A command that runs a program, without arguments yet.
    pub(super) fn command(&self, program: &str) -> Command {
        Command::new(self.0.as_ref().map_or_else(|| PathBuf::from(program), |directory| directory.join(program)))
    }

    fn work(&self) -> bool {
        let runs =
            |program| self.command(program).arg("--version").output().is_ok_and(|output| output.status.success());
        ["postgres", "initdb", "pg_ctl"].into_iter().all(runs)
    }
}

/// The program directories of all installed versions, newest first.
fn installed() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let versioned = |entry: std::fs::DirEntry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path()));
    let mut versions: Vec<_> = entries.filter_map(versioned).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, path)| path.join("bin")).collect()
}

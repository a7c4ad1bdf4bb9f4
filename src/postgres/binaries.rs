//! Location of the programs of an installed PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{DataVersion, EmbeddedError};

/// Debian's directory of installed versions.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The directory with `initdb`, `pg_ctl` and `postgres`; `None` if they are on `PATH`.
#[derive(Debug, Clone)]
pub(super) struct Binaries(Option<PathBuf>);

impl Binaries {
    /// Finds the programs: in the directory `setting` if given, otherwise on `PATH`, otherwise Debian's of the newest
    /// installed version. Existing data need programs of their own major version; Debian's then come before `PATH`.
    pub(super) fn find(setting: Option<&Path>, data: Option<&DataVersion>) -> Result<Self, EmbeddedError> {
        let candidates = match (setting, data) {
            // Absolute, because the programs run with other working directories.
            (Some(directory), _) => directory.canonicalize().into_iter().map(Some).collect(),
            (None, Some(data)) => vec![Some(Path::new(VERSIONS).join(&data.version).join("bin")), None],
            (None, None) => std::iter::once(None).chain(installed().into_iter().map(Some)).collect(),
        };
        let working = candidates.into_iter().map(Self).filter_map(|programs| Some((programs.version()?, programs)));
        let mut others = Vec::new();
        for (version, programs) in working {
            match data {
                Some(data) if data.version != version => others.push(version),
                _ => return Ok(programs),
            }
        }
        let others = if setting.is_some() { others } else { others.into_iter().chain(installed_versions()).collect() };
        Err(match (data.cloned(), others.into_iter().next()) {
            (Some(data), Some(found)) => EmbeddedError::OtherVersion { data, found },
            _ => EmbeddedError::NotInstalled,
        })
    }

    /// A command that runs a program, without arguments yet.
    pub(super) fn command(&self, program: &str) -> Command {
        Command::new(self.path(program))
    }

    /// The path of a program, or its name if it is on `PATH`.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.0.as_ref().map_or_else(|| PathBuf::from(program), |directory| directory.join(program))
    }

    /// The major version of the programs, or `None` if one of them is missing or does not run.
    fn version(&self) -> Option<String> {
        let says = |program| {
            let output = self.command(program).arg("--version").output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        says("initdb")?;
        says("pg_ctl")?;
        major_version(&says("postgres")?)
    }
}

/// The major version in the output of `postgres --version`: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_version(said: &str) -> Option<String> {
    let (_, version) = said.split_once(") ")?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let major = digits(version);
    // Before version 10 a major version had two parts.
    match major.parse::<u32>().ok()? {
        ..10 => Some(format!("{major}.{}", digits(version.split_once('.')?.1))),
        _ => Some(major),
    }
}

/// All versions in Debian's directory, newest first.
fn installed_versions() -> Vec<String> {
    let entries = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let version = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let mut versions: Vec<_> = entries.filter_map(version).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| version.to_string()).collect()
}

/// The program directories of all installed versions, newest first.
fn installed() -> Vec<PathBuf> {
    installed_versions().into_iter().map(|version| Path::new(VERSIONS).join(version).join("bin")).collect()
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn the_major_version_is_read_from_what_the_program_says() {
        for (said, version) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some("15")),
            ("postgres (PostgreSQL) 18beta2\n", Some("18")),
            ("postgres (PostgreSQL) 9.6.24\n", Some("9.6")),
            ("something else 15\n", None),
        ] {
            assert_eq!(major_version(said).as_deref(), version, "{said}");
        }
    }
}

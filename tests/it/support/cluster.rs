//! A primary with a standby, or with a copy that is restored from a backup, all in one directory.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use context_services::postgres::{EmbeddedPostgres, EmbeddedSettings, NAME};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

use super::postgres::open_directory;
use super::until;

/// A primary and copies of it. Dropping it stops them.
pub(crate) struct Cluster {
    primary: EmbeddedPostgres,
    copies: Vec<(String, Child)>,
    home: PathBuf,
    _directory: TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_in(open_directory()).await
    }

    /// A primary that archives its WAL in the directory `archive`.
    pub(crate) async fn start_archiving() -> Self {
        let directory = open_directory();
        // The first start creates the data directory. The lock on it ends with the server, which is dropped here.
        Self::primary(&directory).await.stop().await.unwrap();
        let (archive, data) = (directory.path().join("postgres/archive"), directory.path().join("postgres/data"));
        let owner = fs::metadata(&data).unwrap();
        fs::create_dir(&archive).unwrap();
        chown(&archive, Some(owner.uid()), Some(owner.gid())).unwrap();
        let settings = "archive_mode = on\narchive_command = 'test ! -f ../archive/%f && cp %p ../archive/%f'";
        add_settings(&data, settings);
        Self::start_in(directory).await
    }

    async fn start_in(directory: TempDir) -> Self {
        let home = directory.path().join("postgres");
        let primary = Self::primary(&directory).await;
        Self { primary, copies: Vec::new(), home, _directory: directory }
    }

    async fn primary(directory: &TempDir) -> EmbeddedPostgres {
        let settings = EmbeddedSettings { data_dir: directory.path().to_owned(), bin_dir: None };
        EmbeddedPostgres::start(&settings).await.unwrap()
    }

    /// A program of PostgreSQL, to be run as the account that owns the primary's data.
    fn program(&self, name: &str) -> Command {
        let options = fs::read_to_string(self.home.join("data/postmaster.opts")).unwrap();
        let postgres = Path::new(options.split(' ').next().unwrap());
        let mut command = Command::new(postgres.with_file_name(name));
        let owner = fs::metadata(self.home.join("data")).unwrap();
        command.uid(owner.uid()).gid(owner.gid()).current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn control(&self, arguments: &[&str]) {
        assert!(self.program("pg_ctl").args(arguments).status().unwrap().success(), "{arguments:?}");
    }

    pub(crate) fn primary_options(&self) -> PgConnectOptions {
        self.primary.connect_options(NAME)
    }

    pub(crate) fn copy_options(&self, name: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(self.home.join(name)).username(NAME).database(NAME)
    }

    /// Takes a base backup of the primary, with these further arguments of `pg_basebackup`.
    pub(crate) fn back_up(&self, name: &str, further: &[&str]) {
        let mut backup = self.program("pg_basebackup");
        backup.args(["-D", name, "-U", NAME, "-c", "fast", "--no-sync", "-h"]).arg(self.primary.socket_dir());
        assert!(backup.args(further).status().unwrap().success());
    }

    /// Makes the next start of a backup a recovery from the archive to this moment, after which it accepts writes.
    pub(crate) fn recover_until(&self, name: &str, moment: &str) {
        add_settings(
            &self.home.join(name),
            &format!(
                "archive_mode = off\nrestore_command = 'cp ../archive/%f %p'\nrecovery_target_time = '{moment}'\n\
                 recovery_target_action = 'promote'"
            ),
        );
        let signal = self.home.join(name).join("recovery.signal");
        fs::write(signal, "").unwrap();
    }

    /// Starts a server on a backup, and waits until it answers.
    pub(crate) async fn start_copy(&mut self, name: &str) {
        let mut copy = self.program("postgres");
        copy.args(["-D", name, "-c"]).arg(format!("unix_socket_directories={}/{name}", self.home.display()));
        self.copies.push((name.to_owned(), copy.spawn().unwrap()));
        let options = self.copy_options(name);
        until("the copy answers", async || options.connect().await.is_ok()).await;
    }

    pub(crate) async fn start_standby(&mut self) {
        self.back_up("standby", &["-R"]);
        self.start_copy("standby").await;
    }

    pub(crate) fn promote(&self, name: &str) {
        self.control(&["-D", name, "-w", "promote"]);
    }

    /// Stops the primary cleanly, so that its standbys receive everything.
    pub(crate) async fn stop_primary(&self) {
        self.primary.stop().await.unwrap();
    }

    /// Stops the primary as a crash would.
    pub(crate) fn kill_primary(&self) {
        self.control(&["-D", "data", "-m", "immediate", "-w", "stop"]);
    }
}

/// Adds lines to the settings of a server that does not run.
fn add_settings(data: &Path, settings: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(data.join("postgresql.conf")).unwrap();
    writeln!(file, "{settings}").unwrap();
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (name, mut copy) in std::mem::take(&mut self.copies) {
            drop(self.program("pg_ctl").args(["-D", &name, "-m", "immediate", "-w", "stop"]).status());
            drop(copy.wait());
        }
        let stop = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            drop(runtime.block_on(self.primary.stop()));
        };
        std::thread::scope(|scope| scope.spawn(stop).join()).unwrap();
    }
}

//! `PgBouncer` in session mode, between the service and the server of all tests.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

use super::postgres::open_directory;
use super::until;

/// A running `PgBouncer`. Dropping it stops it.
pub(crate) struct PgBouncer {
    directory: TempDir,
    child: Child,
}

impl PgBouncer {
    /// Starts a `PgBouncer` in front of the server of these options.
    pub(crate) async fn before(server: &PgConnectOptions) -> Self {
        let directory = open_directory();
        let (home, user) = (directory.path(), server.get_username());
        let host = server.get_socket().map_or_else(|| server.get_host().to_owned(), |path| path.display().to_string());
        let settings = format!(
            "[databases]\n* = host={host} port={port} user={user}\n[pgbouncer]\nlisten_port = 6432\nlisten_addr =\n\
             unix_socket_dir = {home}\nauth_type = any\npool_mode = session\nlogfile = {home}/log\n",
            port = server.get_port(),
            home = home.display()
        );
        fs::write(home.join("settings.ini"), settings).unwrap();
        let mut command =
            Command::new(if Path::new("/usr/sbin/pgbouncer").exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" });
        // PgBouncer does not run as root.
        let owner = server.get_socket().and_then(|socket| fs::metadata(socket).ok());
        if let Some(owner) = owner.filter(|owner| owner.uid() != 0) {
            chown(home, Some(owner.uid()), Some(owner.gid())).unwrap();
            command.uid(owner.uid()).gid(owner.gid());
        }
        command.arg("settings.ini").current_dir(home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let pooler = Self { child: command.spawn().expect("PgBouncer is installed"), directory };
        let options = pooler.options(server);
        until("PgBouncer answers", async || options.clone().extra_float_digits(None).connect().await.is_ok()).await;
        pooler
    }

    /// Options for a connection through the `PgBouncer`.
    pub(crate) fn options(&self, behind: &PgConnectOptions) -> PgConnectOptions {
        behind.clone().socket(self.directory.path()).port(6432)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

//! The embedded PostgreSQL: an installed server that runs on its own data directory and is reachable only through a
//! Unix socket in a private directory.

mod account;
mod binaries;
mod config;
mod error;
mod home;
mod lock_file;
mod memory;
mod server;

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use account::Account;
use binaries::Binaries;
use home::Home;
use server::Server;

use error::file_error;
pub use error::{DataVersion, EmbeddedError};

/// The name of the service's role and of its database in the embedded server.
pub const NAME: &str = "context_services";

/// The number in the name of the server's socket.
const PORT: u16 = 5432;

/// The locations of the server's data and programs.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// The data directory, created if it does not exist.
    pub data_dir: PathBuf,
    /// The directory of `postgres`, `initdb` and `pg_ctl`; found automatically if not given.
    pub bin_dir: Option<PathBuf>,
}

/// An embedded server. Dropping this does not stop the server; [`stop`](Self::stop) does.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    server: Server,
    /// Held for as long as this process uses the data directory.
    _lock: File,
}

impl EmbeddedPostgres {
    /// Opens the data directory and starts the server on it.
    pub async fn start(settings: &EmbeddedSettings) -> Result<Self, EmbeddedError> {
        let server = Self::open(settings)?;
        server.run().await?;
        Ok(server)
    }

    /// Opens the data directory, and creates it if it does not exist. The server does not run yet.
    pub fn open(settings: &EmbeddedSettings) -> Result<Self, EmbeddedError> {
        let data = Home::of(&settings.data_dir).data_version()?;
        let binaries = Binaries::find(settings.bin_dir.as_deref(), data.as_ref())?;
        home::make_dir(&settings.data_dir, 0o755)?;
        let data_dir = home::absolute(&settings.data_dir)?;
        let lock = home::lock(&data_dir)?;
        let account = Account::of_owner(&data_dir.join("postgres"))?;
        let home = Home::prepare(&data_dir, account)?;
        Ok(Self { server: Server::new(home, binaries, account), _lock: lock })
    }

    /// Starts the server, and creates its data and database if there are none. Leaves no server running if that fails.
    pub async fn run(&self) -> Result<(), EmbeddedError> {
        let running = async {
            self.server.initialize().await?;
            self.write_settings()?;
            self.server.start().await?;
            self.create_database(NAME).await.map_err(EmbeddedError::Database)
        };
        let ran = running.await;
        if ran.is_err() {
            // The first error is the one to report.
            self.stop().await.ok();
        }
        ran
    }

    /// Whether a data directory has data.
    pub fn has_data(settings: &EmbeddedSettings) -> Result<bool, EmbeddedError> {
        Ok(Home::of(&settings.data_dir).data_version()?.is_some())
    }

    /// Fails unless PostgreSQL programs are found that suit the data directory. If it has no data yet, any version
    /// does.
    pub fn check_programs(settings: &EmbeddedSettings) -> Result<(), EmbeddedError> {
        let data = Home::of(&settings.data_dir).data_version()?;
        Binaries::find(settings.bin_dir.as_deref(), data.as_ref()).map(drop)
    }

    /// Connection options for a server that another process runs on the same data.
    pub fn running(settings: &EmbeddedSettings) -> Result<PgConnectOptions, EmbeddedError> {
        Ok(connect_options(&Home::of(&settings.data_dir).absolute()?))
    }

    /// Connection options for a database of this server.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        connect_options(&self.server.home).database(database)
    }

    /// The directory of the socket, for `psql -h`.
    pub fn socket_dir(&self) -> PathBuf {
        self.server.home.socket_dir()
    }

    /// Starts the server on existing data after it has ended, unless it is being stopped. Returns once the server
    /// accepts connections.
    pub async fn start_again(&self) -> Result<(), EmbeddedError> {
        self.server.start().await
    }

    /// Whether the server's main process runs.
    pub fn is_alive(&self) -> bool {
        self.server.is_alive()
    }

    /// Cancels running statements, stops the server, and waits until it has stopped. A server that does not stop in time
    /// is killed. Does nothing if the server has ended. From then on, the server cannot be started again.
    pub async fn stop(&self) -> Result<(), EmbeddedError> {
        self.server.stop().await
    }

    /// Whether this build of PostgreSQL supports a setting, given as `name=value`.
    fn supports(&self, setting: &str) -> bool {
        let Server { home, binaries, account, .. } = &self.server;
        let mut command: Command = binaries.command("postgres");
        command.args(["-D", ".", "-c", setting, "-C", "wal_compression"]).current_dir(home.data());
        account.run("postgres", &mut command).is_ok()
    }

    fn write_settings(&self) -> Result<(), EmbeddedError> {
        let compression = if self.supports("wal_compression=lz4") { "lz4" } else { "on" };
        let Server { home, account, .. } = &self.server;
        config::write(&home.data(), &home.socket_dir(), compression, *account)
    }

    /// Creates a database unless it exists.
    pub async fn create_database(&self, name: &str) -> Result<(), sqlx::Error> {
        let mut connection: PgConnection = self.connect_options("postgres").connect().await?;
        let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        if !exists {
            sqlx::query(&format!("create database \"{}\"", name.replace('"', "\"\""))).execute(&mut connection).await?;
        }
        connection.close().await
    }
}

/// The options to connect with. Environment variables of other clients (`PGPORT`, `PGSSLMODE`) have no effect.
fn connect_options(home: &Home) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass().socket(home.socket_dir()).username(NAME);
    options.port(PORT).ssl_mode(PgSslMode::Disable)
}

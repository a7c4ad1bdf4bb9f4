//! The embedded PostgreSQL: an installed server run on a data directory of our own, reachable only through a Unix
//! socket in a private directory.

mod account;
mod binaries;
mod memory;

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use account::Account;
use binaries::Binaries;

/// The role, and the database, that the embedded server has for the service.
pub const NAME: &str = "context_services";

/// The number in the name of the server's socket.
const PORT: u16 = 5432;

/// Unix sockets' paths are shorter than this on Linux.
const SOCKET_PATH_LIMIT: usize = 108;

/// Where data go whose directory the account of PostgreSQL cannot enter.
const ELSEWHERE: &str = "/var/lib/context-services";

/// Where the server's data and binaries are.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// The directory that holds all data; made if it is not there.
    pub data_dir: PathBuf,
    /// Where `initdb` and `pg_ctl` are; searched for if not given.
    pub bin_dir: Option<PathBuf>,
}

/// Why the embedded server does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No binaries.
    #[error(
        "found no PostgreSQL server: not in POSTGRES_BIN_DIR, on PATH, or under /usr/lib/postgresql/*/bin; install one \
         (Debian: apt-get install postgresql) or set DATABASE_URL"
    )]
    NotInstalled,
    /// Another process has the data directory.
    #[error("another context-services is using the data directory {}", .0.display())]
    InUse(PathBuf),
    /// The path of the socket does not fit.
    #[error("the data directory's path is too long for a Unix socket: {} has {} bytes", .0.display(), .0.as_os_str().len())]
    PathTooLong(PathBuf),
    /// Root has nobody to run the server as.
    #[error("PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody` to run it as")]
    NoAccount,
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// A file or directory.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The server runs, but does not let us in.
    #[error("cannot set up the database of the embedded server")]
    Database(#[source] sqlx::Error),
}

/// A running embedded server. It goes on running if this is dropped; [`stop`](Self::stop) stops it.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    home: Home,
    binaries: Binaries,
    account: Account,
    /// Held as long as the data directory is ours.
    _lock: File,
}

impl EmbeddedPostgres {
    /// Starts the server, on data that are made if they are not there. A server that a killed process left behind is
    /// stopped first.
    pub async fn start(settings: &EmbeddedSettings) -> Result<Self, EmbeddedError> {
        let version = Home(settings.data_dir.join("postgres")).version();
        let binaries = Binaries::find(settings.bin_dir.as_deref(), version.as_deref())?;
        make_dir(&settings.data_dir, 0o755)?;
        let data_dir = absolute(&settings.data_dir)?;
        let lock = lock(&data_dir)?;
        let account = Account::of_owner(&data_dir.join("postgres"))?;
        let home = Home::prepare(&data_dir, &account)?;
        let server = Self { home, binaries, account, _lock: lock };
        server.initialize()?;
        // Asked of pg_ctl, since the number in an old file may be another process's by now.
        if server.is_running() {
            server.stop()?;
        }
        server.write_settings()?;
        server.start_again()?;
        server.create_database(NAME).await.map_err(EmbeddedError::Database)?;
        Ok(server)
    }

    /// How to connect to the server that another process runs on the same data.
    pub fn running(settings: &EmbeddedSettings) -> Result<PgConnectOptions, EmbeddedError> {
        let home = absolute(&settings.data_dir.join("postgres"))?;
        Ok(connect_options(&Home(home)))
    }

    /// How to connect to a database of this server.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        connect_options(&self.home).database(database)
    }

    /// The directory with the socket: `psql -h` takes it.
    pub fn socket_dir(&self) -> PathBuf {
        self.home.socket_dir()
    }

    /// Starts the server on data that are there already.
    pub fn start_again(&self) -> Result<(), EmbeddedError> {
        self.pg_ctl(&["-w", "-t", "120", "-l", "../server.log", "start"])
    }

    /// Whether the server's first process is there.
    pub fn is_alive(&self) -> bool {
        let pid_file = fs::read_to_string(self.home.data().join("postmaster.pid")).unwrap_or_default();
        pid_file.lines().next().is_some_and(|pid| Path::new("/proc").join(pid.trim()).exists())
    }

    /// Stops the server, after what runs in it is cancelled, and waits until it has stopped. One that has died is
    /// stopped already.
    pub fn stop(&self) -> Result<(), EmbeddedError> {
        if !self.is_alive() {
            return Ok(());
        }
        self.pg_ctl(&["-w", "-t", "120", "-m", "fast", "stop"])
    }

    fn is_running(&self) -> bool {
        self.pg_ctl(&["status"]).is_ok()
    }

    /// Whether this build of PostgreSQL has a setting's value.
    fn takes(&self, setting: &str) -> bool {
        let mut command = self.binaries.command("postgres");
        command.args(["-D", ".", "-c", setting, "-C", "wal_compression"]).current_dir(self.home.data());
        self.account.run("postgres", &mut command).is_ok()
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Result<(), EmbeddedError> {
        let mut command = self.binaries.command("pg_ctl");
        command.args(["-D", "."]).args(arguments);
        self.account.run("pg_ctl", command.current_dir(self.home.data()))
    }

    /// Makes the data beside their place and moves them there, so that they are whole or not there at all.
    fn initialize(&self) -> Result<(), EmbeddedError> {
        if self.home.data().exists() {
            return Ok(());
        }
        let new = self.home.0.join("data.new");
        if new.exists() {
            fs::remove_dir_all(&new).map_err(|source| file_error("remove", &new, source))?;
        }
        let mut command = self.binaries.command("initdb");
        command.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", "--username", NAME, "-D"]);
        self.account.run("initdb", command.arg("data.new").current_dir(&self.home.0))?;
        fs::rename(&new, self.home.data()).map_err(|source| file_error("rename", &new, source))
    }

    fn write_settings(&self) -> Result<(), EmbeddedError> {
        let main = self.home.data().join("postgresql.conf");
        let own = self.home.data().join("context-services.conf");
        let include = "include_if_exists = 'context-services.conf'";
        let read = fs::read_to_string(&main).map_err(|source| file_error("read", &main, source))?;
        if !read.contains(include) {
            let text = format!("{read}\n{include}\n");
            fs::write(&main, text).map_err(|source| file_error("write", &main, source))?;
        }
        let socket_dir = self.home.socket_dir().display().to_string().replace('\'', "''");
        let compression = if self.takes("wal_compression=lz4") { "lz4" } else { "on" };
        let buffers = memory::shared_buffers_mb();
        let text = format!(
            "{SETTINGS}shared_buffers = {buffers}MB\nwal_compression = {compression}\n\
             unix_socket_directories = '{socket_dir}'\n"
        );
        fs::write(&own, text).map_err(|source| file_error("write", &own, source))?;
        self.account.own(&own)
    }

    /// Creates a database, unless it is there.
    pub async fn create_database(&self, name: &str) -> Result<(), sqlx::Error> {
        let mut connection: PgConnection = self.connect_options("postgres").connect().await?;
        let there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        if !there {
            sqlx::query(&format!("create database \"{}\"", name.replace('"', "\"\""))).execute(&mut connection).await?;
        }
        connection.close().await
    }
}

/// What the embedded server runs with, beside PostgreSQL's defaults; durability stays as it is by default, on. Queries
/// keep the plans of a small table until autovacuum has seen it grow.
const SETTINGS: &str = "\
# Written by context-services at every start: change postgresql.conf below its include of this file instead.
listen_addresses = ''
port = 5432
max_connections = 200
unix_socket_permissions = 0700
max_wal_size = 4GB
checkpoint_timeout = 15min
autovacuum_naptime = 10s
jit = off
";

/// The server's own directory: `data`, the socket's `run`, and `server.log`.
#[derive(Debug)]
struct Home(PathBuf);

impl Home {
    fn prepare(data_dir: &Path, account: &Account) -> Result<Self, EmbeddedError> {
        let place = data_dir.join("postgres");
        if !place.exists() && !account.can_enter(data_dir) {
            // A name of its own each time: who deletes the link wants to begin anew.
            let elsewhere = PathBuf::from(ELSEWHERE).join(uuid::Uuid::now_v7().simple().to_string());
            tracing::warn!(
                "the account that runs PostgreSQL cannot enter {}: its data go to {}, and {} leads there",
                data_dir.display(),
                elsewhere.display(),
                place.display()
            );
            make_dir(Path::new(ELSEWHERE), 0o755)?;
            make_dir(&elsewhere, 0o700)?;
            symlink(&elsewhere, &place).map_err(|source| file_error("make the link", &place, source))?;
        }
        make_dir(&place, 0o700)?;
        account.own(&place)?;
        let home = Self(absolute(&place)?);
        make_dir(&home.socket_dir(), 0o700)?;
        account.own(&home.socket_dir())?;
        let socket = home.socket_dir().join(format!(".s.PGSQL.{PORT}"));
        if socket.as_os_str().len() >= SOCKET_PATH_LIMIT { Err(EmbeddedError::PathTooLong(socket)) } else { Ok(home) }
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    fn socket_dir(&self) -> PathBuf {
        self.0.join("run")
    }

    /// The major version that the data are of, if there are any.
    fn version(&self) -> Option<String> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok().map(|version| version.trim().to_owned())
    }
}

/// How to connect, whatever the environment variables of other clients (`PGPORT`, `PGSSLMODE`) say.
fn connect_options(home: &Home) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass().socket(home.socket_dir()).username(NAME);
    options.port(PORT).ssl_mode(PgSslMode::Disable)
}

fn lock(data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = data_dir.join("lock");
    let file = File::create(&path).map_err(|source| file_error("make", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(data_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(file_error("lock", &path, source)),
    }
}

fn make_dir(path: &Path, mode: u32) -> Result<(), EmbeddedError> {
    let created = DirBuilder::new().recursive(true).mode(mode).create(path);
    created.map_err(|source| file_error("make the directory", path, source))
}

fn absolute(path: &Path) -> Result<PathBuf, EmbeddedError> {
    path.canonicalize().map_err(|source| file_error("find", path, source))
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> EmbeddedError {
    EmbeddedError::File { action, path: path.to_owned(), source }
}

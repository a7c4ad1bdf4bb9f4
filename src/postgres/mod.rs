//! The embedded PostgreSQL: an installed server that runs on its own data directory and is reachable only through a Unix
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

/// The name of the service's role and of its database in the embedded server.
pub const NAME: &str = "context_services";

/// The number in the name of the server's socket.
const PORT: u16 = 5432;

/// The length that the path of a Unix socket must stay below on Linux, in bytes.
const SOCKET_PATH_LIMIT: usize = 108;

/// The directory for data if PostgreSQL's account cannot enter the configured one.
const ELSEWHERE: &str = "/var/lib/context-services";

/// The locations of the server's data and programs.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// The data directory, created if it does not exist.
    pub data_dir: PathBuf,
    /// The directory of `postgres`, `initdb` and `pg_ctl`; found automatically if not given.
    pub bin_dir: Option<PathBuf>,
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
    /// Another process has locked the data directory.
    #[error("another context-services is using the data directory {}", .0.display())]
    InUse(PathBuf),
    /// The path of the socket is too long.
    #[error("the data directory's path is too long for a Unix socket: {} has {} bytes", .0.display(), .0.as_os_str().len())]
    PathTooLong(PathBuf),
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

/// A running embedded server. Dropping this does not stop the server; [`stop`](Self::stop) does.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    home: Home,
    binaries: Binaries,
    account: Account,
    /// Held for as long as this process uses the data directory.
    _lock: File,
}

impl EmbeddedPostgres {
    /// Starts the server and creates its data if there are none. First stops a server that a killed process left running.
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
        // `pg_ctl` decides, because the process ID in an old file may belong to another process by now.
        if server.is_running() {
            server.stop()?;
        }
        server.write_settings()?;
        server.start_again()?;
        server.create_database(NAME).await.map_err(EmbeddedError::Database)?;
        Ok(server)
    }

    /// Connection options for a server that another process runs on the same data.
    pub fn running(settings: &EmbeddedSettings) -> Result<PgConnectOptions, EmbeddedError> {
        let home = absolute(&settings.data_dir.join("postgres"))?;
        Ok(connect_options(&Home(home)))
    }

    /// Connection options for a database of this server.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        connect_options(&self.home).database(database)
    }

    /// The directory of the socket, for `psql -h`.
    pub fn socket_dir(&self) -> PathBuf {
        self.home.socket_dir()
    }

    /// Starts the server on existing data.
    pub fn start_again(&self) -> Result<(), EmbeddedError> {
        self.pg_ctl(&["-w", "-t", "120", "-l", "../server.log", "start"])
    }

    /// Whether the server's main process exists.
    pub fn is_alive(&self) -> bool {
        let pid_file = fs::read_to_string(self.home.data().join("postmaster.pid")).unwrap_or_default();
        pid_file.lines().next().is_some_and(|pid| Path::new("/proc").join(pid.trim()).exists())
    }

    /// Cancels running statements, stops the server, and waits until it has stopped. Does nothing if the server has died.
    pub fn stop(&self) -> Result<(), EmbeddedError> {
        if !self.is_alive() {
            return Ok(());
        }
        self.pg_ctl(&["-w", "-t", "120", "-m", "fast", "stop"])
    }

    fn is_running(&self) -> bool {
        self.pg_ctl(&["status"]).is_ok()
    }

    /// Whether this build of PostgreSQL supports a setting, given as `name=value`.
    fn supports(&self, setting: &str) -> bool {
        let mut command = self.binaries.command("postgres");
        command.args(["-D", ".", "-c", setting, "-C", "wal_compression"]).current_dir(self.home.data());
        self.account.run("postgres", &mut command).is_ok()
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Result<(), EmbeddedError> {
        let mut command = self.binaries.command("pg_ctl");
        command.args(["-D", "."]).args(arguments);
        self.account.run("pg_ctl", command.current_dir(self.home.data()))
    }

    /// Creates the data in a temporary directory and renames it, so that they are either complete or absent.
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
        let compression = if self.supports("wal_compression=lz4") { "lz4" } else { "on" };
        let buffers = memory::shared_buffers_mb();
        let text = format!(
            "{SETTINGS}shared_buffers = {buffers}MB\nwal_compression = {compression}\n\
             unix_socket_directories = '{socket_dir}'\n"
        );
        fs::write(&own, text).map_err(|source| file_error("write", &own, source))?;
        self.account.own(&own)
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

/// The embedded server's settings where they differ from PostgreSQL's defaults. Durability stays on, as by default.
/// Autovacuum runs often, because queries keep the plans of a small table until it has seen the table grow.
const SETTINGS: &str = "\
# Overwritten by context-services at every start. To change a setting, add it to postgresql.conf below the include of
# this file.
listen_addresses = ''
port = 5432
max_connections = 200
unix_socket_permissions = 0700
max_wal_size = 4GB
checkpoint_timeout = 15min
autovacuum_naptime = 10s
jit = off
";

/// The server's directory, with `data`, `run` for the socket, and `server.log`.
#[derive(Debug)]
struct Home(PathBuf);

impl Home {
    fn prepare(data_dir: &Path, account: &Account) -> Result<Self, EmbeddedError> {
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

    /// The major version of existing data.
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
    let file = File::create(&path).map_err(|source| file_error("create", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(data_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(file_error("lock", &path, source)),
    }
}

fn make_dir(path: &Path, mode: u32) -> Result<(), EmbeddedError> {
    let created = DirBuilder::new().recursive(true).mode(mode).create(path);
    created.map_err(|source| file_error("create the directory", path, source))
}

fn absolute(path: &Path) -> Result<PathBuf, EmbeddedError> {
    path.canonicalize().map_err(|source| file_error("find", path, source))
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> EmbeddedError {
    EmbeddedError::File { action, path: path.to_owned(), source }
}

//! Every setting, as an environment variable and a flag; `--help` is the reference.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use sqlx::postgres::PgConnectOptions;

use crate::http::HttpSettings;
use crate::postgres::EmbeddedSettings;
use crate::store::{StoreSettings, WriterSettings};

/// Keeps the context of customer journeys: services, states and tasks, over PostgreSQL.
///
/// Without a subcommand it serves. Each option can be given as a flag, as an environment variable, or in a file `.env`
/// in the current directory; the first of these that is there wins.
#[derive(Debug, Clone, Parser)]
#[command(version, max_term_width = 100)]
pub struct Settings {
    /// HTTP.
    #[command(flatten)]
    pub http: HttpArgs,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Group commit.
    #[command(flatten)]
    pub writer: WriterArgs,
    /// Extensions and business attributes.
    #[command(flatten)]
    pub metadata: MetadataArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do beside serving.
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What the program can do beside serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Action {
    /// Serve a demo world: hotel bookings of the last day, and some that go on. Its data are kept apart from others, in
    /// an embedded PostgreSQL in `DATA_DIR-demo`
    Demo,
}

/// How requests are taken.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Where to listen; port 0 takes a free one, and the log says which
    #[arg(long, env, default_value = "127.0.0.1:8080")]
    pub bind_address: SocketAddr,
    /// The most bytes of a request's body; more is 413
    #[arg(long, env, default_value_t = 1024 * 1024, value_parser = at_least_one)]
    pub max_body_bytes: usize,
    /// Threads that take requests; as many as there are cores, if not given
    #[arg(long, env, value_parser = at_least_one)]
    pub http_workers: Option<usize>,
    /// Seconds that requests may go on after the service is told to stop
    #[arg(long, env, default_value_t = 30)]
    pub shutdown_timeout: u64,
}

/// Where the data are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// The PostgreSQL to use, as postgres://user:password@host:port/database; without it the embedded one
    #[arg(long, env, hide_env_values = true)]
    pub database_url: Option<DatabaseUrl>,
    /// Where the embedded PostgreSQL keeps its data
    #[arg(long, env, default_value = "./data")]
    pub data_dir: PathBuf,
    /// Where the embedded PostgreSQL's binaries are; else they are found on PATH or under /usr/lib/postgresql/*/bin
    #[arg(long, env)]
    pub postgres_bin_dir: Option<PathBuf>,
    /// The most connections for queries and metadata; each writer has one more of its own
    #[arg(long, env, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub database_connections: u32,
}

/// How events are gathered into transactions.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Group commit")]
pub struct WriterArgs {
    /// The most events in one transaction
    #[arg(long, env, default_value_t = 128, value_parser = at_least_one)]
    pub write_batch: usize,
    /// The most events waiting for each writer; more is 503 overloaded
    #[arg(long, env, default_value_t = 2048, value_parser = at_least_one)]
    pub write_queue: usize,
    /// Writers, each with a connection of its own
    #[arg(long, env, default_value_t = 1, value_parser = at_least_one)]
    pub writers: usize,
}

/// What extensions need, and how values of business attributes are read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Metadata")]
pub struct MetadataArgs {
    /// Whether an extension needs a schema; `optional`: a name without one is stored as sent
    #[arg(long, env, value_enum, default_value_t = ExtensionSchemas::Required)]
    pub extension_schemas: ExtensionSchemas,
    /// Read values of business attributes as their names rather than their numbers: `true` or `false`
    #[arg(long, env, default_value_t = false, action = clap::ArgAction::Set)]
    pub map_names: bool,
}

/// Whether extensions need a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExtensionSchemas {
    /// They do.
    Required,
    /// A name without one is stored as sent.
    Optional,
}

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// `text` for people, `json` for machines
    #[arg(long, env, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// error, warn, info, debug or trace; or a list such as `info,sqlx=debug`. A line per request is at info, or
    /// higher where the request failed
    #[arg(long, env, default_value = "info", value_parser = log_level)]
    pub log_level: String,
}

/// The forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Where a database is. Never shown, since it may hold a password.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl From<&str> for DatabaseUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

impl DatabaseUrl {
    /// How to connect; none where the setting is there and empty.
    fn options(&self) -> Result<Option<PgConnectOptions>, &'static str> {
        if self.0.is_empty() {
            return Ok(None);
        }
        // The parser takes any scheme, and its error may repeat the password.
        let is_postgres = self.0.starts_with("postgres://") || self.0.starts_with("postgresql://");
        let options = self.0.parse().ok().filter(|_| is_postgres);
        options.map(Some).ok_or("DATABASE_URL: expected postgres://user:password@host:port/database")
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number >= 1).ok_or_else(|| "expected an integer of 1 or more".to_owned())
}

fn log_level(text: &str) -> Result<String, String> {
    let valid = tracing_subscriber::EnvFilter::try_new(text).is_ok();
    if valid { Ok(text.to_owned()) } else { Err("expected a level such as `info`".to_owned()) }
}

impl Settings {
    /// The settings of this process. Ends it with a message where they are not valid, or where only help was asked for.
    pub fn of_process() -> Self {
        let settings = Self::parse();
        if let Err(error) = settings.external_database() {
            Self::command().error(ErrorKind::ValueValidation, error).exit();
        }
        settings
    }

    /// The external database, if one is given.
    pub fn external_database(&self) -> Result<Option<PgConnectOptions>, &'static str> {
        self.database.database_url.as_ref().map_or(Ok(None), DatabaseUrl::options)
    }

    /// The embedded server's settings.
    pub fn embedded(&self) -> EmbeddedSettings {
        let mut data_dir = self.database.data_dir.clone();
        if self.plays_demo() {
            data_dir.as_mut_os_string().push("-demo");
        }
        EmbeddedSettings { data_dir, bin_dir: self.database.postgres_bin_dir.clone() }
    }

    /// Whether the demo world is to be served.
    pub fn plays_demo(&self) -> bool {
        self.action == Some(Action::Demo)
    }

    /// The store's settings, on a database.
    pub fn store(&self, database: PgConnectOptions) -> StoreSettings {
        let WriterArgs { write_batch: batch, write_queue: queue, writers } = self.writer;
        StoreSettings {
            database,
            pool_size: self.database.database_connections,
            open_extensions: self.metadata.extension_schemas == ExtensionSchemas::Optional,
            map_names: self.metadata.map_names,
            writer: WriterSettings { batch, queue, writers },
        }
    }

    /// The HTTP server's settings.
    pub fn http(&self) -> HttpSettings {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        HttpSettings {
            workers: self.http.http_workers.unwrap_or_else(cores),
            max_body_bytes: self.http.max_body_bytes,
            shutdown_timeout: self.http.shutdown_timeout,
        }
    }
}

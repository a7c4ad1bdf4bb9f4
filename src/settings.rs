//! Every setting, as an environment variable and a flag; `--help` is the reference.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, ValueEnum};
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
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
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
    /// Seconds that requests may go on after the service is told to stop
    #[arg(long, env, default_value_t = 30)]
    pub shutdown_timeout: u64,
}

/// Where the data are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// The PostgreSQL to use, as postgres://user:password@host:port/database; without it the embedded one
    #[arg(long, env, hide_env_values = true, value_parser = DatabaseUrl::from_str)]
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
    #[arg(long, env, default_value_t = 256, value_parser = at_least_one)]
    pub write_batch: usize,
    /// The most events waiting for each writer; more is 503 overloaded
    #[arg(long, env, default_value_t = 2048, value_parser = at_least_one)]
    pub write_queue: usize,
    /// Writers, each with a connection of its own
    #[arg(long, env, default_value_t = 1, value_parser = at_least_one)]
    pub writers: usize,
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

/// Where a database is; an empty text is nowhere. Never shown, since it may hold a password.
#[derive(Clone)]
pub struct DatabaseUrl(Option<PgConnectOptions>);

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        if url.is_empty() {
            return Ok(Self(None));
        }
        // The error of the parser could repeat the password.
        let options = url.parse().map_err(|_| "expected postgres://user:password@host:port/database".to_owned())?;
        Ok(Self(Some(options)))
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "given" } else { "none" })
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
    /// The external database, if one is given.
    pub fn external_database(&self) -> Option<PgConnectOptions> {
        self.database.database_url.as_ref().and_then(|url| url.0.clone())
    }

    /// The embedded server's settings.
    pub fn embedded(&self) -> EmbeddedSettings {
        EmbeddedSettings { data_dir: self.database.data_dir.clone(), bin_dir: self.database.postgres_bin_dir.clone() }
    }

    /// The store's settings, on a database.
    pub fn store(&self, database: PgConnectOptions) -> StoreSettings {
        let WriterArgs { write_batch: batch, write_queue: queue, writers } = self.writer;
        StoreSettings {
            database,
            pool_size: self.database.database_connections,
            writer: WriterSettings { batch, queue, writers },
        }
    }

    /// The HTTP server's settings.
    pub fn http(&self) -> HttpSettings {
        HttpSettings { max_body_bytes: self.http.max_body_bytes, shutdown_timeout: self.http.shutdown_timeout }
    }
}

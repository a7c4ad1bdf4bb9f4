//! The settings, as flags and environment variables. `--help` is the reference for operators.

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use chrono::TimeDelta;
use clap::{Args, Parser, ValueEnum};
use tracing::level_filters::LevelFilter;

use crate::cli::Command;
use crate::database_url;
pub use crate::database_url::DatabaseUrl;
use crate::http::{AccessSettings, HttpSettings, Tls};
use crate::postgres::EmbeddedSettings;
use crate::store::{
    CONTROL_CONNECTIONS, DatabaseAddress, LifetimeSettings, ReadSettings, StoreSettings, WriterSettings,
};
use crate::traces::TraceArgs;

/// Records the context of customer journeys (services, states and tasks) in PostgreSQL.
///
/// Without a subcommand, runs the service. Each setting can be given as a flag, before or after the subcommand, as an
/// environment variable, or in a file `.env` in the current directory, in this order of precedence.
#[derive(Debug, Clone, Parser)]
#[command(version, max_term_width = 100)]
pub struct Settings {
    /// The HTTP server.
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
    /// Lifetimes of services.
    #[command(flatten)]
    pub lifetimes: LifetimeArgs,
    /// Access control.
    #[command(flatten)]
    pub access: AccessArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Traces.
    #[command(flatten)]
    pub traces: TraceArgs,
    /// The subcommand; without one, the service runs.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Settings of the lifetimes of services.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Lifetimes")]
pub struct LifetimeArgs {
    /// Time after its start at which a service without a lifetime of its own is deleted, in seconds. It also applies to
    /// existing services [default: never]
    #[arg(long, env, value_parser = clap::value_parser!(i64).range(1..=LONGEST))]
    pub service_ttl: Option<i64>,
    /// Time after its last event at which an open service is completed, in seconds, unless it has an
    /// `auto_complete_after` of its own [default: never]
    #[arg(long, env, value_parser = clap::value_parser!(i64).range(1..=LONGEST))]
    pub auto_complete_after: Option<i64>,
}

/// The maximum lifetime in seconds: a hundred years.
const LONGEST: i64 = 100 * 366 * 24 * 60 * 60;

/// Settings of the HTTP server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Address and port to listen on, such as 127.0.0.1:8080 or localhost:8080. Port 0 selects a free port, which is
    /// logged
    #[arg(long, env, default_value = "127.0.0.1:8080", value_parser = bind_address)]
    pub bind_address: SocketAddr,
    /// Maximum size of a request body, in bytes. Larger requests are answered with 413
    #[arg(long, env, default_value_t = 1024 * 1024, value_parser = at_least_one)]
    pub max_body_bytes: usize,
    /// Maximum size of all request bodies that are received or handled at the same time, in bytes, beyond 8 KiB for
    /// each connection. Further ones are answered with 503 (overloaded)
    #[arg(long, env, default_value_t = 32 * 1024 * 1024, value_parser = at_least_one)]
    pub max_body_memory: usize,
    /// Maximum size of all large responses that wait for their clients, in bytes. Further ones are replaced by 503
    /// (overloaded)
    #[arg(long, env, default_value_t = 64 * 1024 * 1024, value_parser = at_least_one)]
    pub max_answer_memory: usize,
    /// Whether HTTP/2 is offered on connections with TLS
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set)]
    pub http2: bool,
    /// Number of HTTP worker threads [default: number of CPU cores]
    #[arg(long, env, value_parser = at_least_one)]
    pub http_workers: Option<usize>,
    /// Maximum time to receive the head of a request, and again for its body, in seconds. Slower requests are answered
    /// with 408
    #[arg(long, env, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub request_timeout: u64,
    /// Time after which an idle connection is closed, in seconds
    #[arg(long, env, default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_alive: u64,
    /// Maximum number of open connections. Further ones wait to be accepted
    #[arg(long, env, default_value_t = 8192, value_parser = at_least_one)]
    pub max_connections: usize,
    /// Time that requests in progress have to finish on shutdown, in seconds
    #[arg(long, env, default_value_t = 30)]
    pub shutdown_timeout: u64,
}

/// Settings of the database.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// PostgreSQL database to use: postgres://user:password@host:port/database. Of several hosts
    /// (host1:port,host2:port), the one that accepts writes is used [default: the embedded PostgreSQL]
    #[arg(long, env, hide_env_values = true)]
    pub database_url: Option<DatabaseUrl>,
    /// File with the `DATABASE_URL` in its first line, to keep the secret out of the environment
    #[arg(long, env)]
    pub database_url_file: Option<PathBuf>,
    /// PostgreSQL database for reports and for lists of services, such as a standby of `DATABASE_URL`. Their responses
    /// lag behind by as much as that database does [default: the database of the events]
    #[arg(long, env, hide_env_values = true)]
    pub read_database_url: Option<DatabaseUrl>,
    /// File with the `READ_DATABASE_URL` in its first line
    #[arg(long, env)]
    pub read_database_url_file: Option<PathBuf>,
    /// Data directory of the embedded PostgreSQL. It is created if it does not exist
    #[arg(long, env, default_value = "./data")]
    pub data_dir: PathBuf,
    /// Absolute path of the directory with the programs of the embedded PostgreSQL, such as `initdb` [default: found on
    /// PATH or under /usr/lib/postgresql/*/bin]
    #[arg(long, env)]
    pub postgres_bin_dir: Option<PathBuf>,
    /// Maximum number of database connections for metadata, for look-ups of events, and for background jobs. Each
    /// writer uses an additional connection, and so does each read: see `READ_CONNECTIONS`
    #[arg(long, env, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub database_connections: u32,
    /// Maximum number of queries, reports and pages that run at a time, each with a database connection of its own.
    /// Further ones wait for a second and are then answered with 503 (overloaded)
    #[arg(long, env, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub read_connections: u32,
    /// Maximum time that a query, report or page may run, in seconds; after that it is answered with 503
    /// (`read_timeout`)
    #[arg(long, env, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub read_timeout: u64,
}

/// Settings of group commit.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Group commit")]
pub struct WriterArgs {
    /// Maximum number of events per transaction
    #[arg(long, env, default_value_t = 128, value_parser = at_least_one)]
    pub write_batch: usize,
    /// Maximum number of events waiting per lane. Further ones are answered with 503 (overloaded)
    #[arg(long, env, default_value_t = 2048, value_parser = at_least_one)]
    pub write_queue: usize,
}

/// Settings of extensions and business attributes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Metadata")]
pub struct MetadataArgs {
    /// Whether extensions need a schema
    #[arg(long, env, value_enum, default_value_t = ExtensionSchemas::Required)]
    pub extension_schemas: ExtensionSchemas,
    /// Whether responses contain the names of business attribute values instead of their numbers: `true` or `false`
    #[arg(long, env, default_value_t = false, action = clap::ArgAction::Set)]
    pub map_names: bool,
    /// Maximum number of different values of a field without a business attribute. Events with further ones are
    /// answered with 400 (`invalid_event`)
    #[arg(long, env, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_learned_values: u32,
}

/// The policy for extensions without a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExtensionSchemas {
    /// Extensions without a schema are refused.
    Required,
    /// Extensions without a schema are stored as sent.
    Optional,
}

/// Settings of access control.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// Whether callers must authenticate: `required` or `none` [default: none on a loopback address; on any other
    /// address the service refuses to start without this setting]
    #[arg(long, env, value_enum)]
    pub authentication: Option<Authentication>,
    /// Host names accepted in requests, comma-separated, without ports [default: `localhost`, `127.0.0.1` and `[::1]`
    /// on a loopback address without authentication; any otherwise]
    #[arg(long, env, value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
    /// Origins of other sites whose pages may call the API, comma-separated, such as `https://app.example.com`
    /// [default: none]
    #[arg(long, env, value_delimiter = ',', value_parser = crate::http::origin)]
    pub allowed_origins: Vec<String>,
    /// Maximum number of requests per second for each user, or for each client address without authentication. Further
    /// ones are answered with 429 [default: no limit]
    #[arg(long, env)]
    pub rate_limit: Option<NonZeroU32>,
    /// Maximum number of passwords per second that are checked for each client address. Wrong passwords for a user
    /// also delay that user's next check. 0 turns both limits off
    #[arg(long, env, default_value_t = 5)]
    pub password_rate_limit: u32,
    /// PEM file with the TLS certificate chain. It is reloaded on SIGHUP [default: no TLS]
    #[arg(long, env)]
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the private key of the TLS certificate. It is reloaded on SIGHUP
    #[arg(long, env)]
    pub tls_key: Option<PathBuf>,
}

/// Whether callers must authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Authentication {
    /// Everyone has full access.
    None,
    /// Callers need a password or token.
    Required,
}

/// Settings of the log.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// Format of the log: `text`, or `json` with one object per line
    #[arg(long, env, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Level of the log: error, warn, info, debug or trace, or a list by module such as `info,sqlx=debug`. Requests are
    /// logged at info, with a 4xx status at warn, and with a 5xx status at error
    #[arg(long, env, default_value = "info", value_parser = log_level)]
    pub log_level: String,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Plain text.
    Text,
    /// JSON, one object per line.
    Json,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number >= 1).ok_or_else(|| "expected an integer of 1 or more".to_owned())
}

/// Resolves an address or a host name. If a name has several addresses, the first IPv4 address is preferred.
fn bind_address(text: &str) -> Result<SocketAddr, String> {
    let addresses = text.to_socket_addrs().map(Vec::from_iter).unwrap_or_default();
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied();
    first.ok_or_else(|| "expected an address or name of this machine, and a port, such as localhost:8080".to_owned())
}

/// Rejects misspelt levels, which the filter would otherwise treat as names of modules.
fn log_level(text: &str) -> Result<String, String> {
    let is_level = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    let valid = text.split(',').all(is_level) && tracing_subscriber::EnvFilter::try_new(text).is_ok();
    if valid {
        Ok(text.to_owned())
    } else {
        Err("expected error, warn, info, debug, trace, or a list such as `info,sqlx=debug`".to_owned())
    }
}

impl Settings {
    /// Reports settings that are individually valid but do not fit together.
    pub fn check(&self) -> Result<(), String> {
        if self.access.tls_certificate.is_some() != self.access.tls_key.is_some() {
            return Err("TLS needs both TLS_CERTIFICATE (--tls-certificate) and TLS_KEY (--tls-key)".to_owned());
        }
        // Only subcommands that use the database need its address, and only `serve` and `check` need the access
        // settings.
        match self.command {
            Some(Command::Completions { .. } | Command::Man { .. } | Command::Healthcheck) => Ok(()),
            Some(Command::Migrate { .. } | Command::AfterRestore { .. } | Command::Lanes(_) | Command::User(_)) => {
                self.external_database().map(drop)
            }
            None | Some(Command::Serve | Command::Check) => {
                self.external_database()?;
                self.read_database()?;
                self.access(self.http.bind_address).map(drop)
            }
        }
    }

    /// Whether callers must authenticate. An address other than loopback requires an explicit setting.
    fn authentication(&self, address: SocketAddr) -> Result<bool, String> {
        match self.access.authentication {
            Some(setting) => Ok(setting == Authentication::Required),
            None if address.ip().is_loopback() => Ok(false),
            None => Err(format!(
                "{address} is not a loopback address: set AUTHENTICATION=required and add users (context-services user add), \
                 or AUTHENTICATION=none to give full access to anyone who can reach it"
            )),
        }
    }

    fn access(&self, address: SocketAddr) -> Result<AccessSettings, String> {
        let authentication = self.authentication(address)?;
        let local_only = !authentication && address.ip().is_loopback();
        let mut hosts = self.access.allowed_hosts.clone();
        if hosts.is_empty() && local_only {
            hosts = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec();
        }
        let origins = self.access.allowed_origins.clone();
        let password_rate_limit = NonZeroU32::new(self.access.password_rate_limit);
        Ok(AccessSettings { authentication, hosts, origins, rate_limit: self.access.rate_limit, password_rate_limit })
    }

    /// The maximum number of database connections that the service keeps open. `of_lanes` is the number that its lanes
    /// use.
    pub fn database_connections(&self, has_replica: bool, of_lanes: u64) -> u64 {
        let DatabaseArgs { database_connections, read_connections, .. } = self.database;
        let reads = u64::from(read_connections) * if has_replica { 2 } else { 1 };
        u64::from(database_connections + CONTROL_CONNECTIONS) + reads + of_lanes
    }

    /// The address of the external database, if one is configured.
    pub fn external_database(&self) -> Result<Option<DatabaseAddress>, String> {
        let DatabaseArgs { database_url, database_url_file, .. } = &self.database;
        database_url::configured("DATABASE_URL", database_url.as_ref(), database_url_file.as_deref())
    }

    /// The address of the database for reports and lists, if a separate one is configured.
    pub fn read_database(&self) -> Result<Option<DatabaseAddress>, String> {
        let DatabaseArgs { read_database_url, read_database_url_file, .. } = &self.database;
        let file = read_database_url_file.as_deref();
        let address = database_url::configured("READ_DATABASE_URL", read_database_url.as_ref(), file)?;
        if address.as_ref().is_some_and(|address| address.hosts().len() > 1) {
            return Err("READ_DATABASE_URL: expected a single host".to_owned());
        }
        Ok(address)
    }

    /// The embedded server's settings.
    pub fn embedded(&self) -> EmbeddedSettings {
        let DatabaseArgs { data_dir, postgres_bin_dir, .. } = &self.database;
        EmbeddedSettings { data_dir: data_dir.clone(), bin_dir: postgres_bin_dir.clone() }
    }

    /// The store's settings for a database, without a replica.
    pub fn store(&self, database: DatabaseAddress) -> StoreSettings {
        let WriterArgs { write_batch: batch, write_queue: queue } = self.writer;
        StoreSettings {
            database,
            replica: None,
            pool_size: self.database.database_connections,
            reads: ReadSettings {
                connections: self.database.read_connections,
                timeout: Duration::from_secs(self.database.read_timeout),
            },
            max_learned_values: self.metadata.max_learned_values,
            open_extensions: self.metadata.extension_schemas == ExtensionSchemas::Optional,
            map_names: self.metadata.map_names,
            lifetimes: LifetimeSettings {
                service_ttl: self.lifetimes.service_ttl.map(TimeDelta::seconds),
                auto_complete_after: self.lifetimes.auto_complete_after.map(TimeDelta::seconds),
            },
            writer: WriterSettings { batch, queue },
        }
    }

    /// The HTTP server's settings, for the address on which it listens: `BIND_ADDRESS`, or that of a socket that systemd
    /// has opened.
    pub fn http(&self, address: SocketAddr) -> Result<HttpSettings> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let files = self.access.tls_certificate.clone().zip(self.access.tls_key.clone());
        Ok(HttpSettings {
            workers: self.http.http_workers.unwrap_or_else(cores),
            max_body_bytes: self.http.max_body_bytes,
            max_body_memory: self.http.max_body_memory,
            max_answer_memory: self.http.max_answer_memory,
            http2: self.http.http2,
            shutdown_timeout: self.http.shutdown_timeout,
            request_timeout: Duration::from_secs(self.http.request_timeout),
            keep_alive: Duration::from_secs(self.http.keep_alive),
            max_connections: self.http.max_connections,
            access: self.access(address).map_err(anyhow::Error::msg)?,
            tls: files.map(|(certificate, key)| Tls::read(certificate, key)).transpose()?,
        })
    }
}

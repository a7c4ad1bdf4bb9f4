//! Every setting, as an environment variable and a flag; `--help` is the reference.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use chrono::TimeDelta;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::database_url;
use crate::domain::access::Role;
use crate::http::{AccessSettings, HttpSettings, Tls};
use crate::postgres::EmbeddedSettings;
use crate::store::{DatabaseAddress, LifetimeSettings, StoreSettings, WriterSettings};

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
    /// Lifetimes.
    #[command(flatten)]
    pub lifetimes: LifetimeArgs,
    /// Who may call.
    #[command(flatten)]
    pub access: AccessArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How long services live.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Lifetimes")]
pub struct LifetimeArgs {
    /// Seconds after its start at which a service without a lifetime of its own is deleted. Also holds for services that
    /// exist already. Default: never
    #[arg(long, env, value_parser = clap::value_parser!(i64).range(1..=LONGEST))]
    pub service_ttl: Option<i64>,
    /// Seconds after its last event at which an open service is completed automatically, unless it has its own
    /// `auto_complete_after`. Default: never
    #[arg(long, env, value_parser = clap::value_parser!(i64).range(1..=LONGEST))]
    pub auto_complete_after: Option<i64>,
}

/// The most seconds of a lifetime: a hundred years.
const LONGEST: i64 = 100 * 366 * 24 * 60 * 60;

/// What else the program does.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Adds, lists and removes those who may call the service
    #[command(subcommand)]
    User(UserCommand),
    /// Serves a demo world: hotel bookings of the last day, and some that go on. Its data are kept apart from others, in
    /// an embedded PostgreSQL in `DATA_DIR-demo`
    Demo,
}

/// What is done with users.
#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Adds a password or token, and prints it. A user may have several, and they need not have the same role
    Add(AddUser),
    /// Lists all credentials: number, user, kind, role
    List,
    /// Removes a user, or one credential of it
    Remove {
        /// The user
        name: String,
        /// The number of the credential; all of the user, if not given
        #[arg(long)]
        id: Option<i32>,
    },
}

/// The password or token to be added.
#[derive(Debug, Clone, Args)]
pub struct AddUser {
    /// The user: 1 to 64 characters without colons
    pub name: String,
    /// reader (queries), writer (lifecycle events and extensions, too) or administrator (everything)
    #[arg(long)]
    pub role: Role,
    /// Add a bearer token rather than a password for HTTP Basic
    #[arg(long)]
    pub token: bool,
    /// Read the password from the first line of standard input instead of making one up
    #[arg(long, conflicts_with = "token")]
    pub password_stdin: bool,
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
    /// Seconds that the head of a request may take to arrive, and its body; more is 408
    #[arg(long, env, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub request_timeout: u64,
    /// Seconds that a connection may be without a request
    #[arg(long, env, default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_alive: u64,
    /// The most connections at a time; more wait to be accepted
    #[arg(long, env, default_value_t = 8192, value_parser = at_least_one)]
    pub max_connections: usize,
    /// Seconds that requests may go on after the service is told to stop
    #[arg(long, env, default_value_t = 30)]
    pub shutdown_timeout: u64,
}

/// Where the data are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// The PostgreSQL to use, as postgres://user:password@host:port/database; without it the embedded one. Of several
    /// hosts (host1:port,host2:port) the one that accepts writes is used
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

/// Who may call.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// Whether callers must say who they are: `required`, or `none`. If not given: none on a loopback address, and on
    /// any other the service does not start
    #[arg(long, env, value_enum)]
    pub authentication: Option<Authentication>,
    /// Names by which the service may be called, without port, comma separated. If not given: those of this machine
    /// for itself where authentication is none on a loopback address, else any
    #[arg(long, env, value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
    /// Requests a second of each user, or of each address without authentication; more is 429. If not given: no limit
    #[arg(long, env)]
    pub rate_limit: Option<NonZeroU32>,
    /// The certificate chain for TLS, PEM; read again on SIGHUP
    #[arg(long, env, requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, PEM
    #[arg(long, env, requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
}

/// Whether callers must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Authentication {
    /// They need not.
    None,
    /// By password or token.
    Required,
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
    /// Where it leads; none where the setting is there and empty.
    fn address(&self) -> Result<Option<DatabaseAddress>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        database_url::parse(&self.0).map(Some).map_err(|fault| format!("DATABASE_URL: {fault}"))
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
        // Without a subcommand it serves, and then it must be clear to whom.
        let access =
            if settings.command.is_none() { settings.access().map(drop).map_err(str::to_owned) } else { Ok(()) };
        if let Err(error) = settings.external_database().map(drop).and(access) {
            <Self as CommandFactory>::command().error(ErrorKind::ValueValidation, error).exit();
        }
        settings
    }

    /// Whether callers must say who they are. Where anybody on the network could call, it must have been decided.
    fn authentication(&self) -> Result<bool, &'static str> {
        match self.access.authentication {
            Some(decided) => Ok(decided == Authentication::Required),
            None if self.http.bind_address.ip().is_loopback() => Ok(false),
            None => Err("BIND_ADDRESS is not a loopback address: set AUTHENTICATION=required and add users \
                         (context-services user add), or AUTHENTICATION=none to let in everybody who can reach it"),
        }
    }

    fn access(&self) -> Result<AccessSettings, &'static str> {
        let authentication = self.authentication()?;
        let only_here = !authentication && self.http.bind_address.ip().is_loopback();
        let mut hosts = self.access.allowed_hosts.clone();
        if hosts.is_empty() && only_here {
            hosts = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec();
        }
        Ok(AccessSettings { authentication, hosts, rate_limit: self.access.rate_limit })
    }

    /// The external database, if one is given.
    pub fn external_database(&self) -> Result<Option<DatabaseAddress>, String> {
        self.database.database_url.as_ref().map_or(Ok(None), DatabaseUrl::address)
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
        matches!(self.command, Some(Command::Demo))
    }

    /// The store's settings, on a database.
    pub fn store(&self, database: DatabaseAddress) -> StoreSettings {
        let WriterArgs { write_batch: batch, write_queue: queue, writers } = self.writer;
        StoreSettings {
            database,
            pool_size: self.database.database_connections,
            open_extensions: self.metadata.extension_schemas == ExtensionSchemas::Optional,
            map_names: self.metadata.map_names,
            lifetimes: LifetimeSettings {
                service_ttl: self.lifetimes.service_ttl.map(TimeDelta::seconds),
                auto_complete_after: self.lifetimes.auto_complete_after.map(TimeDelta::seconds),
            },
            writer: WriterSettings { batch, queue, writers },
        }
    }

    /// The HTTP server's settings.
    pub fn http(&self) -> Result<HttpSettings> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let files = self.access.tls_certificate.clone().zip(self.access.tls_key.clone());
        Ok(HttpSettings {
            workers: self.http.http_workers.unwrap_or_else(cores),
            max_body_bytes: self.http.max_body_bytes,
            shutdown_timeout: self.http.shutdown_timeout,
            request_timeout: Duration::from_secs(self.http.request_timeout),
            keep_alive: Duration::from_secs(self.http.keep_alive),
            max_connections: self.http.max_connections,
            access: self.access().map_err(anyhow::Error::msg)?,
            tls: files.map(|(certificate, key)| Tls::read(certificate, key)).transpose()?,
        })
    }
}

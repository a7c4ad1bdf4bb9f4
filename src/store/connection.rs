//! Connections: how they are set up, what the database must promise, and whether it is ready.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool};

use super::{Store, StoreError};

/// The schema, in steps; applied at start under an advisory lock, so that nodes may start together.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// The longest wait for a connection. After it, the database counts as unavailable.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// Limits the time of short work on pooled connections. Without a limit, a silent database would block its caller.
pub(super) async fn with_timeout<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(ACQUIRE_TIMEOUT, work).await.unwrap_or(Err(StoreError::Unavailable(None)))
}

/// Why the store cannot open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no database where the settings say, or it does not let us in.
    #[error("cannot reach the database")]
    Unreachable(#[source] sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error("cannot migrate the database")]
    Migration(#[source] MigrateError),
    /// The database would acknowledge what it may lose.
    #[error("the database may lose what it has committed: {0} is off; turn it on for this server, database and role")]
    NotDurable(String),
}

/// Whether the service can do its work, and what of it (contract §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// All is well.
    Ready,
    /// It cannot, for this reason.
    NotReady(String),
}

/// Marks connections so that they can be told in `pg_stat_activity`, and keeps statements from waiting for ever.
pub(super) fn named(options: PgConnectOptions) -> PgConnectOptions {
    let options = options.application_name("context-services");
    // PostgreSQL's own log has slow statements, by the names in their first lines.
    let limits = [
        ("statement_timeout", "60s"),
        ("lock_timeout", "30s"),
        // A connection that was cut without a word must not hold its locks.
        ("idle_in_transaction_session_timeout", "30s"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "30s"),
    ];
    options.options(limits).disable_statement_logging()
}

/// Refuses a database, or a role, for which a commit does not mean that the data is on disk.
pub(super) async fn check_durability(pool: &PgPool) -> Result<(), StartError> {
    match settings_that_lose(pool).await.map_err(StartError::Unreachable)? {
        settings if settings.is_empty() => Ok(()),
        settings => Err(StartError::NotDurable(settings.join(" and "))),
    }
}

async fn settings_that_lose(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- settings_that_lose
        select name as "name!" from pg_settings
        where name in ('synchronous_commit', 'fsync', 'full_page_writes') and setting = 'off' order by name"#
    )
    .fetch_all(pool)
    .await
}

impl Store {
    /// Whether the database can be reached, has this program's schema, and keeps what it commits.
    pub async fn readiness(&self) -> Result<Readiness, StoreError> {
        let applied = sqlx::query_scalar!(
            r#"-- readiness
            select max(version) as "version!" from _sqlx_migrations where success"#
        )
        .fetch_one(&self.pool)
        .await?;
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        if applied < newest {
            return Ok(Readiness::NotReady(format!("the schema is at version {applied}, not at {newest}")));
        }
        Ok(match settings_that_lose(&self.pool).await? {
            settings if settings.is_empty() => Readiness::Ready,
            settings => Readiness::NotReady(format!("{} is off: commits may be lost", settings.join(" and "))),
        })
    }
}

//! Connections: their options, the durability they require, and readiness.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool};

use super::{Store, StoreError};

/// The migrations. They run at start under an advisory lock, so nodes may start at the same time.
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
    /// The database does not answer, or refuses the connection.
    #[error("cannot reach the database")]
    Unreachable(#[source] sqlx::Error),
    /// A migration failed.
    #[error("cannot migrate the database")]
    Migration(#[source] MigrateError),
    /// The use of lifetimes cannot be recorded in the database.
    #[error("cannot turn lifetimes on")]
    Lifetimes(#[source] StoreError),
    /// The database acknowledges commits that it may lose.
    #[error("the database may lose committed data: {0} is off; turn it on for this server, database and role")]
    NotDurable(String),
}

/// The readiness of the service (docs/api.md §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// The service can do its work.
    Ready,
    /// The service cannot do its work, for this reason.
    NotReady(String),
}

/// Names connections for `pg_stat_activity`, and limits the time for which they wait and block others.
pub(super) fn with_session_settings(options: PgConnectOptions) -> PgConnectOptions {
    let options = options.application_name("context-services");
    // PostgreSQL logs slow statements itself, with their names in the first line.
    let limits = [
        ("statement_timeout", "60s"),
        ("lock_timeout", "30s"),
        // A connection that was cut silently must not keep its locks.
        ("idle_in_transaction_session_timeout", "30s"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "30s"),
    ];
    options.options(limits).disable_statement_logging()
}

/// Refuses a database, or a role, for which a commit does not mean that the data are on disk.
pub(super) async fn check_durability(pool: &PgPool) -> Result<(), StartError> {
    match unsafe_settings(pool).await.map_err(StartError::Unreachable)? {
        settings if settings.is_empty() => Ok(()),
        settings => Err(StartError::NotDurable(settings.join(" and "))),
    }
}

async fn unsafe_settings(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- unsafe_settings
        select name as "name!" from pg_settings
        where name in ('synchronous_commit', 'fsync', 'full_page_writes') and setting = 'off' order by name"#
    )
    .fetch_all(pool)
    .await
}

impl Store {
    /// Checks that the database can be reached, has at least this program's schema, and is durable.
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
        Ok(match unsafe_settings(&self.pool).await? {
            settings if settings.is_empty() => Readiness::Ready,
            settings => Readiness::NotReady(format!("{} is off: committed data may be lost", settings.join(" and "))),
        })
    }
}

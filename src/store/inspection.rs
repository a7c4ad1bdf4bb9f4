//! The checks of a database that an operator wants before the service runs on it.

use super::connection::{Database, DatabaseAddress};
use super::migrations;
use super::pool::Pool;
use super::rights::check_rights;
use super::suitability::{StartError, check_settings, newest_version};
use crate::domain::clock::Clock;

/// The most milliseconds by which the clocks of a node and of the database may differ. Events without a timestamp get
/// the node's time, and lifetimes are compared across nodes.
const CLOCK_TOLERANCE: i64 = 2_000;

/// The finding of one check.
#[derive(Debug)]
pub struct Finding {
    /// The subject of the check, in one word.
    pub subject: &'static str,
    /// The result in a few words. An error says how to mend the fault.
    pub result: Result<String, FindingError>,
}

/// The fault that a check found.
#[derive(Debug, thiserror::Error)]
pub enum FindingError {
    /// The service would not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Migrations are pending: the service applies them at its start, or an operator has to.
    #[error(
        "{0} steps are missing: the service applies them when it starts, if its role is allowed to; otherwise run \
         `context-services migrate`"
    )]
    Pending(usize),
    /// The settings do not lead to a database.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
    /// The clocks differ.
    #[error("this machine's clock is {0} ms ahead of the database's: synchronize both")]
    Clock(i64),
}

impl From<sqlx::Error> for FindingError {
    fn from(error: sqlx::Error) -> Self {
        Self::Start(StartError::Unreachable(error))
    }
}

/// Checks a database without changing it. Checks that an earlier finding makes impossible are left out.
pub async fn inspect(address: DatabaseAddress, clock: &dyn Clock) -> Vec<Finding> {
    let database = Database::new(address.clone());
    let pool = async {
        database.find_primary().await?;
        database.open_pool(1).await.map_err(StartError::Unreachable)
    };
    let pool = match pool.await {
        Ok(pool) => pool,
        Err(error) => return vec![Finding { subject: "database", result: Err(error.into()) }],
    };
    let durable = "synchronous_commit, fsync and full_page_writes are on".to_owned();
    let mut findings = vec![
        Finding { subject: "database", result: server(&pool).await },
        Finding { subject: "durability", result: check_settings(&pool).await.map(|()| durable).map_err(Into::into) },
        Finding { subject: "clock", result: compare_clocks(&pool, clock).await },
    ];
    let schema = schema(address).await;
    if schema.is_ok() {
        let rights = "the role may do all that the service does".to_owned();
        findings.push(Finding {
            subject: "rights",
            result: check_rights(&pool).await.map(|()| rights).map_err(Into::into),
        });
    }
    findings.push(Finding { subject: "schema", result: schema });
    pool.close().await;
    findings
}

/// Checks the database for reports and lists.
pub async fn inspect_replica(address: DatabaseAddress) -> Finding {
    let looked_at = async {
        let pool = Database::new(address).open_pool(1).await?;
        let server = server(&pool).await;
        pool.close().await;
        server
    };
    Finding { subject: "replica", result: looked_at.await }
}

async fn server(pool: &Pool) -> Result<String, FindingError> {
    let server = sqlx::query_scalar!(
        r#"-- server
        select 'PostgreSQL ' || current_setting('server_version') || ', database ' || current_database() || ', role '
          || current_user as "server!""#
    );
    Ok(server.fetch_one(pool).await?)
}

async fn schema(address: DatabaseAddress) -> Result<String, FindingError> {
    let (state, own) = (migrations::schema_state(address).await?, newest_version());
    match (state.pending.len(), state.newer) {
        (0, None) => Ok(format!("version {own}, which is that of this program")),
        (0, Some(version)) => Ok(format!("version {version}; this program knows {own}, and can serve on it")),
        (pending, _) => Err(FindingError::Pending(pending)),
    }
}

async fn compare_clocks(pool: &Pool, clock: &dyn Clock) -> Result<String, FindingError> {
    let before = clock.now().millis();
    let database = sqlx::query_scalar!(
        r#"-- compare_clocks
        select (extract(epoch from clock_timestamp()) * 1000)::bigint as "now!""#
    );
    let database = database.fetch_one(pool).await?;
    // The database read its clock between the two readings.
    let after = clock.now().millis();
    let ahead = if database < before { before - database } else { (after - database).min(0) };
    if ahead.abs() > CLOCK_TOLERANCE {
        return Err(FindingError::Clock(ahead));
    }
    Ok(format!("{ahead} ms ahead of the database's"))
}

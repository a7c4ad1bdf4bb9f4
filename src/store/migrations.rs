//! The schema of the database, in numbered steps.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, Migrator};
use sqlx::{Executor, PgConnection};

use tracing::warn;

use super::connection::{Database, DatabaseAddress, SHARED};
use super::error::is_lock_timeout;
use super::lane_steps::{self, ATTEMPTS, LOCK_TIMEOUT, RETRY_PAUSE};
use super::suitability::{Facts, MIGRATIONS, StartError, newest_version};
use crate::progress::with_progress;

/// The advisory lock of the node that migrates the database.
const MIGRATIONS_LOCK: i64 = 5330;

/// The pause after which a node that waits for the lock asks again.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The schema of a database, compared with this program's.
#[derive(Debug)]
pub(super) struct SchemaState {
    /// The steps that the database lacks.
    pub(super) pending: Vec<&'static Migration>,
    /// The version of the schema, if it is newer than this program's.
    pub(super) newer: Option<i64>,
}

/// The steps that a database lacks, by number and name. All of them, if it is empty.
pub async fn pending_migrations(database: DatabaseAddress) -> Result<Vec<String>, StartError> {
    let pending = schema_state(database).await?.pending;
    Ok(pending.into_iter().map(|step| format!("{:04} {}", step.version, step.description)).collect())
}

/// Compares the schema of a database with this program's.
pub(super) async fn schema_state(database: DatabaseAddress) -> Result<SchemaState, StartError> {
    let database = Database::new(database);
    database.find_primary().await?;
    let mut connection = database.connect_for_writes(SHARED).await.map_err(StartError::Unreachable)?;
    let facts = Facts::of(&mut connection).await.map_err(StartError::Unreachable)?;
    compare(&mut connection, &facts).await
}

/// Brings the schema up to date, as the owner of the tables, and returns the number of steps that were missing.
///
/// Refuses a database that the service cannot use.
pub async fn migrate(database: DatabaseAddress) -> Result<usize, StartError> {
    let database = Database::new(database);
    database.find_primary().await?;
    bring_up_to_date(&database).await
}

/// Brings the schema up to date. Needs no rights for that if the schema is already up to date. Returns the number of
/// steps that were missing.
pub(super) async fn bring_up_to_date(database: &Database) -> Result<usize, StartError> {
    let mut connection = database.connect_for_writes(SHARED).await.map_err(StartError::Unreachable)?;
    let facts = Facts::of(&mut connection).await.map_err(StartError::Unreachable)?;
    if let Some(objection) = facts.objection() {
        return Err(StartError::Unsuitable(objection));
    }
    let SchemaState { pending, newer } = compare(&mut connection, &facts).await?;
    if let Some(version) = newer {
        let own = newest_version();
        warn!("the schema is at version {version}, this program's is {own}: a newer release has migrated the database");
    }
    if pending.is_empty() && !lane_steps::are_pending(&mut connection).await.map_err(StartError::Unreachable)? {
        return Ok(0);
    }
    if let Some(objection) = facts.objection_to_migration(newest_version()) {
        return Err(StartError::Unsuitable(objection));
    }
    // A step on large tables may take longer than other statements may.
    connection.execute("set statement_timeout = 0").await.map_err(StartError::Unreachable)?;
    let steps = if facts.has_reporting() { steps_with_reporting() } else { Cow::Borrowed(&*MIGRATIONS.migrations) };
    let migrating = async {
        lock_migrations(&mut connection).await?;
        for step in &*steps {
            apply(&mut connection, step).await?;
        }
        lane_steps::apply(&mut connection).await.map_err(MigrateError::Execute)
    };
    let ran = with_progress("migrating the database", migrating).await;
    ran.map(|()| pending.len()).map_err(|error| facts.explain(error))
}

/// Applies a step, unless it has been applied. Events wait behind a step that waits for a lock, so the step gives up
/// soon and is tried again.
async fn apply(connection: &mut PgConnection, step: &Migration) -> Result<(), MigrateError> {
    let migrations = Cow::Owned(vec![step.clone()]);
    let migrator = Migrator { migrations, locking: false, ignore_missing: true, ..Migrator::DEFAULT };
    // A concurrent build of an index waits without making events wait, and an interrupted one leaves an index that must
    // be dropped.
    let timeout = if step.no_tx { "0" } else { LOCK_TIMEOUT };
    connection.execute(&*format!("set lock_timeout = '{timeout}'")).await?;
    for _ in 1..ATTEMPTS {
        match migrator.run(&mut *connection).await {
            Err(MigrateError::ExecuteMigration(error, _)) if is_lock_timeout(&error) => {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            done => return done,
        }
    }
    migrator.run(connection).await
}

/// Waits until no other node migrates the database, and keeps others waiting until the connection closes.
///
/// A node must not wait within a statement: the concurrent build of an index on another node waits for all older
/// statements, and the two nodes would wait for each other.
pub(super) async fn lock_migrations(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lock = || {
        sqlx::query_scalar!(
            r#"-- lock_migrations
        select pg_try_advisory_lock($1) as "locked!""#,
            MIGRATIONS_LOCK
        )
    };
    while !lock().fetch_one(&mut *connection).await? {
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Ok(())
}

/// Compares the schema with this program's. Fails if this program cannot serve on it, or if a step was changed or
/// interrupted.
pub(super) async fn compare(connection: &mut PgConnection, facts: &Facts) -> Result<SchemaState, StartError> {
    if !facts.has_migrations() {
        return Ok(SchemaState { pending: MIGRATIONS.iter().collect(), newer: None });
    }
    let state = recorded(connection).await.map_err(|error| facts.explain(error))?;
    if state.newer.is_some() {
        let minimum = sqlx::query_scalar!(
            r#"-- minimum_version
            select minimum_version from deployment"#
        );
        let (minimum, own) = (minimum.fetch_one(connection).await.map_err(StartError::Unreachable)?, newest_version());
        if minimum > own {
            return Err(StartError::Outdated { minimum, own });
        }
    }
    Ok(state)
}

/// Compares the recorded steps with this program's. The steps of newer releases follow all steps of this release.
async fn recorded(connection: &mut PgConnection) -> Result<SchemaState, MigrateError> {
    if let Some(version) = connection.dirty_version().await? {
        return Err(MigrateError::Dirty(version));
    }
    let applied = connection.list_applied_migrations().await?;
    let mut unknown = Vec::new();
    for step in &applied {
        match MIGRATIONS.iter().find(|known| known.version == step.version) {
            None => unknown.push(step.version),
            Some(known) if known.checksum != step.checksum => return Err(MigrateError::VersionMismatch(step.version)),
            Some(_) => {}
        }
    }
    let is_applied = |step: &&Migration| applied.iter().any(|applied| applied.version == step.version);
    let pending: Vec<_> = MIGRATIONS.iter().filter(|step| !is_applied(step)).collect();
    let foreign = unknown.iter().find(|version| !pending.is_empty() || **version < newest_version());
    match foreign {
        Some(version) => Err(MigrateError::VersionMissing(*version)),
        None => Ok(SchemaState { pending, newer: unknown.into_iter().max() }),
    }
}

/// All steps, without `create schema reporting`: an administrator has created that schema already, for a role that may
/// not create schemas.
fn steps_with_reporting() -> Cow<'static, [Migration]> {
    let mut steps = MIGRATIONS.migrations.to_vec();
    for step in &mut steps {
        step.sql = step.sql.replacen("create schema reporting;", "", 1).into();
    }
    steps.into()
}

//! The schema of the database, in numbered steps.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, Migrator};
use sqlx::{Executor, PgConnection};

use super::connection::{Database, DatabaseAddress};
use super::suitability::{Facts, MIGRATIONS, StartError, newest_version};
use crate::progress::with_progress;

/// The advisory lock of the node that migrates the database.
const MIGRATIONS_LOCK: i64 = 5330;

/// The pause after which a node that waits for the lock asks again.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The steps that a database lacks, by number and name. All of them, if it is empty.
pub async fn pending_migrations(database: DatabaseAddress) -> Result<Vec<String>, StartError> {
    let database = Database::new(database);
    database.find_primary().await?;
    let mut connection = database.connect_for_writes().await.map_err(StartError::Unreachable)?;
    let facts = Facts::of(&mut connection).await.map_err(StartError::Unreachable)?;
    let pending = pending(&mut connection, &facts).await?;
    Ok(pending.into_iter().map(|step| format!("{:04} {}", step.version, step.description)).collect())
}

/// Brings the schema up to date, as the owner of the tables, and returns how many steps that took.
///
/// Refuses a database that the service cannot use.
pub async fn migrate(database: DatabaseAddress) -> Result<usize, StartError> {
    let database = Database::new(database);
    database.find_primary().await?;
    bring_up_to_date(&database).await
}

/// Brings the schema up to date. Needs no right to do so if it is up to date already.
pub(super) async fn bring_up_to_date(database: &Database) -> Result<usize, StartError> {
    let mut connection = database.connect_for_writes().await.map_err(StartError::Unreachable)?;
    let facts = Facts::of(&mut connection).await.map_err(StartError::Unreachable)?;
    if let Some(objection) = facts.objection() {
        return Err(StartError::Unsuitable(objection));
    }
    let pending = pending(&mut connection, &facts).await?.len();
    if pending == 0 {
        return Ok(0);
    }
    if let Some(objection) = facts.objection_to_migration(newest_version()) {
        return Err(StartError::Unsuitable(objection));
    }
    // A step on large tables, and the wait for another node that migrates, may take longer than other statements may.
    connection.execute("set statement_timeout = 0").await.map_err(StartError::Unreachable)?;
    let steps = if facts.has_reporting() { steps_with_reporting() } else { Cow::Borrowed(&*MIGRATIONS.migrations) };
    let migrator = Migrator { migrations: steps, locking: false, ..Migrator::DEFAULT };
    let migrating = async {
        lock_migrations(&mut connection).await?;
        migrator.run(&mut connection).await
    };
    let ran = with_progress("migrating the database", migrating).await;
    ran.map(|()| pending).map_err(|error| facts.explain(error))
}

/// Waits until no other node migrates the database, and keeps others waiting until the connection closes.
///
/// A node that waits must not do so in a statement: an index that another node builds concurrently waits for all statements that
/// are older, and the two would wait for each other.
async fn lock_migrations(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
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

/// The steps that are not applied. Fails if others are, or if one was changed or interrupted.
async fn pending(connection: &mut PgConnection, facts: &Facts) -> Result<Vec<&'static Migration>, StartError> {
    if !facts.has_migrations() {
        return Ok(MIGRATIONS.iter().collect());
    }
    unapplied(connection).await.map_err(|error| facts.explain(error))
}

async fn unapplied(connection: &mut PgConnection) -> Result<Vec<&'static Migration>, MigrateError> {
    if let Some(version) = connection.dirty_version().await? {
        return Err(MigrateError::Dirty(version));
    }
    let applied = connection.list_applied_migrations().await?;
    for step in &applied {
        match MIGRATIONS.iter().find(|known| known.version == step.version) {
            None => return Err(MigrateError::VersionMissing(step.version)),
            Some(known) if known.checksum != step.checksum => return Err(MigrateError::VersionMismatch(step.version)),
            Some(_) => {}
        }
    }
    let is_applied = |step: &&Migration| applied.iter().any(|applied| applied.version == step.version);
    Ok(MIGRATIONS.iter().filter(|step| !is_applied(step)).collect())
}

/// The steps where an administrator has made the schema `reporting` for a role that may not create schemas.
fn steps_with_reporting() -> Cow<'static, [Migration]> {
    let mut steps = MIGRATIONS.migrations.to_vec();
    for step in &mut steps {
        step.sql = step.sql.replacen("create schema reporting;", "", 1).into();
    }
    steps.into()
}

//! Steps of the schema in lanes. A step that concerns what every lane has says so in a line of its own. It changes the
//! first lane like any step, and then the others, one after the other.

use std::time::Duration;

use sqlx::migrate::Migration;
use sqlx::{Connection, Executor, PgConnection};

use super::connection::SHARED;
use super::error::is_lock_timeout;
use super::lanes::{enter, path_of};
use super::suitability::{MIGRATIONS, newest_version};

/// The line by which a step says that it concerns every lane. It is the first, or follows `-- no-transaction`.
const EACH_LANE: &str = "-- each lane";

/// How long a step waits for a lock. Events wait behind it meanwhile.
pub(super) const LOCK_TIMEOUT: &str = "200ms";

/// The pause before a step that could not get a lock is tried again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How often it is tried, which takes about ten minutes.
pub(super) const ATTEMPTS: u32 = 500;

/// A lane whose tables, or of the first lane the views of all lanes, have an older version of the schema.
struct Behind {
    lane: i32,
    version: i64,
}

/// Whether a lane lacks a step, or the views of all lanes may.
pub(super) async fn are_pending(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    Ok(!behind(connection).await?.is_empty())
}

async fn behind(connection: &mut PgConnection) -> Result<Vec<Behind>, sqlx::Error> {
    let behind = sqlx::query_as!(
        Behind,
        "-- lanes_behind
        select lane, version from lanes
        where version < $1 and exists (select from lanes where lane > 0) order by lane desc",
        newest_version()
    );
    behind.fetch_all(connection).await
}

/// Applies the steps that lanes lack. The first lane comes last: it has its steps already, and what reads all lanes is
/// made anew for it.
pub(super) async fn apply(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for lane in behind(&mut *connection).await? {
        let steps = MIGRATIONS.iter().filter(|step| step.version > lane.version && concerns_each_lane(step));
        for step in steps.filter(|_| lane.lane > 0) {
            patiently(&mut *connection, async |connection| apply_in(connection, lane.lane, step).await).await?;
        }
        if lane.lane == 0 {
            patiently(&mut *connection, unite).await?;
        }
        note_version(&mut *connection, lane.lane, newest_version()).await?;
    }
    Ok(())
}

fn concerns_each_lane(step: &Migration) -> bool {
    step.sql.lines().take(2).any(|line| line == EACH_LANE)
}

async fn apply_in(connection: &mut PgConnection, lane: i32, step: &Migration) -> Result<(), sqlx::Error> {
    let path = path_of(lane);
    if step.no_tx {
        // An index that is built concurrently waits without making events wait.
        connection.execute(&*format!("set search_path = {path}")).await?;
        connection.execute("set lock_timeout = 0").await?;
        let applied = connection.execute(&*step.sql).await;
        connection.execute(&*format!("set search_path = {SHARED}")).await?;
        applied?;
        return note_version(connection, lane, step.version).await;
    }
    let mut transaction = connection.begin().await?;
    enter(&mut transaction, &path).await?;
    transaction.execute(&*step.sql).await?;
    note_version(&mut transaction, lane, step.version).await?;
    transaction.commit().await
}

/// Notes that a lane has the steps up to this version.
pub(super) async fn note_version(connection: &mut PgConnection, lane: i32, version: i64) -> Result<(), sqlx::Error> {
    sqlx::query!("-- note_version_of_lane\nupdate lanes set version = $2 where lane = $1", lane, version)
        .execute(connection)
        .await
        .map(drop)
}

/// Makes the views of all lanes anew.
pub(super) async fn unite(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("-- unite_lanes\nselect from unite_lanes()").await.map(drop)
}

/// Tries work again that could not get a lock. It must not make events wait behind it for a lock that somebody else
/// holds: it gives up soon.
pub(super) async fn patiently<T>(
    connection: &mut PgConnection,
    work: impl AsyncFn(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    for _ in 1..ATTEMPTS {
        connection.execute(&*format!("set lock_timeout = '{LOCK_TIMEOUT}'")).await?;
        match work(&mut *connection).await {
            Err(error) if is_lock_timeout(&error) => tokio::time::sleep(RETRY_PAUSE).await,
            done => return done,
        }
    }
    work(connection).await
}

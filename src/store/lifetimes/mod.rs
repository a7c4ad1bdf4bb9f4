//! Lifetimes: services expire and are removed, are completed automatically when idle, and are purged on demand
//! (docs/api.md §7).
//!
//! Expiry, Delete Service and purges share one mechanism. A service whose `expires_at` is not after the *expiry
//! horizon* has expired: no query, event, report or view sees it any more. [`horizon`] advances the horizon for all
//! nodes. Delete Service and purges set `expires_at` to minus infinity, which every horizon covers. [`removal`] deletes
//! the rows of expired services.
//!
//! Automatic completion is separate: [`auto_completion`] periodically checks services that may be idle.

mod auto_completion;
mod horizon;
mod pace;
mod purges;
mod removal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use tokio::time::sleep;

use super::error::is_lock_timeout;
use super::{Store, StoreError};
use crate::background::{Jobs, Waker};
use crate::domain::clock::Clock;
use crate::store::pool::Pool;

use auto_completion::CompleteIdleServices;
use horizon::AdvanceHorizon;
use purges::RunPurges;
use removal::{MeasureRemoval, RemoveServices};

pub(super) use pace::Pace;

/// The default lifetime of services, and the default time after which they are completed automatically.
#[derive(Debug, Clone, Copy, Default)]
pub struct LifetimeSettings {
    /// The lifetime of a service from its start. `None`: for ever.
    pub service_ttl: Option<TimeDelta>,
    /// The time after its last event at which a service is completed automatically. `None`: never.
    pub auto_complete_after: Option<TimeDelta>,
}

/// The advisory lock that every event in an existing service shares until it is committed, once lifetimes are in use.
/// While it is held exclusively, no event is being written.
///
/// The statements that write events name this number, too.
pub(super) const EVENTS_LOCK: i64 = 5329;

/// The longest time for which the first call that needs lifetimes waits for transactions that write elements.
const SWITCH_PATIENCE: Duration = Duration::from_secs(10);

/// The pause after a lock was not granted, during which events are written.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// A moment before every timestamp that an event can have.
pub(super) const BEFORE_ALL: DateTime<Utc> =
    DateTime::from_timestamp(-200_000_000_000, 0).expect("it is within chrono's range");

/// Starts the background jobs of lifetimes. Returns the wakers of removal and of purges.
pub(super) fn start_jobs(
    jobs: &Jobs,
    pool: &Pool,
    clock: &Arc<dyn Clock>,
    LifetimeSettings { service_ttl, auto_complete_after }: LifetimeSettings,
) -> (Waker, Waker) {
    let (pool, clock) = (|| pool.clone(), || Arc::clone(clock));
    let removal = jobs.start(RemoveServices::new(pool()));
    jobs.start(MeasureRemoval::new(pool(), clock()));
    jobs.start(AdvanceHorizon { pool: pool(), clock: clock(), service_ttl, removal: removal.clone() });
    jobs.start(CompleteIdleServices::new(pool(), clock(), auto_complete_after));
    let purges = jobs.start(RunPurges::new(pool(), clock(), removal.clone()));
    (removal, purges)
}

impl Store {
    /// Records for every node that lifetimes are in use. An event that was validated before this change must be
    /// validated again, because its metadata version is outdated.
    ///
    /// This happens once in the life of a deployment. The locks wait for events that were validated earlier and are
    /// still being written.
    pub(super) async fn use_lifetimes(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.lifetimes_switch.lock().await;
        if self.metadata.current().lifetimes {
            return Ok(());
        }
        let deadline = Instant::now() + SWITCH_PATIENCE;
        loop {
            let mut transaction = self.pool.begin().await?;
            if lock_elements(&mut transaction).await? {
                sqlx::query!("-- use_lifetimes\nupdate deployment set lifetimes = true")
                    .execute(&mut *transaction)
                    .await?;
                return self.commit_metadata(transaction).await;
            }
            transaction.rollback().await?;
            if Instant::now() > deadline {
                return Err(StoreError::Unavailable(None));
            }
            sleep(LOCK_PAUSE).await;
        }
    }
}

/// Waits until the transactions that write elements have ended. Gives up and returns false after 100 ms, because events
/// queue behind the request for the locks. The transaction is then aborted.
pub(super) async fn lock_elements(transaction: &mut PgConnection) -> Result<bool, sqlx::Error> {
    limit_the_wait(transaction).await?;
    let locked =
        sqlx::query!("-- lock_elements\nlock table services, states, tasks, dispositions, extensions in share mode");
    granted(locked.execute(transaction).await)
}

/// Waits until the events that are being written are committed, and keeps others waiting until the transaction ends.
/// Gives up and returns false after 100 ms, because new events queue behind the request for the lock. The transaction
/// is then aborted.
async fn wait_for_events(transaction: &mut PgConnection) -> Result<bool, sqlx::Error> {
    limit_the_wait(transaction).await?;
    let locked = sqlx::query!("-- wait_for_events\nselect pg_advisory_xact_lock($1)", EVENTS_LOCK);
    granted(locked.execute(transaction).await)
}

/// Makes each later statement of the transaction fail if it waits for a lock for longer than 100 ms.
async fn limit_the_wait(transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("-- limit_the_wait\nset local lock_timeout = 100").execute(transaction).await.map(drop)
}

/// Whether a statement got its locks in time. Any other failure is returned as it is.
fn granted<T>(result: Result<T, sqlx::Error>) -> Result<bool, sqlx::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if is_lock_timeout(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

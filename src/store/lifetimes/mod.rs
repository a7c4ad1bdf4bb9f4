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
use super::lanes::{EachLane, Lanes, enter};
use super::{Store, StoreError};
use crate::background::{Jobs, Waker};
use crate::domain::clock::Clock;

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
    lanes: &Arc<Lanes>,
    clock: &Arc<dyn Clock>,
    LifetimeSettings { service_ttl, auto_complete_after }: LifetimeSettings,
) -> (Waker, Waker) {
    let removal = jobs.start(EachLane::new(lanes, |lane| RemoveServices::new(lane.pool.clone())));
    let (lanes, clock) = (|| Arc::clone(lanes), || Arc::clone(clock));
    jobs.start(MeasureRemoval::new(lanes(), clock()));
    jobs.start(AdvanceHorizon { lanes: lanes(), clock: clock(), service_ttl, removal: removal.clone() });
    jobs.start(CompleteIdleServices::new(lanes(), clock(), auto_complete_after));
    let purges = jobs.start(RunPurges::new(lanes(), clock(), removal.clone()));
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
            if lock_elements(&mut transaction, &self.lanes).await? {
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
pub(super) async fn lock_elements(transaction: &mut PgConnection, lanes: &Lanes) -> Result<bool, sqlx::Error> {
    limit_the_wait(transaction).await?;
    for lane in lanes.all() {
        if lanes.are_several() {
            enter(transaction, &lane.path).await?;
        }
        let locked = sqlx::query!(
            "-- lock_elements\nlock table services, states, tasks, dispositions, extensions in share mode"
        );
        if !granted(locked.execute(&mut *transaction).await)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Waits until the events that are being written in a lane are committed, and keeps others waiting until the
/// transaction ends. Gives up and returns false after 100 ms, because new events queue behind the request for the lock.
/// The transaction, whose search path is that of the lane, is then aborted.
///
/// The lock is an advisory one. Once lifetimes are in use, every event in an existing service shares that of its lane
/// until it is committed. The function `events_lock` of each lane gives its number.
async fn wait_for_events(transaction: &mut PgConnection) -> Result<bool, sqlx::Error> {
    limit_the_wait(transaction).await?;
    let locked = sqlx::query!("-- wait_for_events\nselect pg_advisory_xact_lock(events_lock())");
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

//! Lifetimes: services expire and are removed, end by themselves when nothing happens in them, and are purged on demand
//! (docs/api.md §7).
//!
//! All that goes takes one way. A service whose `expires_at` is not after the *horizon* has expired: no query, event,
//! report or view sees it any more. [`horizon`] moves the horizon, for all nodes alike. Delete Service and purges set
//! `expires_at` to minus infinity, which every horizon covers. [`removal`] takes the rows of expired services off the disk.
//!
//! Automatic completion is apart from that: [`auto_completion`] looks from time to time at services that may be idle.

mod auto_completion;
mod horizon;
mod pace;
mod purges;
mod removal;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::{Store, StoreError};

pub(super) use auto_completion::CompleteIdleServices;
pub(super) use horizon::AdvanceHorizon;
pub(super) use pace::Pace;
pub(super) use purges::RunPurges;
pub(super) use removal::{MeasureRemoval, RemoveServices};

/// How long services live, and when they end by themselves, where they do not say so of their own.
#[derive(Debug, Clone, Copy, Default)]
pub struct LifetimeSettings {
    /// How long a service lives after its start; `None`: for ever.
    pub service_ttl: Option<TimeDelta>,
    /// How long after its last event a service ends by itself; `None`: never.
    pub auto_complete_after: Option<TimeDelta>,
}

/// The advisory lock that every event shares until it is committed, once lifetimes are in use. Whoever holds it alone
/// knows that no event is being written.
///
/// The statements that write events name this number, too.
pub(super) const EVENTS_LOCK: i64 = 5329;

/// PostgreSQL's code for a lock that was not granted in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Before every moment that an event can name.
pub(super) const BEFORE_ALL: DateTime<Utc> =
    DateTime::from_timestamp(-200_000_000_000, 0).expect("it is within chrono's range");

impl Store {
    /// Notes that lifetimes are in use, for every node. An event that was validated without knowing it is not written: the
    /// version of the metadata keeps it back.
    ///
    /// This happens once in the life of a deployment. The locks wait for the events that are being written without knowing
    /// it.
    pub(super) async fn use_lifetimes(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.lifetimes_switch.lock().await;
        if self.metadata.current().lifetimes {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        sqlx::query!("-- lock_elements\nlock table services, states, tasks, dispositions, extensions in share mode")
            .execute(&mut *transaction)
            .await?;
        sqlx::query!("-- use_lifetimes\nupdate deployment set lifetimes = true").execute(&mut *transaction).await?;
        self.commit_metadata(transaction).await
    }
}

/// Waits until the events that are being written are committed, and keeps others waiting until the transaction ends.
/// Returns false if that takes longer than 100 ms: new events queue behind the request for the lock, so it is given up
/// and made again later. The transaction is then of no more use.
async fn wait_for_events(transaction: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query!("-- limit_the_wait\nset local lock_timeout = 100").execute(&mut *transaction).await?;
    let locked = sqlx::query!("-- wait_for_events\nselect pg_advisory_xact_lock($1)", EVENTS_LOCK);
    match locked.execute(transaction).await {
        Ok(_) => Ok(true),
        Err(error)
            if error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref()
                == Some(LOCK_NOT_AVAILABLE) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

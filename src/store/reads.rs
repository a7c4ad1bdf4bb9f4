//! Reads for queries, reports and pages. They have connections of their own, so that they cannot keep events waiting.
//! Their number and their time are limited.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres};
use tokio::sync::Semaphore;

use super::connection::{ACQUIRE_TIMEOUT, Database, SHARED};
use super::error::{Load, is_cancelled, is_recovery_conflict};
use super::{Store, StoreError};
use crate::domain::ids::ServiceId;

/// Settings of reads.
#[derive(Debug, Clone, Copy)]
pub struct ReadSettings {
    /// The most reads at a time, each with a connection of its own. Further reads wait for up to a second.
    pub connections: u32,
    /// The longest time for a read.
    pub timeout: Duration,
}

/// The connections and limits that reads share.
pub(super) struct Reads {
    pub(super) pool: PgPool,
    database: Arc<Database>,
    places: Semaphore,
    timeout: Duration,
}

impl Reads {
    /// Reads of a database.
    pub(super) fn new(database: &Arc<Database>, settings: ReadSettings) -> Result<Self, sqlx::Error> {
        let places = usize::try_from(settings.connections).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Self {
            pool: database.pool_for_reads(settings.connections, settings.timeout)?,
            database: Arc::clone(database),
            places: Semaphore::new(places),
            timeout: settings.timeout,
        })
    }

    /// Runs a read with this search path, in a transaction whose statements share one snapshot. Fails with
    /// [`StoreError::Overloaded`] if there are too many reads, and with [`StoreError::ReadTimeout`] if it takes too
    /// long.
    async fn run<T>(
        &self,
        path: &str,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let place = tokio::time::timeout(ACQUIRE_TIMEOUT, self.places.acquire()).await;
        // The semaphore is never closed.
        let Ok(Ok(_place)) = place else { return Err(StoreError::Overloaded(Load::Reads)) };
        let mut reading = Reading(Some(self.connection().await?));
        let Some(connection) = reading.0.as_deref_mut() else { return Err(StoreError::Unavailable(None)) };
        let read = async {
            let mut snapshot = connection.begin_with(begin(path)).await?;
            work(&mut snapshot).await
        };
        let limit = self.timeout;
        let answer = tokio::time::timeout(limit, read).await.map_err(|_| StoreError::ReadTimeout(limit))?;
        match answer {
            Err(StoreError::Unavailable(Some(error))) if is_cancelled(&error) => Err(StoreError::ReadTimeout(limit)),
            Err(StoreError::Database(error)) if is_recovery_conflict(&error) => {
                Err(StoreError::Unavailable(Some(error)))
            }
            answer => {
                reading.finish();
                answer
            }
        }
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        let start = Instant::now();
        self.pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => self.database.late(start, Load::Reads),
            error => error.into(),
        })
    }
}

/// The statements that begin a read, in one round trip.
fn begin(path: &str) -> Cow<'static, str> {
    const BEGIN: &str = "begin isolation level repeatable read read only";
    if path == SHARED { BEGIN.into() } else { format!("{BEGIN}; set local search_path = {path}").into() }
}

/// A connection that a read uses. If it is dropped before [`Reading::finish`], because the caller has gone or the time
/// is up, the connection is closed, and PostgreSQL cancels the statement that runs on it.
struct Reading(Option<PoolConnection<Postgres>>);

impl Reading {
    fn finish(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

impl Store {
    /// Runs a read of all lanes that sees every event that was acknowledged before. It runs in one snapshot, with the
    /// limits of reads.
    pub(super) async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.reads.run(self.lanes.path_of_all(), work).await
    }

    /// Runs such a read of the lane of a service.
    pub(super) async fn read_service<T>(
        &self,
        service: ServiceId,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let lane = self.lane_of(service).await?;
        self.reads.run(&lane.path, work).await
    }

    /// Runs a read of all lanes that need not see the latest events: on the replica, if there is one.
    pub(super) async fn read_replica<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.replica.as_ref().unwrap_or(&self.reads).run(self.lanes.path_of_all(), work).await
    }
}

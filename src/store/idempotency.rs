//! Idempotency keys outside of batches: looking up a key, and removing expired ones.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

use super::{Store, StoreError};
use crate::background::{Failure, Job, Next};
use crate::domain::clock::Clock;
use crate::domain::once_only::{IdempotencyKey, KEY_LIFETIME};

/// The most keys that one statement removes.
const STEP: i64 = 10_000;

impl Store {
    /// The identifier of the element that the same request started under its key. `None` if there is none, or if the
    /// key has expired.
    pub(super) async fn started_under(&self, key: &IdempotencyKey) -> Result<Option<i64>, StoreError> {
        let started = sqlx::query_scalar!(
            "-- started_under
            select element_id from idempotency_keys where key = $1 and request = $2 and created_at >= $3",
            key.text,
            &key.request,
            key.used_at.to_datetime() - KEY_LIFETIME
        );
        Ok(started.fetch_optional(&self.pool).await?)
    }

    /// Removes expired idempotency keys (docs/api.md §1), as the background job does every hour. Returns their number.
    pub async fn expire_idempotency_keys(&self) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            match expire_keys(&self.pool, &*self.clock).await? {
                0 => return Ok(removed),
                keys => removed += keys,
            }
        }
    }
}

/// Removes idempotency keys that have expired.
pub(super) struct ExpireKeys {
    pub(super) pool: PgPool,
    pub(super) clock: Arc<dyn Clock>,
}

impl Job for ExpireKeys {
    const NAME: &'static str = "idempotency_keys";
    const INTERVAL: Duration = Duration::from_secs(60 * 60);

    async fn run(&mut self) -> Result<Next, Failure> {
        match expire_keys(&self.pool, &*self.clock).await? {
            0 => Ok(Next::Scheduled),
            _ => Ok(Next::After(Duration::ZERO)),
        }
    }
}

/// Removes some of the expired keys, and returns their number; 0 if none is left.
async fn expire_keys(pool: &PgPool, clock: &dyn Clock) -> Result<u64, sqlx::Error> {
    let oldest_valid = clock.now().to_datetime() - KEY_LIFETIME;
    let removed = sqlx::query!(
        "-- expire_keys
        delete from idempotency_keys
        where key in (select key from idempotency_keys where created_at < $1 order by created_at limit $2)",
        oldest_valid,
        STEP
    );
    Ok(removed.execute(pool).await?.rows_affected())
}

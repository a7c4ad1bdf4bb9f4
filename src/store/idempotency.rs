//! Idempotency keys outside of batches: looking up a key, and removing expired ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::lifetimes::{BEFORE_ALL, Pace};
use super::pool::Pool;
use super::{Store, StoreError};
use crate::background::{Failure, Job, Next};
use crate::domain::clock::Clock;
use crate::domain::once_only::{IdempotencyKey, KEY_LIFETIME};

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

    /// Removes expired idempotency keys (docs/api.md §1), as the background job does every minute. Returns their
    /// number.
    pub async fn expire_idempotency_keys(&self) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, BEFORE_ALL);
        while let Some((last, keys)) = expire_keys(&self.pool, &*self.clock, after, i64::MAX).await? {
            after = last;
            removed += keys;
        }
        Ok(removed)
    }
}

/// Removes idempotency keys that have expired.
pub(super) struct ExpireKeys {
    pool: Pool,
    clock: Arc<dyn Clock>,
    pace: Pace,
    /// The creation time of the newest removed key. Index entries of older keys may still wait for vacuum.
    after: DateTime<Utc>,
}

impl ExpireKeys {
    pub(super) const fn new(pool: Pool, clock: Arc<dyn Clock>) -> Self {
        Self { pool, clock, pace: Pace::new(), after: BEFORE_ALL }
    }
}

impl Job for ExpireKeys {
    const NAME: &'static str = "idempotency_keys";
    const INTERVAL: Duration = Duration::from_secs(60);

    async fn run(&mut self) -> Result<Next, Failure> {
        let start = Instant::now();
        let Some((last, _)) = expire_keys(&self.pool, &*self.clock, self.after, self.pace.size()).await? else {
            return Ok(Next::Scheduled);
        };
        self.after = last;
        Ok(Next::After(self.pace.after(start.elapsed())))
    }
}

/// Removes some of the expired keys, the oldest ones from `after` on. Returns the creation time of the last one and
/// their number; `None` if none is left.
async fn expire_keys(
    pool: &Pool,
    clock: &dyn Clock,
    after: DateTime<Utc>,
    limit: i64,
) -> Result<Option<(DateTime<Utc>, u64)>, sqlx::Error> {
    let oldest_valid = clock.now().to_datetime() - KEY_LIFETIME;
    let removed = sqlx::query!(
        r#"-- expire_keys
        with expired as (
          select key, created_at from idempotency_keys where created_at >= $1 and created_at < $2
          order by created_at limit $3
        ), removed as (
          delete from idempotency_keys k using expired e where k.key = e.key returning e.created_at
        )
        select max(created_at) as last, count(*) as "keys!" from removed"#,
        after,
        oldest_valid,
        limit
    )
    .fetch_one(pool)
    .await?;
    Ok(removed.last.map(|last| (last, removed.keys.try_into().unwrap_or_default())))
}

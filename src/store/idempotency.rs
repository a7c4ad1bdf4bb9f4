//! Idempotency keys outside of batches: looking one up, and forgetting old ones.

use std::convert::Infallible;
use std::time::Duration;

use super::{Store, StoreError};
use crate::domain::once_only::{IdempotencyKey, KEYS_ARE_KEPT};

/// How often old keys are removed.
const PAUSE: Duration = Duration::from_secs(60 * 60);

/// The most keys that one statement removes.
const STEP: i64 = 10_000;

impl Store {
    /// What a request started earlier under its key; none: nothing, or what is forgotten by now.
    pub(super) async fn started_under(&self, key: &IdempotencyKey) -> Result<Option<i64>, StoreError> {
        let started = sqlx::query_scalar!(
            "-- started_under
            select element_id from idempotency_keys where key = $1 and request = $2 and created_at >= $3",
            key.text,
            &key.request,
            key.used_at.to_datetime() - KEYS_ARE_KEPT
        );
        Ok(started.fetch_optional(&self.pool).await?)
    }

    /// Removes idempotency keys that have served their time (contract §1), now and every hour.
    pub async fn keep_forgetting_idempotency_keys(&self) -> Infallible {
        let mut pauses = tokio::time::interval(PAUSE);
        loop {
            pauses.tick().await;
            if let Err(error) = self.forget_idempotency_keys().await {
                tracing::warn!(error = %error, "old idempotency keys are not removed this time");
            }
        }
    }

    /// Removes idempotency keys that have served their time, and says how many.
    pub async fn forget_idempotency_keys(&self) -> Result<u64, StoreError> {
        let forgotten = self.clock.now().to_datetime() - KEYS_ARE_KEPT;
        let mut removed = 0;
        loop {
            let step = sqlx::query!(
                "-- forget_idempotency_keys
                delete from idempotency_keys
                where key in (select key from idempotency_keys where created_at < $1 order by created_at limit $2)",
                forgotten,
                STEP
            );
            match step.execute(&self.pool).await?.rows_affected() {
                0 => return Ok(removed),
                rows => removed += rows,
            }
        }
    }
}

//! What is left of deleted services. Ends and extensions have no foreign key that would keep another node from writing
//! them while their service is being deleted; so they are deleted once more when no such write can be on its way.

use std::time::Duration;

use sqlx::PgPool;
use tracing::warn;

use super::Store;

/// How often it is looked whether the transactions that may have seen a deleted service have ended.
const LOOK: Duration = Duration::from_millis(100);

/// How long to wait where the database is away.
const PAUSE: Duration = Duration::from_secs(1);

impl Store {
    /// Deletes what is left of deleted services in the background. The next node that starts goes on with it, if this
    /// one does not get that far.
    pub(super) fn delete_remains(&self) {
        let pool = self.pool.clone();
        tokio::spawn(async move {
            loop {
                match delete_remains(&pool).await {
                    Ok(0) | Err(sqlx::Error::PoolClosed) => break,
                    Ok(_) => tokio::time::sleep(LOOK).await,
                    Err(error) => {
                        warn!(error = %error, "what other nodes wrote of deleted services may remain for a while");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
    }
}

/// Deletes what is left of services that no transaction can have seen any more; says how many others there are.
async fn delete_remains(pool: &PgPool) -> Result<i64, sqlx::Error> {
    // Two statements: the second must see whatever the transactions that the first waits for have written.
    let over = sqlx::query_scalar!(
        "-- over_deletions
        select service_id from deleted_services d
        where not exists (
          select from pg_stat_activity a
          where a.datname = current_database() and a.pid <> pg_backend_pid()
            and age(a.backend_xmin) >= age(d.deleted_in::xid)
        )"
    )
    .fetch_all(pool)
    .await?;
    let left = sqlx::query_scalar!(
        r#"-- delete_remains
        with over as (
          delete from deleted_services where service_id = any($1) returning service_id
        ), ends as (
          delete from dispositions d using over where d.service_id = over.service_id
        ), attached as (
          delete from extensions x using over where x.service_id = over.service_id
        )
        select count(*) as "left!" from deleted_services where service_id <> all($1)"#,
        &over
    );
    left.fetch_one(pool).await
}

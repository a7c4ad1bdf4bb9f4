//! The remains of deleted services.
//!
//! Ends and extensions have no foreign key that would keep another node from writing them while their service is being
//! deleted. They are therefore deleted once more, when no such write can be in progress any longer.

use std::time::Duration;

use sqlx::PgPool;

use crate::background::{Failure, Job, Next};

/// The pause while transactions that may have seen a deleted service are still running.
const POLL: Duration = Duration::from_millis(100);

/// Deletes the remains of deleted services. Woken by every deletion on this node; the interval covers nodes that
/// stopped before they got to it.
pub(super) struct DeleteRemains {
    pub(super) pool: PgPool,
}

impl Job for DeleteRemains {
    const NAME: &'static str = "deleted_services";
    const INTERVAL: Duration = Duration::from_secs(60);

    async fn run(&mut self) -> Result<Next, Failure> {
        match delete_remains(&self.pool).await? {
            0 => Ok(Next::Scheduled),
            _ => Ok(Next::After(POLL)),
        }
    }
}

/// Deletes the remains of services that no running transaction can have seen, and counts the services that are left.
///
/// A transaction may have seen a service if it began before the deletion was committed, so start times are compared.
/// `backend_xmin` would not do: it is empty between statements, and while a commit is on its way to disk.
async fn delete_remains(pool: &PgPool) -> Result<i64, sqlx::Error> {
    // The second statement needs a snapshot of its own: it must see what the transactions that the first one checks for
    // have written.
    let over = sqlx::query_scalar!(
        "-- over_deletions
        with seen as (update deleted_services set seen_at = clock_timestamp() where seen_at is null)
        select service_id from deleted_services
        where seen_at < coalesce((
          select min(xact_start) from pg_stat_activity
          where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
        ), 'infinity')"
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

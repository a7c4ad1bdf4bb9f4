//! What is left of deleted services. Ends and extensions have no foreign key that would keep another node from writing
//! them while their service is being deleted; so they are deleted once more when no such write can be on its way.

use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::mpsc;
use tracing::warn;

/// How often it is looked whether the transactions that may have seen a deleted service have ended.
const LOOK: Duration = Duration::from_millis(100);

/// How long to wait where the database is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Deletes what is left of deleted services, in the background.
pub(super) struct Remains {
    deleted: mpsc::Sender<()>,
}

impl Remains {
    /// Begins with what this node or another, that stopped since, did not get to.
    pub(super) fn of_deleted_services(pool: PgPool) -> Self {
        let (deleted, is_deleted) = mpsc::channel(1);
        tokio::spawn(follow(pool, is_deleted));
        Self { deleted }
    }

    /// To be called when a service has been deleted.
    pub(super) fn look(&self) {
        // A full channel says it already.
        let _ = self.deleted.try_send(());
    }
}

async fn follow(pool: PgPool, mut is_deleted: mpsc::Receiver<()>) {
    loop {
        match delete_remains(&pool).await {
            Ok(0) => {
                if is_deleted.recv().await.is_none() {
                    break;
                }
            }
            Ok(_) => tokio::time::sleep(LOOK).await,
            Err(sqlx::Error::PoolClosed) => break,
            Err(error) => {
                warn!(error = %error, "what other nodes wrote of deleted services may remain for a while");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Deletes what is left of services that no transaction can have seen any more; says how many others there are.
///
/// A transaction may have seen a service if it began before the deletion was committed. Its beginning is the witness:
/// `backend_xmin` is not, for it is empty between statements and while a commit is on its way to the disk.
async fn delete_remains(pool: &PgPool) -> Result<i64, sqlx::Error> {
    // Two statements: the second must see whatever the transactions that the first looks for have written.
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

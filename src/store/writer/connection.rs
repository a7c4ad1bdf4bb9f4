//! The connection that a writer owns. A pooled one would cost a round trip for each batch; this one is looked after in
//! idle moments, and when a batch takes long.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tracing::warn;

use crate::domain::refusal::Verdict;
use crate::store::batch;
use crate::store::command::Write;
use crate::store::connection::ACQUIRE_TIMEOUT;
use crate::store::error::is_outage;

/// How long a batch may take before it is asked whether the database is at work on it, and how long that may take.
const DOUBT: Duration = Duration::from_millis(400);

/// How long a batch may take before it is said.
const LONG: Duration = Duration::from_secs(1);

/// How long a batch may take: longer than PostgreSQL lets a statement run.
const LONGEST: Duration = Duration::from_secs(65);

/// The most commands that a plan serves; the first ones serve fewer.
const PLANS_SERVE: usize = 20_000;

/// The connection, if there is one.
pub(super) struct WriterConnection {
    database: PgConnectOptions,
    connection: Option<Owned>,
}

struct Owned {
    connection: PgConnection,
    /// The process that serves it.
    backend: i32,
    /// How many commands the plans in use have served, and may serve.
    served: usize,
    plans_serve: usize,
}

impl Owned {
    async fn commit(&mut self, writes: &[Write]) -> Result<Vec<Verdict>, sqlx::Error> {
        self.keep_plans_fit(writes.len()).await?;
        batch::commit(&mut self.connection, writes).await
    }

    /// Has statements planned anew before tables have grown much: to read all of a table is the best plan for its first
    /// rows, and PostgreSQL itself would only look at it again after a minute.
    async fn keep_plans_fit(&mut self, commands: usize) -> Result<(), sqlx::Error> {
        self.served += commands;
        if self.served > self.plans_serve {
            (self.served, self.plans_serve) = (commands, PLANS_SERVE.min(self.plans_serve * 2));
            self.connection.execute("discard plans").await?;
        }
        Ok(())
    }
}

impl WriterConnection {
    /// Connects. A plan serves many batches: PostgreSQL would plan small ones anew each time, which took a third of the
    /// time of a single event's statement, for a plan by primary keys that does not depend on what is in the batch.
    pub(super) async fn open(database: PgConnectOptions) -> Result<Self, sqlx::Error> {
        let database = database.options([("plan_cache_mode", "force_generic_plan")]);
        let connection = Some(connect(&database).await?);
        Ok(Self { database, connection })
    }

    /// Finds out in an idle moment whether the connection was lost, and makes another: no event has to.
    pub(super) async fn stay_connected(&mut self) {
        let alive = match &mut self.connection {
            Some(owned) => within(ACQUIRE_TIMEOUT, owned.connection.ping()).await.is_ok(),
            None => false,
        };
        if !alive {
            // Where it cannot be made, the next event is told why.
            self.connection = connect(&self.database).await.ok();
        }
    }

    /// Commits a batch. Where the database is away, or has lost sight of the batch, it is not known what became of it.
    pub(super) async fn commit(&mut self, writes: &[Write]) -> Result<Vec<Verdict>, sqlx::Error> {
        let mut owned = match self.connection.take() {
            Some(owned) => owned,
            None => connect(&self.database).await?,
        };
        let backend = owned.backend;
        let committed = tokio::select! {
            committed = owned.commit(writes) => committed,
            () = until_lost(&self.database, backend) => Err(sqlx::Error::PoolTimedOut),
        };
        if !committed.as_ref().is_err_and(is_outage) {
            self.connection = Some(owned);
        }
        committed
    }

    /// Closes it.
    pub(super) async fn close(self) {
        if let Some(owned) = self.connection {
            // Everything is committed; a connection that does not close well harms nothing.
            drop(owned.connection.close().await);
        }
    }
}

async fn connect(database: &PgConnectOptions) -> Result<Owned, sqlx::Error> {
    within(ACQUIRE_TIMEOUT, async {
        let mut connection = database.connect().await?;
        let backend = sqlx::query_scalar!(
            r#"-- own_backend
            select pg_backend_pid() as "backend!""#
        );
        let backend = backend.fetch_one(&mut connection).await?;
        Ok(Owned { connection, backend, served: 0, plans_serve: 1 })
    })
    .await
}

/// Returns when the database lets nobody in, has been seen at rest twice while it should be at work, or enough time for
/// any batch has gone by.
async fn until_lost(database: &PgConnectOptions, backend: i32) {
    let (start, mut at_rest, mut said) = (Instant::now(), 0, false);
    while at_rest < 2 && start.elapsed() < LONGEST {
        tokio::time::sleep(DOUBT).await;
        match within(DOUBT, is_at_work(database, backend)).await {
            Ok(true) => {
                at_rest = 0;
                if !said && start.elapsed() > LONG {
                    warn!("a batch takes long: the database is at work on it, or waits for its disk or for a lock");
                    said = true;
                }
            }
            Ok(false) => at_rest += 1,
            Err(_) => return,
        }
    }
}

async fn is_at_work(database: &PgConnectOptions, backend: i32) -> Result<bool, sqlx::Error> {
    let mut other = database.connect().await?;
    let at_work = sqlx::query_scalar!(
        r#"-- is_at_work
        select exists (select from pg_stat_activity where pid = $1 and state = 'active') as "at_work!""#,
        backend
    );
    let at_work = at_work.fetch_one(&mut other).await?;
    // The answer is there; how the connection ends does not matter.
    drop(other.close().await);
    Ok(at_work)
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

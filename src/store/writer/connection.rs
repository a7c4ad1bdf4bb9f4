//! The connection that a writer owns. A pooled connection would be checked before each batch, at the cost of a round
//! trip. This connection is checked while it is idle, and while a batch takes long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection, PgPool};
use tracing::warn;

use crate::domain::refusal::Verdict;
use crate::store::batch;
use crate::store::command::Write;
use crate::store::connection::{ACQUIRE_TIMEOUT, Database, accepts_writes, within};
use crate::store::error::is_outage;

/// The time after which the progress of a batch is checked.
const CHECK_AFTER: Duration = Duration::from_millis(400);

/// The time after which a long batch is logged.
const LOG_AFTER: Duration = Duration::from_secs(1);

/// The longest time for a batch. It exceeds PostgreSQL's `statement_timeout`.
const DEADLINE: Duration = Duration::from_secs(65);

/// The most commands that a cached plan serves. Early plans serve fewer.
const PLAN_LIMIT: usize = 20_000;

/// The connection, if it is open.
pub(super) struct WriterConnection {
    database: Arc<Database>,
    /// Connections for checks of this one.
    control: PgPool,
    /// The search path of its session.
    path: String,
    connection: Option<Owned>,
}

struct Owned {
    connection: PgConnection,
    /// The process identifier of its backend.
    backend: i32,
    /// The number of commands that the cached plans have served, and may serve.
    served: usize,
    plan_limit: usize,
}

impl Owned {
    async fn commit(&mut self, writes: &[Write]) -> Result<Vec<Verdict>, sqlx::Error> {
        self.renew_plans(writes.len()).await?;
        batch::commit(&mut self.connection, writes).await
    }

    /// Discards cached plans before tables have grown much. A sequential scan is the best plan for the first rows of a
    /// table, and PostgreSQL itself would revise it only after autovacuum, which wakes up every `autovacuum_naptime`
    /// (by default a minute), has analysed the table.
    async fn renew_plans(&mut self, commands: usize) -> Result<(), sqlx::Error> {
        self.served += commands;
        if self.served > self.plan_limit {
            (self.served, self.plan_limit) = (commands, PLAN_LIMIT.min(self.plan_limit * 2));
            self.connection.execute("discard plans").await?;
        }
        Ok(())
    }
}

impl WriterConnection {
    /// Connects, with generic plans forced. By default PostgreSQL would plan small batches anew each time. That took a
    /// third of the time of a single event's statement, although the plan uses primary keys and does not depend on the
    /// parameters.
    pub(super) async fn open(database: Arc<Database>, control: PgPool, path: &str) -> Result<Self, sqlx::Error> {
        let connection = Some(connect(&database, path).await?);
        Ok(Self { database, control, path: path.to_owned(), connection })
    }

    /// Checks the connection while it is idle, and replaces it if it is lost or read-only, so that no event fails
    /// because of it.
    pub(super) async fn check(&mut self) {
        let alive = match &mut self.connection {
            Some(owned) => matches!(within(ACQUIRE_TIMEOUT, accepts_writes(&mut owned.connection)).await, Ok(true)),
            None => false,
        };
        if !alive {
            // If that fails, the next event reports the cause.
            self.connection = connect(&self.database, &self.path).await.ok();
        }
    }

    /// Commits a batch. If it fails with an outage, it is unknown whether it was committed.
    pub(super) async fn commit(&mut self, writes: &[Write]) -> Result<Vec<Verdict>, sqlx::Error> {
        let mut owned = match self.connection.take() {
            Some(owned) => owned,
            None => connect(&self.database, &self.path).await?,
        };
        let backend = owned.backend;
        let committed = tokio::select! {
            committed = owned.commit(writes) => committed,
            () = until_lost(&self.control, backend) => Err(sqlx::Error::PoolTimedOut),
        };
        if !committed.as_ref().is_err_and(is_outage) {
            self.connection = Some(owned);
            self.database.note_answer();
        }
        committed
    }

    /// Closes the connection.
    pub(super) async fn close(self) {
        if let Some(owned) = self.connection {
            // Everything is committed, so an error here does no harm.
            drop(owned.connection.close().await);
        }
    }
}

async fn connect(database: &Database, path: &str) -> Result<Owned, sqlx::Error> {
    within(ACQUIRE_TIMEOUT, async {
        let mut connection = database.connect_for_writes(path).await?;
        connection.execute("set plan_cache_mode = force_generic_plan").await?;
        let backend = sqlx::query_scalar!(
            r#"-- own_backend
            select pg_backend_pid() as "backend!""#
        );
        let backend = backend.fetch_one(&mut connection).await?;
        Ok(Owned { connection, backend, served: 0, plan_limit: 1 })
    })
    .await
}

/// Returns when the database does not respond, when the backend was idle at two checks in succession although it
/// should be working, or when the longest time for a batch has passed.
async fn until_lost(control: &PgPool, backend: i32) {
    let (start, mut idle, mut logged) = (Instant::now(), 0, false);
    while idle < 2 && start.elapsed() < DEADLINE {
        tokio::time::sleep(CHECK_AFTER).await;
        match within(ACQUIRE_TIMEOUT, is_working(control, backend)).await {
            Ok(true) => {
                idle = 0;
                if !logged && start.elapsed() > LOG_AFTER {
                    warn!("a batch takes long: the database is still working on it, or waiting for its disk or a lock");
                    logged = true;
                }
            }
            Ok(false) => idle += 1,
            Err(_) => return,
        }
    }
}

async fn is_working(control: &PgPool, backend: i32) -> Result<bool, sqlx::Error> {
    let working = sqlx::query_scalar!(
        r#"-- is_working
        select exists (select from pg_stat_activity where pid = $1 and state = 'active') as "working!""#,
        backend
    );
    working.fetch_one(control).await
}

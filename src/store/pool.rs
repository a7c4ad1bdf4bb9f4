//! A pool whose connections belong to the runtime that opened it. Each HTTP thread has a runtime of its own, which ends
//! with the thread. A connection that was opened there would fail whoever uses it next.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{
    PgConnectOptions, PgPool, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo, Postgres,
};
use sqlx::{Describe, Either, Error, Execute, Executor, Transaction};
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;

/// A pool of connections. Any thread may use it.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pool: PgPool,
    /// The runtime that drives the connections, whichever thread opens them.
    runtime: Handle,
}

impl Pool {
    /// Opens a pool that connects when it is first used. The present runtime drives its connections.
    pub(super) fn open(options: PgPoolOptions, host: PgConnectOptions) -> Self {
        Self { pool: options.connect_lazy_with(host), runtime: Handle::current() }
    }

    /// Opens a pool, and waits until its minimum of connections is open. The present runtime drives its connections.
    pub(super) async fn open_whole(options: PgPoolOptions, host: PgConnectOptions) -> Result<Self, Error> {
        Ok(Self { pool: options.connect_with(host).await?, runtime: Handle::current() })
    }

    /// Takes a connection.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        self.driven(self.pool.acquire()).await
    }

    /// Takes a connection and begins a transaction.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, Error> {
        self.driven(self.pool.begin()).await
    }

    /// Takes a connection and begins a transaction with a statement.
    pub(super) async fn begin_with(&self, statement: &'static str) -> Result<Transaction<'static, Postgres>, Error> {
        self.driven(self.pool.begin_with(statement)).await
    }

    /// Makes the pool connect to another host from now on.
    pub(super) fn set_host(&self, host: PgConnectOptions) {
        self.pool.set_connect_options(host);
    }

    /// The numbers of all connections and of the idle ones.
    pub(super) fn sizes(&self) -> (u32, u32) {
        (self.pool.size(), u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX))
    }

    /// Closes every connection.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    fn driven<F>(&self, work: F) -> TokioContext<F> {
        TokioContext::new(work, self.runtime.clone())
    }
}

impl Executor<'_> for &Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(Driven { stream: self.pool.fetch_many(query), runtime: self.runtime.clone() })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(self.driven(self.pool.fetch_optional(query)))
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        statement: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>> {
        Box::pin(self.driven(self.pool.prepare_with(statement, parameters)))
    }

    fn describe<'e, 'q: 'e>(self, statement: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>> {
        Box::pin(self.driven(self.pool.describe(statement)))
    }
}

/// A stream that is polled in the context of a runtime, as [`TokioContext`] polls a future.
struct Driven<'e, T> {
    stream: BoxStream<'e, T>,
    runtime: Handle,
}

impl<T> Stream for Driven<'_, T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let runtime = self.runtime.clone();
        let _entered = runtime.enter();
        self.stream.as_mut().poll_next(context)
    }
}

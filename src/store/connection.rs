//! Connections to the database: its hosts, one of which accepts writes, and the settings of every session.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, Row};

use super::StoreError;
use super::error::Load;
use crate::background::{Failure, Job, Next};

/// The longest wait for a connection. After it, the database counts as unavailable.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// The search path of sessions that belong to no lane in particular.
pub(super) const SHARED: &str = "public";

/// Every setting that can change the meaning of a statement, with the value that the statements are written for. A
/// role, a database or a server may have another default. The settings are made after connecting, since a pooler such
/// as `PgBouncer` refuses most of them at the start of a session. Settings that a version of PostgreSQL does not know
/// are left out.
const SET_UP_SESSION: &str = "-- set_up_session
select pg_catalog.count(pg_catalog.set_config(name, value, false)),
  pg_catalog.current_setting('transaction_read_only') = 'on' as read_only
from (values
  ('search_path', 'public'),
  ('default_transaction_isolation', 'read committed'),
  ('default_transaction_deferrable', 'off'),
  ('row_security', 'on'),
  ('restrict_nonsystem_relation_kind', ''),
  ('standard_conforming_strings', 'on'),
  ('escape_string_warning', 'on'),
  ('backslash_quote', 'safe_encoding'),
  ('array_nulls', 'on'),
  ('transform_null_equals', 'off'),
  ('quote_all_identifiers', 'off'),
  ('datestyle', 'ISO, MDY'),
  ('intervalstyle', 'postgres'),
  ('timezone', 'UTC'),
  ('timezone_abbreviations', 'Default'),
  ('bytea_output', 'hex'),
  ('extra_float_digits', '1'),
  ('lc_monetary', 'C'),
  ('lc_numeric', 'C'),
  ('lc_time', 'C'),
  ('xmlbinary', 'base64'),
  ('xmloption', 'content'),
  ('gin_fuzzy_search_limit', '0'),
  ('check_function_bodies', 'on'),
  ('client_min_messages', 'notice'),
  ('exit_on_error', 'off'),
  ('plan_cache_mode', 'auto'),
  -- PostgreSQL's own log has slow statements, by the names in their first lines.
  ('statement_timeout', '60s'),
  ('lock_timeout', '30s'),
  -- A connection that was cut without a word must not hold its locks.
  ('idle_in_transaction_session_timeout', '30s'),
  ('idle_session_timeout', '0'),
  ('transaction_timeout', '0'),
  ('tcp_keepalives_idle', '10'),
  ('tcp_keepalives_interval', '5'),
  ('tcp_keepalives_count', '3'),
  ('tcp_user_timeout', '30s')
) as wanted(name, value)
where pg_catalog.current_setting(name, true) is not null";

/// The address of the database: one host, or several, of which the first that accepts writes is used.
#[derive(Debug, Clone)]
pub struct DatabaseAddress(Vec<PgConnectOptions>);

impl DatabaseAddress {
    /// The hosts, in the order in which they are tried.
    pub const fn new(hosts: Vec<PgConnectOptions>) -> Self {
        Self(hosts)
    }

    /// The hosts, in the order in which they are tried.
    pub fn hosts(&self) -> &[PgConnectOptions] {
        &self.0
    }

    /// The hosts, in the order in which they are tried.
    pub fn into_hosts(self) -> Vec<PgConnectOptions> {
        self.0
    }
}

impl From<PgConnectOptions> for DatabaseAddress {
    fn from(host: PgConnectOptions) -> Self {
        Self(vec![host])
    }
}

/// The reason why no host can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPrimary {
    /// No host can be reached.
    #[error(transparent)]
    Unreachable(#[from] sqlx::Error),
    /// A host can be reached, but none accepts writes.
    #[error("the database is read-only")]
    ReadOnly,
}

/// The address of the database, shared by the pools and the writers.
pub(super) struct Database {
    hosts: Vec<PgConnectOptions>,
    current: AtomicUsize,
    /// Whether a session was opened that does not accept writes.
    doubtful: AtomicBool,
    /// The time of the last renewal. Older pooled connections are closed instead of being used.
    renewed: RwLock<Instant>,
    /// When it last answered.
    answered: RwLock<Instant>,
}

impl Database {
    pub(super) fn new(DatabaseAddress(hosts): DatabaseAddress) -> Arc<Self> {
        let named = |host: PgConnectOptions| {
            host.application_name("context-services").extra_float_digits(None).disable_statement_logging()
        };
        Arc::new(Self {
            hosts: hosts.into_iter().map(named).collect(),
            current: AtomicUsize::new(0),
            doubtful: AtomicBool::new(false),
            renewed: RwLock::new(Instant::now()),
            answered: RwLock::new(Instant::now()),
        })
    }

    /// Notes that the database has answered.
    pub(super) fn note_answer(&self) {
        if let Ok(mut answered) = self.answered.write() {
            *answered = Instant::now();
        }
    }

    /// The error of work that took too long since `start`. If the database has answered meanwhile, it is available, and
    /// there is too much to do.
    pub(super) fn late(&self, start: Instant, load: Load) -> StoreError {
        let is_available = self.answered.read().is_ok_and(|answered| *answered > start);
        if is_available { StoreError::Overloaded(load) } else { StoreError::Unavailable(None) }
    }

    /// Limits the time of short work on pooled connections. Without a limit, a silent database would block its caller.
    pub(super) async fn limited<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let start = Instant::now();
        match tokio::time::timeout(ACQUIRE_TIMEOUT, work).await {
            Ok(Err(StoreError::Unavailable(Some(sqlx::Error::PoolTimedOut)))) | Err(_) => {
                Err(self.late(start, Load::LookUps))
            }
            Ok(done) => done,
        }
    }

    /// The host in use.
    fn host(&self) -> Option<&PgConnectOptions> {
        self.hosts.get(self.current.load(Ordering::Relaxed))
    }

    /// Opens a session with this search path that accepts writes on the host in use.
    pub(super) async fn connect_for_writes(&self, path: &str) -> Result<PgConnection, sqlx::Error> {
        let host = self.host().ok_or(sqlx::Error::PoolClosed)?;
        let (mut connection, accepts_writes) = open(host).await?;
        if accepts_writes {
            if path != SHARED {
                connection.execute(&*set_path(path)).await?;
            }
            return Ok(connection);
        }
        self.doubtful.store(true, Ordering::Relaxed);
        Err(read_only())
    }

    /// Finds the host that accepts writes, starting with the one in use, and uses it from now on.
    pub(super) async fn find_primary(&self) -> Result<(), NoPrimary> {
        let first = self.current.load(Ordering::Relaxed);
        let mut found = NoPrimary::Unreachable(sqlx::Error::PoolTimedOut);
        for at in (0..self.hosts.len()).map(|step| (first + step) % self.hosts.len()) {
            // A single host may take longer, because there is no other to try.
            let limit = if self.hosts.len() == 1 { ACQUIRE_TIMEOUT * 5 } else { ACQUIRE_TIMEOUT };
            match within(limit, open(&self.hosts[at])).await {
                Ok((connection, true)) => {
                    self.current.store(at, Ordering::Relaxed);
                    // An error here does no harm.
                    drop(connection.close().await);
                    return Ok(());
                }
                Ok((_, false)) => found = NoPrimary::ReadOnly,
                Err(error) if matches!(found, NoPrimary::Unreachable(_)) => found = error.into(),
                Err(_) => {}
            }
        }
        Err(found)
    }

    /// Opens a pool of connections to the host in use. All of them are opened soon, and kept. Otherwise they would be opened
    /// when the database is busiest: callers who give up leave connections behind that it still has to accept, and in the
    /// end it accepts none (`EAGAIN`).
    pub(super) async fn open_pool(self: &Arc<Self>, size: u32) -> Result<PgPool, sqlx::Error> {
        let (pool, host) = self.pool(size, String::new())?;
        let pool = pool.min_connections(size).connect_lazy_with(host);
        pool.acquire().await?;
        Ok(pool)
    }

    /// A pool of connections with this search path. The pool connects when it is first used.
    pub(super) fn pool_for_lane(self: &Arc<Self>, size: u32, path: &str) -> Result<PgPool, sqlx::Error> {
        let (pool, host) = self.pool(size, set_path(path))?;
        Ok(pool.connect_lazy_with(host))
    }

    /// Opens a pool of connections to the host in use, and waits until all are open.
    pub(super) async fn open_whole_pool(self: &Arc<Self>, size: u32) -> Result<PgPool, sqlx::Error> {
        let (pool, host) = self.pool(size, String::new())?;
        pool.min_connections(size).connect_with(host).await
    }

    /// A pool of connections for reads. PostgreSQL cancels a statement after `timeout` plus a second, or when its
    /// connection has been closed. The pool connects when it is first used.
    pub(super) fn pool_for_reads(self: &Arc<Self>, size: u32, timeout: Duration) -> Result<PgPool, sqlx::Error> {
        // The caller limits the time of the whole read. This limit is longer, so that the caller's is reached first.
        let timeout = timeout.as_millis() + 1000;
        let set_up = format!(
            "-- set_up_reads
            select pg_catalog.count(pg_catalog.set_config(name, value, false))
            from (values ('statement_timeout', '{timeout}'), ('client_connection_check_interval', '500'))
              as wanted(name, value)
            where pg_catalog.current_setting(name, true) is not null"
        );
        let (pool, host) = self.pool(size, set_up)?;
        Ok(pool.connect_lazy_with(host))
    }

    /// The options of a pool, and the host in use. `also` is a further statement that sets up each session; it may be
    /// empty.
    fn pool(self: &Arc<Self>, size: u32, also: String) -> Result<(PgPoolOptions, PgConnectOptions), sqlx::Error> {
        let also: Arc<str> = also.into();
        let host = self.host().ok_or(sqlx::Error::PoolClosed)?.clone();
        let (opened, used) = (Arc::clone(self), Arc::clone(self));
        let pool = PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                let (database, also) = (Arc::clone(&opened), Arc::clone(&also));
                Box::pin(async move {
                    // A standby can answer queries, too.
                    if !set_up(connection).await? {
                        database.doubtful.store(true, Ordering::Relaxed);
                    }
                    if !also.is_empty() {
                        connection.execute(&*also).await?;
                    }
                    Ok(())
                })
            })
            .before_acquire(move |_, metadata| {
                let current = metadata.age < used.since_renewal();
                Box::pin(async move { Ok(current) })
            });
        Ok((pool, host))
    }

    fn since_renewal(&self) -> Duration {
        self.renewed.read().map_or(Duration::MAX, |renewed| renewed.elapsed())
    }

    /// Makes the pools connect to the host in use, and stop using connections older than this call.
    fn renew(&self, pools: Vec<PgPool>) {
        if let Some(host) = self.host() {
            for pool in pools {
                pool.set_connect_options(host.clone());
            }
        }
        if let Ok(mut renewed) = self.renewed.write() {
            *renewed = Instant::now();
        }
    }
}

/// The statement that gives a session a search path. It fails if the first schema does not exist, since PostgreSQL
/// would pass over it, and what is written would go elsewhere.
fn set_path(path: &str) -> String {
    let first = path.split(',').next().unwrap_or_default();
    format!(
        "-- set_path\nselect pg_catalog.set_config('search_path', '{path}', false), '{first}'::pg_catalog.regnamespace"
    )
}

fn read_only() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::other("the database is read-only"))
}

/// Opens a session, and returns whether it accepts writes.
async fn open(host: &PgConnectOptions) -> Result<(PgConnection, bool), sqlx::Error> {
    let mut connection = host.connect().await?;
    let accepts_writes = set_up(&mut connection).await?;
    Ok((connection, accepts_writes))
}

/// Sets up a session in one round trip, and returns whether it accepts writes.
async fn set_up(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let row = connection.fetch_one(SET_UP_SESSION).await?;
    row.try_get::<bool, _>("read_only").map(|read_only| !read_only)
}

/// Whether a session accepts writes now. A standby does not, and an operator may have made the database read-only.
pub(super) async fn accepts_writes<'c>(
    connection: impl Executor<'c, Database = sqlx::Postgres>,
) -> Result<bool, sqlx::Error> {
    let statement = "-- accepts_writes\nselect pg_catalog.current_setting('transaction_read_only') = 'off' as writes";
    connection.fetch_one(statement).await?.try_get("writes")
}

/// Limits the time of an attempt.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Follows a failover: finds the host that accepts writes, and makes the pools discard their connections to the old
/// one.
pub(super) struct FollowPrimary {
    pub(super) database: Arc<Database>,
    /// The pool for control, through which the host in use is asked.
    pub(super) control: PgPool,
    /// Returns all pools of the database. Lanes that are added later bring pools of their own.
    pub(super) pools: Box<dyn Fn() -> Vec<PgPool> + Send>,
}

impl Job for FollowPrimary {
    const NAME: &'static str = "primary";
    const INTERVAL: Duration = Duration::from_millis(500);

    async fn run(&mut self) -> Result<Next, Failure> {
        let doubtful = self.database.doubtful.swap(false, Ordering::Relaxed);
        let asked = within(ACQUIRE_TIMEOUT, accepts_writes(&self.control)).await;
        if asked.is_ok() {
            self.database.note_answer();
        }
        if !doubtful && matches!(asked, Ok(true)) {
            return Ok(Next::Scheduled);
        }
        let before = self.database.current.load(Ordering::Relaxed);
        if let Err(error) = self.database.find_primary().await {
            self.database.doubtful.store(true, Ordering::Relaxed);
            return Err(Failure::Outage(error.into()));
        }
        // If no pooled connection answered and the host is the same, all may be in use: the pools are left as they are.
        if asked.is_ok() || self.database.current.load(Ordering::Relaxed) != before {
            self.database.renew((self.pools)());
        }
        Ok(Next::Scheduled)
    }
}

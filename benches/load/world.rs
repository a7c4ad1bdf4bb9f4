//! The benchmark's database: an embedded PostgreSQL filled with open tasks.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use context_services::domain::clock::SystemClock;
use context_services::domain::extension::SchemaDefinition;
use context_services::domain::ids::Element;
use context_services::domain::json::read_object;
use context_services::postgres::{EmbeddedPostgres, EmbeddedSettings, NAME};
use context_services::store::{LifetimeSettings, ReadSettings, Store, StoreSettings, WriterSettings};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Executor};

/// Tasks in the database. Each run completes the next ones.
pub(crate) const TASKS: i64 = 6_000_000;
/// Tasks per service.
pub(crate) const PER_SERVICE: i64 = 10;
/// Tasks are completed in steps of this prime, so that consecutive completions are not adjacent on disk.
const STRIDE: i64 = 1_299_709;

/// The body of a completion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Payload {
    /// No extension.
    Bare,
    /// One extension record.
    OneRecord,
    /// The full reference example: one record, and two of a multi-valued extension.
    Reference,
}

impl Payload {
    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "no extension",
            Self::OneRecord => "one record",
            Self::Reference => "reference example",
        }
    }

    /// The label of a run with this payload over `connections` connections.
    pub(crate) fn over(self, connections: usize) -> String {
        format!("{connections} connections, {}", self.name())
    }

    /// The JSON text.
    pub(crate) const fn body(self) -> &'static str {
        match self {
            Self::Bare => r#"{"interaction_id":"0000CSS0FXZUP6UR","disposition":10,"disposition_desc":"SUCCESS"}"#,
            Self::OneRecord => concat!(
                r#"{"interaction_id":"0000CSS0FXZUP6UR","disposition":10,"disposition_desc":"SUCCESS","Survey":"#,
                r#"{"url":"http://ourServer/storage/userAnswers","question1":7,"question2":true,"#,
                r#""question3":"will be better with cable tv and on-demand video"}}"#
            ),
            Self::Reference => concat!(
                r#"{"interaction_id":"0000CSS0FXZUP6UR","disposition":10,"disposition_desc":"SUCCESS","Survey":"#,
                r#"{"url":"http://ourServer/storage/userAnswers","question1":7,"question2":true,"#,
                r#""question3":"will be better with cable tv and on-demand video"},"Proposal":"#,
                r#"[{"car type":"cabriolet","price":25000,"seats":2,"comments":"200 cv, hardtop"},"#,
                r#"{"car type":"S.U.V.","price":70000,"seats":8,"comments":"4wd, leather seats"}]}"#
            ),
        }
    }
}

const SCHEMAS: [&str; 2] = [
    r#"{"name":"Survey","type":"single-valued","attributes":[
        {"name":"url","type":"string","length":256,"mandatory":true},{"name":"question1","type":"integer"},
        {"name":"question2","type":"boolean"},{"name":"question3","type":"string","length":256}]}"#,
    r#"{"name":"Proposal","type":"multi-valued","unique":["car type"],"attributes":[
        {"name":"car type","type":"string","length":40,"mandatory":true},{"name":"price","type":"integer"},
        {"name":"seats","type":"integer","default":4},{"name":"comments","type":"string","length":256}]}"#,
];

/// The database and the position of the next unused task.
pub(crate) struct World {
    pub(crate) directory: PathBuf,
    postgres: EmbeddedPostgres,
    next: Cell<i64>,
}

impl World {
    /// Starts PostgreSQL in `target/tmp/bench` and fills its tables.
    pub(crate) async fn start() -> Result<Self> {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench");
        let settings = EmbeddedSettings { data_dir: directory.clone(), bin_dir: None };
        let postgres = EmbeddedPostgres::start(&settings).await?;
        let world = Self { directory, postgres, next: Cell::new(0) };
        let mut admin: PgConnection = world.postgres.connect_options("postgres").connect().await?;
        admin.execute("drop database if exists bench with (force)").await?;
        admin.execute("create database bench").await?;
        world.fill().await?;
        Ok(world)
    }

    async fn fill(&self) -> Result<()> {
        let writer = WriterSettings { batch: 1, queue: 1 };
        let settings = StoreSettings {
            database: self.options().into(),
            pool_size: 2,
            replica: None,
            reads: ReadSettings { connections: 4, timeout: Duration::from_secs(30) },
            max_learned_values: 10_000,
            open_extensions: false,
            map_names: false,
            lifetimes: LifetimeSettings::default(),
            writer,
        };
        let store = Store::open(settings, Arc::new(SystemClock)).await?;
        for schema in SCHEMAS {
            let definition = SchemaDefinition::read(&read_object(schema.as_bytes())?).expect("the schema is valid");
            for element in Element::ALL {
                store.create_extension_schema(element, &definition).await?;
            }
        }
        store.close().await;
        let mut sql = self.sql().await?;
        let services = TASKS / PER_SERVICE;
        sql.execute(&*format!(
            "insert into services (service_id, started_at, customer_id)
             select n, now(), 'c' || n from generate_series(1, {services}) n"
        ))
        .await?;
        sql.execute(&*format!(
            "insert into tasks (service_id, task_id, started_at, task_type)
             select 1 + n / {PER_SERVICE}, 1 + n, now(), null from generate_series(0, {TASKS} - 1) n"
        ))
        .await?;
        sql.execute(&*format!("select setval('service_id_seq', {services})")).await?;
        sql.execute("vacuum analyze").await?;
        sql.execute("checkpoint").await?;
        Ok(())
    }

    /// Options for a connection to the benchmark's database.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.postgres.connect_options("bench").options([("statement_timeout", "0")])
    }

    /// The directory of PostgreSQL's Unix socket.
    pub(crate) fn socket_dir(&self) -> String {
        self.postgres.socket_dir().display().to_string()
    }

    /// The `DATABASE_URL` for the server under test.
    pub(crate) fn url(&self) -> String {
        format!("postgres:///bench?host={}&user={NAME}", self.socket_dir())
    }

    /// Opens a connection.
    pub(crate) async fn sql(&self) -> Result<PgConnection> {
        Ok(self.options().connect().await?)
    }

    /// The next unused task: service and task.
    pub(crate) fn next_task(&self) -> (i64, i64) {
        task_of(self.reserve(1))
    }

    /// Reserves `count` tasks for a caller that counts by itself. Returns the number of the first.
    pub(crate) fn reserve(&self, count: i64) -> i64 {
        self.next.replace(self.next.get() + count)
    }

    /// Completions in the database, and bytes of WAL written so far.
    pub(crate) async fn recorded(&self) -> Result<(i64, f64)> {
        let now = "select count(*), (pg_current_wal_lsn() - '0/0')::float8 from dispositions";
        Ok(sqlx::query_as(now).fetch_one(&mut self.sql().await?).await?)
    }

    /// Checks that each acknowledged completion is in the database exactly once, and that no other was added since
    /// `before`. The comparison is exact because a run ends only after all of its requests are answered. Returns the
    /// bytes of WAL for each completion.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are small")]
    pub(crate) async fn audit(&self, acknowledged: &[(i64, Element, i32)], before: (i64, f64)) -> Result<f64> {
        let found = self.found(acknowledged).await?;
        let ((before, wal_before), (after, wal_after)) = (before, self.recorded().await?);
        let count = acknowledged.len();
        ensure!(found == count, "{count} completions acknowledged, {found} of them in the database");
        let added = usize::try_from(after - before)?;
        ensure!(added == count, "{count} completions acknowledged, {added} in the database");
        Ok((wal_after - wal_before) / count as f64)
    }

    /// The acknowledged completions that are in the database.
    pub(crate) async fn found(&self, acknowledged: &[(i64, Element, i32)]) -> Result<usize> {
        let services: Vec<i64> = acknowledged.iter().map(|(service, ..)| *service).collect();
        let elements: Vec<&str> = acknowledged.iter().map(|(_, element, _)| element.singular()).collect();
        let ids: Vec<i32> = acknowledged.iter().map(|(.., id)| *id).collect();
        let found: i64 = sqlx::query_scalar(
            "select count(*) from unnest($1::bigint[], $2::text[]::element[], $3::int[]) as a(service_id, element, id)
             join dispositions d on d.service_id = a.service_id and d.element = a.element and d.element_id = a.id",
        )
        .bind(&services)
        .bind(&elements)
        .bind(&ids)
        .fetch_one(&mut self.sql().await?)
        .await?;
        Ok(usize::try_from(found)?)
    }

    /// Bytes on disk, indexes included, of the start of a task and of its end without an extension.
    pub(crate) async fn storage(&self) -> Result<(f64, f64)> {
        let sizes = "select pg_total_relation_size('tasks')::float8 / (select count(*) from tasks),
                            pg_total_relation_size('dispositions')::float8 / (select count(*) from dispositions)";
        Ok(sqlx::query_as(sizes).fetch_one(&mut self.sql().await?).await?)
    }
}

/// The `n`-th task: service and task.
pub(crate) fn task_of(n: i64) -> (i64, i64) {
    let place = n * STRIDE % TASKS;
    (1 + place / PER_SERVICE, 1 + place)
}

/// The position of the task that [`task_of`] gives, as an SQL expression over a column `n`.
pub(crate) fn task_of_sql() -> String {
    format!("(n * {STRIDE} % {TASKS})")
}

//! Reference measurements without the service: pgbench with one transaction per completion, and the writer's batched
//! statement alone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use context_services::postgres::NAME;
use hdrhistogram::Histogram;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnection;

use crate::report::Report;
use crate::world::{PER_SERVICE, Payload, World, task_of, task_of_sql};

/// Tasks reserved per second of a pgbench run. A run that uses more fails.
const RESERVED_PER_SECOND: f64 = 30_000.0;

/// R1: pgbench with prepared statements over the Unix socket, one single-statement transaction per completion. Returns
/// the best rate per second over the given numbers of clients, and its mean latency in microseconds.
pub(crate) async fn pgbench(world: &World, seconds: f64, clients: &[u32]) -> Result<(f64, f64)> {
    let mut sql = world.sql().await?;
    let script = world.directory.join("completion.sql");
    std::fs::write(&script, single_completion()?)?;
    #[expect(clippy::cast_possible_truncation, reason = "tasks are some millions")]
    let tasks = (RESERVED_PER_SECOND * seconds.max(1.0)) as i64;
    let mut best = (0.0, 0.0);
    for clients in clients {
        let first = world.reserve(tasks);
        sqlx::query("drop sequence if exists bench_seq").execute(&mut sql).await?;
        sqlx::query(&format!("create sequence bench_seq minvalue 0 start {first}")).execute(&mut sql).await?;
        let (rate, latency_ms) = run_pgbench(world, &script, *clients, seconds)?;
        let used: i64 = sqlx::query_scalar("select last_value from bench_seq").fetch_one(&mut sql).await?;
        ensure!(used < first + tasks, "pgbench used more tasks than reserved");
        Report::note(&format!("R1             pgbench, {clients} clients {rate:36.0}/s  mean {latency_ms:.3} ms"));
        if rate > best.0 {
            best = (rate, latency_ms * 1e3);
        }
    }
    Ok(best)
}

fn single_completion() -> Result<String> {
    let (survey, place, digest) = (survey()?, task_of_sql(), "decode(md5('x'), 'hex')");
    let script = format!(
        "with t as materialized (select {place} as place from (select nextval('bench_seq') as n) n),
         ended as (
           insert into dispositions (service_id, element, element_id, ended_at, interaction_id, disposition,
             disposition_desc, digest)
           select t.service_id, 'task', t.task_id, now(), '0000CSS0FXZUP6UR', 1, 'SUCCESS', {digest}
           from (select 1 + place / {PER_SERVICE} as s, (1 + place)::int as k from t) g
           join tasks t on t.service_id = g.s and t.task_id = g.k
           on conflict do nothing returning service_id, element_id)
         insert into extensions (service_id, element, element_id, schema_id, records)
         select service_id, 'task', element_id, 1, '{survey}'::jsonb from ended;"
    );
    Ok(script.replace('\n', " ") + "\n")
}

fn run_pgbench(world: &World, script: &Path, clients: u32, seconds: f64) -> Result<(f64, f64)> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|entry| entry.path().join("bin/pgbench")).filter(|path| path.exists()).max();
    let output = Command::new(installed.unwrap_or_else(|| "pgbench".into()))
        .args([
            "-n",
            "-M",
            "prepared",
            "-h",
            &world.socket_dir(),
            "-U",
            NAME,
            "-T",
            &format!("{:.0}", seconds.max(1.0)),
        ])
        .args(["-c", &clients.to_string(), "-j", &clients.min(2).to_string(), "-f"])
        .arg(script)
        .arg("bench")
        .output()
        .context("pgbench")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "pgbench: {text}{}", String::from_utf8_lossy(&output.stderr));
    let number = |after: &str| {
        let rest = text.split_once(after).map(|(_, rest)| rest.trim_start());
        rest.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).context("pgbench's figures")
    };
    Ok((number("tps =")?, number("latency average =")?))
}

/// The writer's statement on one connection with the writer's settings, without the service.
struct Batches<'a> {
    world: &'a World,
    sql: PgConnection,
    statement: String,
    survey: String,
    metadata_version: i64,
}

impl<'a> Batches<'a> {
    async fn connect(world: &'a World) -> Result<Self> {
        let options = world.options().options([("plan_cache_mode", "force_generic_plan")]);
        let mut sql: PgConnection = options.connect().await?;
        let version = sqlx::query_scalar("select metadata_version from deployment").fetch_one(&mut sql).await?;
        Ok(Self {
            world,
            sql,
            statement: statement_of("complete_tasks")?,
            survey: survey()?,
            metadata_version: version,
        })
    }

    async fn complete(&mut self, count: usize) -> Result<()> {
        let first = self.world.reserve(i64::try_from(count)?);
        let mut tasks: Vec<_> = (first..).take(count).map(task_of).collect();
        tasks.sort_unstable();
        let services: Vec<i64> = tasks.iter().map(|task| task.0).collect();
        let tasks: Vec<i32> = tasks.iter().map(|task| i32::try_from(task.1)).collect::<Result<_, _>>()?;
        let ended = sqlx::query(&self.statement)
            .bind(&services)
            .bind(&tasks)
            .bind(vec![DateTime::<Utc>::UNIX_EPOCH; count])
            .bind(vec![None::<String>; count])
            .bind(vec!["0000CSS0FXZUP6UR"; count])
            .bind(vec![None::<i32>; count])
            .bind(vec![None::<i64>; count])
            .bind(vec![None::<i32>; count])
            .bind(vec![None::<i64>; count])
            .bind(vec![None::<i32>; count])
            .bind(vec![None::<i32>; count])
            .bind(vec![Some(1_i32); count])
            .bind(vec!["SUCCESS"; count])
            .bind(vec![[7_u8; 16].to_vec(); count])
            .bind(self.metadata_version)
            .bind(&services)
            .bind(&tasks)
            .bind(vec![1_i32; count])
            .bind(vec![self.survey.as_str(); count])
            .bind(false)
            .fetch_all(&mut self.sql)
            .await?;
        ensure!(ended.len() == count, "every task of the batch is completed");
        Ok(())
    }
}

/// `R_B`: batches of 256, one after the other. Returns completions per second.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are small")]
pub(crate) async fn batched_statement(world: &World, seconds: f64) -> Result<f64> {
    const BATCH: usize = 256;
    let mut batches = Batches::connect(world).await?;
    let (end, mut completed) = (Instant::now() + Duration::from_secs_f64(seconds), 0);
    while Instant::now() < end {
        batches.complete(BATCH).await?;
        completed += BATCH;
    }
    let rate = completed as f64 / seconds;
    Report::note(&format!("R_B            the statement alone, batches of {BATCH} {rate:24.0}/s"));
    Ok(rate)
}

/// An open loop of the database and the machine alone. Completions are due on a schedule, and each batch writes all
/// that are due, up to 256, as the writer does. Returns the 99th percentile of the latency since each was due, in
/// milliseconds.
#[expect(clippy::cast_precision_loss, reason = "microseconds of a run are few")]
pub(crate) async fn batched_open_loop(world: &World, seconds: f64, rate: f64) -> Result<f64> {
    let mut batches = Batches::connect(world).await?;
    let mut latency = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    let interval = Duration::from_secs_f64(1.0 / rate);
    let (mut due, end) = (Instant::now(), Instant::now() + Duration::from_secs_f64(seconds));
    while due < end {
        tokio::time::sleep_until(due.into()).await;
        let mut waiting = vec![due];
        while due + interval <= Instant::now() && waiting.len() < 256 {
            due += interval;
            waiting.push(due);
        }
        due += interval;
        batches.complete(waiting.len()).await?;
        for due in waiting {
            latency.saturating_record(u64::try_from(due.elapsed().as_micros())?);
        }
    }
    let of = |quantile| latency.value_at_quantile(quantile) as f64 / 1e3;
    let (p50, p99, p999) = (of(0.5), of(0.99), of(0.999));
    Report::note(&format!(
        "open loop      the statement alone {:32.0}/s  p50 {p50:6.2}  p99 {p99:6.2}  p99.9 {p999:6.2} ms",
        latency.len() as f64 / seconds
    ));
    Ok(p99)
}

/// The extension record of a completion. A space follows each colon, since pgbench reads `:true` as a variable.
fn survey() -> Result<String> {
    let (_, record) = Payload::OneRecord.body().split_once(r#""Survey":"#).context("a record")?;
    Ok(record.trim_end_matches('}').replace("\":", "\": ") + "}")
}

/// The text of one of the store's statements, from the files for offline builds.
fn statement_of(function: &str) -> Result<String> {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx"))? {
        let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(entry?.path())?)?;
        let text = json["query"].as_str().context("a query")?;
        if text.starts_with(&format!("-- {function}\n")) {
            return Ok(text.to_owned());
        }
    }
    anyhow::bail!("no statement {function} in .sqlx/")
}

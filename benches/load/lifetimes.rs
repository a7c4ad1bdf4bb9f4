//! Lifetimes: the rate at which data is removed, and its effect on events. `BENCH_SERVICES` is the number of services
//! removed (100,000).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sqlx::{Connection, Executor};

use crate::client::{Pace, Run, complete_tasks};
use crate::report::Report;
use crate::server::Server;
use crate::world::Payload;
use crate::{AS_SHIPPED, Bench};

/// The rows of a service to be removed: its start and end, and the starts and ends of 5 states and 10 tasks.
const ROWS_PER_SERVICE: f64 = 32.0;

/// The identifiers of services to be removed begin here, beyond the identifiers of all others.
const FIRST: i64 = 1_000_000_000;

impl Bench {
    /// All figures of lifetimes, in alternation with and without removal.
    pub(crate) async fn lifetimes(&mut self) -> Result<()> {
        let services = match std::env::var_os("BENCH_SERVICES") {
            Some(text) => text.to_str().and_then(|text| text.parse().ok()).context("BENCH_SERVICES: a number")?,
            None => 100_000,
        };
        self.expire_on_another_node().await?;
        self.sql("update deployment set lifetimes = true, metadata_version = metadata_version + 1").await?;
        for _ in 0..3 {
            let peak = self.beside("T, nothing leaves", Pace::Closed, 0).await?.0.rate();
            let (run, _) = self.beside("T, beside removal", Pace::Closed, services).await?;
            self.report.figure("T beside removal / T", run.rate() / peak);
            let half = Pace::Open { rate: peak / 2.0 };
            let alone = self.beside("50 % of peak, nothing leaves", half, 0).await?.0;
            let (run, rows) = self.beside("50 % of peak, beside removal", half, services).await?;
            self.report.figure("p99 beside removal / p99", run.quantile_us(0.99) / alone.quantile_us(0.99));
            self.report.figure("rows removed beside events, per second", rows);
        }
        self.purge(services).await?;
        self.complete_idle_services(100_000).await?;
        self.expire_keys(1_000_000).await
    }

    async fn sql(&self, statement: &str) -> Result<()> {
        let mut connection = self.world.sql().await?;
        connection.execute(statement).await?;
        Ok(connection.close().await?)
    }

    /// Inserts services with states, tasks and ends to replace those that were removed.
    async fn fill_services(&self, services: i64, columns: &str, values: &str) -> Result<()> {
        for table in
            ["dispositions", "states", "tasks", "services", "deleted_services", "auto_completions", "open_services"]
        {
            self.sql(&format!("delete from {table} where service_id >= {FIRST}")).await?;
        }
        let all = format!("generate_series({FIRST}, {FIRST} + {services} - 1) s");
        for statement in [
            format!(
                "insert into services (service_id, started_at, customer_id{columns})
                 select s, '2026-01-01', 'left'{values} from {all}"
            ),
            format!(
                "insert into states (service_id, state_id, started_at)
                 select s, n, '2026-01-01' from {all}, generate_series(1, 5) n"
            ),
            format!(
                "insert into tasks (service_id, task_id, started_at)
                 select s, n, '2026-01-01' from {all}, generate_series(1, 10) n"
            ),
        ] {
            self.sql(&statement).await?;
        }
        self.sql("checkpoint").await
    }

    async fn end_services(&self, services: i64) -> Result<()> {
        self.sql(&format!(
            "insert into dispositions (service_id, element, element_id, ended_at, digest)
             select s, k.element::element, k.n, '2026-01-02', repeat('x', 32)::bytea
             from generate_series({FIRST}, {FIRST} + {services} - 1) s, (
               select 'service' as element, 0 as n union all select 'state', generate_series(1, 5)
               union all select 'task', generate_series(1, 10)) k"
        ))
        .await?;
        self.sql("vacuum analyze").await
    }

    /// Completes tasks while this many expired services are removed. Also returns the rows removed per second.
    async fn beside(&mut self, what: &str, pace: Pace, services: i64) -> Result<(Run, f64)> {
        if services > 0 {
            self.fill_services(services, ", expires_at", ", '2026-01-03'").await?;
            self.end_services(services).await?;
        }
        let server = Server::start(&self.world, AS_SHIPPED.0, AS_SHIPPED.1)?;
        let (start, load) = (Instant::now(), self.load(256, pace));
        let mut run = complete_tasks(&self.world, &server, Payload::OneRecord, load).await?;
        let rows = metric(&server.address, "context_services_removed_rows_total")? / start.elapsed().as_secs_f64();
        run.usage = server.stop()?;
        Report::line("lifetimes", what, &run);
        ensure!(run.failed == 0, "{} requests failed: {:?}", run.failed, run.failure);
        ensure!(self.world.found(&run.acknowledged).await? == run.acknowledged.len(), "an acknowledged end is missing");
        Ok((run, rows))
    }

    /// Purges services without other load, until their last row is removed.
    async fn purge(&mut self, services: i64) -> Result<()> {
        self.fill_services(services, "", "").await?;
        self.end_services(services).await?;
        let server = Server::start(&self.world, AS_SHIPPED.0, AS_SHIPPED.1)?;
        let start = Instant::now();
        let purge = r#"{"operation":"purge.service.completed","limit":"2026-01-01T00:00:01Z"}"#;
        let answer = request(&server.address, "POST", "/maintenance/purge", purge)?;
        let hidden = start.elapsed();
        ensure!(answer.contains("purged"), "{answer}");
        self.until("select not exists (select from dispositions where service_id >= 1000000000)").await?;
        let gone = start.elapsed().as_secs_f64();
        server.stop()?;
        Report::note(&format!(
            "purge of {services} services: answered after {hidden:.1?}, last row gone after {gone:.1} s"
        ));
        self.report.figure("rows removed by a purge, per second", count(services) * ROWS_PER_SERVICE / gone);
        Ok(())
    }

    /// Completes services that have been idle for long, with all that is open in them.
    async fn complete_idle_services(&mut self, services: i64) -> Result<()> {
        self.fill_services(services, ", auto_complete_after", ", 60").await?;
        self.sql(&format!(
            "insert into auto_completions select s, now() from generate_series({FIRST}, {FIRST} + {services} - 1) s"
        ))
        .await?;
        self.sql("vacuum analyze").await?;
        let server = Server::start(&self.world, AS_SHIPPED.0, AS_SHIPPED.1)?;
        let start = Instant::now();
        self.until("select not exists (select from auto_completions)").await?;
        let elapsed = start.elapsed().as_secs_f64();
        server.stop()?;
        let mut sql = self.world.sql().await?;
        let ended = "select count(*) from dispositions where service_id >= 1000000000 and auto_completed";
        let ended: i64 = sqlx::query_scalar(ended).fetch_one(&mut sql).await?;
        ensure!(ended == services * 16, "{ended} elements were ended, each of {services} services has 16");
        self.report.figure("seconds to complete 100,000 idle services", elapsed);
        Ok(())
    }

    /// Removes expired idempotency keys without other load.
    async fn expire_keys(&mut self, keys: i64) -> Result<()> {
        self.sql(&format!(
            "insert into idempotency_keys (created_at, element_id, key, request)
             select now() - interval '25 hours' + n * interval '1 millisecond', n, 'bench-' || md5(n::text),
               decode(md5(n::text), 'hex')
             from generate_series(1, {keys}) n"
        ))
        .await?;
        self.sql("vacuum analyze idempotency_keys").await?;
        let server = Server::start(&self.world, AS_SHIPPED.0, AS_SHIPPED.1)?;
        let start = Instant::now();
        self.until("select not exists (select from idempotency_keys where key like 'bench-%')").await?;
        let elapsed = start.elapsed().as_secs_f64();
        server.stop()?;
        self.report.figure("idempotency keys removed, per second", count(keys) / elapsed);
        Ok(())
    }

    /// The time for which a service is still visible on another node after its expiry.
    async fn expire_on_another_node(&mut self) -> Result<()> {
        let one = Server::start(&self.world, AS_SHIPPED.0, AS_SHIPPED.1)?;
        let other = Server::start(&self.world, AS_SHIPPED.0, AS_SHIPPED.1)?;
        let mut worst: f64 = 0.0;
        for _ in 0..5 {
            let started = Instant::now();
            let answer = request(&one.address, "POST", "/services/start", r#"{"customer_id":"c","ttl":1}"#)?;
            let id: String = answer.rsplit("service_id").next().unwrap_or_default().matches(char::is_numeric).collect();
            while request(&other.address, "GET", &format!("/services/{id}"), "")?.starts_with("HTTP/1.1 200") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            worst = worst.max(started.elapsed().as_secs_f64() - 1.0);
        }
        self.report.figure("seconds until an expired service is gone", worst);
        one.stop()?;
        other.stop().map(drop)
    }

    async fn until(&self, condition: &str) -> Result<()> {
        let mut sql = self.world.sql().await?;
        while !sqlx::query_scalar::<_, bool>(condition).fetch_one(&mut sql).await? {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are small")]
const fn count(services: i64) -> f64 {
    services as f64
}

/// Sends a request on a connection of its own, and returns the whole response.
fn request(address: &str, method: &str, path: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The value of a counter of the server.
fn metric(address: &str, name: &str) -> Result<f64> {
    let page = request(address, "GET", "/metrics", "")?;
    let line = page.lines().find(|line| line.starts_with(name)).context("the metric is not there")?;
    Ok(line.rsplit(' ').next().context("a value")?.parse()?)
}

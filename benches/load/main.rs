//! The benchmark: measures the service and its upper bounds in one run. See docs/performance.md.
//!
//! It starts its own PostgreSQL, with `fsync`, `full_page_writes` and `synchronous_commit` on, and runs the release
//! server as a separate process with its default log. No task is completed twice. After every run it checks the
//! database: each acknowledged completion must be there exactly once, and no other.

mod bounds;
mod client;
mod journey;
mod lifetimes;
mod machine;
mod report;
mod server;
mod world;

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use client::{Load, Pace, Run, complete_tasks};
use report::Report;
use server::{Flavour, Server};
use world::{Payload, World};

/// Seconds of each measurement, after a warm-up.
const SECONDS: f64 = 3.0;
/// Rounds of each comparison. The machine's speed varies over time, so compared runs alternate.
const ROUNDS: usize = 3;
/// The parts of a whole run, in order, unless `BENCH_ONLY` names others.
const PARTS: &str = "rounds,sweep,open,overload,storage,lifetimes";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let seconds = std::env::var_os("BENCH_SECONDS").and_then(|text| text.to_str()?.parse().ok()).unwrap_or(SECONDS);
    let parts = std::env::var_os("BENCH_ONLY");
    let mut bench = Bench { world: World::start().await?, report: Report::default(), seconds };
    for part in parts.as_deref().and_then(OsStr::to_str).unwrap_or(PARTS).split(',') {
        match part {
            "rounds" => bench.rounds().await?,
            "sweep" => bench.sweep().await?,
            "open" => bench.open_loop().await?,
            "overload" => bench.overload().await?,
            "conversation" => {
                bench.conversation(AS_SHIPPED).await?;
            }
            "log" => bench.log().await?,
            "storage" => bench.storage().await?,
            "lifetimes" => bench.lifetimes().await?,
            "settings" => bench.settings().await?,
            other => bail!("BENCH_ONLY: expected some of {PARTS},conversation,log,settings, found {other}"),
        }
    }
    bench.report.finish()
}

/// A build of the server, and its settings.
type Setup<'a> = (Flavour, &'a [(&'a str, &'a str)]);

/// The service as it ships: its default log has a line per request.
const AS_SHIPPED: Setup<'static> = (Flavour::Release, &[]);
/// The service without a line per request.
const QUIET: Setup<'static> = (Flavour::Release, &[("LOG_LEVEL", "warn")]);
const FLOOR: Setup<'static> = (Flavour::Floor, &[]);

/// A run of the benchmark.
struct Bench {
    world: World,
    report: Report,
    seconds: f64,
}

impl Bench {
    /// Runs a load on a new server, prints the result, and checks that every acknowledged completion is in the
    /// database.
    async fn measure(
        &mut self,
        (kind, what): (&str, &str),
        (flavour, settings): Setup<'_>,
        load: impl AsyncFnOnce(&World, &Server) -> Result<Run>,
    ) -> Result<Run> {
        let before = self.world.recorded().await?;
        let server = Server::start(&self.world, flavour, settings)?;
        let mut run = load(&self.world, &server).await?;
        run.usage = server.stop()?;
        Report::line(kind, what, &run);
        if flavour == Flavour::Release {
            ensure!(run.failed == 0, "{} requests failed: {:?}", run.failed, run.failure);
            let wal = self.world.audit(&run.acknowledged, before).await?;
            let count = run.acknowledged.len();
            Report::note(&format!(
                "               audited: {count} acknowledged and on record; {wal:.0} bytes of WAL each"
            ));
        }
        Ok(run)
    }

    /// Completes tasks on a new server.
    async fn complete(&mut self, name: (&str, &str), server: Setup<'_>, payload: Payload, load: Load) -> Result<Run> {
        self.measure(name, server, async |world, server| complete_tasks(world, server, payload, load).await).await
    }

    fn load(&self, connections: usize, pace: Pace) -> Load {
        Load { connections, pace, duration: Duration::from_secs_f64(self.seconds) }
    }

    /// T: each connection sends the next request as soon as the last one is answered.
    async fn closed(&mut self, payload: Payload, connections: usize) -> Result<Run> {
        let load = self.load(connections, Pace::Closed);
        self.complete(("T", &payload.over(connections)), AS_SHIPPED, payload, load).await
    }

    /// Requests are due on a schedule, and latency counts from the time at which each was due.
    async fn open(&mut self, what: &str, server: Setup<'_>, rate: f64) -> Result<Run> {
        let load = self.load(256, Pace::Open { rate });
        self.complete(("open loop", what), server, Payload::OneRecord, load).await
    }

    /// The figures that have a goal, each next to its upper bound.
    async fn rounds(&mut self) -> Result<()> {
        for round in 1..=ROUNDS {
            Report::note(&format!("round {round} of {ROUNDS}"));
            machine::stalls(self.seconds, &mut self.report);
            self.ratios().await?;
            self.latencies().await?;
            self.log_cost().await?;
        }
        Ok(())
    }

    /// Whole conversations, of all kinds of events. Returns calls per second.
    async fn conversation(&mut self, server: Setup<'_>) -> Result<f64> {
        let load = self.load(256, Pace::Closed);
        let what = if server == QUIET { "256 connections, calls, quiet" } else { "256 connections, calls" };
        let talks = async |_: &_, server: &_| journey::conversations(server, load).await;
        let rate = self.measure(("conversation", what), server, talks).await?.rate();
        Report::note(&format!("               {:.0} conversations/s", rate / journey::CALLS));
        if server == AS_SHIPPED {
            self.report.figure("conversation, calls/s", rate);
        }
        Ok(rate)
    }

    /// The cost of a log line per request, measured in alternation.
    async fn log(&mut self) -> Result<()> {
        for _ in 0..ROUNDS {
            self.log_cost().await?;
        }
        Ok(())
    }

    /// Throughput with the default log, compared with `LOG_LEVEL=warn`.
    async fn log_cost(&mut self) -> Result<()> {
        let (what, load) = (Payload::OneRecord.over(256), self.load(256, Pace::Closed));
        let quiet = self.complete(("T, quiet", &what), QUIET, Payload::OneRecord, load).await?.rate();
        let logged = self.closed(Payload::OneRecord, 256).await?.rate();
        self.report.figure("T with LOG_LEVEL=warn", quiet);
        self.report.figure("T / T with LOG_LEVEL=warn", logged / quiet);
        let logged = self.conversation(AS_SHIPPED).await?;
        let quiet = self.conversation(QUIET).await?;
        self.report.figure("conversation, calls/s, LOG_LEVEL=warn", quiet);
        self.report.figure("conversation / LOG_LEVEL=warn", logged / quiet);
        Ok(())
    }

    /// Throughput compared with its bounds, and with one command per transaction.
    async fn ratios(&mut self) -> Result<()> {
        let batched = bounds::batched_statement(&self.world, self.seconds).await?;
        let (single, _) = bounds::pgbench(&self.world, self.seconds, &[8, 32, 128]).await?;
        let t = self.closed(Payload::OneRecord, 256).await?.rate();
        let (load, what) = (self.load(256, Pace::Closed), Payload::OneRecord.over(256));
        let h = self.complete(("H", &what), FLOOR, Payload::OneRecord, load).await?.rate();
        let alone: Setup<'_> = (Flavour::Release, &[("WRITE_BATCH", "1")]);
        let one = self.complete(("WRITE_BATCH=1", &what), alone, Payload::OneRecord, load).await?.rate();
        for (name, value) in [("R_B", batched), ("R1", single), ("H", h), ("T", t), ("T, WRITE_BATCH=1", one)] {
            self.report.figure(name, value);
        }
        self.report.figure("T / R1", t / single);
        self.report.figure("T / T_max", t * (1.0 / h + 1.0 / batched));
        self.report.figure("T / T with WRITE_BATCH=1", t / one);
        Ok(())
    }

    /// Latency on one connection, and in an open loop at 70 % of a peak measured just before.
    async fn latencies(&mut self) -> Result<()> {
        let (_, alone) = bounds::pgbench(&self.world, self.seconds, &[1]).await?;
        let run = self.closed(Payload::OneRecord, 1).await?;
        self.report.figure("p50 at 1 connection / pgbench at 1 client", run.quantile_us(0.5) / alone);
        let peak = self.closed(Payload::OneRecord, 256).await?.rate();
        for (name, server) in [("p99 at 70 % of peak", AS_SHIPPED), ("p99 of H at that rate", FLOOR)] {
            let run = self.open(name, server, peak * 0.7).await?;
            self.report.figure(name, run.quantile_us(0.99) / 1e3);
        }
        let p99 = bounds::batched_open_loop(&self.world, self.seconds, peak * 0.7).await?;
        self.report.figure("p99 of the statement alone at that rate", p99);
        Ok(())
    }

    /// All payloads at all numbers of connections.
    async fn sweep(&mut self) -> Result<()> {
        let mut memory: f64 = 0.0;
        for payload in [Payload::Bare, Payload::OneRecord, Payload::Reference] {
            for connections in [1, 8, 64, 256, 1024] {
                let run = self.closed(payload, connections).await?;
                self.report.figure(&format!("T, {}", payload.over(connections)), run.rate());
                memory = memory.max(run.usage.server_peak_mb);
            }
        }
        self.report.figure("server memory", memory);
        Ok(())
    }

    /// The settings of `BENCH_SETTINGS` (`NAME=value,...`) compared with the defaults, in alternation.
    async fn settings(&mut self) -> Result<()> {
        let text = std::env::var_os("BENCH_SETTINGS").context("BENCH_SETTINGS")?.into_string().unwrap_or_default();
        let settings: Option<Vec<_>> = text.split(',').map(|setting| setting.split_once('=')).collect();
        let settings = settings.context("BENCH_SETTINGS: expected NAME=value,...")?;
        let servers = [("defaults", AS_SHIPPED), (&text, (Flavour::Release, &settings))];
        for _ in 0..ROUNDS {
            let mut peak = 0.0;
            for connections in [1, 8, 64, 256] {
                for (name, server) in servers {
                    let load = self.load(connections, Pace::Closed);
                    let run = self.complete(("T", name), server, Payload::OneRecord, load).await?;
                    self.report.figure(&format!("T, {connections:4} connections, {name}"), run.rate());
                    peak = run.rate().max(peak);
                }
            }
            for (name, server) in servers {
                let run = self.open(name, server, peak * 0.6).await?;
                self.report.figure(&format!("p99 in open loop, {name}"), run.quantile_us(0.99) / 1e3);
            }
        }
        Ok(())
    }

    /// Open loops, each at a fraction of a peak measured just before. The open loop at 70 % is part of the rounds.
    async fn open_loop(&mut self) -> Result<()> {
        for percent in [50.0, 90.0] {
            let peak = self.closed(Payload::OneRecord, 256).await?.rate();
            let run = self.open(&format!("{percent} % of peak"), AS_SHIPPED, peak * percent / 100.0).await?;
            self.report.figure(&format!("p99 at {percent} % of peak"), run.quantile_us(0.99) / 1e3);
        }
        Ok(())
    }

    /// Twice the rate that the database sustains, over more connections than the queue holds. The excess must be
    /// refused at once, and accepted requests must keep their latency. Small batches make the database the bottleneck
    /// rather than the cores, since the generator needs a core to keep its schedule.
    async fn overload(&mut self) -> Result<()> {
        let server: Setup<'_> = (Flavour::Release, &[("WRITE_BATCH", "4"), ("WRITE_QUEUE", "64")]);
        let (name, load) = (("small batches", "peak: 64 connections"), self.load(64, Pace::Closed));
        let peak = self.complete(name, server, Payload::OneRecord, load).await?;
        let load = self.load(2048, Pace::Overload { rate: peak.rate() * 2.0 });
        let name = ("overload", "200 % of that, 2048 connections");
        let run = self.complete(name, server, Payload::OneRecord, load).await?;
        let refused_in = |quantile| Duration::from_micros(run.refusals.value_at_quantile(quantile));
        Report::note(&format!(
            "               {} refused with 503, {} acknowledged; latency of a 503: p50 {:.1?}, p99 {:.1?}",
            run.refused,
            run.acknowledged.len(),
            refused_in(0.5),
            refused_in(0.99)
        ));
        for (name, quantile) in [("p50 overload / p50 at that peak", 0.5), ("p99 overload / p99 at that peak", 0.99)] {
            self.report.figure(name, run.quantile_us(quantile) / peak.quantile_us(quantile));
        }
        Ok(())
    }

    /// Bytes on disk of a task that was started and ended.
    async fn storage(&mut self) -> Result<()> {
        let (per_start, per_end) = self.world.storage().await?;
        self.report.figure("bytes per completed task", per_start + per_end);
        Report::note(&format!(
            "on disk, with indexes: {per_start:.0} bytes per start, {per_end:.0} bytes per end of a task"
        ));
        Ok(())
    }
}

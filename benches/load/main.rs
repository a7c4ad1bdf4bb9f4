//! The benchmark: what the service reaches, and what bounds it, in one run. See docs/performance.md.
//!
//! It starts its own PostgreSQL with durable settings and the release server as a process of its own, completes tasks
//! that were never asked for before, and after every run reads the database: each acknowledged completion must be there
//! exactly once, and none other.

mod bounds;
mod client;
mod journey;
mod machine;
mod report;
mod server;
mod world;

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use client::{Load, Pace, Run, complete_tasks};
use report::Report;
use server::{Flavour, Server};
use world::{Payload, World};

/// How long each measurement takes, after a warm-up.
const SECONDS: f64 = 3.0;
/// The machine's speed changes as one looks: what is compared is measured as often, side by side.
const ROUNDS: usize = 3;
/// What is measured, in this order, unless `BENCH_ONLY` names some of it.
const PARTS: &str = "rounds,sweep,open,overload,storage";

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
            "conversation" => bench.conversation().await?,
            "storage" => world::storage(&bench.world, &mut bench.report).await?,
            "settings" => bench.settings().await?,
            other => bail!("BENCH_ONLY: expected some of {PARTS},conversation,settings, found {other}"),
        }
    }
    bench.report.finish()
}

/// A server and its settings.
type Setup<'a> = (Flavour, &'a [(&'a str, &'a str)]);

const RELEASE: Setup<'static> = (Flavour::Release, &[]);
const FLOOR: Setup<'static> = (Flavour::Floor, &[]);

/// A run of the benchmark.
struct Bench {
    world: World,
    report: Report,
    seconds: f64,
}

impl Bench {
    /// Puts a load on a server of its own, prints what came of it, and looks whether all of it is there.
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
            self.world.audit(&run, before).await?;
        }
        Ok(run)
    }

    /// Completes tasks through a server of its own.
    async fn complete(&mut self, name: (&str, &str), server: Setup<'_>, payload: Payload, load: Load) -> Result<Run> {
        self.measure(name, server, async |world, server| complete_tasks(world, server, payload, load).await).await
    }

    fn load(&self, connections: usize, pace: Pace) -> Load {
        Load { connections, pace, duration: Duration::from_secs_f64(self.seconds) }
    }

    /// T: each connection asks again as soon as it is answered.
    async fn closed(&mut self, payload: Payload, connections: usize) -> Result<Run> {
        let load = self.load(connections, Pace::Closed);
        self.complete(("T", &payload.over(connections)), RELEASE, payload, load).await
    }

    /// Requests arrive on a schedule; latency counts from when each should have been sent.
    async fn open(&mut self, what: &str, server: Setup<'_>, rate: f64) -> Result<Run> {
        let load = self.load(256, Pace::Open { rate });
        self.complete(("open loop", what), server, Payload::OneRecord, load).await
    }

    /// The figures that have a goal, side by side with what bounds them.
    async fn rounds(&mut self) -> Result<()> {
        for round in 1..=ROUNDS {
            Report::note(&format!("round {round} of {ROUNDS}"));
            machine::stalls(self.seconds, &mut self.report);
            self.ratios().await?;
            self.latencies().await?;
            self.conversation().await?;
        }
        Ok(())
    }

    /// Whole conversations, of all kinds of events.
    async fn conversation(&mut self) -> Result<()> {
        let load = self.load(256, Pace::Closed);
        let talks = async |_: &_, server: &_| journey::conversations(server, load).await;
        let run = self.measure(("conversation", "256 connections, calls"), RELEASE, talks).await?;
        Report::note(&format!("               {:.0} conversations/s", run.rate() / journey::CALLS));
        self.report.figure("conversation, calls/s", run.rate());
        Ok(())
    }

    /// Throughput against what bounds it, and with one command per transaction.
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

    /// Latency alone, and at 70 % of the peak that was taken just before.
    async fn latencies(&mut self) -> Result<()> {
        let (_, alone) = bounds::pgbench(&self.world, self.seconds, &[1]).await?;
        let run = self.closed(Payload::OneRecord, 1).await?;
        self.report.figure("p50 at 1 connection / pgbench at 1 client", run.quantile_us(0.5) / alone);
        let peak = self.closed(Payload::OneRecord, 256).await?.rate();
        for (name, server) in [("p99 at 70 % of peak", RELEASE), ("p99 of H at that rate", FLOOR)] {
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

    /// What the settings of `BENCH_SETTINGS` (`NAME=value,...`) change, side by side with the defaults.
    async fn settings(&mut self) -> Result<()> {
        let text = std::env::var_os("BENCH_SETTINGS").context("BENCH_SETTINGS")?.into_string().unwrap_or_default();
        let settings: Option<Vec<_>> = text.split(',').map(|setting| setting.split_once('=')).collect();
        let settings = settings.context("BENCH_SETTINGS: expected NAME=value,...")?;
        let servers = [("as it is", RELEASE), (&text, (Flavour::Release, &settings))];
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

    /// Open loops, each at a part of a peak that was taken just before; the rounds have the one at 70 %.
    async fn open_loop(&mut self) -> Result<()> {
        for percent in [50.0, 90.0] {
            let peak = self.closed(Payload::OneRecord, 256).await?.rate();
            let run = self.open(&format!("{percent} % of peak"), RELEASE, peak * percent / 100.0).await?;
            self.report.figure(&format!("p99 at {percent} % of peak"), run.quantile_us(0.99) / 1e3);
        }
        Ok(())
    }

    /// Twice what the database takes, over more connections than the queue holds: what is not taken is refused at once,
    /// and what is taken keeps its latency. Batches are small, so that the database is what is short, and not the cores:
    /// there is no open loop where the generator waits for a core itself.
    async fn overload(&mut self) -> Result<()> {
        let server: Setup<'_> = (Flavour::Release, &[("WRITE_BATCH", "4"), ("WRITE_QUEUE", "64")]);
        let (name, load) = (("small batches", "peak: 64 connections"), self.load(64, Pace::Closed));
        let peak = self.complete(name, server, Payload::OneRecord, load).await?;
        let load = self.load(2048, Pace::Overload { rate: peak.rate() * 2.0 });
        let name = ("overload", "200 % of that, 2048 connections");
        let run = self.complete(name, server, Payload::OneRecord, load).await?;
        let refused_in = |quantile| Duration::from_micros(run.refusals.value_at_quantile(quantile));
        Report::note(&format!(
            "               {} answers 503 beside {} acknowledged; 503 in p50 {:.1?}, p99 {:.1?}",
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
}

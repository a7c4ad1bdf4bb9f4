//! The benchmark: what the service reaches, and what bounds it, in one run. See docs/performance.md.
//!
//! It starts its own PostgreSQL with durable settings and the release server as a process of its own, completes tasks
//! that were never asked for before, and after every run reads the database: each acknowledged completion must be there
//! exactly once, and none other.

mod bounds;
mod client;
mod journey;
mod report;
mod server;
mod world;

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Result, bail};

use client::{Load, Pace};
use report::Report;
use server::{Flavour, Server};
use world::{Payload, World};

/// How long each measurement takes, after a warm-up of a fifth of it.
const SECONDS: f64 = 5.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let seconds = std::env::var_os("BENCH_SECONDS").and_then(|text| text.to_str()?.parse().ok()).unwrap_or(SECONDS);
    let world = World::start().await?;
    let mut report = Report::default();

    match std::env::var_os("BENCH_ONLY").as_deref().and_then(OsStr::to_str) {
        Some("peak") => return peak(&world, seconds, &mut report).await,
        Some("open") => return beyond_peak(&world, seconds, &mut report).await,
        Some(other) => bail!("BENCH_ONLY: expected peak or open, found {other}"),
        None => {}
    }
    bounds::pgbench(&world, seconds, &mut report).await?;
    bounds::batched_statement(&world, seconds, &mut report).await?;
    world.settle().await?;
    floor(&world, seconds, &mut report).await?;
    closed_loop(&world, seconds, &mut report).await?;
    one_by_one(&world, seconds, &mut report).await?;
    open_loop(&world, seconds, &mut report).await?;
    overload(&world, seconds, &mut report).await?;
    journey::conversations(&world, seconds, &mut report).await?;
    world::storage(&world, &mut report).await?;
    report.finish()
}

/// Only what is compared when something is tried, twice, since the machine's speed changes as one looks.
async fn peak(world: &World, seconds: f64, report: &mut Report) -> Result<()> {
    for _ in 0..2 {
        bounds::batched_statement(world, seconds, report).await?;
        world.settle().await?;
        for connections in [8, 64, 256] {
            for writers in ["1", "2", "1", "2"] {
                let server = Server::start(world, Flavour::Release, &[("WRITERS", writers)])?;
                let load = pace(connections, seconds);
                let run = client::complete_tasks(world, &server, Payload::OneRecord, load).await?;
                report.line("T", &format!("{connections} connections, {writers} writers"), &run, &server.stop()?);
                world.audit(&run).await?;
            }
        }
        journey::conversations(world, seconds, report).await?;
    }
    Ok(())
}

/// What happens near the peak and beyond it.
async fn beyond_peak(world: &World, seconds: f64, report: &mut Report) -> Result<()> {
    open_loop(world, seconds, report).await?;
    overload(world, seconds, report).await
}

fn pace(connections: usize, seconds: f64) -> Load {
    Load { connections, pace: Pace::Closed, duration: Duration::from_secs_f64(seconds) }
}

/// H: the server validates the same requests and answers 204 without the database.
async fn floor(world: &World, seconds: f64, report: &mut Report) -> Result<()> {
    let server = Server::start(world, Flavour::Floor, &[])?;
    let run = client::complete_tasks(world, &server, Payload::OneRecord, pace(256, seconds)).await?;
    report.line("H (floor)", "256 connections, one record, no database", &run, &server.stop()?);
    report.figure("H", run.rate());
    Ok(())
}

/// T: each connection asks again as soon as it is answered.
async fn closed_loop(world: &World, seconds: f64, report: &mut Report) -> Result<()> {
    for payload in [Payload::Bare, Payload::OneRecord, Payload::Reference] {
        for connections in [1, 8, 64, 256, 1024] {
            let server = Server::start(world, Flavour::Release, &[])?;
            let run = client::complete_tasks(world, &server, payload, pace(connections, seconds)).await?;
            report.line("T", &format!("{connections} connections, {}", payload.name()), &run, &server.stop()?);
            world.audit(&run).await?;
            report.figure(&format!("T {connections} {}", payload.name()), run.rate());
            report.figure(&format!("p50 {connections} {}", payload.name()), run.quantile_us(0.5));
        }
    }
    Ok(())
}

/// The same with one command per transaction.
async fn one_by_one(world: &World, seconds: f64, report: &mut Report) -> Result<()> {
    for connections in [1, 256] {
        let server = Server::start(world, Flavour::Release, &[("WRITE_BATCH", "1")])?;
        let run = client::complete_tasks(world, &server, Payload::OneRecord, pace(connections, seconds)).await?;
        report.line("WRITE_BATCH=1", &format!("{connections} connections, one record"), &run, &server.stop()?);
        world.audit(&run).await?;
        report.figure(&format!("T1 {connections}"), run.rate());
    }
    Ok(())
}

/// Requests arrive on a schedule; latency counts from when each should have been sent. The peak is taken anew before each:
/// the machine's speed has changed since the last.
async fn open_loop(world: &World, seconds: f64, report: &mut Report) -> Result<()> {
    for percent in [50.0, 70.0, 90.0] {
        let server = Server::start(world, Flavour::Release, &[])?;
        let peak = client::complete_tasks(world, &server, Payload::OneRecord, pace(256, seconds)).await?;
        report.line("T", "256 connections, one record", &peak, &server.stop()?);
        world.audit(&peak).await?;
        let server = Server::start(world, Flavour::Release, &[])?;
        let load = Load { pace: Pace::Open { rate: peak.rate() * percent / 100.0 }, ..pace(256, seconds) };
        let run = client::complete_tasks(world, &server, Payload::OneRecord, load).await?;
        report.line("open loop", &format!("{percent} % of peak, one record"), &run, &server.stop()?);
        world.audit(&run).await?;
        report.figure(&format!("p99 open {percent}"), run.quantile_us(0.99));
    }
    Ok(())
}

/// Twice what the database takes, over more connections than the queue holds: what is not taken is refused at once, and what
/// is taken keeps its latency. Batches are small, so that the database is what is short, and not the cores: there is no
/// open loop where the generator waits for a core itself.
async fn overload(world: &World, seconds: f64, report: &mut Report) -> Result<()> {
    let (settings, memory) = ([("WRITE_BATCH", "4"), ("WRITE_QUEUE", "64")], report.get("server MB"));
    let server = Server::start(world, Flavour::Release, &settings)?;
    let peak = client::complete_tasks(world, &server, Payload::OneRecord, pace(64, seconds)).await?;
    report.line("small batches", "peak: 64 connections", &peak, &server.stop()?);
    world.audit(&peak).await?;
    let server = Server::start(world, Flavour::Release, &settings)?;
    let load = Load { pace: Pace::Overload { rate: peak.rate() * 2.0 }, ..pace(2048, seconds) };
    let run = client::complete_tasks(world, &server, Payload::OneRecord, load).await?;
    report.line("overload", "200 % of that, 2048 connections", &run, &server.stop()?);
    // Twice as many connections as at the peak: not what its memory is measured by.
    report.figure("server MB", memory);
    let refused_in = |quantile| std::time::Duration::from_micros(run.refusals.value_at_quantile(quantile));
    Report::note(&format!(
        "               {} answers 503 beside {} acknowledged; 503 in p50 {:.1?}, p99 {:.1?}",
        run.refused,
        run.acknowledged.len(),
        refused_in(0.5),
        refused_in(0.99)
    ));
    world.audit(&run).await?;
    report.figure("p50 overload / p50 at that peak", run.quantile_us(0.5) / peak.quantile_us(0.5));
    report.figure("p99 overload / p99 at that peak", run.quantile_us(0.99) / peak.quantile_us(0.99));
    Ok(())
}

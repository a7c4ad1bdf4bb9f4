//! The server under test, a process of its own, and what processes use.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::world::World;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Flavour {
    /// The release build.
    Release,
    /// The build with the feature `floor`: it validates and answers without the database.
    Floor,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: String,
    child: Child,
    before: Usage,
    postmaster: u32,
}

/// What a run has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) generator_seconds: f64,
    pub(crate) server_seconds: f64,
    pub(crate) postgres_seconds: f64,
    pub(crate) server_peak_mb: f64,
}

impl Server {
    /// Starts it on the benchmark's database.
    pub(crate) fn start(world: &World, flavour: Flavour, settings: &[(&str, &str)]) -> Result<Self> {
        let program = match flavour {
            Flavour::Release => PathBuf::from(env!("CARGO_BIN_EXE_context-services")),
            Flavour::Floor => {
                Path::new(env!("CARGO_BIN_EXE_context-services")).with_file_name("context-services-floor")
            }
        };
        let mut child = Command::new(&program)
            .env_clear()
            .envs([
                ("BIND_ADDRESS", "127.0.0.1:0"),
                ("DATABASE_URL", &world.url()),
                ("LOG_LEVEL", "warn,context_services::startup=info"),
            ])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}: run `make bench`", program.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("the log")?).lines();
        let address = loop {
            let line = lines.next().context("the server has ended")??;
            if let Some((_, rest)) = line.split_once("listening on http://") {
                break rest.split(' ').next().unwrap_or_default().to_owned();
            }
        };
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("  server: {line}")));
        let pid_file = fs::read_to_string(world.directory.join("postgres/data/postmaster.pid"))?;
        let postmaster = pid_file.lines().next().context("a pid")?.parse()?;
        let mut server = Self { address, child, before: Usage::default(), postmaster };
        server.before = server.usage()?;
        Ok(server)
    }

    /// Stops it; gives what it, PostgreSQL and this process have used since it started.
    pub(crate) fn stop(mut self) -> Result<Usage> {
        let now = self.usage()?;
        let killed = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(killed.success() && self.child.wait()?.success(), "the server ended badly");
        Ok(Usage {
            generator_seconds: now.generator_seconds - self.before.generator_seconds,
            server_seconds: now.server_seconds - self.before.server_seconds,
            postgres_seconds: now.postgres_seconds - self.before.postgres_seconds,
            server_peak_mb: now.server_peak_mb,
        })
    }

    fn usage(&self) -> Result<Usage> {
        Ok(Usage {
            generator_seconds: cpu_seconds(std::process::id(), false)?,
            server_seconds: cpu_seconds(self.child.id(), false)?,
            postgres_seconds: postgres_seconds(self.postmaster)?,
            server_peak_mb: peak_mb(self.child.id())?,
        })
    }
}

/// CPU seconds of a process; with those of its children that have ended, if asked for.
fn cpu_seconds(pid: u32, with_children: bool) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = fields[11..if with_children { 15 } else { 13 }].iter().map(|field| field.parse::<f64>());
    // The kernel counts in hundredths of a second for user space.
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

fn postgres_seconds(postmaster: u32) -> Result<f64> {
    let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"))?;
    let of_children = children.split_whitespace().filter_map(|pid| cpu_seconds(pid.parse().ok()?, false).ok());
    Ok(cpu_seconds(postmaster, true)? + of_children.sum::<f64>())
}

fn peak_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}

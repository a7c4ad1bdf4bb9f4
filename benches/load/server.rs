//! The server under test, as a separate process, and the resources that processes use.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::world::World;

/// A build of the server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Flavour {
    /// The release build.
    Release,
    /// The build with the feature `floor`, which validates and answers without the database.
    Floor,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: String,
    child: Child,
    log: PathBuf,
    before: Usage,
    postmaster: u32,
}

/// CPU time and memory that a run used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) generator_seconds: f64,
    pub(crate) server_seconds: f64,
    pub(crate) postgres_seconds: f64,
    pub(crate) server_peak_mb: f64,
}

impl Server {
    /// Starts the server on the benchmark's database, with its log in a file, and waits until it answers.
    pub(crate) fn start(world: &World, flavour: Flavour, settings: &[(&str, &str)]) -> Result<Self> {
        let release = Path::new(env!("CARGO_BIN_EXE_context-services"));
        let program = match flavour {
            Flavour::Release => release.to_owned(),
            Flavour::Floor => release.with_file_name("context-services-floor"),
        };
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let log = world.directory.join("server.log");
        let child = Command::new(&program)
            .env_clear()
            .envs([("BIND_ADDRESS", address.as_str()), ("DATABASE_URL", &world.url())])
            .envs(settings.iter().copied())
            .stdout(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {}: run `make bench`", program.display()))?;
        let pid_file = fs::read_to_string(world.directory.join("postgres/data/postmaster.pid"))?;
        let postmaster = pid_file.lines().next().context("a pid")?.parse()?;
        let mut server = Self { address, child, log, before: Usage::default(), postmaster };
        server.wait_until_ready()?;
        server.before = server.usage()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        while let Ok(None) = self.child.try_wait() {
            if is_ready(&self.address).unwrap_or(false) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the server has ended: see {}", self.log.display())
    }

    /// Stops the server. Returns the CPU time and memory that the server, PostgreSQL and this process used since the
    /// start.
    pub(crate) fn stop(mut self) -> Result<Usage> {
        let now = self.usage()?;
        let killed = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(killed.success() && self.child.wait()?.success(), "the server failed to stop");
        self.print_warnings()?;
        Ok(Usage {
            generator_seconds: now.generator_seconds - self.before.generator_seconds,
            server_seconds: now.server_seconds - self.before.server_seconds,
            postgres_seconds: now.postgres_seconds - self.before.postgres_seconds,
            server_peak_mb: now.server_peak_mb,
        })
    }

    /// Prints the lines of the log above INFO; one of them says how many lines were dropped.
    fn print_warnings(&self) -> Result<()> {
        for line in BufReader::new(File::open(&self.log)?).lines() {
            let line = line?;
            let is_warning = line.contains(" WARN ") || line.contains("ERROR ");
            if is_warning && !line.contains("no authentication") {
                println!("  server: {line}");
            }
        }
        Ok(())
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

fn is_ready(address: &str) -> Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// CPU seconds of a process, optionally with its ended children.
fn cpu_seconds(pid: u32, with_children: bool) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("stat")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = fields[11..if with_children { 15 } else { 13 }].iter().map(|field| field.parse::<f64>());
    // The kernel reports CPU time to user space in hundredths of a second.
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

//! The service that the demo runs: the `context-services` program as a child process, with a database of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

/// The directory of the demo's data, in the current directory. It is fixed, so that the demo never writes to a database
/// that it has not created.
const DATA_DIR: &str = "data-demo";

/// The log: warnings, and the lines on start and stop. A line per request would bury what the demo prints.
const LOG_LEVEL: &str = "warn,context_services::startup=info";

/// A running service.
pub(crate) struct Service {
    child: Child,
    url: oneshot::Receiver<String>,
    log: JoinHandle<()>,
}

impl Service {
    /// Starts the service on an embedded PostgreSQL in [`DATA_DIR`].
    pub(crate) fn start(bind_address: SocketAddr) -> Result<Self> {
        fs::create_dir_all(DATA_DIR).with_context(|| format!("cannot create the directory {DATA_DIR}"))?;
        let data_dir = fs::canonicalize(DATA_DIR)?;
        let program = program()?;
        let mut command = Command::new(&program);
        // In this directory, the service finds no file `.env` with the settings of another service.
        command.current_dir(&data_dir).env_remove("DATABASE_URL").env("DATA_DIR", &data_dir);
        command.env("BIND_ADDRESS", bind_address.to_string()).env("LOG_LEVEL", LOG_LEVEL).env("LOG_FORMAT", "text");
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let log = child.stdout.take().context("the service has no standard output")?;
        let (sender, url) = oneshot::channel();
        Ok(Self { child, url, log: spawn_blocking(move || forward(log, sender)) })
    }

    /// Waits until the service listens, and returns its URL.
    pub(crate) async fn url(&mut self) -> Result<String> {
        let url = (&mut self.url).await.context("the service did not start")?;
        ensure!(url.starts_with("http://"), "the demo does not support TLS: unset TLS_CERTIFICATE and TLS_KEY");
        Ok(url)
    }

    /// Waits until the service has ended by itself.
    pub(crate) async fn ended(&mut self) {
        // Its log ends with it.
        (&mut self.log).await.ok();
    }

    /// Asks the service to stop, and waits until it has stopped together with its PostgreSQL.
    pub(crate) fn stop(mut self) -> Result<()> {
        // The standard library can only kill, which would leave PostgreSQL running.
        let pid = self.child.id().to_string();
        if self.child.try_wait()?.is_none() {
            Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status()?;
        }
        let status = self.child.wait()?;
        ensure!(status.success(), "the service failed: {status}");
        Ok(())
    }
}

/// The program, which Cargo builds into the parent directory of the examples.
fn program() -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    let profile = example.ancestors().nth(2).context("the demo is not in Cargo's target directory")?;
    Ok(profile.join("context-services"))
}

/// Copies the log of the service to standard output, and sends the URL as soon as it is logged.
fn forward(log: ChildStdout, url: oneshot::Sender<String>) {
    let mut url = Some(url);
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        println!("{line}");
        let listening = line.split_once("listening on ").and_then(|(_, rest)| rest.split(' ').next());
        if let Some((address, sender)) = listening.and_then(|address| Some((address, url.take()?))) {
            // Nobody waits for it if the demo was interrupted.
            sender.send(address.to_owned()).ok();
        }
    }
}

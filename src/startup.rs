//! The life cycle of the process: open the database, serve requests, and shut down in order.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use anyhow::{Context, Result, bail};
use tokio::net::TcpSocket;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::background::{Failure, Job, Jobs, Next};
use crate::descriptors;
use crate::domain::clock::SystemClock;
use crate::http::{self, AccessSettings, Tls};
use crate::log;
use crate::postgres::{EmbeddedPostgres, NAME};
use crate::settings::Settings;
use crate::store::{DatabaseAddress, Store};

/// Runs the service until SIGTERM or SIGINT, or until it fails.
pub async fn run(settings: Settings) -> Result<()> {
    http::install_metrics();
    log::describe();
    let signals = Signals::register()?;
    // Binds the address before anything is opened, so that a second process on the same address changes nothing.
    let address = settings.http.bind_address;
    let listener = listen(address).with_context(|| format!("cannot listen on {address}"))?;
    let jobs = Jobs::new(Arc::new(SystemClock));
    let external = settings.external_database().map_err(anyhow::Error::msg)?;
    if let Some(database) = external {
        return serve(&settings, (listener, signals), database, &jobs).await;
    }
    let embedded =
        EmbeddedPostgres::start(&settings.embedded()).await.context("cannot start the embedded PostgreSQL")?;
    info!("embedded PostgreSQL: psql -h {:?} -U {NAME} {NAME}", embedded.socket_dir());
    let embedded = Arc::new(embedded);
    jobs.start(KeepPostgresRunning { server: Arc::clone(&embedded), is_down: false });
    let served = serve(&settings, (listener, signals), embedded.connect_options(NAME).into(), &jobs).await;
    jobs.stop().await;
    embedded.stop().context("cannot stop the embedded PostgreSQL")?;
    served
}

/// The listen backlog: the number of connections that may wait to be accepted. The kernel drops further ones, and their
/// clients retry after a second. It is limited by `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// The time for which requests are still accepted during shutdown, each as the last on its connection, so that clients
/// with open connections are not cut off.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Allows a restart while connections of the previous process are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Starts the embedded PostgreSQL again if it has died. Nothing else would.
struct KeepPostgresRunning {
    server: Arc<EmbeddedPostgres>,
    is_down: bool,
}

impl Job for KeepPostgresRunning {
    const NAME: &'static str = "embedded_postgresql";
    const INTERVAL: Duration = Duration::from_secs(1);

    async fn run(&mut self) -> Result<Next, Failure> {
        if self.server.is_alive() {
            return Ok(Next::Scheduled);
        }
        if !std::mem::replace(&mut self.is_down, true) {
            warn!("the embedded PostgreSQL has died and is started again");
        }
        let server = Arc::clone(&self.server);
        let started = web::block(move || server.start_again()).await;
        started.map_err(|error| Failure::Fault(error.into()))?.map_err(|error| Failure::Fault(error.into()))?;
        self.is_down = false;
        info!("the embedded PostgreSQL runs again");
        Ok(Next::Scheduled)
    }
}

async fn serve(
    settings: &Settings,
    (listener, signals): (TcpListener, Signals),
    database: DatabaseAddress,
    jobs: &Jobs,
) -> Result<()> {
    let store = Store::open(settings.store(database), Arc::new(SystemClock)).await.context("cannot open the store")?;
    let store = web::Data::new(store);
    let address = listener.local_addr()?;
    let mut http = settings.http()?;
    let database_connections = u64::from(settings.database.database_connections) + settings.writer.writers as u64;
    let limit = descriptors::raise_limit();
    http.max_connections = descriptors::connections_within(limit, http.max_connections, database_connections);
    let (tls, access) = (http.tls.clone(), http.access.clone());
    let draining = CancellationToken::new();
    let server = http::serve(listener, web::Data::clone(&store), http, draining.clone())?;
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    let scheme = if tls.is_some() { "https" } else { "http" };
    info!(
        "listening on {scheme}://{address} (journeys: {scheme}://{address}/journey, API: {scheme}://{address}/docs/)"
    );
    warn_about_access(&access, &store);
    jobs.start(http::Upkeep);
    let stopped = tokio::select! {
        signal = signals.shutdown_signal(tls) => signal.map(|name| info!("received {name}: finishing the requests in progress")),
        failed = store.failed() => Err(failed.into()),
        failed = jobs.failed() => Err(failed.into()),
    };
    if stopped.is_ok() {
        draining.cancel();
        tokio::time::sleep(DRAIN_GRACE).await;
    }
    handle.stop(true).await;
    serving.await?.context("the HTTP server failed")?;
    store.close().await;
    jobs.stop().await;
    if stopped.is_ok() {
        info!("stopped");
    } else {
        warn!("stopped after a failure");
    }
    stopped
}

fn warn_about_access(access: &AccessSettings, store: &Store) {
    if !access.authentication {
        warn!("authentication is off: anyone who can reach the address has full access");
    } else if store.credentials().is_empty() {
        warn!("there are no users yet: add them with `context-services user add`");
    }
}

/// The signals that the process handles. They are registered before anything is opened, so that none is lost.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn register() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT and returns its name. Reloads the TLS certificate on each SIGHUP meanwhile.
    async fn shutdown_signal(mut self, tls: Option<Arc<Tls>>) -> Result<&'static str> {
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => return Ok("SIGTERM"),
                Some(()) = self.interrupt.recv() => return Ok("SIGINT"),
                Some(()) = self.hangup.recv() => reload_certificate(tls.as_deref()),
                else => bail!("can no longer receive signals"),
            }
        }
    }
}

fn reload_certificate(tls: Option<&Tls>) {
    match tls.map(Tls::read_again) {
        Some(Ok(())) => info!("reloaded the TLS certificate"),
        Some(Err(error)) => {
            warn!("cannot reload the TLS certificate, keeping the old one: {:#}", anyhow::Error::from(error));
        }
        None => info!("received SIGHUP: no TLS certificate is configured"),
    }
}

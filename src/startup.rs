//! The life of the process: open the database, serve, and close everything in order when told to stop.

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
use crate::demo;
use crate::domain::clock::SystemClock;
use crate::http::{self, AccessSettings, Tls};
use crate::log;
use crate::postgres::{EmbeddedPostgres, NAME};
use crate::settings::Settings;
use crate::store::{DatabaseAddress, Store};

/// Runs the service until it is told to stop by SIGTERM or SIGINT, or cannot go on.
pub async fn run(settings: Settings) -> Result<()> {
    http::install_metrics();
    log::describe();
    // Taken before anything is opened, so that a second start on the same address touches nothing.
    let signals = Signals::take()?;
    let address = settings.http.bind_address;
    let listener = listen(address).with_context(|| format!("cannot listen on {address}"))?;
    let jobs = Jobs::new(Arc::new(SystemClock));
    // The demo never plays on a database that it has not made.
    let external = settings.external_database().map_err(anyhow::Error::msg)?;
    if let Some(database) = external.filter(|_| !settings.plays_demo()) {
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

/// Connections that may come at once: the kernel drops those beyond, and their clients try again after a second. It allows
/// no more than `net.core.somaxconn` itself.
const BACKLOG: u32 = 4096;

/// How long requests are still taken when the service is told to stop, each as the last on its connection: who has sent one
/// on an open connection, or is about to, is not cut off.
const FAREWELL: Duration = Duration::from_millis(500);

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart need not wait until the connections of the last run are forgotten.
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
    let http = settings.http()?;
    let (tls, access) = (http.tls.clone(), http.access.clone());
    if settings.plays_demo() && (tls.is_some() || access.authentication) {
        bail!("the demo calls without a password and without TLS: leave AUTHENTICATION and TLS_CERTIFICATE away");
    }
    let draining = CancellationToken::new();
    let server = http::serve(listener, web::Data::clone(&store), http, draining.clone())?;
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    let scheme = if tls.is_some() { "https" } else { "http" };
    info!(
        "listening on {scheme}://{address} (journeys: {scheme}://{address}/journey, the API: {scheme}://{address}/docs/)"
    );
    say_who_may_call(&access, &store);
    if settings.plays_demo() {
        actix_web::rt::spawn(demo::play(format!("http://{address}"), Arc::new(SystemClock)));
    }
    jobs.start(http::Upkeep);
    let stopped = tokio::select! {
        signal = signals.told_to_stop(tls) => signal.map(|name| info!("stopping on {name}: requests that run are finished")),
        failed = store.failed() => Err(failed.into()),
        failed = jobs.failed() => Err(failed.into()),
    };
    if stopped.is_ok() {
        draining.cancel();
        tokio::time::sleep(FAREWELL).await;
    }
    handle.stop(true).await;
    serving.await?.context("the HTTP server failed")?;
    store.close().await;
    jobs.stop().await;
    if stopped.is_ok() {
        info!("stopped");
    } else {
        warn!("stopped, since the service could not go on");
    }
    stopped
}

fn say_who_may_call(access: &AccessSettings, store: &Store) {
    if !access.authentication {
        warn!("no authentication: everybody who can reach the address may do everything");
    } else if store.credentials().is_empty() {
        warn!("nobody may call yet: add users with `context-services user add`");
    }
}

/// What the process is told from outside. Taken before anything is opened, so that nothing is told in vain.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn take() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the process is told to stop, and says by what. At each SIGHUP, which means nothing else, the
    /// certificate is read again.
    async fn told_to_stop(mut self, tls: Option<Arc<Tls>>) -> Result<&'static str> {
        loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => return Ok("SIGTERM"),
                Some(()) = self.interrupt.recv() => return Ok("SIGINT"),
                Some(()) = self.hangup.recv() => renew_certificate(tls.as_deref()),
                else => bail!("signals can no longer be received"),
            }
        }
    }
}

fn renew_certificate(tls: Option<&Tls>) {
    match tls.map(Tls::read_again) {
        Some(Ok(())) => info!("the certificate was read again"),
        Some(Err(error)) => warn!("the old certificate stays in use: {:#}", anyhow::Error::from(error)),
        None => info!("SIGHUP: there is no certificate to be read again"),
    }
}

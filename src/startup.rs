//! The life cycle of the process: open the database, serve requests, and shut down in an orderly way.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::background::{Failure, Job, Jobs, Next};
use crate::descriptors;
use crate::domain::clock::SystemClock;
use crate::http::{self, AccessSettings, HttpSettings, Tls};
use crate::listener::{self, Listener};
use crate::log;
use crate::postgres::{EmbeddedPostgres, NAME};
use crate::settings::Settings;
use crate::store::{DatabaseAddress, Store, StoreSettings};
use crate::traces;

/// Runs the service until SIGTERM or SIGINT, or until it fails.
pub async fn run(settings: Settings) -> Result<()> {
    http::install_metrics();
    log::describe();
    traces::describe();
    let signals = Signals::register()?;
    // Binds the address before anything is opened, so that a second process on the same address changes nothing.
    let listener = listener::listen(settings.http.bind_address)?;
    let http = settings.http(listener.socket.local_addr()?)?;
    let front = Front { listener, http, signals, draining: CancellationToken::new() };
    let jobs = Jobs::new(Arc::new(SystemClock));
    match settings.external_database().map_err(anyhow::Error::msg)? {
        Some(database) => serve(&settings, front, database, &jobs).await,
        None => serve_embedded(&settings, front, &jobs).await,
    }
}

/// The parts of the service that exist before it has a database.
struct Front {
    listener: Listener,
    http: HttpSettings,
    signals: Signals,
    /// Cancelled when the service is told to stop.
    draining: CancellationToken,
}

/// Runs the service on the embedded PostgreSQL.
async fn serve_embedded(settings: &Settings, mut front: Front, jobs: &Jobs) -> Result<()> {
    let embedded = EmbeddedPostgres::open(&settings.embedded()).context("cannot start the embedded PostgreSQL")?;
    let embedded = Arc::new(embedded);
    let started = tokio::select! {
        started = embedded.run() => started.context("cannot start the embedded PostgreSQL").map(|()| true),
        signal = front.signals.shutdown_signal(None) => signal.map(|name| info!("received {name}: stopping")).map(|()| false),
    };
    let served = match started {
        Ok(true) => {
            info!("embedded PostgreSQL: psql -h {:?} -U {NAME} {NAME}", embedded.socket_dir());
            let (server, stopping) = (Arc::clone(&embedded), front.draining.clone());
            jobs.start(KeepPostgresRunning { server, stopping, is_down: false });
            serve(settings, front, embedded.connect_options(NAME).into(), jobs).await
        }
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    jobs.stop().await;
    embedded.stop().await.context("cannot stop the embedded PostgreSQL")?;
    served
}

/// The time for which requests are still accepted during shutdown, so that clients with open connections are not cut
/// off. Each is the last on its connection. New connections are accepted, too, unless systemd holds the socket: they
/// then wait for the next process.
const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// Starts the embedded PostgreSQL again if it has died. Nothing else would.
struct KeepPostgresRunning {
    server: Arc<EmbeddedPostgres>,
    /// Cancelled when the service stops.
    stopping: CancellationToken,
    is_down: bool,
}

/// The wait, after PostgreSQL has exited, for the service's own stop signal: a supervisor that ends all
/// processes of the service sends the same signal to both.
const STOP_NOTICE: Duration = Duration::from_millis(250);

impl Job for KeepPostgresRunning {
    const NAME: &'static str = "embedded_postgresql";
    const INTERVAL: Duration = Duration::from_secs(1);
    /// Crash recovery can take hours and must not be interrupted.
    const LIMIT: Duration = Duration::from_secs(6 * 60 * 60);

    async fn run(&mut self) -> Result<Next, Failure> {
        if self.server.is_alive() || self.stopping.is_cancelled() {
            return Ok(Next::Scheduled);
        }
        if tokio::time::timeout(STOP_NOTICE, self.stopping.cancelled()).await.is_ok() {
            return Ok(Next::Scheduled);
        }
        if !std::mem::replace(&mut self.is_down, true) {
            warn!("the embedded PostgreSQL has died and is started again");
        }
        self.server.start_again().await.map_err(|error| Failure::Fault(error.into()))?;
        self.is_down = false;
        info!("the embedded PostgreSQL runs again");
        Ok(Next::Scheduled)
    }
}

async fn serve(settings: &Settings, front: Front, database: DatabaseAddress, jobs: &Jobs) -> Result<()> {
    let Front { listener, mut http, mut signals, draining } = front;
    let replica = settings.read_database().map_err(anyhow::Error::msg)?;
    let has_replica = replica.is_some();
    let open = Store::open(StoreSettings { replica, ..settings.store(database) }, Arc::new(SystemClock));
    let store = open.await?;
    let store = web::Data::new(store);
    let Listener { socket, is_held } = listener;
    let address = socket.local_addr()?;
    let limit = descriptors::raise_limit();
    let database_connections = settings.database_connections(has_replica, store.connections_of_lanes());
    http.max_connections = descriptors::connections_within(limit, http.max_connections, database_connections);
    let (tls, access) = (http.tls.clone(), http.access.clone());
    let server = http::serve(socket, web::Data::clone(&store), http, draining.clone())?;
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
        if is_held {
            handle.pause().await;
        }
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

    /// Waits for SIGTERM or SIGINT and returns its name. Meanwhile, reloads the TLS certificate on each SIGHUP. After
    /// the return, another SIGTERM or SIGINT ends the process at once.
    async fn shutdown_signal(&mut self, tls: Option<Arc<Tls>>) -> Result<&'static str> {
        let name = loop {
            tokio::select! {
                Some(()) = self.terminate.recv() => break "SIGTERM",
                Some(()) = self.interrupt.recv() => break "SIGINT",
                Some(()) = self.hangup.recv() => reload_certificate(tls.clone()),
                else => bail!("can no longer receive signals"),
            }
        };
        actix_web::rt::spawn(end_at(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
        Ok(name)
    }
}

/// Ends the process at the next signal, without waiting for anything. An embedded PostgreSQL that is left running is
/// stopped by the next start, before it starts its own.
async fn end_at(mut terminate: Signal, mut interrupt: Signal) {
    let number = tokio::select! {
        Some(()) = terminate.recv() => SignalKind::terminate().as_raw_value(),
        Some(()) = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        else => return,
    };
    warn!("received a second signal: ending at once");
    // The exit status by which shells report a signal.
    std::process::exit(128 + number);
}

/// Reads the files on a thread of its own, because a file system may not respond.
fn reload_certificate(tls: Option<Arc<Tls>>) {
    let Some(tls) = tls else { return info!("received SIGHUP: no TLS certificate is configured") };
    actix_web::rt::task::spawn_blocking(move || match tls.read_again() {
        Ok(()) => info!("reloaded the TLS certificate"),
        Err(error) => {
            warn!("cannot reload the TLS certificate, keeping the old one: {:#}", anyhow::Error::from(error));
        }
    });
}

//! The only code that knows HTTP: it parses requests, and answers them. What to do is decided elsewhere.

mod auth;
mod business_attributes;
mod elements;
mod events;
mod extensions;
mod extract;
mod health;
mod idempotency;
mod idle;
mod layer;
mod metrics;
mod openapi;
mod operation;
mod page;
mod problem;
mod query;
mod records;
mod reports;
mod routes;
mod server;
mod services;
mod states;
mod tasks;
pub mod telemetry;
mod tls;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use tokio_util::sync::CancellationToken;

use crate::store::Store;

pub use auth::AccessSettings;
pub use metrics::{Upkeep, record};
pub use openapi::document;
pub use problem::{Code, table_of_codes};
pub use tls::{Tls, TlsError};

/// How requests are taken.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Threads that take requests.
    pub workers: usize,
    /// The most bytes of a body.
    pub max_body_bytes: usize,
    /// How long requests may go on when the server is told to stop, in seconds.
    pub shutdown_timeout: u64,
    /// How long the head of a request may take to arrive, and its body.
    pub request_timeout: Duration,
    /// How long a connection may be without a request.
    pub keep_alive: Duration,
    /// The most connections at a time.
    pub max_connections: usize,
    /// Who is let in.
    pub access: AccessSettings,
    /// The certificate; none: HTTP without TLS.
    pub tls: Option<Arc<Tls>>,
}

/// Serves the API on `listener` until the server is told to stop through its handle. Once `leaving` is cancelled, every
/// answer is the last on its connection.
pub fn serve(
    listener: TcpListener,
    store: web::Data<Store>,
    settings: HttpSettings,
    leaving: CancellationToken,
) -> io::Result<Server> {
    let document = web::Data::new(openapi::Published::new());
    let gate = web::Data::new(auth::Gate::new(settings.access));
    let requests = web::Data::new(server::Requests::since(store.now()));
    let server = HttpServer::new(move || {
        actix_web::rt::spawn(Store::deliver_answers());
        App::new()
            .app_data(web::Data::clone(&store))
            .app_data(web::Data::clone(&document))
            .app_data(extract::body_limit(settings.max_body_bytes))
            .app_data(extract::BodyPatience(settings.request_timeout))
            .app_data(web::Data::clone(&requests))
            .app_data(web::Data::clone(&gate))
            .app_data(leaving.clone())
            .wrap(from_fn(layer::answer))
            .configure(routes::configure)
    });
    let server = server
        .workers(settings.workers)
        .max_connections(settings.max_connections.div_ceil(settings.workers.max(1)))
        // Without it an answer can wait 40 ms for a delayed acknowledgement.
        .tcp_nodelay(true)
        .client_request_timeout(settings.request_timeout)
        .keep_alive(settings.keep_alive)
        .on_connect(idle::watch(settings.keep_alive))
        .shutdown_timeout(settings.shutdown_timeout)
        .disable_signals();
    let server = match settings.tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls.config().map_err(io::Error::other)?)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

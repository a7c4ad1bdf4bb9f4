//! The HTTP API: routes, extractors, handlers and responses. It parses requests and writes responses; `store` and
//! `domain` do the rest.

mod answer_memory;
mod auth;
mod body_memory;
mod budget;
mod business_attributes;
mod code;
mod compression;
mod cors;
mod cross_site;
mod elements;
mod etag;
mod events;
mod extensions;
mod extract;
mod flow;
mod front;
mod guessing;
mod handshake;
mod heads;
mod health;
mod idempotency;
mod idle;
mod items;
mod layer;
mod lists;
mod metrics;
mod mode;
mod normalization;
mod openapi;
mod operations;
mod packed;
mod page;
mod path;
mod problem;
mod problems;
mod purges;
mod query;
mod records;
mod refused;
mod reports;
mod routes;
mod services;
mod spreadsheet;
mod states;
mod status;
mod stream;
mod tasks;
pub mod telemetry;
mod tls;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use tokio_util::sync::CancellationToken;

use self::front::Front;
use crate::store::Store;

pub use auth::AccessSettings;
pub use code::{Code, table_of_codes};
pub use cors::origin;
pub use metrics::{Upkeep, install_metrics};
pub use openapi::document::{document, document_3_0};
pub use tls::{Tls, TlsError};

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Number of worker threads.
    pub workers: usize,
    /// Maximum size of a request body, in bytes.
    pub max_body_bytes: usize,
    /// Maximum size of all request bodies together, in bytes.
    pub max_body_memory: usize,
    /// Maximum size of all large responses that wait for their clients, in bytes.
    pub max_answer_memory: usize,
    /// Whether HTTP/2 is offered on connections with TLS.
    pub http2: bool,
    /// Time limit for requests in progress when the server stops, in seconds.
    pub shutdown_timeout: u64,
    /// Time limit for the head of a request to arrive, and again for its body.
    pub request_timeout: Duration,
    /// Time limit for an idle connection.
    pub keep_alive: Duration,
    /// Maximum number of concurrent connections.
    pub max_connections: usize,
    /// Access control.
    pub access: AccessSettings,
    /// The TLS certificate; `None` for plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

/// Serves the API on `listener` until the returned server is stopped through its handle. Once `draining` is cancelled,
/// every response closes its connection.
pub fn serve(
    listener: TcpListener,
    store: web::Data<Store>,
    settings: HttpSettings,
    draining: CancellationToken,
) -> io::Result<Server> {
    let document = document();
    let operations = web::Data::new(operations::Operations::new(&document, routes::PAGES));
    let published = web::Data::new(openapi::Published::new(&document));
    let origins = settings.access.origins.clone();
    let gate = web::Data::new(auth::Gate::new(settings.access));
    let requests = web::Data::new(status::Requests::since(store.now()));
    let refused = web::Data::new(refused::Refused::since(store.now()));
    let body_memory = body_memory::BodyMemory::new(settings.max_body_memory);
    let answer_memory = answer_memory::AnswerMemory::new(settings.max_answer_memory);
    let tls = settings.tls.map(|tls| tls.config(settings.http2)).transpose().map_err(io::Error::other)?;
    let front = Front {
        workers: settings.workers,
        max_connections: settings.max_connections,
        shutdown_timeout: settings.shutdown_timeout,
        request_timeout: settings.request_timeout,
        keep_alive: settings.keep_alive,
        tls: tls.map(handshake::Tls::new),
    };
    front.serve(listener, move || {
        actix_web::rt::spawn(Store::deliver_answers());
        App::new()
            .app_data(web::Data::clone(&store))
            .app_data(web::Data::clone(&operations))
            .app_data(web::Data::clone(&published))
            .app_data(extract::BodyLimit(settings.max_body_bytes))
            .app_data(body_memory.clone())
            .app_data(answer_memory.clone())
            .app_data(extract::BodyTimeout(settings.request_timeout))
            .app_data(web::Data::clone(&requests))
            .app_data(web::Data::clone(&refused))
            .app_data(web::Data::clone(&gate))
            .app_data(draining.clone())
            .wrap(from_fn(layer::answer))
            .wrap(cors::allow(&origins))
            .configure(routes::configure)
    })
}

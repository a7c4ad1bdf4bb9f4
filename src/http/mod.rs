//! The only code that knows HTTP: it parses requests, and answers them. What to do is decided elsewhere.

mod business_attributes;
mod elements;
mod events;
mod extensions;
mod extract;
mod health;
mod metrics;
mod openapi;
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

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use crate::store::Store;

pub use metrics::record;
pub use openapi::document;
pub use problem::{Code, table_of_codes};

/// How requests are taken.
#[derive(Debug, Clone, Copy)]
pub struct HttpSettings {
    /// Threads that take requests.
    pub workers: usize,
    /// The most bytes of a body.
    pub max_body_bytes: usize,
    /// How long requests may go on when the server is told to stop, in seconds.
    pub shutdown_timeout: u64,
}

/// Serves the API on `listener` until the server is told to stop through its handle.
pub fn serve(listener: TcpListener, store: web::Data<Store>, settings: HttpSettings) -> io::Result<Server> {
    let document = web::Data::new(openapi::Published::new());
    let requests = web::Data::new(server::Requests::since(store.now()));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::clone(&store))
            .app_data(web::Data::clone(&document))
            .app_data(extract::body_limit(settings.max_body_bytes))
            .app_data(web::Data::clone(&requests))
            .wrap(from_fn(server::refuse_in_maintenance))
            .wrap(from_fn(telemetry::log_request))
            .configure(routes::configure)
    });
    let server = server
        .workers(settings.workers)
        .listen(listener)?
        // Without it an answer can wait 40 ms for a delayed acknowledgement.
        .tcp_nodelay(true)
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(settings.shutdown_timeout)
        .disable_signals();
    Ok(server.run())
}

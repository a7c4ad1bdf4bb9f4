//! Accepts connections and gives them to actix-http. This replaces `HttpServer`, which gives no access to what a
//! connection reads and writes.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, Service, ServiceFactory, ServiceResponse, fn_service};
use actix_web::rt::net::TcpStream;

use super::flow::Limits;
use super::handshake::Tls;
use super::idle;
use super::stream::{Stream, Transport};

/// The time for which a connection is still read after its last response, so that the client receives the response.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The flow-control window of a stream: bytes of a body that an HTTP/2 client may send before the service has read any.
const STREAM_WINDOW: u32 = 64 * 1024;

/// The flow-control window of a connection: bytes of all bodies that an HTTP/2 client may send before the service has
/// read any.
const CONNECTION_WINDOW: u32 = 64 * 1024;

/// The settings for accepting connections.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) workers: usize,
    pub(super) max_connections: usize,
    /// In seconds.
    pub(super) shutdown_timeout: u64,
    pub(super) request_timeout: Duration,
    pub(super) keep_alive: Duration,
    pub(super) tls: Option<Tls>,
}

impl Front {
    /// Serves the application on `listener`. `app` is called once for each worker.
    pub(super) fn serve<F, I, S, B>(self, listener: TcpListener, app: F) -> io::Result<Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = actix_web::Error>
            + 'static,
        S::InitError: fmt::Debug,
        S::Service: 'static,
        <S::Service as Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        let limits = Limits::new();
        let builder = Server::build();
        let stopping = builder.graceful_shutdown_signal();
        let builder = builder
            .workers(self.workers)
            .max_concurrent_connections(self.max_connections.div_ceil(self.workers.max(1)))
            .shutdown_timeout(self.shutdown_timeout)
            .disable_signals();
        let builder = builder.listen("http", listener, move || {
            let (tls, stopping, keep_alive) = (self.tls.clone(), stopping.clone(), self.keep_alive);
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(keep_alive)
                .client_request_timeout(self.request_timeout)
                .client_disconnect_timeout(DISCONNECT_TIMEOUT)
                .h2_initial_window_size(STREAM_WINDOW)
                .h2_initial_connection_window_size(CONNECTION_WINDOW)
                .on_connect_ext(move |stream: &Stream, data| {
                    data.insert(Rc::clone(stream.flow()));
                    idle::watch(stream.socket(), data, keep_alive);
                })
                .finish(map_config(app(), |()| AppConfig::default()));
            let limits = limits.clone();
            fn_service(move |socket| accept(socket, tls.clone(), limits.clone())).and_then(http)
        })?;
        Ok(builder.run())
    }
}

async fn accept(
    socket: TcpStream,
    tls: Option<Tls>,
    limits: Limits,
) -> Result<(Stream, Protocol, Option<SocketAddr>), DispatchError> {
    // Nagle's algorithm and delayed acknowledgements together can hold a response back for 40 ms.
    socket.set_nodelay(true)?;
    let address = socket.peer_addr().ok();
    let (transport, permit) = match &tls {
        Some(tls) => {
            let (stream, permit) = tls.accept(socket).await?;
            (Transport::Tls(Box::new(stream)), permit)
        }
        None => (Transport::Plain(socket), None),
    };
    let protocol = if permit.is_some() { Protocol::Http2 } else { Protocol::Http1 };
    Ok((Stream::new(transport, permit, &limits), protocol, address))
}

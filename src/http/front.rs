//! Accepts connections and gives them to actix-http. This replaces `HttpServer`, which gives no access to what a
//! connection reads and writes.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, Service, ServiceFactory, ServiceResponse, fn_service};
use actix_web::rt::net::TcpStream;
use rustls::ServerConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::flow::Limits;
use super::idle;
use super::stream::{Stream, Transport};
use super::tls::HTTP2;

/// The time in which a client has to complete the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// TLS handshakes that a worker performs at the same time.
const HANDSHAKES: usize = 256;

/// Connections that may speak HTTP/2 at the same time. Each uses several times the memory of an HTTP/1.1 connection, so
/// further connections are offered HTTP/1.1 only.
const HTTP2_CONNECTIONS: usize = 512;

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
    pub(super) tls: Option<Arc<ServerConfig>>,
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
        let (limits, permits) = (Limits::new(), Arc::new(Semaphore::new(HTTP2_CONNECTIONS)));
        let builder = Server::build();
        let stopping = builder.graceful_shutdown_signal();
        let builder = builder
            .workers(self.workers)
            .max_concurrent_connections(self.max_connections.div_ceil(self.workers.max(1)))
            .shutdown_timeout(self.shutdown_timeout)
            .disable_signals();
        let builder = builder.listen("http", listener, move || {
            let tls = self.tls.as_ref().map(|config| Tls::new(config, &permits));
            let (stopping, keep_alive) = (stopping.clone(), self.keep_alive);
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

/// Accepts TLS on the connections of a worker.
#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
    /// Offers HTTP/1.1 only.
    without_http2: TlsAcceptor,
    handshakes: Rc<Semaphore>,
    /// The connections that may still speak HTTP/2.
    permits: Arc<Semaphore>,
}

impl Tls {
    fn new(config: &Arc<ServerConfig>, permits: &Arc<Semaphore>) -> Self {
        let mut without_http2 = ServerConfig::clone(config);
        without_http2.alpn_protocols.retain(|protocol| protocol != HTTP2);
        Self {
            acceptor: Arc::clone(config).into(),
            without_http2: Arc::new(without_http2).into(),
            handshakes: Rc::new(Semaphore::new(HANDSHAKES)),
            permits: Arc::clone(permits),
        }
    }

    /// The connection, and its permit if it speaks HTTP/2.
    async fn accept(&self, socket: TcpStream) -> io::Result<(Transport, Option<OwnedSemaphorePermit>)> {
        let _turn = self.handshakes.acquire().await.map_err(io::Error::other)?;
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        let acceptor = if permit.is_some() { &self.acceptor } else { &self.without_http2 };
        let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket)).await??;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok((Transport::Tls(Box::new(stream)), permit.filter(|_| is_http2)))
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
        Some(tls) => tls.accept(socket).await?,
        None => (Transport::Plain(socket), None),
    };
    let protocol = if permit.is_some() { Protocol::Http2 } else { Protocol::Http1 };
    Ok((Stream::new(transport, permit, &limits), protocol, address))
}

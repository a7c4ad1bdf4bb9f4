//! The TLS handshake, which is limited in time and in what the client may send. Its memory is small, so handshakes need not
//! wait for each other: a client that does not finish its own delays nobody.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::tls::HTTP2;

/// The time in which a client has to complete the handshake.
const LIMIT: Duration = Duration::from_secs(3);

/// Bytes that a client may send before the handshake is complete. Clients send about two kilobytes.
const LARGEST: usize = 16 * 1024;

/// Connections that may speak HTTP/2 at the same time. Each takes several times the memory of an HTTP/1.1 connection,
/// so further connections are offered HTTP/1.1 only.
const HTTP2_CONNECTIONS: usize = 512;

/// A connection with TLS.
pub(super) type Encrypted = TlsStream<Socket>;

/// Accepts TLS.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<ServerConfig>,
    /// Offers HTTP/1.1 only.
    without_http2: Arc<ServerConfig>,
    /// The connections that may still speak HTTP/2.
    permits: Arc<Semaphore>,
}

impl Tls {
    pub(super) fn new(config: ServerConfig) -> Self {
        let mut without_http2 = config.clone();
        without_http2.alpn_protocols.retain(|protocol| protocol != HTTP2);
        Self {
            config: Arc::new(config),
            without_http2: Arc::new(without_http2),
            permits: Arc::new(Semaphore::new(HTTP2_CONNECTIONS)),
        }
    }

    /// The connection, and its permit if it speaks HTTP/2.
    pub(super) async fn accept(&self, socket: TcpStream) -> io::Result<(Encrypted, Option<OwnedSemaphorePermit>)> {
        tokio::time::timeout(LIMIT, self.shake_hands(Socket { socket, left: Some(LARGEST) })).await?
    }

    async fn shake_hands(&self, socket: Socket) -> io::Result<(Encrypted, Option<OwnedSemaphorePermit>)> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        // Only now, so that a client that says nothing takes no permit.
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        let config = if permit.is_some() { &self.config } else { &self.without_http2 };
        let mut stream = hello.into_stream(Arc::clone(config)).await?;
        stream.get_mut().0.left = None;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        Ok((stream, permit.filter(|_| is_http2)))
    }
}

/// A socket from which only so many bytes are read while the handshake lasts.
#[derive(Debug)]
pub(super) struct Socket {
    socket: TcpStream,
    /// `None` after the handshake.
    left: Option<usize>,
}

impl Socket {
    pub(super) const fn tcp(&self) -> &TcpStream {
        &self.socket
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        if let Some(left) = self.left {
            let left = left.checked_sub(buffer.filled().len() - before);
            self.left = Some(left.ok_or(io::ErrorKind::ConnectionAborted)?);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

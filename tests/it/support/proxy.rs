//! A proxy between the service and PostgreSQL that injects faults and counts statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// The state of the connections through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Data are passed on.
    Open,
    /// Every connection is closed, and so is each new one.
    Cut,
    /// Half-open: nothing passes in either direction, as if the network dropped every packet.
    Silent,
    /// Data are passed on after a delay.
    Slow(Duration),
    /// A connection that sends one of these statements is half-open from then on.
    Without(&'static [&'static str]),
}

/// The proxy.
pub(crate) struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
    statements: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts a proxy in front of the server of these options.
    pub(crate) async fn before(server: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (line, watched) = watch::channel(Line::Open);
        let statements = Arc::new(AtomicUsize::new(0));
        let (counted, server) = (Arc::clone(&statements), server.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                client.set_nodelay(true).unwrap();
                tokio::spawn(serve(client, server.clone(), watched.clone(), Arc::clone(&counted)));
            }
        });
        Self { port, line, statements }
    }

    /// Options for a connection through the proxy.
    pub(crate) fn options(&self, behind: &PgConnectOptions) -> PgConnectOptions {
        if behind.get_socket().is_none() {
            return behind.clone().host("127.0.0.1").port(self.port);
        }
        let through = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(self.port);
        let through = through.ssl_mode(PgSslMode::Disable).username(behind.get_username());
        behind.get_database().into_iter().fold(through, PgConnectOptions::database)
    }

    /// Sets the state of all connections from now on.
    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// The number of statements run through the proxy so far.
    pub(crate) fn statements(&self) -> usize {
        self.statements.load(Ordering::SeqCst)
    }
}

async fn serve(client: TcpStream, server: PgConnectOptions, line: watch::Receiver<Line>, statements: Arc<AtomicUsize>) {
    if *line.borrow() == Line::Cut {
        return;
    }
    if let Some(directory) = server.get_socket() {
        let socket = directory.join(format!(".s.PGSQL.{}", server.get_port()));
        if let Ok(server) = UnixStream::connect(socket).await {
            join(client, server, line, statements).await;
        }
    } else if let Ok(server) = TcpStream::connect((server.get_host(), server.get_port())).await {
        join(client, server, line, statements).await;
    }
}

async fn join(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    line: watch::Receiver<Line>,
    statements: Arc<AtomicUsize>,
) {
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), tokio::io::split(server));
    let mut cut = line.clone();
    tokio::select! {
        () = pass(from_client, to_server, line.clone(), Some(Counter::of(statements))) => {}
        () = pass(from_server, to_client, line, None) => {}
        _ = cut.wait_for(|line| *line == Line::Cut) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut line: watch::Receiver<Line>,
    mut counter: Option<Counter>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if let Some(counter) = &mut counter {
            counter.count(&buffer[..length]);
        }
        let now = *line.borrow();
        if let Line::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        let is_held =
            |statements: &[&str]| counter.is_some() && statements.iter().any(|name| holds(&buffer[..length], name));
        let heard = line
            .wait_for(|line| match line {
                Line::Silent => false,
                Line::Without(statements) => !is_held(statements),
                _ => true,
            })
            .await
            .is_ok();
        if !heard || to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Counts Bind messages of PostgreSQL's protocol, one for each execution of a prepared statement. Begin and commit have
/// none.
struct Counter {
    statements: Arc<AtomicUsize>,
    /// The beginning of an incomplete message. The first message of a connection has no type.
    pending: Vec<u8>,
    started: bool,
}

impl Counter {
    const fn of(statements: Arc<AtomicUsize>) -> Self {
        Self { statements, pending: Vec::new(), started: false }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        loop {
            let head = usize::from(self.started);
            let Some(length) = self.pending.get(head..head + 4) else { break };
            let length = head + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.pending.len() < length {
                break;
            }
            if self.started && self.pending[0] == b'B' {
                self.statements.fetch_add(1, Ordering::SeqCst);
            }
            self.started = true;
            self.pending.drain(..length);
        }
    }
}

//! Idle connections. actix-web limits the time for the head of a connection's first request, and the time without any
//! data. This module also limits connections on which the head of a later request trickles in.

use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream as Socket;

/// The time between two checks whether a client has closed its connection.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A connection, with the number of its requests in progress.
pub(super) struct Watched {
    /// A duplicate of the socket, to shut the connection down.
    socket: TcpStream,
    use_: Mutex<Use>,
}

struct Use {
    requests: usize,
    since: Instant,
}

impl Watched {
    /// Marks the start of a request. The request ends when the returned guard is dropped.
    pub(super) fn in_use(self: &Arc<Self>) -> InUse {
        self.count(1, 0);
        InUse(Arc::clone(self))
    }

    fn count(&self, started: usize, ended: usize) {
        if let Ok(mut use_) = self.use_.lock() {
            use_.requests = use_.requests.saturating_add(started).saturating_sub(ended);
            use_.since = Instant::now();
        }
    }

    /// Returns when the client has closed the connection, which is checked twice a second.
    pub(super) async fn closed(&self) {
        let (open, mut byte) = (std::io::ErrorKind::WouldBlock, [0]);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.socket.peek(&mut byte) {
                Ok(1..) => {}
                Err(error) if error.kind() == open => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        // An error means that it is closed already.
        drop(self.socket.shutdown(Shutdown::Both));
    }

    /// The time since the last request ended; zero while one is in progress.
    fn idle(&self) -> Duration {
        self.use_
            .lock()
            .map_or(Duration::ZERO, |use_| if use_.requests == 0 { use_.since.elapsed() } else { Duration::ZERO })
    }
}

/// Guard of a request in progress.
pub(super) struct InUse(Arc<Watched>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.count(0, 1);
    }
}

/// Watches a new connection, and shuts it down when it has been idle for longer than `limit`.
pub(super) fn watch(socket: &Socket, data: &mut Extensions, limit: Duration) {
    let Ok(socket) = socket.as_fd().try_clone_to_owned() else { return };
    let use_ = Mutex::new(Use { requests: 0, since: Instant::now() });
    let watched = Arc::new(Watched { socket: socket.into(), use_ });
    let weak = Arc::downgrade(&watched);
    data.insert(watched);
    actix_web::rt::spawn(async move {
        // The data of a connection are dropped when it closes.
        while let Some(idle) = weak.upgrade().map(|watched| watched.idle()) {
            if idle > limit {
                break;
            }
            tokio::time::sleep(limit.saturating_sub(idle) + Duration::from_millis(50)).await;
        }
        if let Some(watched) = weak.upgrade() {
            watched.close();
        }
    });
}

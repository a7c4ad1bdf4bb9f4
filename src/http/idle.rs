//! Connections that are held without a request. The framework limits how long the head of the first request of a
//! connection may take, and how long a connection may say nothing; a head that drips in later is limited here.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream as Socket;
use tokio_rustls::server::TlsStream;

/// A connection between requests, or with some.
pub(super) struct Watched {
    /// The same socket once more, to shut it down.
    socket: TcpStream,
    use_: Mutex<Use>,
}

struct Use {
    requests: usize,
    since: Instant,
}

impl Watched {
    /// A request has begun: its head is there. It is answered when what this gives is dropped.
    pub(super) fn in_use(self: &Arc<Self>) -> InUse {
        self.count(1, 0);
        InUse(Arc::clone(self))
    }

    fn count(&self, begun: usize, ended: usize) {
        if let Ok(mut use_) = self.use_.lock() {
            use_.requests = use_.requests.saturating_add(begun).saturating_sub(ended);
            use_.since = Instant::now();
        }
    }

    /// How long there has been no request.
    fn unused(&self) -> Duration {
        self.use_
            .lock()
            .map_or(Duration::ZERO, |use_| if use_.requests == 0 { use_.since.elapsed() } else { Duration::ZERO })
    }
}

/// A connection with a request that is not answered yet.
pub(super) struct InUse(Arc<Watched>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.count(0, 1);
    }
}

/// Watches a new connection: it is shut down when there was no request for longer than `limit`.
pub(super) fn watch(limit: Duration) -> impl Fn(&dyn Any, &mut Extensions) + Clone {
    move |connection, data| {
        let socket = connection.downcast_ref::<Socket>();
        let socket = socket.or_else(|| connection.downcast_ref::<TlsStream<Socket>>().map(|stream| stream.get_ref().0));
        let Some(Ok(socket)) = socket.map(|socket| socket.as_fd().try_clone_to_owned()) else { return };
        let use_ = Mutex::new(Use { requests: 0, since: Instant::now() });
        let watched = Arc::new(Watched { socket: socket.into(), use_ });
        let weak = Arc::downgrade(&watched);
        data.insert(watched);
        actix_web::rt::spawn(async move {
            // A connection that is closed takes its data with it.
            while let Some(unused) = weak.upgrade().map(|watched| watched.unused()) {
                if unused > limit {
                    break;
                }
                tokio::time::sleep(limit.saturating_sub(unused) + Duration::from_millis(50)).await;
            }
            if let Some(watched) = weak.upgrade() {
                // It may be closed by now, which is what was wanted.
                drop(watched.socket.shutdown(Shutdown::Both));
            }
        });
    }
}

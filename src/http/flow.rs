//! Limits on the memory that one connection can make the service use. actix-http reads and answers what a client sends,
//! whether or not the client reads the responses. Here, reading waits until the client has read earlier responses, so
//! that a client that reads none cannot fill the memory.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use actix_web::dev::ServiceRequest;

use super::budget::{Budget, Share};

/// Bytes that are read from a connection at once. `heads` passes on the requests in them a few at a time.
const READ: usize = 2 * 1024;

/// Bytes that are read at once while a body arrives.
const READ_OF_BODY: usize = 8 * 1024;

/// The service looks at a client's next request only while fewer bytes of responses than this wait for the client.
const UNSENT: usize = 8 * 1024;

/// Estimated size of the head of a response, in bytes.
pub(super) const HEAD: usize = 512;

/// Requests of one HTTP/2 connection that may be in progress. The limit is announced to the client.
pub(super) const STREAMS: u32 = 100;

/// Requests of all HTTP/2 connections that may be in progress.
const ALL_STREAMS: usize = 2048;

/// Requests that an HTTP/2 connection may have in progress even if all connections together have too many.
const FEW_STREAMS: u32 = 4;

/// Bytes of bodies that a connection may hold without drawing on the shared budget, so that small requests are received
/// even if others have used up the budget.
const BODIES: usize = 8 * 1024;

/// Bytes of the head of a request that a connection may hold without drawing on the shared budget.
const OWN_HEAD: usize = 8 * 1024;

/// The largest head that actix-http accepts, in bytes.
const LARGEST_HEAD: usize = 128 * 1024;

/// Bytes that the heads of all connections may hold, beyond those of [`OWN_HEAD`].
const ALL_HEADS: usize = 16 * 1024 * 1024;

/// The state that all connections share.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// The requests in progress on all HTTP/2 connections.
    streams: Arc<Streams>,
    /// The heads of requests.
    heads: Arc<Budget>,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self { streams: Arc::default(), heads: Budget::new(ALL_HEADS) }
    }
}

/// The requests in progress on all HTTP/2 connections.
#[derive(Debug, Default)]
struct Streams(AtomicUsize);

/// The decision on the next request of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// Answer it with 503.
    Refuse,
    /// Close the connection, since its client does not wait for responses, which would fill the memory.
    Close,
}

/// The state of a connection. Its stream and its requests share it, on the thread that serves the connection.
pub(super) struct Flow {
    /// The requests in progress on all HTTP/2 connections; `None` if the connection speaks HTTP/1.1.
    streams: Option<Arc<Streams>>,
    /// True once the connection is to be closed.
    is_closed: Cell<bool>,
    /// True while the client does not read what was written.
    is_blocked: Cell<bool>,
    /// True from the arrival of a whole request until its response is sent. Always false with HTTP/2, whose requests do
    /// not wait for each other.
    is_serving: Cell<bool>,
    /// True while a task that will allow more reading is scheduled.
    is_resuming: Cell<bool>,
    /// Bytes that may be read until the next flush, or, with HTTP/2, until the requests that were read are under way.
    readable: Cell<usize>,
    /// Bytes of responses since the last flush.
    unsent: Cell<usize>,
    requests: Cell<u32>,
    receiving: Cell<u32>,
    /// Bytes of bodies that the connection may still hold without drawing on the shared budget.
    bodies: Cell<usize>,
    /// Bytes that have arrived since the last request started.
    head: Cell<usize>,
    /// The memory of the largest head so far, beyond [`OWN_HEAD`], taken from the budget of all connections.
    head_memory: RefCell<Share>,
    /// Woken when more may be read.
    reader: Cell<Option<Waker>>,
    /// Woken when responses have been sent.
    answerer: Cell<Option<Waker>>,
}

impl Flow {
    /// The state of a new connection.
    pub(super) fn new(limits: &Limits, is_http2: bool) -> Rc<Self> {
        Rc::new(Self {
            streams: is_http2.then(|| Arc::clone(&limits.streams)),
            is_closed: Cell::new(false),
            is_blocked: Cell::new(false),
            is_serving: Cell::new(false),
            is_resuming: Cell::new(false),
            readable: Cell::new(READ),
            unsent: Cell::new(0),
            requests: Cell::new(0),
            receiving: Cell::new(0),
            bodies: Cell::new(BODIES),
            head: Cell::new(0),
            head_memory: RefCell::new(Share::of(Arc::clone(&limits.heads))),
            reader: Cell::new(None),
            answerer: Cell::new(None),
        })
    }

    /// The state of the connection on which a request arrived.
    pub(super) fn of(request: &ServiceRequest) -> Option<&Rc<Self>> {
        request.conn_data::<Rc<Self>>()
    }

    /// Returns how many bytes may be read now. If none may, the task is woken as soon as reading may continue.
    /// Fails if the connection is to be closed.
    pub(super) fn poll_readable(self: &Rc<Self>, context: &Context<'_>) -> Poll<io::Result<usize>> {
        if self.is_closed.get() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let readable = self.readable.get();
        if readable > 0 && !self.is_blocked.get() {
            return Poll::Ready(Ok(readable));
        }
        self.reader.set(Some(context.waker().clone()));
        if self.streams.is_some() && readable == 0 && !self.is_resuming.replace(true) {
            // actix-http creates a task for each request until nothing is left to read. Only then do these tasks run,
            // and the task below is queued behind them.
            let flow = Rc::clone(self);
            actix_web::rt::spawn(async move {
                flow.is_resuming.set(false);
                flow.allow_reading();
            });
        }
        Poll::Pending
    }

    /// Notes that a whole request has arrived.
    pub(super) fn serve(&self) {
        self.is_serving.set(true);
    }

    /// Whether a request has arrived whose response is not sent yet.
    pub(super) fn is_serving(&self) -> bool {
        self.is_serving.get()
    }

    /// Wakes the task when the response is sent.
    pub(super) fn wait(&self, context: &Context<'_>) {
        self.reader.set(Some(context.waker().clone()));
    }

    /// Closes the connection, whatever has arrived on it.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        wake(&self.reader);
    }

    /// Notes bytes that were passed on to actix-http. It keeps them until the head is complete, and keeps its buffer
    /// even longer. Fails if the heads of all connections together take too much memory.
    pub(super) fn hold(&self, bytes: usize) -> io::Result<()> {
        if self.streams.is_some() || self.requests.get() > 0 {
            return Ok(());
        }
        let head = (self.head.get() + bytes).min(LARGEST_HEAD);
        self.head.set(head);
        let mut memory = self.head_memory.borrow_mut();
        let more = head.saturating_sub(OWN_HEAD).saturating_sub(memory.bytes());
        // Most requests need nothing from the budget, and do not touch it, since all threads share it.
        if more == 0 || memory.grow(more) { Ok(()) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
    }

    /// Notes that bytes were read.
    pub(super) fn read(&self, bytes: usize) {
        self.readable.set(self.readable.get().saturating_sub(bytes));
    }

    /// Lets nothing be read until the requests that were read are under way.
    pub(super) fn pause(&self) {
        self.readable.set(0);
    }

    /// Notes that the client does not read what was written.
    pub(super) fn block(&self) {
        self.is_blocked.set(true);
    }

    /// Called when everything has been written; actix-http flushes whenever it can make no more progress.
    pub(super) fn flushed(&self) {
        self.unsent.set(0);
        let was_blocked = self.is_blocked.replace(false);
        if self.streams.is_none() {
            self.allow_reading();
        } else if was_blocked {
            wake(&self.reader);
        }
        wake(&self.answerer);
    }

    /// Allows more to be read, unless the next request has to wait for a response.
    fn allow_reading(&self) {
        if self.receiving.get() > 0 {
            self.readable.set(READ_OF_BODY);
        } else if self.streams.is_some() || self.requests.get() == 0 {
            self.is_serving.set(false);
            self.readable.set(READ);
        }
        if self.readable.get() > 0 && !self.is_blocked.get() {
            wake(&self.reader);
        }
    }

    /// Marks the start of a request. It is in progress until the returned guard is dropped, when its response has been
    /// sent.
    pub(super) fn start(self: &Rc<Self>) -> InProgress {
        self.head.set(0);
        self.requests.set(self.requests.get() + 1);
        if let Some(streams) = &self.streams {
            streams.0.fetch_add(1, Ordering::Relaxed);
        }
        InProgress(Rc::clone(self))
    }

    /// Waits until the client has read the responses to its earlier requests.
    pub(super) async fn room(&self) {
        poll_fn(|context| self.poll_room(context)).await;
    }

    /// Ready once the client has read earlier responses. With HTTP/2, flow-control windows limit unread responses.
    pub(super) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        if self.streams.is_some() || self.unsent.get() < UNSENT {
            return Poll::Ready(());
        }
        self.answerer.set(Some(context.waker().clone()));
        Poll::Pending
    }

    /// Returns what to do with the request that was started last, if it exceeds a limit.
    pub(super) fn excess(&self) -> Option<Excess> {
        let (own, all) = (self.requests.get(), self.streams.as_ref()?.0.load(Ordering::Relaxed));
        if own > 2 * STREAMS || (all > 2 * ALL_STREAMS && own > 2 * FEW_STREAMS) {
            Some(Excess::Close)
        } else if own > STREAMS || (all > ALL_STREAMS && own > FEW_STREAMS) {
            Some(Excess::Refuse)
        } else {
            None
        }
    }

    /// Counts `bytes` of a response as unsent.
    pub(super) fn answered(&self, bytes: usize) {
        self.unsent.set(self.unsent.get().saturating_add(bytes));
    }

    /// Marks the start of receiving a body, which ends when the returned guard is dropped.
    pub(super) fn receive(self: &Rc<Self>) -> Receiving {
        self.receiving.set(self.receiving.get() + 1);
        self.allow_reading();
        Receiving(Rc::clone(self))
    }

    /// Takes up to `bytes` of the connection's own allowance for bodies. Returns how many it took.
    pub(super) fn take(&self, bytes: usize) -> usize {
        let taken = bytes.min(self.bodies.get());
        self.bodies.set(self.bodies.get() - taken);
        taken
    }

    /// Gives back bytes that were taken.
    pub(super) fn give_back(&self, bytes: usize) {
        self.bodies.set(self.bodies.get() + bytes);
    }
}

fn wake(waker: &Cell<Option<Waker>>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// Guard of a request in progress.
pub(super) struct InProgress(Rc<Flow>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.requests.set(self.0.requests.get() - 1);
        if let Some(streams) = &self.0.streams {
            streams.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Guard of a body that is being received.
pub(super) struct Receiving(Rc<Flow>);

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.receiving.set(self.0.receiving.get() - 1);
        // Bytes after the body are read when the response is sent. After a chunked body, nothing else holds them back.
        if self.0.streams.is_none() {
            self.0.pause();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_ignores_the_limit_of_streams_is_refused_and_then_disconnected() {
        let flow = Flow::new(&Limits::new(), true);
        let mut started = Vec::new();
        let mut excess = || {
            started.push(flow.start());
            flow.excess()
        };
        let (limit, twice) = (STREAMS as usize, 2 * STREAMS as usize);
        let verdicts: Vec<_> = (0..=twice).map(|_| excess()).collect();
        assert!(verdicts[..limit].iter().all(Option::is_none));
        assert!(verdicts[limit..twice].iter().all(|verdict| *verdict == Some(Excess::Refuse)));
        assert_eq!(verdicts[twice], Some(Excess::Close));
        started.clear();
        let _next = flow.start();
        assert_eq!(flow.excess(), None);
    }

    #[test]
    fn when_there_are_too_many_requests_in_all_a_connection_with_few_is_still_served() {
        let limits = Limits::new();
        let crowded = |requests: usize| {
            let flows: Vec<_> = (0..=requests / 100).map(|_| Flow::new(&limits, true)).collect();
            let started: Vec<_> = flows.iter().flat_map(|flow| (0..100).map(|_| flow.start())).collect();
            (flows, started)
        };
        let (first, _started) = crowded(ALL_STREAMS);
        assert_eq!(first[0].excess(), Some(Excess::Refuse));
        let _more = crowded(ALL_STREAMS);
        assert_eq!(first[0].excess(), Some(Excess::Close));
        let honest = Flow::new(&limits, true);
        let _request = honest.start();
        assert_eq!(honest.excess(), None);
    }

    #[test]
    fn heads_that_do_not_end_share_a_limited_memory() {
        let limits = Limits::new();
        let mut flows: Vec<_> = (0..200).map(|_| Flow::new(&limits, false)).collect();
        let held = flows.iter().filter(|flow| flow.hold(LARGEST_HEAD).is_ok()).count();
        assert_eq!(held, ALL_HEADS / (LARGEST_HEAD - OWN_HEAD));
        let honest = Flow::new(&limits, false);
        honest.hold(OWN_HEAD).unwrap();
        assert!(honest.hold(LARGEST_HEAD).is_err());
        drop(flows[0].start());
        assert!(honest.hold(LARGEST_HEAD).is_err());
        flows.swap_remove(0);
        honest.hold(LARGEST_HEAD).unwrap();
    }
}

//! The memory that the request bodies of all connections together may hold (docs/api.md §1, Errors).

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::available_parallelism;

use actix_web::HttpRequest;
use actix_web::body::{BodyStream, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header;
use tokio::sync::Semaphore;

use super::budget::{Budget, Share};
use super::flow::Flow;
use super::problem::{Code, Problem};

/// The limits for all bodies, to be registered as application data.
#[derive(Debug, Clone)]
pub(super) struct BodyMemory {
    budget: Arc<Budget>,
    /// Permits to unpack a body, as many as there are CPU cores, since each needs a thread.
    pub(super) unpacking: Arc<Semaphore>,
}

impl BodyMemory {
    /// A limit in bytes.
    pub(super) fn new(limit: usize) -> Self {
        let threads = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { budget: Budget::new(limit), unpacking: Arc::new(Semaphore::new(threads)) }
    }
}

/// The memory that one body takes from the shared budget. It is given back on drop.
pub(super) struct Shared(Option<Share>);

impl Shared {
    pub(super) fn of(request: &HttpRequest) -> Self {
        Self(request.app_data::<BodyMemory>().map(|memory| Share::of(Arc::clone(&memory.budget))))
    }

    /// Takes `bytes` more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        if self.0.as_mut().is_none_or(|share| share.grow(bytes)) {
            return Ok(());
        }
        Err(Problem::new(Code::Overloaded, "the bodies of all requests are larger than MAX_BODY_MEMORY"))
    }
}

/// Adds a chunk to a body of at most `limit` bytes, after `grow` has taken the memory that it needs.
pub(super) fn append(
    body: &mut Vec<u8>,
    chunk: &[u8],
    limit: usize,
    grow: impl FnOnce(usize) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let length = body.len() + chunk.len();
    if length > limit {
        return Err(too_large());
    }
    if length > body.capacity() {
        let capacity = length.max(body.capacity().saturating_mul(2)).min(limit);
        grow(capacity - body.capacity())?;
        body.reserve_exact(capacity - body.len());
    }
    body.extend_from_slice(chunk);
    Ok(())
}

/// The memory of one body: first from the connection's own allowance, then from the shared budget.
pub(super) struct Held {
    flow: Option<Rc<Flow>>,
    of_connection: usize,
    shared: Shared,
    /// The length of a body whose end actix-http does not detect: it treats the bytes after `Upgrade: websocket` as
    /// another protocol.
    length: Option<usize>,
}

impl Held {
    pub(super) fn by(request: &HttpRequest) -> Self {
        let flow = request.conn_data::<Rc<Flow>>().cloned();
        let offers_upgrade = request.headers().contains_key(header::UPGRADE);
        let length = || usize::try_from(content_length(request)?).ok();
        Self { flow, of_connection: 0, shared: Shared::of(request), length: offers_upgrade.then(length).flatten() }
    }

    /// Replaces the memory that is held with `shared`.
    pub(super) fn replace(&mut self, shared: Shared) {
        if let Some(flow) = &self.flow {
            flow.give_back(std::mem::take(&mut self.of_connection));
        }
        self.shared = shared;
    }

    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let own = self.flow.as_ref().map_or(0, |flow| flow.take(bytes));
        self.of_connection += own;
        if own < bytes { self.shared.grow(bytes - own) } else { Ok(()) }
    }

    /// Receives a body of at most `limit` bytes. The memory is held as long as `self`.
    pub(super) async fn receive(&mut self, payload: Payload, limit: usize) -> Result<Vec<u8>, Problem> {
        let _receiving = self.flow.as_ref().map(Flow::receive);
        let mut payload = pin!(BodyStream::new(payload));
        let mut body = Vec::new();
        while self.length.is_none_or(|length| body.len() < length) {
            let Some(chunk) = poll_fn(|context| payload.as_mut().poll_next(context)).await else { break };
            let chunk = chunk.map_err(|_| incomplete())?;
            append(&mut body, &chunk, limit, |bytes| self.grow(bytes))?;
        }
        body.truncate(self.length.unwrap_or(usize::MAX));
        Ok(body)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(flow) = &self.flow {
            flow.give_back(self.of_connection);
        }
    }
}

/// Refuses a body whose `Content-Length` is above the limit, before any of it is received.
pub(super) fn check_length(request: &HttpRequest, limit: usize) -> Result<(), Problem> {
    if content_length(request).is_none_or(|length| usize::try_from(length).is_ok_and(|length| length <= limit)) {
        return Ok(());
    }
    Err(too_large())
}

fn content_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The refusal of a body that is too large.
pub(super) fn too_large() -> Problem {
    Problem::new(Code::PayloadTooLarge, "the body is larger than MAX_BODY_BYTES")
}

/// The refusal of a body that ended too early.
pub(super) fn incomplete() -> Problem {
    Problem::new(Code::InvalidJson, "line 1, column 1: the body ended before it was complete")
}

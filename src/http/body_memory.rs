//! The memory of request bodies: what all connections together may hold (docs/api.md §1, Errors).

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::HttpRequest;
use actix_web::body::{BodyStream, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header;

use super::flow::Flow;
use super::problem::{Code, Problem};

/// The limit for all bodies, to be registered as application data.
#[derive(Debug)]
pub(super) struct BodyMemory {
    limit: usize,
    used: AtomicUsize,
}

impl BodyMemory {
    /// A limit in bytes.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    fn take(&self, bytes: usize) -> Result<(), Problem> {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let refused = |_| Problem::new(Code::Overloaded, "the bodies of all requests are larger than MAX_BODY_MEMORY");
        taken.map(drop).map_err(refused)
    }
}

/// Memory of one body that all share. It is given back when this is dropped.
pub(super) struct Shared {
    memory: Option<Arc<BodyMemory>>,
    bytes: usize,
}

impl Shared {
    pub(super) fn of(request: &HttpRequest) -> Self {
        Self { memory: request.app_data::<Arc<BodyMemory>>().cloned(), bytes: 0 }
    }

    /// Takes so many more bytes.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        if let Some(memory) = &self.memory {
            memory.take(bytes)?;
            self.bytes += bytes;
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(memory) = &self.memory {
            memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// Memory of one body: what its connection may hold by itself, and beyond that what all share.
pub(super) struct Held {
    flow: Option<Rc<Flow>>,
    of_connection: usize,
    shared: Shared,
    /// The length of a body whose end actix-http does not see: it takes what follows `Upgrade: websocket` for another protocol.
    length: Option<usize>,
}

impl Held {
    pub(super) fn by(request: &HttpRequest) -> Self {
        let flow = request.conn_data::<Rc<Flow>>().cloned();
        let offers_upgrade = request.headers().contains_key(header::UPGRADE);
        let length = || usize::try_from(content_length(request)?).ok();
        Self { flow, of_connection: 0, shared: Shared::of(request), length: offers_upgrade.then(length).flatten() }
    }

    /// Holds other memory instead.
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
            let length = body.len() + chunk.len();
            if length > limit {
                return Err(too_large());
            }
            if length > body.capacity() {
                let capacity = length.max(body.capacity().saturating_mul(2)).min(limit);
                self.grow(capacity - body.capacity())?;
                body.reserve_exact(capacity - body.len());
            }
            body.extend_from_slice(&chunk);
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

#[cfg(test)]
mod tests {
    use super::{BodyMemory, Shared};

    #[test]
    fn memory_is_refused_beyond_the_limit_and_given_back() {
        let memory = BodyMemory::new(100);
        let part = || Shared { memory: Some(std::sync::Arc::clone(&memory)), bytes: 0 };
        let (mut first, mut second) = (part(), part());
        first.grow(60).unwrap();
        assert!(second.grow(41).is_err());
        second.grow(40).unwrap();
        assert!(first.grow(1).is_err());
        drop(second);
        first.grow(40).unwrap();
        drop(first);
        part().grow(100).unwrap();
    }
}

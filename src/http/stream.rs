//! The stream of a connection, with or without TLS, which is read only as fast as its [`Flow`] allows.

use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use super::flow::{Flow, Limits, STREAMS};
use super::handshake::Encrypted;
use super::heads::{Frames, Heads, Lines};

/// A connection as actix-http reads and writes it.
pub(super) struct Stream {
    transport: Transport,
    flow: Rc<Flow>,
    settings: Settings,
    heads: Heads,
    /// Bytes that were read and are not passed on yet.
    held_back: Vec<u8>,
    /// The permit of an HTTP/2 connection, of which there is a limited number; `None` for HTTP/1.1.
    _permit: Option<OwnedSemaphorePermit>,
}

/// The stream that carries the bytes.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<Encrypted>),
}

/// The progress of writing the SETTINGS frame, the first frame of an HTTP/2 connection. A limit that actix-http cannot
/// set is added to it.
enum Settings {
    /// Nothing was written yet.
    Expected,
    /// `frame` is being written instead of actix-http's own, which is `replaced` bytes long; `from` bytes have been
    /// written.
    Unsent { frame: Vec<u8>, from: usize, replaced: usize },
    /// There is no such frame, or it has been sent.
    Done,
}

impl Stream {
    /// A new connection. It speaks HTTP/2 if it has a permit for that.
    pub(super) fn new(transport: Transport, permit: Option<OwnedSemaphorePermit>, limits: &Limits) -> Self {
        let (settings, heads) = match permit {
            Some(_) => (Settings::Expected, Heads::Http2(Frames::new())),
            None => (Settings::Done, Heads::Http1(Lines::default())),
        };
        let flow = Flow::new(limits, permit.is_some());
        Self { transport, flow, settings, heads, held_back: Vec::new(), _permit: permit }
    }

    pub(super) fn flow(&self) -> &Rc<Flow> {
        &self.flow
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match &self.transport {
            Transport::Plain(socket) => socket,
            Transport::Tls(stream) => stream.get_ref().0.tcp(),
        }
    }

    /// Reads what was held back, or what has arrived.
    fn fill(&mut self, context: &mut Context<'_>, part: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.held_back.is_empty() {
            let next = self.held_back.len().min(part.remaining());
            part.put_slice(&self.held_back[..next]);
            self.held_back.drain(..next);
            if self.held_back.is_empty() {
                self.held_back = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_read(context, part),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, part),
        }
    }

    fn write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.noted(written)
    }

    fn noted<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_pending() {
            self.flow.block();
        }
        outcome
    }

    /// Reads nothing while a request is being answered. If nothing has arrived, the socket wakes the task; otherwise
    /// the end of the response does.
    fn poll_next_request(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let has_arrived = match &self.transport {
            Transport::Plain(socket) => !self.held_back.is_empty() || socket.poll_read_ready(context)?.is_ready(),
            Transport::Tls(_) => true,
        };
        if has_arrived {
            self.flow.wait(context);
        }
        Poll::Pending
    }

    /// Writes the SETTINGS frame with the limit of streams added.
    fn write_settings(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if matches!(self.settings, Settings::Expected) {
            self.settings = with_limit_of_streams(bytes).map_or(Settings::Done, |(frame, replaced)| Settings::Unsent {
                frame,
                from: 0,
                replaced,
            });
        }
        while let Settings::Unsent { frame, from, replaced } = &mut self.settings {
            let (rest, replaced) = (frame[*from..].to_vec(), *replaced);
            if rest.is_empty() {
                self.settings = Settings::Done;
                return Poll::Ready(Ok(replaced));
            }
            let written = ready!(self.write(context, &rest))?;
            if let Settings::Unsent { from, .. } = &mut self.settings {
                *from += written;
            }
            if written == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        self.write(context, bytes)
    }
}

/// The SETTINGS frame (RFC 9113, section 6.5) at the start of `bytes` with the limit of concurrent streams added, and
/// its original length.
fn with_limit_of_streams(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    const SETTINGS: u8 = 4;
    const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];
    const HEADER: usize = 9;
    let (length, kind) = match bytes {
        [first, second, third, kind, ..] => (u32::from_be_bytes([0, *first, *second, *third]), *kind),
        _ => return None,
    };
    let end = HEADER + usize::try_from(length).ok()?;
    if kind != SETTINGS || bytes.len() < end {
        return None;
    }
    let added = [&MAX_CONCURRENT_STREAMS[..], &STREAMS.to_be_bytes()].concat();
    let longer = (length + u32::try_from(added.len()).ok()?).to_be_bytes();
    Some(([&longer[1..], &bytes[3..end], &added].concat(), end))
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.flow.is_serving() {
            return self.poll_next_request(context);
        }
        let most = ready!(self.flow.poll_readable(context))?.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(self.fill(context, &mut part))?;
        let read = part.filled().len();
        let passed_on = self.heads.cut(part.filled());
        if self.heads.are_refused() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.flow.hold(passed_on)?;
        if self.heads.are_complete() {
            self.flow.serve();
        }
        if passed_on < read {
            self.held_back.splice(..0, part.filled()[passed_on..].iter().copied());
            self.flow.pause();
        } else {
            self.flow.read(read);
        }
        buffer.advance(passed_on);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.settings {
            Settings::Done => self.write(context, bytes),
            _ => self.write_settings(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_write_vectored(context, slices),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        let transport = match &self.transport {
            Transport::Plain(socket) => socket.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        };
        transport && matches!(self.settings, Settings::Done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.flow.flushed();
        }
        self.noted(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{STREAMS, with_limit_of_streams};

    #[test]
    fn the_limit_of_streams_is_added_to_the_settings() {
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0];
        let next = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 1, 0, 1];
        let (frame, replaced) = with_limit_of_streams(&[&settings[..], &next].concat()).unwrap();
        assert_eq!(replaced, settings.len());
        assert_eq!(frame[..3], [0, 0, 12]);
        assert_eq!(frame[3..15], settings[3..]);
        assert_eq!(frame[15..], [&[0, 3][..], &STREAMS.to_be_bytes()].concat());
        for other in [&[][..], &settings[..14], &next, &[0, 0]] {
            assert!(with_limit_of_streams(other).is_none(), "{other:?}");
        }
    }
}

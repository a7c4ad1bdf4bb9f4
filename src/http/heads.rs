//! Finds the heads of requests in the bytes that a client sends. actix-http parses everything that it has read before
//! it answers, and a parsed request takes several kilobytes. It is therefore given one request at a time, or a few with
//! HTTP/2.

use std::borrow::Cow;

/// HTTP/2 requests that may begin in the bytes that are passed on at once.
const HEADS: usize = 4;

/// Length of the header of an HTTP/2 frame (RFC 9113, section 4.1), in bytes.
const FRAME_HEADER: usize = 9;

/// Length of the preface, which an HTTP/2 client sends first (RFC 9113, section 3.4), in bytes.
const PREFACE: usize = 24;

/// Frame type of the head of a request.
const HEADERS: u8 = 1;

/// Flag of the last frame of a head.
const END_OF_HEAD: u8 = 4;

/// The largest head of an HTTP/2 request, in bytes as sent.
const LARGEST_HEAD: usize = 16 * 1024;

/// Finds the heads of requests in the bytes of a connection.
#[derive(Debug)]
pub(super) enum Heads {
    /// Requests consist of lines and a body.
    Http1(Lines),
    /// Requests consist of frames.
    Http2(Frames),
}

impl Heads {
    /// Whether the client has sent a head that is not accepted. The connection is then to be closed.
    pub(super) const fn are_refused(&self) -> bool {
        matches!(self, Self::Http2(Frames { is_refused: true, .. }))
    }

    /// Whether a whole request was passed on, and nothing of the next one. Always false with HTTP/2, whose requests
    /// cannot be mixed up.
    pub(super) const fn are_complete(&self) -> bool {
        matches!(self, Self::Http1(Lines { is_complete: true, .. }))
    }

    /// Returns how many of the bytes may be passed on now. The caller passes the remaining bytes again, followed by new
    /// ones.
    pub(super) fn cut(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Http1(lines) => lines.cut(bytes),
            Self::Http2(frames) => frames.cut(bytes),
        }
    }
}

/// The position within the requests of an HTTP/1.1 connection.
///
/// Each request is passed on without the bytes that follow it. Otherwise actix-http would mistake the method and the
/// body of a later request for those of the request that it is answering.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The start of a line that has not arrived as a whole.
    line: Vec<u8>,
    /// The framing of the body, as far as the head has given it.
    body: Body,
    /// Bytes of a body until the next head begins.
    left: usize,
    /// Whether a body in chunks is being passed on.
    is_in_chunks: bool,
    /// Whether a whole request was passed on.
    is_complete: bool,
}

/// The body of a request.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Body {
    #[default]
    None,
    Sized(usize),
    /// It ends with an empty line. If it contains other empty lines, it is passed on in more parts, which does no harm.
    Chunked,
}

impl Lines {
    /// Bytes of a line that are kept until its end has arrived. A length has at most 20 digits.
    const LOOKED_AT: usize = 64;

    fn cut(&mut self, bytes: &[u8]) -> usize {
        if self.left > 0 {
            let part = self.left.min(bytes.len());
            self.left -= part;
            self.is_complete = self.left == 0;
            return part;
        }
        self.is_complete = false;
        let mut at = 0;
        while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
            let line = self.end_of_line(&bytes[at..at + length]);
            at += length + 1;
            if let [] | [b'\r'] = line[..] {
                return self.end_of_head(bytes.len(), at);
            }
            self.body = self.body.or(&line);
        }
        let looked_at = Self::LOOKED_AT - self.line.len();
        self.line.extend(bytes[at..].iter().take(looked_at));
        bytes.len()
    }

    /// The line that ends with `part`. It is copied only if it has arrived in parts.
    fn end_of_line<'a>(&mut self, part: &'a [u8]) -> Cow<'a, [u8]> {
        if self.line.is_empty() {
            return Cow::Borrowed(part);
        }
        let looked_at = Self::LOOKED_AT - self.line.len();
        self.line.extend(part.iter().take(looked_at));
        Cow::Owned(std::mem::take(&mut self.line))
    }

    /// Called at an empty line, which is followed by the byte at `end`. Returns where the part of the request that has
    /// arrived ends.
    fn end_of_head(&mut self, length: usize, end: usize) -> usize {
        match std::mem::take(&mut self.body) {
            // The end of the body is not known, since the body may contain other empty lines.
            Body::None if std::mem::take(&mut self.is_in_chunks) => end,
            Body::Chunked => {
                self.is_in_chunks = true;
                end
            }
            Body::None => {
                self.is_complete = true;
                end
            }
            Body::Sized(body) => {
                let part = body.min(length - end);
                self.left = body - part;
                self.is_complete = self.left == 0;
                end + part
            }
        }
    }
}

impl Body {
    /// The body after another line of the head.
    fn or(self, line: &[u8]) -> Self {
        if self == Self::Chunked { self } else { body_by(line).unwrap_or(self) }
    }
}

/// The body that the line of a head announces.
fn body_by(line: &[u8]) -> Option<Body> {
    let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
    if name.eq_ignore_ascii_case(b"transfer-encoding") {
        return Some(Body::Chunked);
    }
    let value = || std::str::from_utf8(&value[1..]).ok()?.trim().parse().ok().map(Body::Sized);
    if name.eq_ignore_ascii_case(b"content-length") { value() } else { None }
}

/// The position within the frames of an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes until the next frame begins.
    left: usize,
    /// The part of the next frame's header that has been read.
    header: Vec<u8>,
    /// Whether a head was sent that is not accepted.
    is_refused: bool,
}

impl Frames {
    /// The start of a connection.
    pub(super) fn new() -> Self {
        Self { left: PREFACE, header: Vec::with_capacity(FRAME_HEADER), is_refused: false }
    }

    fn cut(&mut self, bytes: &[u8]) -> usize {
        let (mut at, mut heads) = (0, 0);
        while at < bytes.len() {
            if self.left > 0 {
                let part = self.left.min(bytes.len() - at);
                self.left -= part;
                at += part;
                continue;
            }
            self.header.push(bytes[at]);
            at += 1;
            if let [first, second, third, kind, flags, _, _, _, _] = self.header[..] {
                self.left = usize::from(first) << 16 | usize::from(second) << 8 | usize::from(third);
                self.header.clear();
                if kind != HEADERS {
                    continue;
                }
                // A head may unpack to a hundred times its size, and a client that splits it into frames could withhold
                // the last.
                self.is_refused |= self.left > LARGEST_HEAD || flags & END_OF_HEAD == 0;
                heads += 1;
                if heads == HEADS || self.is_refused {
                    break;
                }
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\ncontent-LENGTH:  7 \r\nHost: a\r\n\r\n{\n\n\"a\"}";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{ }\r\n0\r\n\r\n";

    /// The parts in which `bytes` are passed on if they arrive `at_once` at a time.
    fn parts(bytes: &str, at_once: usize) -> Vec<String> {
        let (mut heads, mut held_back, mut passed) = (Heads::Http1(Lines::default()), Vec::new(), Vec::new());
        for chunk in bytes.as_bytes().chunks(at_once) {
            held_back.extend_from_slice(chunk);
            while !held_back.is_empty() {
                let cut = heads.cut(&held_back);
                assert!(cut > 0);
                passed.push(String::from_utf8(held_back.drain(..cut).collect()).unwrap());
            }
        }
        passed
    }

    #[test]
    fn a_request_is_passed_on_alone() {
        assert_eq!(POST.len() - POST.find('{').unwrap(), 7);
        let short = "GET / HTTP/1.0\n\n";
        let (head, body) = CHUNKED.split_at(CHUNKED.find("3\r").unwrap());
        let requests = [GET, short, POST, POST, CHUNKED, GET];
        assert_eq!(parts(&requests.concat(), 10_000), [GET, short, POST, POST, head, body, GET]);
    }

    proptest! {
        #[test]
        fn no_byte_of_the_next_request_is_passed_on_with_a_request(
            requests in prop::collection::vec(prop::sample::select(vec![GET, POST]), 1..8),
            at_once in 1..200_usize,
        ) {
            let bytes = requests.concat();
            let parts = parts(&bytes, at_once);
            prop_assert_eq!(parts.concat(), bytes);
            let mut end = 0;
            let ends: Vec<_> = parts.iter().map(|part| { end += part.len(); end }).collect();
            let mut at = 0;
            for request in requests {
                at += request.len();
                prop_assert!(ends.contains(&at), "{at} is no end in {ends:?}");
            }
        }
    }

    #[test]
    fn frames_are_followed_wherever_they_are_cut() {
        let frame = |kind: u8, length: u8| {
            [&[0, 0, length, kind, END_OF_HEAD, 0, 0, 0, 1][..], &vec![HEADERS; length.into()]].concat()
        };
        let bytes = [vec![1; PREFACE], frame(4, 30), frame(HEADERS, 7), frame(0, 200)].concat();
        let bytes = [bytes, frame(HEADERS, 0).repeat(9)].concat();
        for part in 1..bytes.len() {
            let (mut heads, mut passed) = (Heads::Http2(Frames::new()), 0);
            while passed < bytes.len() {
                let end = bytes.len().min(passed + part);
                let cut = heads.cut(&bytes[passed..end]);
                assert!(cut > 0 && frames_in(&bytes[passed..passed + cut]) <= HEADS, "{part}");
                passed += cut;
            }
            assert!(!heads.are_refused());
        }
    }

    #[test]
    fn a_head_that_is_large_or_comes_in_several_frames_is_refused() {
        let is_refused = |kind: u8, flags: u8, length: u16| {
            let mut heads = Heads::Http2(Frames::new());
            let [high, low] = length.to_be_bytes();
            heads.cut(&[&vec![1; PREFACE][..], &[0, high, low, kind, flags, 0, 0, 0, 1]].concat());
            heads.are_refused()
        };
        assert!(!is_refused(HEADERS, END_OF_HEAD | 1, 0x4000));
        assert!(!is_refused(0, 0, 0x5000));
        assert!(is_refused(HEADERS, END_OF_HEAD, 0x4001));
        assert!(is_refused(HEADERS, 1, 10));
    }

    /// Frames without a body, of which there are several in a row.
    fn frames_in(bytes: &[u8]) -> usize {
        bytes.windows(FRAME_HEADER).filter(|header| **header == [0, 0, 0, HEADERS, END_OF_HEAD, 0, 0, 0, 1]).count()
    }
}

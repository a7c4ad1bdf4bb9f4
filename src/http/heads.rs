//! Finds the heads of requests in the bytes that a client sends. actix-http parses everything that it has read before
//! it answers, and a parsed request takes several kilobytes, so it is given a few requests at a time.

/// Requests that may begin in what is passed on at once.
const HEADS: usize = 4;

/// Length of the header of an HTTP/2 frame (RFC 9113, section 4.1), in bytes.
const FRAME_HEADER: usize = 9;

/// Length of what an HTTP/2 client sends first (RFC 9113, section 3.4), in bytes.
const PREFACE: usize = 24;

/// Frame type of the head of a request.
const HEADERS: u8 = 1;

/// Frame type of a further part of the head that was sent last.
const CONTINUATION: u8 = 9;

/// The largest head of an HTTP/2 request, in bytes as sent. What it unpacks to may be a hundred times as large.
const LARGEST_HEAD: usize = 16 * 1024;

/// Finds the heads of requests in the bytes of a connection.
#[derive(Debug)]
pub(super) enum Heads {
    /// A head ends with an empty line. A body may contain empty lines, too; it is then passed on in more parts, which
    /// does no harm.
    Http1,
    /// Requests begin with frames.
    Http2(Frames),
}

impl Heads {
    /// Whether the head of a request is too large. The connection is to be closed then.
    pub(super) const fn are_too_large(&self) -> bool {
        matches!(self, Self::Http2(Frames { head, .. }) if *head > LARGEST_HEAD)
    }

    /// Returns how many of the bytes may be passed on now. The caller passes the others again, followed by new ones.
    /// While a body is being received, at most one further request is passed on.
    pub(super) fn cut(&mut self, bytes: &[u8], is_receiving: bool) -> usize {
        match self {
            Self::Http1 => after_empty_lines(bytes, if is_receiving { 1 } else { HEADS }),
            Self::Http2(frames) => frames.cut(bytes),
        }
    }
}

fn after_empty_lines(bytes: &[u8], most: usize) -> usize {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').filter_map(|(at, _)| match bytes[at..] {
        [_, b'\r', b'\n', ..] => Some(at + 3),
        [_, b'\n', ..] => Some(at + 2),
        _ => None,
    });
    ends.take(most).nth(most - 1).unwrap_or(bytes.len())
}

/// The position within the frames of an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes until the next frame begins.
    left: usize,
    /// What has been seen of the header of the next frame.
    header: Vec<u8>,
    /// Length of the head that was sent last.
    head: usize,
}

impl Frames {
    /// The start of a connection.
    pub(super) fn new() -> Self {
        Self { left: PREFACE, header: Vec::with_capacity(FRAME_HEADER), head: 0 }
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
            if let [first, second, third, kind, _, _, _, _, _] = self.header[..] {
                self.left = usize::from(first) << 16 | usize::from(second) << 8 | usize::from(third);
                self.header.clear();
                match kind {
                    HEADERS => self.head = self.left,
                    CONTINUATION => self.head += self.left,
                    _ => continue,
                }
                heads += usize::from(kind == HEADERS);
                if heads == HEADS || self.head > LARGEST_HEAD {
                    break;
                }
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_requests_are_passed_on_at_once() {
        let requests = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10);
        let one = requests.len() / 10;
        assert_eq!(Heads::Http1.cut(requests.as_bytes(), false), HEADS * one);
        assert_eq!(Heads::Http1.cut(requests.as_bytes(), true), one);
        assert_eq!(Heads::Http1.cut(&requests.as_bytes()[..one * 3 + 5], false), one * 3 + 5);
        assert_eq!(Heads::Http1.cut(b"GET / HTTP/1.0\n\n".repeat(9).as_slice(), false), HEADS * 16);
        assert_eq!(Heads::Http1.cut(b"", false), 0);
    }

    #[test]
    fn frames_are_followed_wherever_they_are_cut() {
        let frame =
            |kind: u8, length: u8| [&[0, 0, length, kind, 0, 0, 0, 0, 1][..], &vec![HEADERS; length.into()]].concat();
        let bytes = [vec![1; PREFACE], frame(4, 30), frame(HEADERS, 7), frame(0, 200)].concat();
        let bytes = [bytes, frame(HEADERS, 0).repeat(9)].concat();
        for part in 1..bytes.len() {
            let (mut heads, mut passed) = (Heads::Http2(Frames::new()), 0);
            while passed < bytes.len() {
                let end = bytes.len().min(passed + part);
                let cut = heads.cut(&bytes[passed..end], false);
                assert!(cut > 0 && frames_in(&bytes[passed..passed + cut]) <= HEADS, "{part}");
                passed += cut;
            }
        }
    }

    #[test]
    fn a_head_in_many_frames_is_too_large() {
        let frame = |kind: u8| [&[0, 0x20, 0, kind, 0, 0, 0, 0, 1][..], &[0; 0x2000]].concat();
        let sent = |frames: &[Vec<u8>]| {
            let mut heads = Heads::Http2(Frames::new());
            let bytes = [vec![1; PREFACE], frames.concat()].concat();
            heads.cut(&bytes, false);
            heads.are_too_large()
        };
        assert!(!sent(&[frame(HEADERS), frame(CONTINUATION), frame(HEADERS), frame(0), frame(0)]));
        assert!(sent(&[frame(HEADERS), frame(CONTINUATION), frame(CONTINUATION)]));
    }

    /// Frames without a body, of which there are several in a row.
    fn frames_in(bytes: &[u8]) -> usize {
        bytes.windows(FRAME_HEADER).filter(|header| **header == [0, 0, 0, HEADERS, 0, 0, 0, 0, 1]).count()
    }
}

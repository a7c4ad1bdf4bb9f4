//! Memory that strangers, who have no password, can make the program hold.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use sqlx::Executor;

use crate::support::postgres::open_directory;
use crate::support::program::Program;
use crate::support::tls::{self, PREFACE, frame, start_with_tls};
use crate::support::{TestApp, until};

/// Hostile connections of each kind.
const CONNECTIONS: usize = 100;

/// What one of them may take, in bytes. A build without optimization takes several times what a release takes.
const EACH: u64 = 400 * 1024;

/// The memory of the program that is in use, in bytes.
fn resident(program: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Sends the same bytes on a connection until the program takes no more of them, or closes it.
fn send_until_blocked(stream: &mut impl Write, bytes: &[u8]) {
    while stream.write_all(bytes).and_then(|()| stream.flush()).is_ok() {}
}

/// Sends a request on many connections, as often as the program takes it, and reads no answer.
fn unread(program: &Program, request: &[u8]) -> Vec<TcpStream> {
    let requests = request.repeat(200);
    let hostile = |_| {
        let mut stream = TcpStream::connect(program.url.trim_start_matches("http://")).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        send_until_blocked(&mut stream, &requests);
        stream
    };
    (0..CONNECTIONS).map(hostile).collect()
}

fn check(program: &Program, before: u64) {
    let taken = resident(program).saturating_sub(before);
    assert!(taken < EACH * u64::try_from(CONNECTIONS).unwrap(), "{} KiB", taken / 1024);
}

#[tokio::test]
async fn requests_whose_answers_nobody_reads_do_not_fill_the_memory() {
    let directory = open_directory();
    let settings = [("DATA_DIR", directory.path().to_str().unwrap()), ("AUTHENTICATION", "required")];
    let program = Program::start_with(&settings);
    assert_eq!(program.get("/health/live").await.0, 200);
    let before = resident(&program);
    let _streams = unread(&program, b"GET /services/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    check(&program, before);
    assert_eq!(program.get("/health/live").await.0, 200);
    program.stop();
}

#[tokio::test]
async fn compressed_answers_that_nobody_reads_do_not_fill_the_memory() {
    let directory = open_directory();
    let program = Program::start_with(&[("DATA_DIR", directory.path().to_str().unwrap())]);
    assert_eq!(program.get("/health/live").await.0, 200);
    let before = resident(&program);
    let _streams = unread(&program, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
    check(&program, before);
    program.stop();
}

#[tokio::test]
async fn heads_that_do_not_end_are_cut_off_when_they_take_too_much_memory_together() {
    let directory = open_directory();
    let program = Program::start_with(&[("DATA_DIR", directory.path().to_str().unwrap())]);
    let head = [&b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nA: "[..], &vec![b'a'; 120 * 1024]].concat();
    let hostile = |_| {
        let mut stream = TcpStream::connect(program.url.trim_start_matches("http://")).unwrap();
        // It may be cut off.
        drop(stream.write_all(&head));
        stream
    };
    let mut streams: Vec<_> = (0..300).map(hostile).collect();
    let is_open = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    let mut open = || streams.iter_mut().filter_map(|stream| is_open(stream).then_some(())).count();
    until("half of them are cut off", async || open() < 150).await;
    assert_eq!(program.get("/health/live").await.0, 200);
    assert!(open() > 100);
    program.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_takes_the_memory_of_another_large_one() {
    // The answers of all requests may take four mebibytes.
    let app = TestApp::spawn().await;
    app.reference_schemas().await;
    let service = app.a_service().await;
    let (first, second) = (app.a_task(service).await, app.a_task(service).await);
    let ended = json!({"Survey": {"url": "u"}});
    for task in [first, second] {
        app.post(&format!("/services/{service}/tasks/{task}/end"), &ended).await.is(204);
    }
    let grow = "update extensions set records = jsonb_build_object('url', repeat('u', 12000000))";
    app.sql().await.execute(grow).await.unwrap();
    let path = |task| format!("/services/{service}/tasks/{task}?extensions=*");
    let mut unread = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
    write!(unread, "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", path(first)).unwrap();
    unread.read_exact(&mut [0; 1000]).unwrap();
    app.get(&path(second)).await.refused(503, "overloaded");
    app.get(&format!("/services/{service}")).await.is(200);
    drop(unread);
    until("its memory is given back", async || app.get(&path(second)).await.status == 200).await;
}

#[test]
fn connections_beyond_those_that_may_speak_http_2_speak_http_1() {
    const SETTINGS: u8 = 4;
    let directory = open_directory();
    let (program, certificate) = start_with_tls(directory.path(), &[]);
    let connect = || {
        let mut stream = tls::connect_offering(&program, &certificate, &["h2", "http/1.1"]);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        stream
    };
    let http2 = |_| {
        let mut stream = connect();
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).unwrap();
        stream
    };
    let streams: Vec<_> = (0..512).map(http2).collect();
    let mut further = connect();
    assert_eq!(further.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    write!(further, "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    further.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(streams);
    while connect().conn.alpn_protocol() != Some(b"h2") {}
    program.stop();
}

const HEADERS: u8 = 1;
const DATA: u8 = 0;
const END_OF_HEADERS: u8 = 4;

/// The head of `POST https://localhost/services/start`, as RFC 7541 encodes it.
fn head() -> Vec<u8> {
    [&[0x83, 0x87, 0x04, 15][..], b"/services/start", &[0x01, 9], b"localhost"].concat()
}

/// Sends the same frames on many HTTP/2 connections.
fn frames_do_not_fill_the_memory(frames: &[u8]) {
    const SETTINGS: u8 = 4;
    let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), frames].concat();
    let directory = open_directory();
    let (program, certificate) = start_with_tls(directory.path(), &[]);
    let before = resident(&program);
    let hostile = |_| {
        let mut stream = tls::connect(&program, &certificate, "h2");
        stream.sock.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        // It is disconnected, or keeps what was sent waiting.
        drop(stream.write_all(&bytes).and_then(|()| stream.flush()));
        stream
    };
    let _streams: Vec<_> = (0..CONNECTIONS).map(hostile).collect();
    check(&program, before);
    let mut honest = tls::connect(&program, &certificate, "http/1.1");
    write!(honest, "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    honest.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    program.stop();
}

#[test]
fn http_2_requests_whose_answers_nobody_reads_do_not_fill_the_memory() {
    let streams = || (0..600_u32).map(|number| 2 * number + 1);
    let heads = streams().flat_map(|stream| frame(HEADERS, END_OF_HEADERS, stream, &head()));
    let bodies = streams().flat_map(|stream| frame(DATA, 0, stream, &[b' '; 1024]));
    frames_do_not_fill_the_memory(&heads.chain(bodies).collect::<Vec<_>>());
}

#[test]
fn http_2_requests_with_thousands_of_short_fields_do_not_fill_the_memory() {
    // The field `x: y`, which is then repeated by its number in the table of fields.
    let fields = [&head()[..], &[0x40, 1, b'x', 1, b'y'], &vec![0xbe; 3_000]].concat();
    let heads = (0..5_u32).flat_map(|number| frame(HEADERS, END_OF_HEADERS, 2 * number + 1, &fields));
    frames_do_not_fill_the_memory(&heads.collect::<Vec<_>>());
}

#[tokio::test]
async fn bodies_that_do_not_end_leave_room_for_small_ones() {
    // The bodies of all connections may take a mebibyte.
    let app = TestApp::spawn().await;
    let large = 60 * 1024;
    let head = format!("POST /services/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: {large}\r\n\r\n");
    let slow = |_| {
        let mut stream = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b' '; large - 1]).unwrap();
        stream
    };
    let mut streams: Vec<_> = (0..40).map(slow).collect();
    app.post("/services/start", &json!({"customer_id": "00K7"})).await.is(201);
    let mut refused = 0;
    for stream in &mut streams {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        refused += usize::from(&answer == b"HTTP/1.1 503");
    }
    // The others have waited for the rest of the body until REQUEST_TIMEOUT.
    assert!((10..40).contains(&refused), "{refused}");
}

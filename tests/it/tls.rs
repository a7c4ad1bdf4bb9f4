//! TLS, and the command that manages users.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;

use crate::support::postgres::open_directory;
use crate::support::program::{Program, output};
use crate::support::tls::{PREFACE, Stream, certificate, connect, frame, start_with_tls};
use crate::support::until;

/// Sends a GET request as a client that trusts one certificate alone.
fn get(program: &Program, path: &str, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut stream = connect(program, trusted, "http/1.1");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map(|_| answer)
}

#[test]
fn a_certificate_is_used_and_another_one_after_sighup() {
    let directory = open_directory();
    let first = certificate(directory.path());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let settings = [
        ("DATA_DIR", directory.path().to_str().unwrap()),
        ("TLS_CERTIFICATE", &path("tls.crt")),
        ("TLS_KEY", &path("tls.key")),
    ];
    let mut program = Program::start_with(&settings);
    let answer = get(&program, "/health/ready", &first).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let second = certificate(directory.path());
    program.signal("HUP");
    program.line_with("reloaded the TLS certificate");
    assert!(get(&program, "/health/ready", &second).unwrap().starts_with("HTTP/1.1 200"));
    get(&program, "/health/ready", &first).unwrap_err();

    std::fs::write(path("tls.key"), "nonsense").unwrap();
    program.signal("HUP");
    let line = program.line_with("cannot reload the TLS certificate");
    assert!(line.contains("tls.key: it has no private key in PEM"), "{line}");
    assert!(get(&program, "/health/ready", &second).unwrap().starts_with("HTTP/1.1 200"));
    program.stop();
}

/// Calls `act` again and again until the connection is closed. The test fails if that takes too long.
fn until_closed(stream: &mut Stream, mut act: impl FnMut(&mut Stream, &[u8]) -> std::io::Result<()>) {
    stream.sock.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let start = Instant::now();
    let mut buffer = [0; 4096];
    while start.elapsed() < Duration::from_secs(30) {
        let received = match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => &buffer[..length],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => &[],
            Err(_) => return,
        };
        if act(stream, received).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
    panic!("the connection is still open");
}

#[test]
fn an_idle_connection_with_tls_is_closed_even_if_the_head_of_a_request_trickles_in() {
    let directory = open_directory();
    let (program, certificate) = start_with_tls(directory.path(), &[("KEEP_ALIVE", "1")]);
    let mut stream = connect(&program, &certificate, "http/1.1");
    write!(stream, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    write!(stream, "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: ").unwrap();
    until_closed(&mut stream, |stream, _| stream.write_all(b"x"));
    program.stop();
}

#[test]
fn http_2_can_be_turned_off() {
    let directory = open_directory();
    let (program, certificate) = start_with_tls(directory.path(), &[("HTTP2", "false")]);
    let mut stream = connect(&program, &certificate, "h2");
    let refused = stream.write_all(PREFACE).and_then(|()| stream.flush()).unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    assert!(get(&program, "/health/ready", &certificate).unwrap().starts_with("HTTP/1.1 200"));
    program.stop();
}

#[test]
fn an_idle_http_2_connection_is_closed_even_if_it_answers_pings() {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    let directory = open_directory();
    let (program, certificate) = start_with_tls(directory.path(), &[("KEEP_ALIVE", "1")]);
    let mut stream = connect(&program, &certificate, "h2");
    stream.write_all(PREFACE).unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
    let mut pending = Vec::new();
    until_closed(&mut stream, |stream, received| {
        pending.extend_from_slice(received);
        while pending.len() >= 9 {
            let length = usize::from(pending[1]) << 8 | usize::from(pending[2]);
            if pending.len() < 9 + length {
                break;
            }
            let whole: Vec<_> = pending.drain(..9 + length).collect();
            if whole[3] == PING && whole[4] == 0 {
                stream.write_all(&frame(PING, 1, 0, &whole[9..]))?;
            }
        }
        stream.write_all(&frame(PING, 0, 0, b"are you?"))
    });
    program.stop();
}

fn user(directory: &Path, arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, .. } =
        output(&[("DATA_DIR", directory.to_str().unwrap())], &[&["user"], arguments].concat());
    (status.success(), String::from_utf8(stdout).unwrap())
}

#[tokio::test]
async fn users_are_added_whether_the_service_runs_or_not() {
    let directory = open_directory();
    Program::start(directory.path()).stop();
    let (added, said) = user(directory.path(), &["add", "ivr", "--role", "reader"]);
    assert!(added, "{said}");
    let password = said.lines().last().unwrap().to_owned();

    let settings = [("DATA_DIR", directory.path().to_str().unwrap()), ("AUTHENTICATION", "required")];
    let mut program = Program::start_with(&settings);
    let (added, said) = user(directory.path(), &["add", "ivr", "--role", "writer", "--token"]);
    assert!(added, "{said}");
    let token = said.lines().last().unwrap().to_owned();
    let client = reqwest::Client::new();
    let status = format!("{}/server/status", program.url);
    assert_eq!(client.get(&status).send().await.unwrap().status(), 401);
    assert_eq!(client.get(&status).basic_auth("ivr", Some(&password)).send().await.unwrap().status(), 200);
    let with_token = async || client.get(&status).bearer_auth(&token).send().await.unwrap().status();
    until("the token is in force", async || with_token().await == 200).await;

    let (_, listed) = user(directory.path(), &["list"]);
    assert!(listed.contains("1\tivr\tpassword\treader\n2\tivr\ttoken\twriter"), "{listed}");
    assert!(!listed.contains(&token) && !listed.contains(&password));
    assert!(user(directory.path(), &["remove", "ivr", "--id", "2"]).0);
    assert!(!user(directory.path(), &["remove", "nobody"]).0);
    assert!(!user(directory.path(), &["add", "a:b", "--role", "reader"]).0);
    assert!(
        user(directory.path(), &["add", "ivr", "--role", "reader"]).0,
        "the new password, before the old one is removed"
    );
    assert!(!user(directory.path(), &["add", "ivr", "--role", "reader"]).0, "a third one");
    let line = program.line_with("get_server_status");
    assert!(!line.contains(&token) && !line.contains(&password), "{line}");
    program.stop();
}

/// The beginning of a `ClientHello` of 60,000 bytes.
const HELLO: &[u8] = &[0x16, 3, 1, 0x40, 0, 1, 0, 0xea, 0x60, 3, 3];

/// A connection on which a handshake has begun.
fn begun(program: &Program, more: usize) -> TcpStream {
    let mut stream = TcpStream::connect(program.url.trim_start_matches("https://")).unwrap();
    // It may be cut off.
    drop(stream.write_all(&[HELLO, &vec![0; more]].concat()));
    stream
}

fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn handshakes_that_do_not_end_delay_nobody() {
    let directory = open_directory();
    let (program, certificate) = start_with_tls(directory.path(), &[("HTTP_WORKERS", "1")]);
    let mut streams: Vec<_> = (0..600).map(|_| begun(&program, 0)).collect();
    assert!(get(&program, "/health/ready", &certificate).unwrap().starts_with("HTTP/1.1 200"));
    assert!(streams.iter_mut().all(is_open), "none had to be cut off before");
    program.stop();
}

#[test]
fn a_handshake_in_which_the_client_sends_too_much_is_cut_off() {
    let directory = open_directory();
    let (program, _) = start_with_tls(directory.path(), &[]);
    let (mut short, mut long) = (begun(&program, 0), begun(&program, 20_000));
    long.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The end of the connection may come as a reset.
    drop(long.read_to_end(&mut Vec::new()));
    assert!(is_open(&mut short), "it was the size that mattered, not the time");
    program.stop();
}

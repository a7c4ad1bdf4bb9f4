//! The stop of the program: what is in progress is finished, and nothing is waited for without end.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use context_services::postgres::NAME;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use crate::support::postgres::open_directory;
use crate::support::program::Program;
use crate::support::until;

/// A connection to the program that asks for a path and stays open.
fn ask(program: &Program, path: &str) -> TcpStream {
    let mut caller = TcpStream::connect(program.url.trim_start_matches("http://")).unwrap();
    caller.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    caller
}

/// Reads until the connection is closed.
fn rest(caller: &mut TcpStream) -> String {
    let mut text = String::new();
    caller.read_to_string(&mut text).unwrap();
    text
}

/// The number of HTTP threads of a program.
fn http_threads(program: &Program) -> usize {
    let threads = fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("actix-rt|")).count()
}

async fn embedded(data_dir: &Path) -> PgConnection {
    let socket = data_dir.join("postgres/run");
    PgConnection::connect(&format!("postgres:///{NAME}?host={}&user={NAME}", socket.display())).await.unwrap()
}

#[tokio::test]
async fn a_read_is_finished_although_the_thread_that_opened_its_connection_has_ended() {
    let directory = open_directory();
    let data_dir = directory.path().to_str().unwrap();
    let settings = [("DATA_DIR", data_dir), ("HTTP_WORKERS", "2"), ("READ_CONNECTIONS", "1")];
    let mut program = Program::start_with(&settings);
    let (_, service) = program.post("/services/start", &json!({"customer_id": "00K7"})).await;
    let path = format!("/services/{}", service["service_id"]);
    // Connections are given to the threads in turn.
    let mut first = ask(&program, &path);
    assert!(first.read(&mut [0; 4096]).unwrap() > 0);
    let mut connection = embedded(directory.path()).await;
    let mut lock = connection.begin().await.unwrap();
    lock.execute("lock table services in access exclusive mode").await.unwrap();
    let mut second = ask(&program, &path);
    let mut observer = embedded(directory.path()).await;
    until("the read waits for the lock", async || {
        let waits =
            "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%services%')";
        sqlx::query_scalar(waits).fetch_one(&mut observer).await.unwrap()
    })
    .await;
    let threads = http_threads(&program);
    program.signal("TERM");
    program.line_with("received SIGTERM");
    assert_eq!(rest(&mut first), "");
    until("the first thread has ended", async || http_threads(&program) < threads).await;
    lock.rollback().await.unwrap();
    let answer = rest(&mut second);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(program.end().0.success());
}

#[tokio::test]
async fn an_embedded_server_that_hangs_is_killed_and_stopped_is_said_last() {
    let directory = open_directory();
    let mut program = Program::start(directory.path());
    let task = program.journey().await;
    let pid_file = fs::read_to_string(directory.path().join("postgres/data/postmaster.pid")).unwrap();
    let server = pid_file.lines().next().unwrap();
    let backends = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
    let stop = Command::new("kill").arg("-STOP").arg(server).args(backends.split_whitespace()).status();
    assert!(stop.unwrap().success());
    program.signal("TERM");
    program.line_with("stopping the embedded PostgreSQL");
    let (status, lines) = program.end();
    assert!(status.success(), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("has not stopped within")), "{lines:#?}");
    assert!(lines.last().unwrap().ends_with(" stopped"), "{lines:#?}");

    let program = Program::start(directory.path());
    assert_eq!(program.get(&task).await.0, 200);
    program.stop();
}

//! The program: its settings, its log, and its lifecycle together with the embedded PostgreSQL.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use context_services::cli;
use context_services::postgres::NAME;
use futures::future::{join_all, select_all};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::support::postgres::open_directory;
use crate::support::program::{Program, command, example, output};

/// A raw connection to the program.
fn connect(program: &Program) -> TcpStream {
    TcpStream::connect(program.url.trim_start_matches("http://")).unwrap()
}

/// Reads until the connection is closed.
fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// A connection to the embedded database.
async fn embedded(data_dir: &Path) -> PgConnection {
    let socket = data_dir.join("postgres/run");
    PgConnection::connect(&format!("postgres:///{NAME}?host={}&user={NAME}", socket.display())).await.unwrap()
}

/// A transaction that keeps ends from being written while it is open.
async fn block_ends(connection: &mut PgConnection) -> Transaction<'_, Postgres> {
    let mut lock = connection.begin().await.unwrap();
    sqlx::query("lock table dispositions in exclusive mode").execute(&mut *lock).await.unwrap();
    lock
}

#[tokio::test]
async fn a_batch_that_the_database_holds_up_is_logged_and_finally_written() {
    let directory = open_directory();
    let mut program = Program::start(directory.path());
    let task = program.journey().await;
    let (service, _) = task.split_once("/tasks").unwrap();
    let mut connection = embedded(directory.path()).await;
    let lock = block_ends(&mut connection).await;
    let mut stream = connect(&program);
    let request = format!("POST {service}/end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    program.line_with("a batch takes long");
    lock.rollback().await.unwrap();
    let answer = read(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    program.stop();
}

#[tokio::test]
async fn overload_is_logged_once_a_second_and_not_for_each_request() {
    let directory = open_directory();
    let settings = [("DATA_DIR", directory.path().to_str().unwrap()), ("WRITE_QUEUE", "1"), ("WRITE_BATCH", "1")];
    let mut program = Program::start_with(&settings);
    let end = format!("{}/end", program.journey().await);
    // While the lock is held, one end is being written, one waits, and the others are refused.
    let mut connection = embedded(directory.path()).await;
    let lock = block_ends(&mut connection).await;
    let body = json!({});
    let mut requests: Vec<_> = (0..20).map(|_| Box::pin(program.post(&end, &body))).collect();
    while requests.len() > 2 {
        let ((status, problem), _, rest) = select_all(requests).await;
        assert_eq!((status, &problem["code"]), (503, &json!("overloaded")));
        requests = rest;
    }
    lock.rollback().await.unwrap();
    join_all(requests).await;

    let lines = program.lines_until("overloaded: requests were refused");
    assert!(lines.iter().all(|line| !line.contains("status=503")), "{lines:#?}");
    assert!(lines.last().unwrap().contains("refused="), "{lines:#?}");
    program.stop();
}

#[tokio::test]
async fn sigterm_answers_what_was_sent_on_open_connections() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let body = r#"{"customer_id":"00K7"}"#;
    let start = format!(
        "POST /services/start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let open = |_| {
        let mut stream = connect(&program);
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream
    };
    let mut streams: Vec<_> = (0..200).map(open).collect();
    // The stopped process will see the requests and the signal at the same time.
    program.signal("STOP");
    for stream in &mut streams {
        stream.write_all(start.as_bytes()).unwrap();
    }
    program.signal("TERM");
    program.signal("CONT");
    for mut stream in streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer:?}");
    }
    assert!(program.end().0.success());
}

#[tokio::test]
async fn sigterm_lets_a_running_request_finish() {
    let directory = open_directory();
    // A single thread accepts connections in order.
    let settings = [("DATA_DIR", directory.path().to_str().unwrap()), ("HTTP_WORKERS", "1")];
    let mut program = Program::start_with(&settings);
    let (_, service) = program.post("/services/start", &json!({"customer_id": "00K7"})).await;
    let mut stream = connect(&program);
    let path = format!("/services/{}/tasks/start", service["service_id"]);
    let (first, second) = (r#"{"task_type""#, r#":"call"}"#);
    let length = first.len() + second.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{first}").as_bytes()).unwrap();
    // Once the server answers on a later connection, it has accepted this one.
    assert_eq!(program.get("/health/live").await.0, 200);
    program.signal("TERM");
    program.line_with("received SIGTERM");
    stream.write_all(second.as_bytes()).unwrap();
    let answer = read(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (status, lines) = program.end();
    assert!(status.success() && lines.last().unwrap().contains("stopped"), "{lines:#?}");
}

#[tokio::test]
async fn a_second_signal_ends_the_program_at_once() {
    let directory = open_directory();
    let mut program = Program::start(directory.path());
    let task = program.journey().await;
    let (service, _) = task.split_once("/tasks").unwrap();
    let mut connection = embedded(directory.path()).await;
    let lock = block_ends(&mut connection).await;
    let mut stream = connect(&program);
    let request = format!("POST {service}/end HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    program.line_with("a batch takes long");
    program.signal("INT");
    program.line_with("received SIGINT: finishing the requests in progress");
    program.signal("INT");
    assert_eq!(program.end().0.code(), Some(130));
    drop(lock);
    // The next start takes over what was left running.
    Program::start(directory.path()).stop();
}

#[tokio::test]
async fn the_log_has_one_line_per_request_and_never_what_was_sent() {
    let directory = open_directory();
    let settings = [("DATA_DIR", directory.path().to_str().unwrap()), ("LOG_FORMAT", "json")];
    let mut program = Program::start_with(&settings);
    let secret = json!({"customer_id": "secret-customer", "interaction_id": "secret-interaction", "secret-name": {},
        "est_duration": "secret"});
    program.post("/services/start", &secret).await;
    let task = program.journey().await;
    program.post(&format!("{task}/end"), &json!({"disposition_desc": "secret-outcome"})).await;
    program.signal("TERM");
    let refused = program.line_with("invalid_event");
    let line: Value = serde_json::from_str(&program.line_with("complete_task")).unwrap();
    assert_eq!((&line["method"], &line["status"]), (&json!("POST"), &json!(204)));
    assert_eq!(line["route"], "/services/{service_id}/tasks/{task_id}/end");
    assert_eq!((&line["service.id"], &line["task.id"]), (&json!("1"), &json!("1")));
    assert!(line["elapsed_ms"].is_f64() && line["request.id"].is_string() && line["level"] == "INFO");
    let (_, rest) = program.end();
    assert_eq!(rest.iter().filter(|line| line.contains("complete_task")).count(), 1, "{rest:#?}");
    assert!(!rest.iter().chain([&refused]).any(|line| line.contains("secret")), "{refused} {rest:#?}");
    assert!(refused.contains(r#""pointers":"/est_duration, /…""#), "{refused}");
}

#[tokio::test]
async fn the_writer_is_measured() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let task = program.journey().await;
    assert_eq!(program.post(&format!("{task}/end"), &json!({"disposition": 11})).await.0, 409);
    let page = reqwest::get(format!("{}/metrics", program.url)).await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = page.text().await.unwrap();
    for line in [
        "context_services_writer_waiting{lane=\"0\"} 0",
        "context_services_writer_batch_commands_count{lane=\"0\"} 4",
        "context_services_writer_flush_seconds_count{lane=\"0\"} 4",
        "context_services_writer_refused_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn the_demo_keeps_its_data_apart_from_others() {
    let directory = open_directory();
    let data_dir = directory.path().join("data");
    // The demo writes to neither of these, nor to the database that a file .env names.
    let settings = [("DATA_DIR", data_dir.to_str().unwrap()), ("DATABASE_URL", "postgres://u@127.0.0.1:1/x")];
    std::fs::write(directory.path().join(".env"), "DATABASE_URL=postgres://u@127.0.0.1:1/y").unwrap();
    let mut demo = example("demo", &settings);
    let mut program = Program::spawn(demo.current_dir(directory.path()));
    program.line_with("The demo world is ready, with 320 services:");
    let addresses = ["journey", "dashboard"].map(|page| format!("{}/{page}", program.url));
    for address in &addresses {
        program.line_with(address);
    }
    let cluster = directory.path().join("data-demo/postgres/data");
    assert!(!data_dir.exists() && cluster.join("postmaster.pid").exists());
    let stops = program.get("/reports/stops").await.1;
    let services: i64 = stops["rows"].as_array().unwrap().iter().map(|row| row["services"].as_i64().unwrap()).sum();
    assert!(services >= 320, "{stops}");
    let page = reqwest::get(format!("{}/journey", program.url)).await.unwrap().text().await.unwrap();
    assert!(page.contains("book a hotel"), "{page}");
    program.stop();
    assert!(!cluster.join("postmaster.pid").exists(), "PostgreSQL has stopped");

    let mut program = Program::spawn(&mut demo);
    program.line_with("The demo world of an earlier run is ready:");
    program.stop();
}

#[test]
fn a_bad_setting_is_a_clear_error_at_start() {
    for (setting, value, said) in [
        ("BIND_ADDRESS", "nowhere", "--bind-address"),
        ("MAX_BODY_BYTES", "0", "expected an integer of 1 or more"),
        ("WRITE_BATCH", "many", "expected an integer of 1 or more"),
        ("LOG_FORMAT", "xml", "possible values: text, json"),
        ("LOG_LEVEL", "=loud=", "expected error, warn, info, debug, trace"),
        ("LOG_LEVEL", "infoo", "expected error, warn, info, debug, trace"),
        ("LOG_LEVEL", "info,sqlx", "expected error, warn, info, debug, trace"),
        ("DATABASE_URL", "mysql://root:hunter2@x/y", "expected postgres://"),
        ("DATABASE_URL", "postgres://u:a?hunter2@x/y", "write / as %2F, ? as %3F"),
        ("DATABASE_URL", "postgres://u:hunter2@x:port/y", "a port must be a number"),
        ("DATABASE_URL", "postgres://u@x/y?sslpassword=hunter2", "the parameter sslpassword is not supported"),
        ("DATABASE_URL", "postgres://u:hunter2@x/y?target_session_attrs=standby", "the service writes"),
        ("BIND_ADDRESS", "0.0.0.0:0", "set AUTHENTICATION=required"),
        ("RATE_LIMIT", "0", "--rate-limit"),
        ("TLS_KEY", "/etc/key", "--tls-certificate"),
    ] {
        let ended = output(&[(setting, value)], &[]);
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{setting}: {text}");
        assert!(text.contains(said) && text.lines().count() == 1, "{setting}: {text}");
        assert!(!text.contains("hunter2"), "a password is never shown: {text}");
    }
}

#[test]
fn hundreds_of_connections_may_come_at_once() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let address = program.url.strip_prefix("http://").unwrap().parse().unwrap();
    // The stopped process accepts none of them: all wait in the listen backlog.
    program.signal("STOP");
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(900));
    let connected: Result<Vec<_>, _> = (0..300).map(connect).collect();
    program.signal("CONT");
    assert_eq!(connected.unwrap().len(), 300);
    program.stop();
}

/// The program with a socket that the service manager holds, passed as systemd does.
fn with_socket(listener: &TcpListener, settings: &[(&str, &str)]) -> Command {
    let program = command(settings);
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec 3<&0 </dev/null && exec env LISTEN_FDS=1 LISTEN_PID=$$ \"$0\""]).arg(program.get_program());
    shell.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir("/");
    shell.stdin(OwnedFd::from(listener.try_clone().unwrap())).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[test]
fn a_socket_of_the_service_manager_that_others_can_reach_requires_a_decision_on_authentication() {
    let directory = open_directory();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let settings = [("DATA_DIR", directory.path().to_str().unwrap())];
    let ended = with_socket(&listener, &settings).output().unwrap();
    let text = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && text.contains("set AUTHENTICATION=required"), "{text}");
}

/// Asks whether the service is live, on a connection of its own.
fn ask(address: SocketAddr) -> TcpStream {
    let mut caller = TcpStream::connect(address).unwrap();
    caller.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    caller
}

#[test]
fn callers_wait_while_a_service_behind_a_socket_of_the_service_manager_restarts() {
    let directory = open_directory();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut callers = vec![ask(address)];
    for _ in 0..2 {
        let program = Program::spawn(&mut with_socket(&listener, &[("DATA_DIR", directory.path().to_str().unwrap())]));
        assert_eq!(program.url, format!("http://{address}"));
        for mut caller in callers.drain(..) {
            let answer = read(&mut caller);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        program.stop();
        callers.push(ask(address));
    }
}

#[test]
fn no_connection_breaks_while_a_service_behind_a_socket_of_the_service_manager_restarts() {
    let directory = open_directory();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = || Program::spawn(&mut with_socket(&listener, &[("DATA_DIR", directory.path().to_str().unwrap())]));
    let program = start();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let callers = [(); 16].map(|()| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = read(&mut ask(address));
                    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                }
            })
        });
        program.stop();
        let program = start();
        is_over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().unwrap();
        }
        program.stop();
    });
}

#[test]
fn a_socket_of_another_kind_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let refused = with_socket(&listener, &[]).stdin(OwnedFd::from(datagrams)).output().unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("the socket unit must have one `ListenStream=`") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_failed_start_is_explained_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_address = taken.local_addr().unwrap().to_string();
    let directory = open_directory();
    let data_dir = directory.path().to_str().unwrap();
    let long = format!("{data_dir}/{}", "x".repeat(120));
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/x")], "cannot reach the database (check DATABASE_URL, "),
        (&[("DATA_DIR", data_dir), ("POSTGRES_BIN_DIR", "/nowhere")], "no PostgreSQL server found"),
        (&[("DATA_DIR", &long)], "too long for a Unix socket"),
        (
            &[("DATA_DIR", data_dir), ("BIND_ADDRESS", &taken_address)],
            "(stop the process that has this address, or set BIND_ADDRESS to another one)",
        ),
        (
            &[("DATA_DIR", data_dir), ("BIND_ADDRESS", "192.0.2.1:80"), ("AUTHENTICATION", "none")],
            "(set BIND_ADDRESS to an address of this machine)",
        ),
    ];
    for (settings, said) in cases {
        let ended = output(settings, &[]);
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{text}");
        assert!(text.contains(said) && text.lines().count() == 1 && !text.contains("hunter2"), "{said}: {text}");
        assert!(text.to_lowercase().matches("refused").count() <= 1, "each cause is named once: {text}");
    }
}

#[test]
fn help_and_version_answer_without_starting_anything() {
    let help = String::from_utf8(output(&[], &["--help"]).stdout).unwrap();
    assert!(help.contains("BIND_ADDRESS") && help.contains("127.0.0.1:8080"), "{help}");
    let version = Command::new(env!("CARGO_BIN_EXE_context-services")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(version.stdout).unwrap(), format!("context-services {}\n", cli::VERSION));
    assert!(cli::VERSION.starts_with(env!("CARGO_PKG_VERSION")));
}

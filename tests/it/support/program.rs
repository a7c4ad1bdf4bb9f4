//! The program as a separate process.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};

use super::until;

/// The longest time for a step. After it, the test fails.
const LIMIT: Duration = Duration::from_secs(60);

/// A running program.
pub(crate) struct Program {
    pub(crate) url: String,
    child: Child,
    lines: Receiver<String>,
}

/// The program with these settings alone. It does not inherit the environment of this process.
pub(crate) fn command(settings: &[(&str, &str)]) -> Command {
    isolated(env!("CARGO_BIN_EXE_context-services"), settings)
}

/// An example of this package, with settings as in [`command`].
pub(crate) fn example(name: &str, settings: &[(&str, &str)]) -> Command {
    let service = Path::new(env!("CARGO_BIN_EXE_context-services"));
    let program = service.with_file_name("examples").join(name);
    assert!(program.exists(), "`cargo test --test` does not build examples: run `cargo build --example {name}` first");
    isolated(program, settings)
}

fn isolated(program: impl AsRef<OsStr>, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir("/");
    command.env("BIND_ADDRESS", "127.0.0.1:0").envs(settings.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A client with a time limit, so that a program that hangs fails the test.
fn client() -> Client {
    Client::builder().timeout(LIMIT).build().unwrap()
}

/// Runs the program to its end.
pub(crate) fn output(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(settings).args(arguments).output().unwrap()
}

impl Program {
    /// Starts the program with the embedded PostgreSQL and waits until it listens.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(&[("DATA_DIR", data_dir.to_str().unwrap())])
    }

    /// Starts the program with settings and waits until it listens.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::spawn(&mut command(settings))
    }

    /// Starts a program that runs the service, and waits until it listens.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            // The log is read to its end even if the test no longer looks at it.
            stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        let mut program = Self { url: String::new(), child, lines };
        let line = program.line_with("listening on http");
        let url = line.split_once("listening on ").unwrap().1;
        url.split([' ', '"']).next().unwrap().clone_into(&mut program.url);
        program
    }

    /// Starts the program with a log that nobody reads and waits until it is ready.
    pub(crate) async fn start_unread(data_dir: &Path, stdout: Stdio, stderr: Stdio) -> Self {
        // The port cannot be learned from the log.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let settings = [("DATA_DIR", data_dir.to_str().unwrap()), ("BIND_ADDRESS", &address)];
        let child = command(&settings).stdout(stdout).stderr(stderr).spawn().unwrap();
        let program = Self { url: format!("http://{address}"), child, lines: channel().1 };
        let ready = format!("{}/health/ready", program.url);
        let is_ready = async || reqwest::get(&ready).await.is_ok_and(|answer| answer.status() == 200);
        until("the program is ready", is_ready).await;
        program
    }

    /// POSTs a JSON body. Returns the status and the body of the response, null if it has none.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = client().post(format!("{}{path}", self.url)).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// GETs JSON. Returns the status and the body of the response.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = client().get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Starts a service and a task, and ends the task. Returns the path of the task.
    pub(crate) async fn journey(&self) -> String {
        let (_, service) = self.post("/services/start", &json!({"customer_id": "00K7"})).await;
        let service = format!("/services/{}", service["service_id"]);
        let (_, task) = self.post(&format!("{service}/tasks/start"), &json!({})).await;
        let task = format!("{service}/tasks/{}", task["task_id"]);
        assert_eq!(self.post(&format!("{task}/end"), &json!({"disposition": 10})).await.0, 204);
        task
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let page = client().get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is not in {page}")).parse().unwrap()
    }

    /// Its standard output, if it is a pipe that nobody reads yet.
    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    /// The next line of the log that contains a text.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        self.lines_until(text).pop().unwrap()
    }

    /// The log up to the next line that contains a text.
    pub(crate) fn lines_until(&mut self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => seen.push(line),
                Err(error) => panic!("no line has {text:?}: {error}: {seen:#?}"),
            }
            if seen.last().is_some_and(|line| line.contains(text)) {
                return seen;
            }
        }
    }

    /// The identifier of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the program ends. Returns the status and the unread rest of the log.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.wait().expect("the program ends in time");
        let lines = self.lines.iter().collect();
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors).unwrap();
        }
        assert_eq!(errors, "", "nothing is written to standard error");
        (status, lines)
    }

    /// Waits until the program ends. Returns `None` if that takes too long.
    fn wait(&mut self) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Stops the program with SIGTERM and checks that it succeeds.
    pub(crate) fn stop(self) {
        self.signal("TERM");
        let (status, lines) = self.end();
        assert!(status.success(), "{lines:#?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A failed test must leave no server behind. SIGTERM stops the embedded PostgreSQL, too.
        if self.child.try_wait().unwrap().is_none() {
            self.signal("TERM");
            if self.wait().is_none() {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
            }
        }
    }
}

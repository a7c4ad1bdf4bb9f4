//! The client examples, through a gateway that makes every call fail twice and kills the service once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::postgres::open_directory;
use crate::support::program::Program;

/// The calls of the story: two schemas, three starts, one end, one query.
const CALLS: usize = 7;

/// Where the clients connect to: it stands before the service, and passes on every third attempt.
struct Gateway {
    listener: TcpListener,
    directory: TempDir,
    program: Program,
    attempts: HashMap<String, usize>,
}

impl Gateway {
    fn start() -> Self {
        let directory = open_directory();
        let program = Program::start(directory.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener, directory, program, attempts: HashMap::new() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Runs a client to its end, and handles its requests until then.
    fn run(&mut self, mut client: Command) -> Output {
        let address = self.listener.local_addr().unwrap();
        let client = thread::spawn(move || {
            let output = client.output();
            // A connection without a request tells the gateway that the client has ended.
            drop(TcpStream::connect(address));
            output.unwrap()
        });
        while self.handle_next() {}
        client.join().unwrap()
    }

    /// Handles one request; false where the connection has none.
    fn handle_next(&mut self) -> bool {
        let (mut stream, _) = self.listener.accept().unwrap();
        let Some(request) = read_request(&mut stream) else { return false };
        let attempts = self.attempts.entry(key(&request)).or_default();
        *attempts += 1;
        match *attempts {
            1 => stream.write_all(UNAVAILABLE).unwrap(),
            // The request is carried out, and its answer lost.
            2 => {
                self.forward(&request);
                if request.contains("/end HTTP") {
                    self.kill_the_service();
                }
            }
            _ => stream.write_all(&self.forward(&request)).unwrap(),
        }
        true
    }

    fn forward(&self, request: &str) -> Vec<u8> {
        let mut upstream = TcpStream::connect(self.program.url.trim_start_matches("http://")).unwrap();
        upstream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// Kills the service, and starts it again on the same data.
    fn kill_the_service(&mut self) {
        self.program.signal("KILL");
        self.program = Program::start(self.directory.path());
    }

    async fn get(&self, path: &str) -> Value {
        reqwest::get(format!("{}{path}", self.program.url)).await.unwrap().json().await.unwrap()
    }
}

const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 2\r\n\
    Content-Type: application/problem+json\r\nConnection: close\r\n\r\n{}";

/// A request, changed so that its connection closes after the answer.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some(format!("{head}Connection: close\r\n\r\n{}", String::from_utf8(body).unwrap()))
}

/// What attempts of one call have in common: the request line, the key of a start, and the body.
fn key(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let idempotency_key = head.lines().find(|line| line.to_ascii_lowercase().starts_with("idempotency-key:"));
    format!("{} {idempotency_key:?} {body}", head.lines().next().unwrap())
}

async fn tells_the_story(mut gateway: Gateway, client: Command) {
    let ran = gateway.run(client);
    let (said, errors) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert!(ran.status.success(), "{said}\n{errors}");
    let attempts: Vec<_> = gateway.attempts.values().collect();
    assert_eq!(attempts, [&3; CALLS], "each call is made again, with the same key and body: {errors}");

    let services = gateway.get("/customers/00K7/services").await;
    let [service] = services.as_array().unwrap().as_slice() else { panic!("one service is started: {services}") };
    let tasks = gateway.get(&format!("/services/{}/tasks/completed?extensions=*", service["service_id"])).await;
    let [task] = tasks.as_array().unwrap().as_slice() else { panic!("one task is completed: {tasks}") };
    assert_eq!(task["disposition"], 10);
    assert_eq!(task["Survey"]["question1"], 7);
    assert_eq!(task["Proposal"].as_array().unwrap().len(), 2);
    let last_line: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(&last_line, task, "the client prints the task as it is on record");
    gateway.program.stop();
}

#[tokio::test]
async fn the_python_client_tells_the_story_through_failures_and_a_kill() {
    let gateway = Gateway::start();
    let mut client = Command::new("python3");
    client.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python/story.py")).arg(gateway.url());
    tells_the_story(gateway, client).await;
}

#[tokio::test]
async fn the_typescript_client_tells_the_story_through_failures_and_a_kill() {
    let gateway = Gateway::start();
    let mut client = Command::new("npm");
    client.args(["--silent", "--prefix", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/typescript")]);
    client.args(["run", "story", "--", &gateway.url()]);
    tells_the_story(gateway, client).await;
}

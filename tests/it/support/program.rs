//! The program itself, as a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program.
pub(crate) struct Program {
    pub(crate) url: String,
    child: Child,
    lines: Receiver<String>,
}

/// The program with settings of its own: none of those of this process reach it.
pub(crate) fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_context-services"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir("/");
    command.env("BIND_ADDRESS", "127.0.0.1:0").envs(settings.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a program that is expected to end at once.
pub(crate) fn output(settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(settings).args(arguments).output().unwrap()
}

impl Program {
    /// Starts it on the embedded server, and waits until it listens.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(&[("DATA_DIR", data_dir.to_str().unwrap())])
    }

    /// Starts it with settings, and waits until it listens.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_with_arguments(settings, &[])
    }

    /// Starts it with settings and arguments, and waits until it listens.
    pub(crate) fn start_with_arguments(settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut child = command(settings).args(arguments).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            // The log goes on after a test has lost interest in it.
            stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        let mut program = Self { url: String::new(), child, lines };
        let line = program.line_with("listening on http");
        let url = line.split_once("listening on ").unwrap().1;
        url.split([' ', '"']).next().unwrap().clone_into(&mut program.url);
        program
    }

    /// The next line of the log that contains a text.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        self.lines_until(text).pop().unwrap()
    }

    /// The log up to the next line that contains a text.
    pub(crate) fn lines_until(&mut self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => seen.push(line),
                Err(error) => panic!("no line has {text:?}: {error}: {seen:#?}"),
            }
            if seen.last().is_some_and(|line| line.contains(text)) {
                return seen;
            }
        }
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; gives the status, and what was left in the log.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().unwrap();
        let lines = self.lines.iter().collect();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "", "all that is said is said in the log");
        (status, lines)
    }

    /// Stops it in order.
    pub(crate) fn stop(self) {
        self.signal("TERM");
        let (status, lines) = self.end();
        assert!(status.success(), "{lines:#?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that fails leaves no server behind: SIGTERM stops the embedded one too.
        if self.child.try_wait().unwrap().is_none() {
            self.signal("TERM");
            self.child.wait().unwrap();
        }
    }
}

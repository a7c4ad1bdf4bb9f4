//! The log when standard output does not accept it: the service is not affected, and dropped lines are counted.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::support::postgres::open_directory;
use crate::support::program::Program;
use crate::support::until;

const DROPPED: &str = "context_services_log_lines_dropped_total";

/// The device that fails every write, like a full disk.
fn full_disk() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Sends requests with long lines in the log: `mebibytes` of it.
async fn fill_log(program: &Program, mebibytes: usize) {
    let path = format!("/services/{}", "9".repeat(16 * 1024));
    for _ in 0..mebibytes * 64 {
        assert_eq!(program.get(&path).await.0, 400);
    }
}

/// Asserts that the program is healthy and takes events, stops on SIGTERM, and stops PostgreSQL.
async fn works_and_stops(program: Program, data_dir: &Path) {
    assert_eq!(program.get("/health/ready").await.0, 200);
    for _ in 0..40 {
        program.journey().await;
    }
    program.stop();
    assert!(!data_dir.join("postgres/data/postmaster.pid").exists(), "PostgreSQL has stopped");
}

#[tokio::test]
async fn a_log_on_a_full_disk_stops_nothing_and_its_lines_are_counted() {
    let directory = open_directory();
    let program = Program::start_unread(directory.path(), full_disk(), full_disk()).await;
    program.journey().await;
    until("each request's line is counted", async || program.metric(DROPPED).await >= 3.0).await;
    works_and_stops(program, directory.path()).await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let directory = open_directory();
    let program = Program::start_unread(directory.path(), Stdio::piped(), Stdio::piped()).await;
    fill_log(&program, 2).await;
    works_and_stops(program, directory.path()).await;
}

#[tokio::test]
async fn a_log_that_is_read_again_reports_the_lines_that_were_dropped() {
    let directory = open_directory();
    let mut program = Program::start_unread(directory.path(), Stdio::piped(), Stdio::piped()).await;
    fill_log(&program, 10).await;
    assert!(program.metric(DROPPED).await > 0.0);
    let mut lines = BufReader::new(program.stdout()).lines().map_while(Result::ok);
    let report = lines.find(|line| line.contains("log lines dropped")).unwrap();
    let total = program.metric(DROPPED).await;
    assert!(report.ends_with(&format!("dropped={total} total={total}")), "{report}: {total}");
    program.journey().await;
    program.signal("TERM");
    assert!(lines.last().unwrap().ends_with("stopped"), "the log is complete to its end");
    assert!(program.end().0.success());
}

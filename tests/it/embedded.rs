//! The embedded PostgreSQL: its start and stop, whatever happens to it and whatever its directory contains.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use context_services::postgres::{EmbeddedPostgres, EmbeddedSettings, NAME};
use procfs::process::all_processes;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::postgres::open_directory;
use crate::support::program::{Program, command, output};
use crate::support::until;

/// The directory of the data.
fn data(directory: &Path) -> PathBuf {
    directory.join("postgres/data")
}

fn settings(directory: &Path) -> [(&str, &str); 1] {
    [("DATA_DIR", directory.to_str().unwrap())]
}

/// All processes that work in a directory. Those of PostgreSQL work in that of their data.
fn processes_in(directory: &Path) -> Vec<i32> {
    let directory = fs::canonicalize(directory).unwrap_or_default();
    let processes = all_processes().unwrap().flatten();
    processes.filter(|process| process.cwd().is_ok_and(|cwd| cwd == directory)).map(|process| process.pid).collect()
}

fn children(pid: u32) -> Vec<i32> {
    let parent = i32::try_from(pid).unwrap();
    let is_child = |process: &procfs::process::Process| process.stat().is_ok_and(|stat| stat.ppid == parent);
    all_processes().unwrap().flatten().filter(is_child).map(|process| process.pid).collect()
}

/// Sends a signal to processes, or to process groups, whose numbers are negative.
fn kill(signal: &str, pids: &[i32]) {
    let mut command = Command::new("kill");
    command.args(["-s", signal, "--"]).args(pids.iter().map(i32::to_string)).stderr(Stdio::null());
    // Some may have ended meanwhile.
    command.status().unwrap();
}

/// Starts the program in a process group of its own, and does not wait for it.
fn spawn(directory: &Path) -> Child {
    command(&settings(directory)).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
}

/// The directories in which data are being created.
fn new_data(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("postgres")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.to_str().unwrap().contains("data.new")).collect()
}

/// Why the program does not start, and nothing else.
fn refusal(settings: &[(&str, &str)]) -> String {
    let ended = output(settings, &[]);
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// Data of a service that has been stopped in order.
async fn some_data(directory: &Path) {
    let program = Program::start(directory);
    program.journey().await;
    program.stop();
}

/// Starts the program on existing data, uses it, and stops it.
async fn works(directory: &Path) {
    some_data(directory).await;
    assert_eq!(processes_in(&data(directory)), Vec::<i32>::new());
}

#[tokio::test]
async fn data_stay_over_a_restart_and_sigterm_stops_both_servers() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let task = program.journey().await;
    let (_, before) = program.get(&task).await;
    program.stop();
    assert!(!directory.path().join("postgres/data/postmaster.pid").exists(), "PostgreSQL has stopped too");

    let program = Program::start(directory.path());
    assert_eq!(program.get(&task).await, (200, before));
    let (_, service) = program.post("/services/start", &json!({"customer_id": "c"})).await;
    assert!(service["service_id"].as_i64().unwrap() > 1, "identifiers are not used twice");
}

#[tokio::test]
async fn after_kill_9_the_next_start_takes_over() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let task = program.journey().await;
    let pid_file = directory.path().join("postgres/data/postmaster.pid");
    let orphan = std::fs::read_to_string(&pid_file).unwrap();
    program.signal("KILL");
    assert!(!program.end().0.success());
    assert!(pid_file.exists(), "the server is left behind");

    let program = Program::start(directory.path());
    assert_eq!(program.get(&task).await.0, 200);
    let pid = |text: &str| text.lines().next().unwrap().to_owned();
    assert_ne!(pid(&std::fs::read_to_string(&pid_file).unwrap()), pid(&orphan), "the server was replaced");
}

#[tokio::test]
async fn an_embedded_server_that_dies_is_started_again() {
    let directory = open_directory();
    let mut program = Program::start(directory.path());
    let task = program.journey().await;
    let pid_file = std::fs::read_to_string(directory.path().join("postgres/data/postmaster.pid")).unwrap();
    let killed = Command::new("kill").args(["-KILL", pid_file.lines().next().unwrap()]).status().unwrap();
    assert!(killed.success());
    program.line_with("the embedded PostgreSQL runs again");
    // The writer may notice the broken connection only when it uses it.
    let again = program.post(&format!("{task}/end"), &json!({"disposition": 10})).await;
    assert!(again.0 == 204 || again.1["code"] == "database_unavailable", "{again:?}");
    program.journey().await;
    assert_eq!(program.get(&task).await.0, 200);
    program.stop();
}

#[tokio::test]
async fn a_second_program_on_the_same_data_is_refused_and_the_first_unharmed() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    let second = output(&[("DATA_DIR", directory.path().to_str().unwrap())], &[]);
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another context-services is using the data directory"), "{said}");
    program.journey().await;
}

#[tokio::test]
async fn the_service_recovers_by_itself_when_postgresql_is_restarted() {
    let directory = open_directory();
    let settings = EmbeddedSettings { data_dir: directory.path().to_owned(), bin_dir: None };
    let server = EmbeddedPostgres::start(&settings).await.unwrap();
    let url = format!("postgres:///{NAME}?host={}&user={NAME}", server.socket_dir().display());
    let program = Program::start_with(&[("DATABASE_URL", &url)]);
    let task = program.journey().await;
    let (_, before) = program.get(&task).await;

    server.stop().await.unwrap();
    let (status, problem) = program.post(&format!("{task}/end"), &json!({"disposition": 10})).await;
    assert_eq!((status, &problem["code"]), (503, &json!("database_unavailable")));
    drop(server);
    let server = EmbeddedPostgres::start(&settings).await.unwrap();
    assert_eq!(program.post(&format!("{task}/end"), &json!({"disposition": 10})).await.0, 204);
    assert_eq!(program.get(&task).await, (200, before));
    program.stop();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn variables_of_other_postgresql_clients_do_not_reach_the_embedded_server() {
    let directory = open_directory();
    let program = Program::start_with(&[
        ("DATA_DIR", directory.path().to_str().unwrap()),
        ("PGHOST", "192.0.2.1"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGPORT", "6000"),
        ("PGUSER", "nobody"),
        ("PGDATABASE", "nothing"),
        ("PGDATA", "/nowhere"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "/nowhere"),
        ("PGOPTIONS", "-c default_transaction_read_only=on -c nothing=1"),
    ]);
    program.journey().await;
    program.stop();
}

#[tokio::test]
async fn a_signal_to_all_processes_of_the_service_stops_postgresql_for_good() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    // A supervisor sends the signal to all of them. The service is the last to see it.
    program.signal("STOP");
    let data = data(directory.path());
    kill("TERM", &processes_in(&data));
    until("PostgreSQL has ended", async || processes_in(&data).is_empty()).await;
    program.signal("TERM");
    program.signal("CONT");
    let (status, lines) = program.end();
    assert!(status.success() && lines.last().unwrap().contains("stopped"), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("started again")), "{lines:#?}");
    assert!(processes_in(&data).is_empty() && !data.join("postmaster.pid").exists());
}

#[tokio::test]
async fn a_signal_to_the_process_group_is_handled_by_the_service_alone() {
    let directory = open_directory();
    let program = Program::spawn(command(&settings(directory.path())).process_group(0));
    program.journey().await;
    kill("TERM", &[-i32::try_from(program.pid()).unwrap()]);
    let (status, lines) = program.end();
    assert!(status.success(), "{lines:#?}");
    assert_eq!(processes_in(&data(directory.path())), Vec::<i32>::new());
}

#[tokio::test]
async fn a_signal_during_the_first_start_stops_it_and_the_next_start_works() {
    let directory = open_directory();
    let mut program = spawn(directory.path());
    until("data are being created", async || !new_data(directory.path()).is_empty()).await;
    kill("TERM", &[-i32::try_from(program.id()).unwrap()]);
    assert!(program.wait().unwrap().success());
    assert_eq!(processes_in(&directory.path().join("postgres")), Vec::<i32>::new());
    works(directory.path()).await;
}

#[tokio::test]
async fn a_service_that_is_killed_during_its_first_start_starts_again() {
    for progress in ["", "PG_VERSION", "global/pg_control", "base/1/PG_VERSION"] {
        let directory = open_directory();
        let mut program = spawn(directory.path());
        let reached = || new_data(directory.path()).iter().any(|new| new.join(progress).exists());
        until("data are being created", async || reached() || data(directory.path()).exists()).await;
        program.kill().unwrap();
        program.wait().unwrap();
        works(directory.path()).await;
        let home = directory.path().join("postgres");
        until("the killed start has left nothing running", async || processes_in(&home).is_empty()).await;
        works(directory.path()).await;
        assert_eq!(new_data(directory.path()), Vec::<PathBuf>::new());
    }
}

/// Starts a service on data whose lock files say this, and stops it.
async fn works_with_lock_files(directory: &Path, text: &str) {
    fs::write(data(directory).join("postmaster.pid"), text).unwrap();
    fs::write(directory.join("postgres/run/.s.PGSQL.5432.lock"), text).unwrap();
    works(directory).await;
}

#[tokio::test]
async fn a_stale_lock_file_that_names_a_process_of_another_server_is_not_believed() {
    let (directory, elsewhere) = (open_directory(), open_directory());
    some_data(directory.path()).await;
    let embedded = EmbeddedSettings { data_dir: elsewhere.path().to_owned(), bin_dir: None };
    let other = EmbeddedPostgres::start(&embedded).await.unwrap();
    let of_other = fs::read_to_string(data(elsewhere.path()).join("postmaster.pid")).unwrap();
    let as_if_ours =
        of_other.replace(data(elsewhere.path()).to_str().unwrap(), data(directory.path()).to_str().unwrap());
    for text in [&of_other, &as_if_ours] {
        works_with_lock_files(directory.path(), text).await;
        assert!(other.is_alive());
        let options = other.connect_options(NAME);
        PgConnection::connect_with(&options).await.unwrap().close().await.unwrap();
    }
    other.stop().await.unwrap();
}

#[tokio::test]
async fn a_lock_file_that_names_no_process_or_a_dead_one_does_not_keep_postgresql_from_starting() {
    let directory = open_directory();
    some_data(directory.path()).await;
    for text in ["", "\n\n\n", "\0\0\0\0\0\0", "nonsense\nnonsense\n"] {
        works_with_lock_files(directory.path(), text).await;
    }
    // A process that has ended, and whose parent does not take notice of it.
    let account = fs::metadata(data(directory.path())).unwrap();
    let mut dead = Command::new("true").uid(account.uid()).gid(account.gid()).spawn().unwrap();
    let stat = format!("/proc/{}/stat", dead.id());
    until("it has ended", async || fs::read_to_string(&stat).unwrap().contains(") Z ")).await;
    let text = format!("{}\n{}\n1\n5432\n\n\n\nready   \n", dead.id(), data(directory.path()).display());
    works_with_lock_files(directory.path(), &text).await;
    dead.wait().unwrap();
}

#[tokio::test]
async fn a_server_that_a_killed_process_left_running_is_stopped_although_its_lock_file_is_lost() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    program.signal("KILL");
    program.end();
    let left = processes_in(&data(directory.path()));
    assert!(!left.is_empty());
    fs::write(data(directory.path()).join("postmaster.pid"), "").unwrap();
    works(directory.path()).await;
}

#[tokio::test]
async fn as_process_1_of_a_container_it_takes_notice_of_a_dead_server() {
    let contain = |arguments: &[&str], program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--fork", "--pid", "--mount-proc"]).arg(program).args(arguments);
        command
    };
    // Only root may do this, and not everywhere.
    if !contain(&[], "true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return;
    }
    let directory = open_directory();
    let template = command(&settings(directory.path()));
    let mut contained = contain(&[], template.get_program().to_str().unwrap());
    contained.env_clear().envs(template.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut program = Program::spawn(contained.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped()));
    let service = children(program.pid());
    let postmaster = children(u32::try_from(service[0]).unwrap());
    kill("KILL", &postmaster);
    program.line_with("the embedded PostgreSQL runs again");
    program.journey().await;
    kill("TERM", &service);
    let (status, lines) = program.end();
    assert!(status.success(), "{lines:#?}");
}

#[tokio::test]
async fn clients_that_connect_and_say_nothing_do_not_hold_up_a_stop() {
    let directory = open_directory();
    let program = Program::start(directory.path());
    program.journey().await;
    let socket = directory.path().join("postgres/run/.s.PGSQL.5432");
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut silent = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                silent.extend(UnixStream::connect(&socket).ok());
                std::thread::yield_now();
                silent.truncate(100);
            }
        });
        program.signal("TERM");
        let (status, lines) = program.end();
        stopped.store(true, Ordering::Relaxed);
        assert!(status.success(), "{lines:#?}");
    });
}

#[tokio::test]
async fn any_name_of_a_data_directory_works_or_is_refused_in_one_sentence() {
    let directory = open_directory();
    works(&directory.path().join(r#"a, b\n'c'"d"$e%f`g`"#)).await;
    let broken = directory.path().join("a\nb");
    let said = refusal(&settings(&broken));
    assert!(said.contains("has a line break or is not UTF-8"), "{said}");
}

#[tokio::test]
async fn data_of_another_version_are_refused_and_the_sentence_says_what_to_install() {
    let directory = open_directory();
    let programs = directory.path().join("programs");
    fs::create_dir(&programs).unwrap();
    for program in ["initdb", "pg_ctl", "postgres"] {
        fs::write(programs.join(program), "#!/bin/sh\necho 'postgres (PostgreSQL) 98.1'\n").unwrap();
        fs::set_permissions(programs.join(program), Permissions::from_mode(0o755)).unwrap();
    }
    let data_dir = directory.path().join("data");
    fs::create_dir_all(data(&data_dir)).unwrap();
    fs::write(data(&data_dir).join("PG_VERSION"), "99\n").unwrap();
    let with_other = [settings(&data_dir)[0], ("POSTGRES_BIN_DIR", programs.to_str().unwrap())];
    let said = refusal(&with_other);
    assert!(
        said.contains("were created by PostgreSQL 99, but the programs that were found belong to PostgreSQL 98"),
        "{said}"
    );
    let said = refusal(&settings(&data_dir));
    assert!(said.contains("apt-get install postgresql-99"), "{said}");
}

#[tokio::test]
async fn what_is_not_a_data_directory_is_left_alone() {
    let directory = open_directory();
    fs::create_dir_all(data(directory.path())).unwrap();
    let somebodys = data(directory.path()).join("somebodys");
    fs::write(&somebodys, "file").unwrap();
    let said = refusal(&settings(directory.path()));
    assert!(said.contains("is not a PostgreSQL data directory"), "{said}");
    assert!(somebodys.exists());
    fs::remove_file(somebodys).unwrap();
    works(directory.path()).await;
}

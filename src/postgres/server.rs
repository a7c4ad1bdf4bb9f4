//! The server's process. It is a child of this one, so its end is noticed at once, and until then its process ID
//! belongs to no other process. Only a server that an earlier process left behind is found by its lock file or socket.

use std::fs;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::time::sleep;
use tracing::{info, warn};

use super::account::Account;
use super::binaries::Binaries;
use super::home::Home;
use super::lock_file::{self, LockFile};
use super::{EmbeddedError, file_error};

/// The time between two checks of a process that is starting or stopping.
const POLL: Duration = Duration::from_millis(10);

/// The time after which an incomplete start is logged, and the time between two such lines.
const REPORT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// The signals that stop a server, each with the time after which the next is sent. After the first, the server writes a
/// checkpoint. After the others, which lose nothing either, the next start recovers from the WAL. After the second, the
/// server kills its own processes that have not ended within five seconds. All of it takes less time than the supervisors
/// in `deploy` grant.
const STOP: [(&str, Duration); 3] =
    [("INT", Duration::from_secs(15)), ("QUIT", Duration::from_secs(7)), (KILL, Duration::from_secs(2))];

/// The signal that ends a process without its doing.
const KILL: &str = "KILL";

/// The server: where it is, and its process.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) home: Home,
    pub(super) binaries: Binaries,
    pub(super) account: Account,
    process: Mutex<ServerProcess>,
}

#[derive(Debug, Default)]
struct ServerProcess {
    child: Option<Child>,
    /// The server must not be started any more.
    stopping: bool,
}

impl ServerProcess {
    /// The process ID, unless the process has ended.
    fn alive(&mut self) -> Option<u32> {
        let child = self.child.as_mut()?;
        matches!(child.try_wait(), Ok(None)).then(|| child.id())
    }
}

impl Server {
    pub(super) fn new(home: Home, binaries: Binaries, account: Account) -> Self {
        Self { home, binaries, account, process: Mutex::default() }
    }

    fn process(&self) -> MutexGuard<'_, ServerProcess> {
        // No code that runs with the lock can leave the process half changed.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server's main process runs.
    pub(super) fn is_alive(&self) -> bool {
        self.process().alive().is_some()
    }

    /// Starts the server on existing data, and waits until it accepts connections. First stops a server that a killed
    /// process left running. After a crash, the start takes as long as the recovery.
    pub(super) async fn start(&self) -> Result<(), EmbeddedError> {
        self.stop_left_behind().await?;
        lock_file::remove_garbled(&self.home.pid_file())?;
        lock_file::remove_garbled(&self.home.socket_lock())?;
        let log_start = self.home.log_length();
        self.spawn()?;
        let (start, mut report) = (Instant::now(), REPORT.0);
        loop {
            let Some(pid) = self.process().alive() else {
                let said = self.home.last_words(log_start).unwrap_or_else(|| "it has said nothing".to_owned());
                return Err(EmbeddedError::Ended { said, log: self.home.log() });
            };
            if LockFile::read(&self.home.pid_file()) == (LockFile::Of { pid, ready: true }) {
                return Ok(());
            }
            if start.elapsed() > report {
                report += REPORT.1;
                info!("PostgreSQL is starting: {}", self.home.last_words(log_start).unwrap_or_default());
            }
            sleep(POLL).await;
        }
    }

    /// Starts the process, unless the server is being stopped.
    fn spawn(&self) -> Result<(), EmbeddedError> {
        let mut command = Command::new("sh");
        command.args(["-c", r#"umask 077; exec "$0" -D data >>server.log 2>&1"#]).arg(self.binaries.path("postgres"));
        self.account.prepare(&mut command).current_dir(self.home.path());
        // PostgreSQL refuses to start if a process with the id in an old lock file exists. By now that process is known
        // not to be a server on this directory, so PostgreSQL is told to ignore it. `pg_ctl` sets this variable, too.
        let stale = LockFile::read(&self.home.pid_file()).pid().or(LockFile::read(&self.home.socket_lock()).pid());
        command.envs(stale.map(|pid| ("PG_GRANDPARENT_PID", pid.to_string())));
        let mut process = self.process();
        if process.stopping {
            return Err(EmbeddedError::Stopping);
        }
        let spawned = command.spawn();
        process.child =
            Some(spawned.map_err(|error| EmbeddedError::Program { program: "postgres", output: error.to_string() })?);
        Ok(())
    }

    /// Prevents further starts of the server.
    pub(super) fn forbid_start(&self) {
        self.process().stopping = true;
    }

    /// Cancels running statements, stops the server, and waits until it has stopped. From then on, the server cannot be
    /// started again.
    pub(super) async fn stop(&self) -> Result<(), EmbeddedError> {
        self.forbid_start();
        let alive = self.process().alive();
        let Some(pid) = alive else { return Ok(()) };
        self.end(pid, || !self.is_alive()).await
    }

    /// Stops a process of the server. If it has to be killed, kills the processes that it started, too: they would keep
    /// the next server from starting.
    async fn end(&self, pid: u32, has_ended: impl Fn() -> bool) -> Result<(), EmbeddedError> {
        for (signal, limit) in STOP {
            let started = started_by(pid);
            self.signal(signal, pid)?;
            if ended(limit, &has_ended).await {
                let mut left = started.into_iter().filter(|pid| signal == KILL && self.works_here(*pid));
                return left.try_for_each(|pid| self.signal(KILL, pid));
            }
            warn!("PostgreSQL, process {pid}, has not stopped within {limit:?} after SIG{signal}");
        }
        Err(EmbeddedError::DoesNotStop(pid))
    }

    /// Stops a server that an earlier process left running.
    async fn stop_left_behind(&self) -> Result<(), EmbeddedError> {
        let Some(pid) = self.left_behind().await? else { return Ok(()) };
        warn!("stopping the PostgreSQL that an earlier process left running, process {pid}");
        self.end(pid, || !lock_file::is_alive(pid)).await
    }

    /// The process of a server on this directory that is not a child of this process. The process ID in a lock file may
    /// belong to any process by now. It is the server's if that process works in the data directory, as every process
    /// of PostgreSQL does. Start times are not compared, since a clock may have been set. Without a usable file, the
    /// kernel says which process listens on the socket.
    async fn left_behind(&self) -> Result<Option<u32>, EmbeddedError> {
        let written = LockFile::read(&self.home.pid_file()).pid();
        if let Some(pid) = written.filter(|pid| self.works_here(*pid)) {
            return Ok(Some(pid));
        }
        let Ok(socket) = UnixStream::connect(self.home.socket()).await else { return Ok(None) };
        match socket.peer_cred().ok().and_then(|peer| peer.pid()).and_then(|pid| u32::try_from(pid).ok()) {
            // The server runs in another container.
            None | Some(0) => Err(EmbeddedError::InUse(self.home.path().to_owned())),
            pid => Ok(pid),
        }
    }

    fn works_here(&self, pid: u32) -> bool {
        let cwd = format!("/proc/{pid}/cwd");
        lock_file::is_alive(pid) && self.account.is_same(cwd.as_ref(), &self.home.data())
    }

    /// Sends a signal to a process of the account.
    fn signal(&self, name: &str, pid: u32) -> Result<(), EmbeddedError> {
        let mut command = self.binaries.command("pg_ctl");
        let sent = self.account.run("pg_ctl", command.args(["kill", name, &pid.to_string()]).current_dir("/"));
        // The process may have ended meanwhile.
        if self.process().alive() == Some(pid) || lock_file::is_alive(pid) { sent } else { Ok(()) }
    }

    /// Creates data in a separate directory, which is then renamed, so that data are either complete or absent.
    pub(super) async fn initialize(&self) -> Result<(), EmbeddedError> {
        self.home.remove_incomplete();
        if self.home.data_version()?.is_some() {
            return Ok(());
        }
        let new = self.home.new_data();
        info!("creating a database in {}", self.home.data().display());
        let mut command = self.binaries.command("initdb");
        command.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", "--username", super::NAME]);
        command.arg("-D").args(new.file_name()).current_dir(self.home.path());
        let account = self.account;
        let ran = tokio::task::spawn_blocking(move || account.run("initdb", &mut command)).await;
        // The task fails only if it panics.
        ran.map_err(|error| file_error("create", &new, error.into()))??;
        self.home.adopt(&new)
    }
}

/// The processes that a process has started.
fn started_by(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Waits until something has ended. Returns false if that takes too long.
async fn ended(limit: Duration, has_ended: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !has_ended() {
        if start.elapsed() > limit {
            return false;
        }
        sleep(POLL).await;
    }
    true
}

//! The faults that `make chaos` injects.

use std::process::{Command, Stdio};
use std::time::Duration;

use context_services::postgres::NAME;
use fastrand::Rng;
use sqlx::{ConnectOptions, Executor};

use crate::World;
use crate::proxy::Line;

/// A fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    KillNode,
    KillBothNodes,
    RestartNode,
    StopPostgres,
    TerminateBackends,
    Cut,
    Silence,
    Slowness,
    FillConnections,
    FailingSync,
}

const ALL: [Fault; 10] = [
    Fault::KillNode,
    Fault::KillBothNodes,
    Fault::RestartNode,
    Fault::StopPostgres,
    Fault::TerminateBackends,
    Fault::Cut,
    Fault::Silence,
    Fault::Slowness,
    Fault::FillConnections,
    Fault::FailingSync,
];

impl Fault {
    /// A random fault.
    pub(crate) fn any(random: &mut Rng) -> Self {
        ALL[random.usize(..ALL.len())]
    }

    /// The name in the report.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::KillNode => "kill -9 a node",
            Self::KillBothNodes => "kill -9 both nodes",
            Self::RestartNode => "SIGTERM a node, start it again",
            Self::StopPostgres => "stop PostgreSQL (immediate), start it again",
            Self::TerminateBackends => "terminate all backends",
            Self::Cut => "cut the connection to PostgreSQL for 0.3 s",
            Self::Silence => "half-open connection to PostgreSQL for 1.5 s",
            Self::Slowness => "delay PostgreSQL by 20 ms for 1 s",
            Self::FillConnections => "no free connection for 1 s",
            Self::FailingSync => "fdatasync fails with EIO for 1 s",
        }
    }

    /// Injects the fault and returns when it is over.
    pub(crate) async fn inject(self, world: &mut World, random: &mut Rng) {
        let node = random.usize(..world.nodes.len());
        // A random moment within a batch.
        tokio::time::sleep(Duration::from_micros(random.u64(..20_000))).await;
        match self {
            Self::KillNode => world.nodes[node].kill(),
            Self::KillBothNodes => world.nodes.iter_mut().for_each(crate::node::Node::kill),
            Self::RestartNode => world.nodes[node].restart(),
            Self::StopPostgres => stop_postgres(world).await,
            Self::TerminateBackends => terminate_backends(world).await,
            Self::Cut => line(world, Line::Cut, 300).await,
            Self::Silence => line(world, Line::Silent, 1500).await,
            Self::Slowness => line(world, Line::Slow(Duration::from_millis(20)), 1000).await,
            Self::FillConnections => fill_connections(world).await,
            Self::FailingSync => failing_sync(world).await,
        }
    }
}

async fn line(world: &World, fault: Line, millis: u64) {
    world.proxy.set(fault);
    tokio::time::sleep(Duration::from_millis(millis)).await;
    world.proxy.set(Line::Open);
}

fn postmaster(world: &World) -> String {
    let file = world.postgres.socket_dir().with_file_name("data").join("postmaster.pid");
    std::fs::read_to_string(file).unwrap().lines().next().unwrap().to_owned()
}

async fn stop_postgres(world: &World) {
    // SIGQUIT is what `pg_ctl -m immediate stop` sends: no checkpoint, and no wait for clients.
    assert!(Command::new("kill").args(["-QUIT", &postmaster(world)]).status().unwrap().success());
    while world.postgres.is_alive() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.postgres.start_again().await.unwrap();
}

async fn terminate_backends(world: &World) {
    let mut connection = world.postgres.connect_options(NAME).connect().await.unwrap();
    let terminate = "select pg_terminate_backend(pid) from pg_stat_activity \
                     where datname = current_database() and pid <> pg_backend_pid()";
    connection.execute(terminate).await.unwrap();
}

/// Terminates all backends and occupies every free connection, so that the nodes have to compete for theirs.
async fn fill_connections(world: &World) {
    terminate_backends(world).await;
    let mut taken = Vec::new();
    while let Ok(connection) = world.postgres.connect_options(NAME).connect().await {
        taken.push(connection);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Makes every fdatasync of PostgreSQL fail for a second. PostgreSQL panics and recovers; it must not have confirmed a
/// commit that is not on disk.
async fn failing_sync(world: &World) {
    let children = format!("/proc/{pid}/task/{pid}/children", pid = postmaster(world));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO", "-o", "/dev/null"]);
    strace.args(["-p", &postmaster(world)]);
    for pid in std::fs::read_to_string(children).unwrap().split_whitespace() {
        strace.args(["-p", pid]);
    }
    let mut strace = strace.stderr(Stdio::null()).spawn().expect("strace is installed: apt-get install strace");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(Command::new("kill").arg(strace.id().to_string()).status().unwrap().success());
    strace.wait().unwrap();
    if !world.postgres.is_alive() {
        world.postgres.start_again().await.unwrap();
    }
}

//! The limit of file descriptors. Client connections share it with database connections, files and the log.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors of a client connection: its socket, and a duplicate through which it is closed when idle.
const PER_CONNECTION: u64 = 2;

/// Descriptors kept for files, pipes and the runtime.
const KEPT: u64 = 64;

/// Raises the limit of open descriptors as far as the process is allowed to. Returns the limit that is then in force.
pub(crate) fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::MAX };
    if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}

/// The number of connections that clients may have: at most `wanted`, and few enough that `database_connections` can
/// always be opened. Logs a warning if the limit of descriptors lowers it.
pub(crate) fn connections_within(limit: u64, wanted: usize, database_connections: u64) -> usize {
    let left = limit.saturating_sub(KEPT + database_connections) / PER_CONNECTION;
    let most = usize::try_from(left).unwrap_or(usize::MAX).max(1);
    if most < wanted {
        warn!(
            "only {most} connections are accepted, instead of {wanted}: the limit of open files is {limit} (ulimit -n)"
        );
    }
    most.min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_connections_come_first() {
        assert_eq!(connections_within(1024, 25_000, 20), 470);
        assert_eq!(connections_within(1024, 100, 20), 100);
        assert_eq!(connections_within(10, 100, 20), 1);
        assert_eq!(connections_within(u64::MAX, 25_000, 20), 25_000);
    }
}

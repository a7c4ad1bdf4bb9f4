//! How much memory the embedded server takes.

use std::fs;

use procfs::{Current, Meminfo};

/// The limit of this process's container, if it is in one.
const LIMIT: &str = "/sys/fs/cgroup/memory.max";

/// Megabytes that tables and indexes are kept in: a quarter of the machine's memory, or of the container's, as
/// PostgreSQL's manual advises. They are taken only as data fill them.
pub(super) fn shared_buffers_mb() -> u64 {
    let machine = Meminfo::current().map_or(0, |memory| memory.mem_total);
    quarter_mb(machine, &fs::read_to_string(LIMIT).unwrap_or_default())
}

/// From what PostgreSQL starts with by default to 8 GB: who wants to spend more says so in `postgresql.conf`.
fn quarter_mb(machine: u64, limit: &str) -> u64 {
    // The file says `max` where there is no limit.
    let memory = limit.trim().parse().unwrap_or(u64::MAX).min(machine);
    (memory / 4 / 1024 / 1024).clamp(128, 8192)
}

#[cfg(test)]
mod tests {
    use super::quarter_mb;

    const GIB: u64 = 1024 * 1024 * 1024;

    #[test]
    fn a_quarter_of_the_memory_is_taken_within_limits() {
        assert_eq!(quarter_mb(16 * GIB, "max\n"), 4096);
        assert_eq!(quarter_mb(16 * GIB, ""), 4096, "no container");
        assert_eq!(quarter_mb(16 * GIB, "2147483648\n"), 512, "a container of 2 GiB");
        assert_eq!(quarter_mb(2 * GIB, "9223372036854771712\n"), 512, "a container that may have more than there is");
        assert_eq!(quarter_mb(0, "max\n"), 128, "unknown");
        assert_eq!(quarter_mb(256 * GIB, "max\n"), 8192);
    }
}

//! Memory settings of the embedded server.

use std::fs;

use procfs::{Current, Meminfo};

/// The memory limit of the control group, that is, of the container.
const LIMIT: &str = "/sys/fs/cgroup/memory.max";

/// `shared_buffers` in megabytes: a quarter of the memory of the machine or container, as PostgreSQL's manual
/// recommends. The memory is used only as data fill it.
pub(super) fn shared_buffers_mb() -> u64 {
    let machine = Meminfo::current().map_or(0, |memory| memory.mem_total);
    quarter_mb(machine, &fs::read_to_string(LIMIT).unwrap_or_default())
}

/// Limited to between PostgreSQL's default of 128 MB and 8 GB; `postgresql.conf` can override it.
fn quarter_mb(machine: u64, limit: &str) -> u64 {
    // The file contains `max` if there is no limit.
    let memory = limit.trim().parse().unwrap_or(u64::MAX).min(machine);
    (memory / 4 / 1024 / 1024).clamp(128, 8192)
}

#[cfg(test)]
mod tests {
    use super::quarter_mb;

    const GIB: u64 = 1024 * 1024 * 1024;

    #[test]
    fn shared_buffers_are_a_quarter_of_the_memory_within_limits() {
        assert_eq!(quarter_mb(16 * GIB, "max\n"), 4096);
        assert_eq!(quarter_mb(16 * GIB, ""), 4096, "no container");
        assert_eq!(quarter_mb(16 * GIB, "2147483648\n"), 512, "a container of 2 GiB");
        assert_eq!(quarter_mb(2 * GIB, "9223372036854771712\n"), 512, "a limit above the memory of the machine");
        assert_eq!(quarter_mb(0, "max\n"), 128, "unknown");
        assert_eq!(quarter_mb(256 * GIB, "max\n"), 8192);
    }
}

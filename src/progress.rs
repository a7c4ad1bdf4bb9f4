//! Progress reports on long work, for those who wait at a terminal or read the log.

use std::time::Duration;

use tokio::time::{Instant, interval_at};
use tracing::info;

/// The time after which work is reported, and the time between two reports.
const REPORT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// Does the work. If it takes longer than two seconds, logs `what` and the time so far, then again every ten seconds.
pub(crate) async fn with_progress<T>(what: &str, work: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let mut reports = interval_at(start + REPORT.0, REPORT.1);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            now = reports.tick() => info!("{what}: {} s so far", (now - start).as_secs()),
        }
    }
}

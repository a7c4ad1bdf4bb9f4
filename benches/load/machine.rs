//! The machine itself: the times for which a thread that never waits is kept from running.

use std::thread;
use std::time::{Duration, Instant};

use crate::report::Report;

/// Shorter gaps are ignored: they are interrupts, or short time slices of other programs.
const SHORTEST: Duration = Duration::from_micros(500);

/// Reads the clock in a busy loop on each core. A gap between two readings means that the hypervisor, or another
/// process, had the core. Such stalls, and the queues that form behind them, are part of every measurement taken at
/// that time.
pub(crate) fn stalls(seconds: f64, report: &mut Report) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads: Vec<_> = (0..cores).map(|_| thread::spawn(move || gaps(seconds))).collect();
    let gaps: Vec<Duration> = threads.into_iter().flat_map(|core| core.join().unwrap_or_default()).collect();
    let lost = gaps.iter().sum::<Duration>().as_secs_f64() / seconds * 100.0;
    let longest = gaps.iter().max().copied().unwrap_or_default();
    Report::note(&format!(
        "machine        {} stalls of an idle core, {lost:.2} % of a core's time; longest {longest:.1?}",
        gaps.len()
    ));
    report.figure("longest stall of the idle machine, ms", longest.as_secs_f64() * 1e3);
}

fn gaps(seconds: f64) -> Vec<Duration> {
    let (mut last, mut gaps) = (Instant::now(), Vec::new());
    let end = last + Duration::from_secs_f64(seconds);
    while last < end {
        let now = Instant::now();
        if now - last > SHORTEST {
            gaps.push(now - last);
        }
        last = now;
    }
    gaps
}

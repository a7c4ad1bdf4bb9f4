//! The machine itself: how long it keeps a thread waiting that never waits by itself.

use std::thread;
use std::time::{Duration, Instant};

use crate::report::Report;

/// Gaps that are shorter are an interrupt, or another program's short turn.
const SHORTEST: Duration = Duration::from_micros(500);

/// Has a thread for each core look at the clock without a pause. Where two looks are far apart, whoever runs the machine
/// had taken the core away. Every measurement of that time holds such stalls, and queues behind them.
pub(crate) fn stalls(seconds: f64, report: &mut Report) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let looking: Vec<_> = (0..cores).map(|_| thread::spawn(move || gaps(seconds))).collect();
    let gaps: Vec<Duration> = looking.into_iter().flat_map(|core| core.join().unwrap_or_default()).collect();
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

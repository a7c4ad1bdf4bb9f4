//! The printed report and the JSON file with all figures.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use crate::client::Run;

/// Figures that have a goal.
const GOALS: [(&str, &str); 15] = [
    ("T / R1", ">= 2.0"),
    ("T / T_max", ">= 0.85"),
    ("T / T with WRITE_BATCH=1", ">= 4"),
    ("p50 at 1 connection / pgbench at 1 client", "<= 2.5"),
    ("p99 at 70 % of peak", "<= 10 ms"),
    ("conversation, calls/s", ">= 20000"),
    ("T / T with LOG_LEVEL=warn", ">= 0.9"),
    ("conversation / LOG_LEVEL=warn", ">= 0.9"),
    ("server memory", "<= 100 MB"),
    ("bytes per completed task", "<= 350"),
    ("T beside removal / T", ">= 0.85"),
    ("p99 beside removal / p99", "<= 1.5"),
    ("rows removed beside events, per second", ">= 50000"),
    ("seconds to complete 100,000 idle services", "<= 60"),
    ("seconds until an expired service is gone", "<= 1"),
];

/// The figures so far, each with all of its measurements.
#[derive(Default)]
pub(crate) struct Report {
    figures: BTreeMap<String, Vec<f64>>,
}

impl Report {
    /// Prints the result of a run.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are small")]
    pub(crate) fn line(kind: &str, what: &str, run: &Run) {
        let answered = run.answered.max(1) as f64;
        let micros = |seconds: f64| seconds * 1e6 / answered;
        println!(
            "{kind:14} {what:40} {:8.0}/s  p50 {:6.2}  p99 {:6.2}  p99.9 {:6.2}  max {:7.2} ms  \
             CPU/request: generator {:4.1}  server {:4.1}  postgres {:4.1} µs  server {:5.1} MB",
            run.rate(),
            run.quantile_us(0.5) / 1e3,
            run.quantile_us(0.99) / 1e3,
            run.quantile_us(0.999) / 1e3,
            run.latency.max() as f64 / 1e3,
            micros(run.usage.generator_seconds),
            micros(run.usage.server_seconds),
            micros(run.usage.postgres_seconds),
            run.usage.server_peak_mb,
        );
    }

    /// Prints a line of text.
    pub(crate) fn note(text: &str) {
        println!("{text}");
    }

    /// Records a measurement of a figure.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        self.figures.entry(name.to_owned()).or_default().push(value);
    }

    /// Prints each figure with its median, its goal and its measurements, and writes all of them to a file.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\n{:46} {:>10}   goal         measured", "figure", "median");
        let goal_of = |name: &str| GOALS.iter().find(|(figure, _)| *figure == name).map_or("", |(_, goal)| goal);
        for (name, values) in &self.figures {
            let all: Vec<String> = values.iter().map(|value| format!("{value:.2}")).collect();
            println!("{name:46} {:10.2}   {:12} {}", median(values), goal_of(name), all.join(" "));
        }
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench.json");
        std::fs::write(&path, serde_json::to_string_pretty(&self.figures)?)?;
        println!("all figures: {}", path.display());
        Ok(())
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

//! What is printed, and the JSON file beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use crate::client::Run;
use crate::server::Usage;

/// The figures so far.
#[derive(Default)]
pub(crate) struct Report {
    figures: BTreeMap<String, f64>,
}

impl Report {
    /// Prints a run.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are small")]
    pub(crate) fn line(&mut self, kind: &str, what: &str, run: &Run, usage: &Usage) {
        let asked = run.acknowledged.len().max(1) as f64;
        let micros = |seconds: f64| seconds * 1e6 / asked;
        println!(
            "{kind:14} {what:40} {:8.0}/s  p50 {:6.2}  p99 {:6.2}  p99.9 {:6.2}  max {:7.2} ms  \
             CPU/request: generator {:4.1}  server {:4.1}  postgres {:4.1} µs  server {:5.1} MB",
            run.rate(),
            run.quantile_us(0.5) / 1e3,
            run.quantile_us(0.99) / 1e3,
            run.quantile_us(0.999) / 1e3,
            run.latency.max() as f64 / 1e3,
            micros(usage.generator_seconds),
            micros(usage.server_seconds),
            micros(usage.postgres_seconds),
            usage.server_peak_mb,
        );
        let peak = self.figures.entry("server MB".into()).or_default();
        *peak = peak.max(usage.server_peak_mb);
    }

    /// Prints something else.
    pub(crate) fn note(text: &str) {
        println!("{text}");
    }

    /// Keeps a figure.
    pub(crate) fn figure(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), value);
    }

    /// A figure that was kept; 0 if it was not.
    pub(crate) fn get(&self, name: &str) -> f64 {
        self.figures.get(name).copied().unwrap_or_default()
    }

    /// Prints the ratios that matter, and writes all figures.
    pub(crate) fn finish(mut self) -> Result<()> {
        let t = self.get("T 256 one record");
        let t_max = 1.0 / (1.0 / self.get("H") + 1.0 / self.get("R_B"));
        let ratios = [
            ("T / R1", t / self.get("R1"), ">= 2.0"),
            ("T / T_max", t / t_max, ">= 0.85"),
            ("T / T(WRITE_BATCH=1)", t / self.get("T1 256"), ">= 4"),
            (
                "p50 at 1 connection / pgbench at 1 client",
                self.get("p50 1 one record") / self.get("R1 latency"),
                "<= 2.5",
            ),
            ("p99 at 70 % of peak, ms", self.get("p99 open 70") / 1e3, "<= 10"),
            ("conversation, calls/s", self.get("conversation calls"), ">= 20000"),
            ("server memory, MB", self.get("server MB"), "<= 100"),
            ("bytes per completed task", self.get("bytes per completed task"), "<= 350"),
        ];
        println!("\nT_max = 1 / (1/H + 1/R_B) = {t_max:.0}/s");
        for (name, value, goal) in ratios {
            println!("{name:44} {value:10.2}   goal {goal}");
            self.figures.insert(name.to_owned(), value);
        }
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench.json");
        std::fs::write(&path, serde_json::to_string_pretty(&self.figures)?)?;
        println!("all figures: {}", path.display());
        Ok(())
    }
}

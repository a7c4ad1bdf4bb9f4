//! The lag of the database for reports and lists behind the database of the events.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use metrics::{Unit, describe_gauge, gauge};

use super::connection::{ACQUIRE_TIMEOUT, Database, DatabaseAddress, within};
use super::pool::Pool;
use super::reads::{ReadSettings, Reads};
use crate::background::{Failure, Job, Jobs, Next};

const LAG: &str = "context_services_replica_lag_seconds";

/// The most positions that are remembered. Later ones are left out, because the oldest determines the lag.
const MOST_POSITIONS: usize = 3600;

/// Opens the reads of the replica, if there is one, and starts to measure its lag. The replica need not be reachable
/// yet.
pub(super) fn open(
    address: Option<DatabaseAddress>,
    settings: ReadSettings,
    primary: &Pool,
    jobs: &Jobs,
) -> Result<Option<Reads>, sqlx::Error> {
    describe_gauge!(LAG, Unit::Seconds, "How far the database of READ_DATABASE_URL is behind; 0 without one.");
    gauge!(LAG).set(0);
    let Some(address) = address else { return Ok(None) };
    let replica = Reads::new(&Database::new(address), settings)?;
    let lag = Lag::default();
    jobs.start(MeasureReplica { primary: primary.clone(), replica: replica.pool.clone(), lag });
    Ok(Some(replica))
}

/// Measures the lag, even while the replica is unavailable.
struct MeasureReplica {
    primary: Pool,
    replica: Pool,
    lag: Lag,
}

impl Job for MeasureReplica {
    const NAME: &'static str = "measure_replica";
    const INTERVAL: Duration = Duration::from_secs(1);

    async fn run(&mut self) -> Result<Next, Failure> {
        let written = within(ACQUIRE_TIMEOUT, position(&self.primary)).await;
        if let Ok(position) = written {
            self.lag.write(position, Instant::now());
        }
        let replayed = within(ACQUIRE_TIMEOUT, position(&self.replica)).await;
        if let Ok(position) = replayed {
            self.lag.replay(position);
        }
        gauge!(LAG).set(self.lag.at(Instant::now()).as_secs_f64());
        written.and(replayed)?;
        Ok(Next::Scheduled)
    }
}

/// The position in the WAL up to which a server has written it or, if it is a standby, has replayed it.
async fn position(server: &Pool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"-- wal_position
        select pg_wal_lsn_diff(
          case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, '0/0')::bigint
          as "position!""#
    )
    .fetch_one(server)
    .await
}

/// The positions that the replica has not replayed yet, each with the time at which the primary had written up to it.
#[derive(Debug, Default)]
struct Lag(VecDeque<(i64, Instant)>);

impl Lag {
    fn write(&mut self, position: i64, at: Instant) {
        let last = self.0.back().map(|(last, _)| *last);
        if last.is_some_and(|last| position < last) {
            // A new primary, which has not written as far as the old one.
            self.0.clear();
        }
        if last != Some(position) && self.0.len() < MOST_POSITIONS {
            self.0.push_back((position, at));
        }
    }

    fn replay(&mut self, position: i64) {
        while self.0.front().is_some_and(|(oldest, _)| *oldest <= position) {
            self.0.pop_front();
        }
    }

    fn at(&self, now: Instant) -> Duration {
        self.0.front().map_or(Duration::ZERO, |(_, written)| now.duration_since(*written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_the_age_of_the_oldest_position_that_is_not_replayed() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut lag = Lag::default();
        assert_eq!(lag.at(start), Duration::ZERO);
        for (position, at) in [(10, 0), (20, 1), (20, 2), (30, 3)] {
            lag.write(position, start + second * at);
        }
        for (replayed, behind) in [(5, 10), (10, 9), (29, 7), (30, 0), (40, 0)] {
            lag.replay(replayed);
            assert_eq!(lag.at(start + second * 10), second * behind, "{replayed}");
        }
    }

    #[test]
    fn a_new_primary_that_has_written_less_starts_the_lag_anew() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut lag = Lag::default();
        lag.write(100, start);
        lag.write(50, start + second);
        lag.replay(50);
        assert_eq!(lag.at(start + second * 9), Duration::ZERO);
    }
}

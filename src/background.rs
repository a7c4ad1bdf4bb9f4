//! Background jobs: work that is repeated for as long as the process runs.
//!
//! A job implements [`Job`] and is passed to [`Jobs::start`]. It then runs once at startup, once per interval, and
//! whenever it is woken. No job can die or stall unnoticed:
//!
//! - A run that fails is retried after a second at most. Of consecutive failures only the first is logged; so is the
//!   recovery.
//! - A run that panics or exceeds its limit ends the process with an error. So does a job with a deadline that has not
//!   succeeded for that long although the database is available. [`Jobs::failed`] returns the reason.
//! - The gauge `context_services_job_last_success_seconds` says when each job last succeeded. An alert compares it with
//!   the interval.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{Unit, describe_gauge, gauge};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::domain::clock::Clock;

const LAST_SUCCESS: &str = "context_services_job_last_success_seconds";
const INTERVAL: &str = "context_services_job_interval_seconds";

/// The longest pause after a run that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Work that is done periodically.
pub trait Job: Send + 'static {
    /// The name in logs and metrics.
    const NAME: &'static str;

    /// The time between two runs.
    const INTERVAL: Duration;

    /// The longest time that a run may take. The default exceeds what the few statements of a run can take, given
    /// PostgreSQL's own time limits for statements and locks.
    const LIMIT: Duration = Duration::from_secs(300);

    /// The longest time without success, not counting outages of the database. `None`: the job is retried forever.
    const DEADLINE: Option<Duration> = None;

    /// Does the work once. A run should be short: a job with more to do returns [`Next::After`].
    fn run(&mut self) -> impl Future<Output = Result<Next, Failure>> + Send;
}

/// The time of the next run of a job that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After its interval, or when it is woken.
    Scheduled,
    /// After this pause, since more work is waiting.
    After(Duration),
}

impl Next {
    /// Returns the sooner of two.
    #[must_use]
    pub fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::After(one), Self::After(another)) => Self::After(one.min(another)),
            (Self::Scheduled, after @ Self::After(_)) | (after, Self::Scheduled) => after,
        }
    }
}

/// The reason why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something that the job needs, such as the database, is unavailable.
    #[error("{0}")]
    Outage(#[source] Box<dyn Error + Send + Sync>),
    /// Anything else.
    #[error("{0}")]
    Fault(#[source] Box<dyn Error + Send + Sync>),
}

/// The reason why the process cannot continue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// A task panicked.
    #[error("the background task {0} has died")]
    Died(&'static str),
    /// A run exceeded its limit.
    #[error("the background job {0} stalled: a run took longer than {1:?}")]
    Stalled(&'static str, Duration),
    /// A job missed its deadline.
    #[error("the background job {0} has not succeeded for {1:?}: {2}")]
    Failing(&'static str, Duration, String),
}

/// The jobs that are stopped together.
pub struct Jobs {
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    stop: CancellationToken,
    failed: watch::Sender<Option<Failed>>,
}

/// Wakes a job before its interval has passed.
#[derive(Debug, Clone)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// Runs the job as soon as possible, or once more if it is running now.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Creates alarms.
#[derive(Debug, Clone)]
pub struct Alarms(watch::Sender<Option<Failed>>);

impl Alarms {
    /// Creates an alarm for a task.
    pub fn alarm(&self, name: &'static str) -> Alarm {
        Alarm { name, failed: self.0.clone(), armed: true }
    }
}

/// Reports that the task that holds the alarm has died, unless the alarm is disarmed first.
pub struct Alarm {
    name: &'static str,
    failed: watch::Sender<Option<Failed>>,
    armed: bool,
}

impl Alarm {
    /// Must be called when the task ends normally.
    pub fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.armed {
            raise(&self.failed, Failed::Died(self.name));
        }
    }
}

/// Reports a failure. The first one is kept: it is the cause of those that follow.
fn raise(failed: &watch::Sender<Option<Failed>>, failure: Failed) {
    failed.send_if_modified(|known| known.is_none() && known.replace(failure).is_none());
}

impl Jobs {
    /// Creates an empty set of jobs. `clock` gives the times of their successes.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        describe_gauge!(LAST_SUCCESS, Unit::Seconds, "Time of a background job's last success, in Unix time.");
        describe_gauge!(INTERVAL, Unit::Seconds, "Time between two runs of a background job.");
        Self { clock, tasks: TaskTracker::new(), stop: CancellationToken::new(), failed: watch::Sender::new(None) }
    }

    /// Starts a job.
    pub fn start<J: Job>(&self, job: J) -> Waker {
        let woken = Arc::new(Notify::new());
        let supervisor = Supervisor {
            job,
            clock: Arc::clone(&self.clock),
            woken: Arc::clone(&woken),
            succeeded: Instant::now(),
            is_failing: false,
        };
        let (stop, failed, alarm) = (self.stop.clone(), self.failed.clone(), self.alarms().alarm(J::NAME));
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                failure = supervisor.supervise() => raise(&failed, failure),
            }
            alarm.disarm();
        });
        Waker(woken)
    }

    /// Alarms for tasks that are supervised by other means.
    pub fn alarms(&self) -> Alarms {
        Alarms(self.failed.clone())
    }

    /// Waits until the process cannot continue, and returns the reason.
    pub async fn failed(&self) -> Failed {
        let mut failed = self.failed.subscribe();
        match failed.wait_for(Option::is_some).await.map(|failed| failed.clone()) {
            Ok(Some(failure)) => failure,
            // The sender lives as long as `self`.
            _ => std::future::pending().await,
        }
    }

    /// Stops all jobs and waits until they have ended. Runs in progress are cancelled.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Supervisor<J> {
    job: J,
    clock: Arc<dyn Clock>,
    woken: Arc<Notify>,
    /// The last success, or the last outage: time without a database does not count against the deadline.
    succeeded: Instant,
    is_failing: bool,
}

impl<J: Job> Supervisor<J> {
    /// Runs the job until the process cannot continue.
    async fn supervise(mut self) -> Failed {
        gauge!(LAST_SUCCESS, "name" => J::NAME).set(0);
        gauge!(INTERVAL, "name" => J::NAME).set(J::INTERVAL);
        loop {
            let pause = match tokio::time::timeout(J::LIMIT, self.job.run()).await {
                Ok(Ok(next)) => {
                    self.succeed();
                    match next {
                        Next::Scheduled => J::INTERVAL,
                        Next::After(pause) => pause,
                    }
                }
                Ok(Err(failure)) => match self.fail(&failure) {
                    Some(failed) => return failed,
                    None => J::INTERVAL.min(RETRY),
                },
                Err(_) => return Failed::Stalled(J::NAME, J::LIMIT),
            };
            tokio::select! {
                () = self.woken.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn succeed(&mut self) {
        self.succeeded = Instant::now();
        let now = u64::try_from(self.clock.now().millis()).unwrap_or_default();
        gauge!(LAST_SUCCESS, "name" => J::NAME).set(Duration::from_millis(now));
        if std::mem::take(&mut self.is_failing) {
            info!(job = J::NAME, "a background job succeeds again");
        }
    }

    /// Logs the first failure of a series. Returns the reason if the process cannot go on.
    fn fail(&mut self, failure: &Failure) -> Option<Failed> {
        if !std::mem::replace(&mut self.is_failing, true) {
            warn!(job = J::NAME, error = %failure, "a background job failed and is retried");
        }
        if matches!(failure, Failure::Outage(_)) {
            self.succeeded = Instant::now();
            return None;
        }
        let deadline = J::DEADLINE.filter(|deadline| self.succeeded.elapsed() > *deadline)?;
        Some(Failed::Failing(J::NAME, deadline, failure.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::domain::clock::ManualClock;
    use crate::domain::time::Timestamp;

    const OFTEN: Duration = Duration::from_millis(1);
    const NEVER: Duration = Duration::from_secs(1_000_000);

    fn jobs() -> Jobs {
        Jobs::new(Arc::new(ManualClock::new(Timestamp::from_millis(1))))
    }

    fn failure(kind: fn(Box<dyn Error + Send + Sync>) -> Failure) -> Result<Next, Failure> {
        Err(kind("broken".into()))
    }

    /// Reports each run, and returns the result that the test gives it.
    struct Told<const INTERVAL: u64> {
        runs: mpsc::UnboundedSender<()>,
        results: Vec<Result<Next, Failure>>,
    }

    impl<const INTERVAL: u64> Job for Told<INTERVAL> {
        const NAME: &'static str = "told";
        const INTERVAL: Duration = Duration::from_secs(INTERVAL);

        async fn run(&mut self) -> Result<Next, Failure> {
            self.runs.send(()).unwrap();
            self.results.pop().unwrap_or(Ok(Next::Scheduled))
        }
    }

    type Daily = Told<86_400>;

    #[tokio::test]
    async fn a_job_runs_at_the_start_when_it_is_woken_and_when_it_asks_to() {
        let (runs, mut ran) = mpsc::unbounded_channel();
        let jobs = jobs();
        let waker = jobs.start(Daily { runs, results: vec![Ok(Next::After(Duration::ZERO))] });
        ran.recv().await.unwrap();
        ran.recv().await.unwrap();
        waker.wake();
        ran.recv().await.unwrap();
        jobs.stop().await;
        assert!(ran.recv().await.is_none(), "the job has ended");
    }

    #[tokio::test]
    async fn a_run_that_fails_is_retried() {
        let (runs, mut ran) = mpsc::unbounded_channel();
        let jobs = jobs();
        jobs.start(Told::<0> { runs, results: vec![failure(Failure::Outage), failure(Failure::Fault)] });
        for _ in 0..5 {
            ran.recv().await.unwrap();
        }
    }

    struct Panics;

    impl Job for Panics {
        const NAME: &'static str = "panics";
        const INTERVAL: Duration = OFTEN;

        async fn run(&mut self) -> Result<Next, Failure> {
            panic!("on purpose")
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_is_reported() {
        let jobs = jobs();
        jobs.start(Panics);
        assert_eq!(jobs.failed().await, Failed::Died("panics"));
        assert_eq!(jobs.failed().await, Failed::Died("panics"), "whoever asks");
    }

    struct Stalls;

    impl Job for Stalls {
        const NAME: &'static str = "stalls";
        const INTERVAL: Duration = NEVER;
        const LIMIT: Duration = OFTEN;

        async fn run(&mut self) -> Result<Next, Failure> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_job_that_stalls_is_reported() {
        let jobs = jobs();
        jobs.start(Stalls);
        assert_eq!(jobs.failed().await, Failed::Stalled("stalls", OFTEN));
    }

    struct Fails(fn(Box<dyn Error + Send + Sync>) -> Failure);

    impl Job for Fails {
        const NAME: &'static str = "fails";
        const INTERVAL: Duration = OFTEN;
        const DEADLINE: Option<Duration> = Some(Duration::ZERO);

        async fn run(&mut self) -> Result<Next, Failure> {
            failure(self.0)
        }
    }

    #[tokio::test]
    async fn a_fault_that_outlasts_the_deadline_is_reported_and_an_outage_is_not() {
        let jobs = jobs();
        jobs.start(Fails(Failure::Fault));
        assert_eq!(jobs.failed().await, Failed::Failing("fails", Duration::ZERO, "broken".into()));
        let mut outage = Supervisor {
            job: Fails(Failure::Outage),
            clock: Arc::clone(&jobs.clock),
            woken: Arc::default(),
            succeeded: Instant::now(),
            is_failing: false,
        };
        assert_eq!(outage.fail(&Failure::Outage("away".into())), None);
        assert!(outage.is_failing);
        outage.succeed();
        assert!(!outage.is_failing);
    }
}

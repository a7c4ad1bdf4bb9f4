//! Whether the database is available. Work that took too long while it was is overload; otherwise, it met an outage.

use std::time::{Duration, Instant};

/// What is known about whether the database answers. The job `primary` asks it all the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Availability {
    /// When it was asked first since its last answer.
    asked: Option<Instant>,
    /// When it last answered.
    answered: Instant,
    /// When it answered again after a silence.
    recovered: Option<Instant>,
}

/// The longest time that an available database takes to answer the job, whose connections no other work uses.
const PROMPT: Duration = Duration::from_millis(250);

impl Availability {
    pub(super) const fn new(now: Instant) -> Self {
        Self { asked: None, answered: now, recovered: None }
    }

    pub(super) fn ask(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
    }

    pub(super) fn answer(&mut self, now: Instant) {
        if self.is_silent(now) {
            self.recovered = Some(now);
        }
        (self.asked, self.answered) = (None, now);
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.asked.is_some_and(|asked| now.duration_since(asked) > PROMPT)
    }

    /// Whether the database has been available from `start` until `now`.
    pub(super) fn is_since(&self, start: Instant, now: Instant) -> bool {
        let was_silent = self.recovered.is_some_and(|recovered| recovered > start);
        self.answered > start && !was_silent && !self.is_silent(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_database_that_answers_meanwhile_is_available() {
        let start = Instant::now();
        let mut known = Availability::new(start);
        assert!(!known.is_since(start, start + SECOND), "it has not answered yet");
        known.ask(start);
        known.answer(start + PROMPT);
        assert!(known.is_since(start, start + SECOND));
        known.ask(start + SECOND);
        assert!(known.is_since(start, start + SECOND + PROMPT), "it may answer soon");
    }

    #[test]
    fn work_that_began_during_an_outage_finds_the_database_unavailable_although_it_answers_again() {
        let outage = Instant::now();
        let mut known = Availability::new(outage);
        known.ask(outage);
        known.ask(outage + SECOND);
        let begun = outage + SECOND / 2 + PROMPT;
        let back = outage + SECOND + PROMPT / 2;
        known.answer(back);
        assert!(!known.is_since(begun, back + SECOND));
        known.answer(back + SECOND);
        assert!(!known.is_since(begun, back + SECOND));
        assert!(known.is_since(back, back + SECOND), "it began after the outage");
    }

    #[test]
    fn work_that_began_before_an_outage_finds_the_database_unavailable_although_it_answered_once() {
        let start = Instant::now();
        let mut known = Availability::new(start);
        known.answer(start + PROMPT);
        known.ask(start + PROMPT * 2);
        assert!(!known.is_since(start, start + PROMPT * 4));
    }
}

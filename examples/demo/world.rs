//! The demo world: journeys of the last 24 hours, and live ones.

use std::time::Duration;

use anyhow::Result;
use context_services::domain::clock::{Clock, SystemClock};
use fastrand::Rng;
use futures::future::{join, join_all, try_join_all};

use super::client::Client;
use super::journey::{Journey, Player};
use super::{example, metadata};

/// The number of past journeys.
const PAST_JOURNEYS: usize = 320;

/// The age of the oldest past journey, in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

/// The number of past journeys that are reported concurrently.
const CONCURRENCY: usize = 8;

/// The number of live journeys in progress at any time. They take as long as past ones, so as many start in an hour as in
/// the last hours of the past.
const LIVE_JOURNEYS: usize = 4;

/// The maximum pause between two live journeys, in seconds.
const MAX_PAUSE: u64 = 120;

/// A journey in progress.
pub(crate) struct Course<'a> {
    player: Player<'a>,
    journey: Journey,
    /// The number of steps that were reported, and the time of the last, in milliseconds since 1970.
    reported: usize,
    at: i64,
}

/// Fills the world unless an earlier run has. Returns what to tell the user about it, and the journeys that are in progress.
pub(crate) async fn fill(client: &Client) -> Result<(String, Vec<Course<'_>>)> {
    if !metadata::define(client).await? {
        return Ok(("of an earlier run is ready".to_owned(), Vec::new()));
    }
    println!("Filling the demo world with {PAST_JOURNEYS} services ...");
    let now = SystemClock.now().millis();
    let mut courses = start_past(client, now).await?;
    let mut shares = Vec::new();
    while !courses.is_empty() {
        shares.push(courses.split_off(courses.len() - courses.len().min(PAST_JOURNEYS.div_ceil(CONCURRENCY))));
    }
    let played = try_join_all(shares.into_iter().map(|share| play_past(share, now))).await?;
    Ok((format!("is ready, with {PAST_JOURNEYS} services"), played.into_iter().flatten().collect()))
}

/// Starts the services of past journeys one after the other, and among them the one of the examples.
async fn start_past(client: &Client, now: i64) -> Result<Vec<Course<'_>>> {
    // A fixed seed, so that every demo world has the same past.
    let mut random = Rng::with_seed(7);
    let mut courses = Vec::with_capacity(PAST_JOURNEYS);
    let mut of_examples = String::new();
    for number in 1..=PAST_JOURNEYS {
        if number == example::SERVICE {
            of_examples = example::start(client).await?;
        }
        // The smaller of two random ages: recent journeys are more frequent than old ones.
        let age = random.u64(0..DAY).min(random.u64(0..DAY)).cast_signed();
        courses.push(Course::start(client, Journey::new(&mut random), now - age).await?);
    }
    for course in &mut courses[..example::STATES_BEFORE] {
        course.play_step(true).await?;
    }
    example::play(client, &of_examples).await?;
    Ok(courses)
}

/// Reports the steps that lie in the past, journey by journey. Returns the journeys that have further ones.
async fn play_past(courses: Vec<Course<'_>>, now: i64) -> Result<Vec<Course<'_>>> {
    let mut unfinished = Vec::new();
    for mut course in courses {
        while course.next().is_some_and(|at| at <= now) {
            course.play_step(true).await?;
        }
        if course.next().is_some() {
            unfinished.push(course);
        }
    }
    Ok(unfinished)
}

impl<'a> Course<'a> {
    async fn start(client: &'a Client, journey: Journey, at: i64) -> Result<Self> {
        let player = Player::start(client, &journey, Some(at)).await?;
        Ok(Self { player, journey, reported: 0, at })
    }

    /// The time of the next step.
    fn next(&self) -> Option<i64> {
        self.journey.steps.get(self.reported).map(|step| self.at + step.after)
    }

    /// Reports the next step: `dated`, or as happening now.
    async fn play_step(&mut self, dated: bool) -> Result<()> {
        if let (Some(step), Some(at)) = (self.journey.steps.get(self.reported), self.next()) {
            self.player.play(&step.event, dated.then_some(at)).await?;
            self.reported += 1;
            self.at = at;
        }
        Ok(())
    }

    /// Reports the remaining steps, each when its time has come.
    async fn play_to_the_end(mut self) {
        while let Some(at) = self.next() {
            let wait = at.saturating_sub(SystemClock.now().millis()).max(0).cast_unsigned();
            tokio::time::sleep(Duration::from_millis(wait)).await;
            if let Err(error) = self.play_step(false).await {
                eprintln!("skipping the rest of a live journey: {error:#}");
                return;
            }
        }
    }
}

/// Plays the journeys in progress to their ends, and keeps [`LIVE_JOURNEYS`] others in progress, forever.
pub(crate) async fn play_live(client: &Client, in_progress: Vec<Course<'_>>) {
    let live = join_all((0..LIVE_JOURNEYS).map(|_| play_one_after_another(client)));
    join(join_all(in_progress.into_iter().map(Course::play_to_the_end)), live).await;
}

async fn play_one_after_another(client: &Client) {
    let mut random = Rng::new();
    loop {
        tokio::time::sleep(Duration::from_secs(random.u64(1..MAX_PAUSE))).await;
        // Journeys without an end would stay open.
        let journey = std::iter::repeat_with(|| Journey::new(&mut random)).find(Journey::ends);
        let Some(journey) = journey else { return };
        match Course::start(client, journey.live(), SystemClock.now().millis()).await {
            Ok(course) => course.play_to_the_end().await,
            Err(error) => eprintln!("cannot start a live journey: {error:#}"),
        }
    }
}

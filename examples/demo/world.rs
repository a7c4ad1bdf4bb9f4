//! The demo world: journeys of the last 24 hours, and live ones.

use std::time::Duration;

use anyhow::Result;
use context_services::domain::clock::{Clock, SystemClock};
use fastrand::Rng;
use futures::future::{join_all, try_join_all};

use super::client::Client;
use super::journey::{Journey, Player};
use super::metadata;

/// The number of past journeys.
const PAST_JOURNEYS: usize = 320;

/// The age of the oldest past journey, in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

/// The number of past journeys that are reported concurrently.
const CONCURRENCY: usize = 8;

/// The number of live journeys in progress at any time.
const LIVE_JOURNEYS: usize = 6;

/// The factor by which live journeys are faster than real ones.
const SPEED: i64 = 15;

/// The maximum time between two steps of a live journey, in milliseconds.
const MAX_WAIT: i64 = 15_000;

/// Fills the world unless an earlier run has. Returns what to tell the user about it.
pub(crate) async fn fill(client: &Client) -> Result<String> {
    if !metadata::define(client).await? {
        return Ok("of an earlier run is ready".to_owned());
    }
    println!("Filling the demo world with {PAST_JOURNEYS} services ...");
    // A fixed seed, so that every demo world has the same past.
    let mut random = Rng::with_seed(7);
    let now = SystemClock.now().millis();
    // The smaller of two random ages: recent journeys are more frequent than old ones.
    let age = |random: &mut Rng| random.u64(0..DAY).min(random.u64(0..DAY)).cast_signed();
    let journeys: Vec<_> = (0..PAST_JOURNEYS).map(|_| (now - age(&mut random), Journey::new(&mut random))).collect();
    let shares = journeys.chunks(PAST_JOURNEYS.div_ceil(CONCURRENCY));
    try_join_all(shares.map(|share| play_past(client, share, now))).await?;
    Ok(format!("is ready, with {PAST_JOURNEYS} services"))
}

/// Reports journeys that started in the past, one after the other.
async fn play_past(client: &Client, journeys: &[(i64, Journey)], now: i64) -> Result<()> {
    for (start, journey) in journeys {
        play_until(client, journey, *start, now).await?;
    }
    Ok(())
}

/// Reports the events of a journey that lie before `now`, so that the rest of it is still open.
async fn play_until(client: &Client, journey: &Journey, start: i64, now: i64) -> Result<()> {
    let mut player = Player::start(client, journey, Some(start)).await?;
    let mut at = start;
    for step in &journey.steps {
        at += step.after;
        if at > now {
            break;
        }
        player.play(&step.event, Some(at)).await?;
    }
    Ok(())
}

/// Keeps [`LIVE_JOURNEYS`] journeys in progress, forever.
pub(crate) async fn play_live(client: &Client) {
    join_all((0..LIVE_JOURNEYS).map(|_| play_one_after_another(client))).await;
}

async fn play_one_after_another(client: &Client) {
    let mut random = Rng::new();
    loop {
        // Journeys without an end would stay open forever.
        let journey = std::iter::repeat_with(|| Journey::new(&mut random)).find(Journey::ends);
        let Some(journey) = journey else { return };
        if let Err(error) = play_now(client, &journey).await {
            eprintln!("skipping the rest of a live journey: {error:#}");
        }
        tokio::time::sleep(Duration::from_secs(random.u64(1..8))).await;
    }
}

async fn play_now(client: &Client, journey: &Journey) -> Result<()> {
    let mut player = Player::start(client, journey, None).await?;
    for step in &journey.steps {
        let wait = (step.after / SPEED).min(MAX_WAIT).cast_unsigned();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        player.play(&step.event, None).await?;
    }
    Ok(())
}

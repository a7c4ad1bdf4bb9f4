//! A demo world: hotel bookings of the last day, played through the API like any application would, and some that go
//! on for as long as the service runs.

mod client;
mod journey;
mod metadata;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use futures_util::future::join_all;
use tracing::{info, warn};

use crate::domain::clock::Clock;
use client::Client;
use journey::{Journey, Player};

/// Journeys that lie in the past.
const PAST: usize = 320;

/// How far back they go, in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

/// Journeys of the past that are played at once.
const AT_ONCE: usize = 8;

/// Journeys that go on at any time.
const GOING: u64 = 6;

/// So many times faster than life go those that go on.
const HASTE: i64 = 15;

/// The most milliseconds between two steps of a journey that goes on.
const MOST_WAITED: i64 = 15_000;

/// Plays the world at the API of `url` (such as `http://127.0.0.1:8090`), and goes on until the process ends.
pub async fn play(url: String, clock: Arc<dyn Clock>) {
    if let Err(error) = play_past(&url, &clock).await {
        warn!("the demo cannot play its world: {error:#}");
        return;
    }
    join_all((0..GOING).map(|seed| go_on(&url, seed, &clock))).await;
}

/// The last day, unless it has been played before.
async fn play_past(url: &str, clock: &Arc<dyn Clock>) -> Result<()> {
    let client = Client::new(url);
    if !metadata::define(&client).await? {
        info!("the demo world is there already: {url}/journey and {url}/dashboard");
        return Ok(());
    }
    let mut random = Rng::with_seed(7);
    let now = clock.now().millis();
    // Lately there was more to do than in the night before.
    let ago = |random: &mut Rng| random.u64(0..DAY).min(random.u64(0..DAY)).cast_signed();
    let journeys: Vec<_> = (0..PAST).map(|_| (now - ago(&mut random), Journey::new(&mut random))).collect();
    let journeys = Rc::new(journeys);
    let players = (0..AT_ONCE).map(async |first| {
        let client = Client::new(url);
        for (start, journey) in journeys.iter().skip(first).step_by(AT_ONCE) {
            play_until(&client, journey, *start, now).await?;
        }
        anyhow::Ok(())
    });
    join_all(players).await.into_iter().collect::<Result<Vec<()>>>()?;
    info!("the demo world is there, with {PAST} services: {url}/journey and {url}/dashboard");
    Ok(())
}

/// Plays what of a journey lies before `now`: what does not is still open.
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

/// One journey after the other, in haste, by the service's own clock.
async fn go_on(url: &str, seed: u64, clock: &Arc<dyn Clock>) {
    let client = Client::new(url);
    let mut random = Rng::with_seed(seed ^ clock.now().millis().cast_unsigned());
    loop {
        // One that does not end would stay open for good.
        let journey = std::iter::repeat_with(|| Journey::new(&mut random)).find(Journey::ends);
        let Some(journey) = journey else { return };
        if let Err(error) = go_through(&client, &journey).await {
            warn!("the demo goes on with another journey: {error:#}");
        }
        tokio::time::sleep(Duration::from_secs(random.u64(1..8))).await;
    }
}

async fn go_through(client: &Client, journey: &Journey) -> Result<()> {
    let mut player = Player::start(client, journey, None).await?;
    for step in &journey.steps {
        let wait = (step.after / HASTE).min(MOST_WAITED).cast_unsigned();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        player.play(&step.event, None).await?;
    }
    Ok(())
}

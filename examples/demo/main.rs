//! The demo world: starts the service on a database of its own, fills it with hotel bookings of the last 24 hours, and
//! keeps playing live ones until Ctrl-C. Everything goes through the API, as with any other application.
//!
//! `make demo` builds and runs it.

mod client;
mod example;
mod journey;
mod metadata;
mod service;
mod world;

use std::net::SocketAddr;

use anyhow::{Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use client::Client;
use service::Service;

/// Runs the service with a demo world of hotel bookings, in which some journeys are always in progress.
///
/// The data are kept in ./data-demo, apart from all others.
#[derive(Parser)]
struct Arguments {
    /// Address and port to listen on
    #[arg(long, env, default_value = "127.0.0.1:8090")]
    bind_address: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut service = Service::start(arguments.bind_address)?;
    let played = tokio::select! {
        played = play(&mut service) => played,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    let stopped = service.stop();
    played.and(stopped)
}

/// Fills the world and keeps it alive. Returns only with an error.
async fn play(service: &mut Service) -> Result<()> {
    let url = service.url().await?;
    let world = async {
        let client = Client::new(&url);
        let (filled, in_progress) = world::fill(&client).await?;
        println!("The demo world {filled}:");
        for (page, what) in [
            ("", "what is open now"),
            ("journey?q=ada", "a customer"),
            ("dashboard", "the last day"),
            ("docs/", "the API"),
        ] {
            println!("  {:<44} {what}", format!("{url}/{page}"));
        }
        world::play_live(&client, in_progress).await;
        anyhow::Ok(())
    };
    tokio::select! {
        played = world => played,
        () = service.ended() => bail!("the service has stopped"),
    }
}

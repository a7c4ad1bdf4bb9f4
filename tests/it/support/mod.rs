//! What the tests stand on: a database server, an application on a database of its own, and builders for the world.

pub(crate) mod app;
pub(crate) mod audit;
pub(crate) mod browser;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod world;

use std::time::Duration;

pub(crate) use app::{Answer, TestApp};

/// Waits until something is so: it is looked again and again, and the test fails where that takes too long.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("in 30 seconds: {what}"));
}

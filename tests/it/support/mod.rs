//! Support for the tests: a database server, the service on a database of its own, and builders for test data.

pub(crate) mod app;
pub(crate) mod audit;
pub(crate) mod browser;
pub(crate) mod cluster;
pub(crate) mod collector;
pub(crate) mod lifetimes;
pub(crate) mod pages;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod tls;
pub(crate) mod world;

use std::time::Duration;

pub(crate) use app::{Answer, TestApp};

/// Polls a condition until it holds. The test fails if that takes more than 30 seconds.
pub(crate) async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    until_within(Duration::from_secs(30), what, holds).await;
}

/// The same with a limit of its own.
pub(crate) async fn until_within(limit: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(limit, wait)
        .await
        .unwrap_or_else(|_| panic!("not within {} seconds: {what}", limit.as_secs()));
}

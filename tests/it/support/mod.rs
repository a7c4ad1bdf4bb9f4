//! What the tests stand on: a database server, an application on a database of its own, and builders for the world.

pub(crate) mod app;
pub(crate) mod audit;
pub(crate) mod browser;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod world;

pub(crate) use app::{Answer, TestApp};

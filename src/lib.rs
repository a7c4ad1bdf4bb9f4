//! Records the context of customer journeys (services, states and tasks) in PostgreSQL.
//!
//! Dependencies point one way only: [`http`] → [`store`] → [`domain`].

pub mod background;
pub mod cli;
pub mod commands;
mod database_url;
mod descriptors;
pub mod domain;
mod files;
pub mod http;
pub mod listener;
pub mod log;
mod pem;
pub mod postgres;
mod progress;
pub mod settings;
pub mod startup;
pub mod store;
pub mod traces;

//! The decisions of the service, without I/O: identifiers, time, events and their validation, and the rules of the
//! lifecycle.
//!
//! Nothing here knows SQL or HTTP, or waits. Only [`clock::SystemClock`] reads a clock.

pub mod access;
pub mod buckets;
pub mod business_attribute;
pub mod clock;
pub mod completion;
pub mod context;
pub mod disposition;
pub mod element;
pub mod event;
pub mod extension;
pub mod field;
pub mod funnel;
pub mod ids;
pub mod journey;
pub mod json;
pub mod lifetime;
pub mod metadata;
pub mod mode;
pub mod once_only;
pub mod overview;
pub mod purge;
pub mod query;
pub mod reader;
pub mod refusal;
pub mod report;
pub mod service;
pub mod state;
pub mod task;
pub mod time;
pub mod time_step;
pub mod time_zone;
pub mod tone;
pub mod violation;

//! Integration tests through HTTP on a real PostgreSQL, each with its own database.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod access;
mod architecture;
mod auto_completion;
mod browser;
mod business_attributes;
mod conventions;
mod cross_site;
mod databases;
mod documents;
mod equivalence;
mod examples;
mod extensions;
mod failover;
mod faults;
mod fields;
mod generators;
mod hardening;
mod idempotency;
mod journey;
mod lifetimes;
mod log;
mod metrics;
mod once_only;
mod openapi;
mod openapi_examples;
mod pages;
mod problems;
mod program;
mod purges;
mod queries;
mod readme;
mod records;
mod reporting;
mod reporting_reader;
mod reports;
mod server;
mod services;
mod states;
mod support;
mod tasks;
mod tls;
mod upgrades;
mod writer;

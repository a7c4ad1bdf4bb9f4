//! `context-services migrate`: brings the schema of the database up to date.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::database::{Missing, with_database};
use crate::postgres::EmbeddedPostgres;
use crate::settings::Settings;
use crate::store;

/// Applies the steps that are missing, or lists them.
pub(super) async fn run(settings: &Settings, check: bool) -> Result<ExitCode> {
    if check {
        return list(settings).await;
    }
    let steps = with_database(settings, Missing::Create, async |database| Ok(store::migrate(database).await?)).await?;
    writeln!(stdout(), "{steps} steps applied, the schema is up to date")?;
    Ok(ExitCode::SUCCESS)
}

async fn list(settings: &Settings) -> Result<ExitCode> {
    let is_external = settings.external_database().map_err(anyhow::Error::msg)?.is_some();
    if !is_external && !EmbeddedPostgres::has_data(&settings.embedded())? {
        writeln!(stdout(), "there is no database yet, and every step is pending")?;
        return Ok(ExitCode::FAILURE);
    }
    let pending =
        with_database(settings, Missing::Refuse, async |database| Ok(store::pending_migrations(database).await?));
    let pending = pending.await.context("cannot compare the schema")?;
    if pending.is_empty() {
        writeln!(stdout(), "nothing is pending, the schema is up to date")?;
        return Ok(ExitCode::SUCCESS);
    }
    for step in pending {
        writeln!(stdout(), "pending: {step}")?;
    }
    Ok(ExitCode::FAILURE)
}

//! The database that a subcommand works on, whether the service runs or not.

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::postgres::{EmbeddedError, EmbeddedPostgres, NAME};
use crate::settings::Settings;
use crate::store::DatabaseAddress;

/// Whether a subcommand may create the embedded database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It may.
    Create,
    /// It may not.
    Refuse,
}

/// Does the work on the database of the settings. The embedded PostgreSQL is started for it, unless the service is already
/// running. A signal ends the work and stops PostgreSQL.
pub(super) async fn with_database<T>(
    settings: &Settings,
    missing: Missing,
    work: impl AsyncFnOnce(DatabaseAddress) -> Result<T>,
) -> Result<T> {
    if let Some(database) = settings.external_database().map_err(anyhow::Error::msg)? {
        return work(database).await;
    }
    let embedded = settings.embedded();
    if missing == Missing::Refuse && !EmbeddedPostgres::has_data(&embedded)? {
        bail!(
            "there is no database in {}: start the service or run `context-services migrate` first, or set DATA_DIR or \
             DATABASE_URL to those of the service",
            embedded.data_dir.display()
        );
    }
    let server = match EmbeddedPostgres::open(&embedded) {
        Ok(server) => server,
        Err(EmbeddedError::InUse(_)) => return work(EmbeddedPostgres::running(&embedded)?.database(NAME).into()).await,
        Err(error) => return Err(error).context("cannot start the embedded PostgreSQL"),
    };
    let done = tokio::select! {
        done = on_embedded(&server, work) => done,
        signal = any_signal() => signal.and_then(|name| bail!("ended by {name}")),
    };
    server.stop().await.context("cannot stop the embedded PostgreSQL")?;
    done
}

async fn on_embedded<T>(server: &EmbeddedPostgres, work: impl AsyncFnOnce(DatabaseAddress) -> Result<T>) -> Result<T> {
    server.run().await.context("cannot start the embedded PostgreSQL")?;
    work(server.connect_options(NAME).into()).await
}

/// Waits for SIGTERM or SIGINT.
async fn any_signal() -> Result<&'static str> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

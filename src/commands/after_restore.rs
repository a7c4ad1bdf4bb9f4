//! `context-services after-restore`: makes a restored database ready for the service.

use std::io::{Write, stdout};

use anyhow::{Context, Result};

use super::database::{Missing, with_database};
use crate::settings::Settings;
use crate::store;

/// Skips identifiers that were assigned after the backup.
pub(super) async fn run(settings: &Settings, skip: u32) -> Result<()> {
    let skipped =
        with_database(settings, Missing::Refuse, async |database| Ok(store::skip_identifiers(database, skip).await?));
    skipped.await.context("cannot skip identifiers")?;
    writeln!(stdout(), "{skip} identifiers are skipped: start the service")?;
    Ok(())
}

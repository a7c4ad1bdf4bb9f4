//! The subcommands, apart from the service itself (`startup.rs`).

mod after_restore;
mod check;
mod database;
mod documents;
mod healthcheck;
mod lanes;
mod migrate;
mod user;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Command;
use crate::log::{self, Output};
use crate::settings::Settings;
use crate::startup;
use crate::traces;

/// Runs the subcommand of the settings. The log is started for it, unless it answers at once.
pub async fn run(settings: Settings) -> Result<ExitCode> {
    match settings.command.clone().unwrap_or(Command::Serve) {
        Command::Serve => {
            // Kept to the end: dropping it writes the last lines.
            let _log = log::start(&settings.log, Output::Stdout)?;
            let traces = traces::start(&settings.traces).await?;
            let ended = startup::run(settings).await;
            if let Some(traces) = traces {
                traces.close().await;
            }
            ended.map(|()| ExitCode::SUCCESS)
        }
        Command::Migrate { check } => {
            let _log = log::start(&settings.log, Output::Stderr)?;
            migrate::run(&settings, check).await
        }
        Command::AfterRestore { skip } => {
            let _log = log::start(&settings.log, Output::Stderr)?;
            after_restore::run(&settings, skip).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Check => {
            let _log = log::start(&settings.log, Output::Stderr)?;
            check::run(&settings).await
        }
        Command::Lanes(command) => {
            let _log = log::start(&settings.log, Output::Stderr)?;
            lanes::run(&settings, &command).await
        }
        Command::User(command) => {
            let _log = log::start(&settings.log, Output::Stderr)?;
            user::run(&settings, &command).await.map(|()| ExitCode::SUCCESS)
        }
        Command::Healthcheck => healthcheck::run(&settings).await.map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => documents::completions(shell).map(|()| ExitCode::SUCCESS),
        Command::Man { subcommand } => documents::man(subcommand.as_deref()).map(|()| ExitCode::SUCCESS),
    }
}

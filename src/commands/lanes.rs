//! `context-services lanes`, which adds lanes and looks at them.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use super::database::{Missing, with_database};
use crate::cli::LanesCommand;
use crate::settings::Settings;
use crate::store::{self, DatabaseAddress, LaneFinding, LaneState};

/// The time in which every node learns of a new lane: several times the interval at which it looks.
const PAUSE: Duration = Duration::from_secs(3);

/// Runs the command on the database of the settings.
pub(super) async fn run(settings: &Settings, command: &LanesCommand) -> Result<ExitCode> {
    with_database(settings, Missing::Refuse, async |database| run_on(database, command).await).await
}

async fn run_on(database: DatabaseAddress, command: &LanesCommand) -> Result<ExitCode> {
    match command {
        LanesCommand::List => print(&store::list_lanes(database).await?)?,
        LanesCommand::Add { count } => print(&store::add_lanes(database, *count, PAUSE).await?)?,
        LanesCommand::Check => return check(database).await,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(lanes: &[LaneState]) -> Result<()> {
    for LaneState { lane, first_service_id, last_service_id, is_open } in lanes {
        let state = if *is_open { "open" } else { "not open yet" };
        writeln!(stdout(), "{lane}\t{first_service_id}\t{last_service_id}\t{state}")?;
    }
    Ok(())
}

async fn check(database: DatabaseAddress) -> Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for LaneFinding { lane, result } in store::check_lanes(database).await? {
        match result {
            Ok(services) => writeln!(stdout(), "lane {lane}\tok\t{services} services")?,
            Err(wrong) => {
                writeln!(stdout(), "lane {lane}\twrong\t{wrong}")?;
                status = ExitCode::FAILURE;
            }
        }
    }
    Ok(status)
}

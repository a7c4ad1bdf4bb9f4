//! `context-services check`: looks at everything that the service needs, and changes nothing.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::{Error, Result};

use super::database::{Missing, with_database};
use crate::domain::clock::SystemClock;
use crate::log::with_causes;
use crate::postgres::EmbeddedPostgres;
use crate::settings::Settings;
use crate::store::{self, Finding};

/// Prints one line for each thing that was looked at. The status is 1 if one of them is wrong.
pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let mut all_right = print("settings", &of_settings(settings))?;
    for Finding { subject, result } in of_database(settings).await {
        let result = result.map_err(|error| with_causes(&error));
        all_right &= print(subject, &result)?;
    }
    // What is wrong with the setting has been said before the subcommand ran.
    if let Ok(Some(replica)) = settings.read_database() {
        let Finding { subject, result } = store::inspect_replica(replica).await;
        all_right &= print(subject, &result.map_err(|error| with_causes(&error)))?;
    }
    Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(subject: &str, result: &Result<String, String>) -> Result<bool> {
    let (verdict, says) = match result {
        Ok(says) => ("ok", says),
        Err(says) => ("wrong", says),
    };
    writeln!(stdout(), "{subject:<11} {verdict:<6} {}", says.replace('\n', " "))?;
    Ok(result.is_ok())
}

/// The settings that decide who can reach the service. Reading them reads the TLS certificate, too.
fn of_settings(settings: &Settings) -> Result<String, String> {
    let http = settings.http(settings.http.bind_address).map_err(|error| with_causes(error.as_ref()))?;
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    let authentication = if http.access.authentication { "required" } else { "none" };
    Ok(format!("{scheme}://{}, AUTHENTICATION {authentication}", settings.http.bind_address))
}

async fn of_database(settings: &Settings) -> Vec<Finding> {
    let wrong = |error: Error| Finding { subject: "database", result: Err(error.into()) };
    match settings.external_database().map(|external| external.is_some()) {
        Ok(false) => match EmbeddedPostgres::has_data(&settings.embedded()) {
            Ok(false) => return vec![will_be_created(settings)],
            Ok(true) => {}
            Err(error) => return vec![wrong(error.into())],
        },
        Ok(true) => {}
        Err(error) => return vec![wrong(Error::msg(error))],
    }
    let inspected =
        with_database(settings, Missing::Refuse, async |database| Ok(store::inspect(database, &SystemClock).await));
    inspected.await.unwrap_or_else(|error| vec![wrong(error)])
}

/// The embedded database before the first start: only the programs can be looked at.
fn will_be_created(settings: &Settings) -> Finding {
    let embedded = settings.embedded();
    let result = EmbeddedPostgres::check_programs(&embedded).map_err(|error| Error::from(error).into());
    let place = embedded.data_dir.display();
    Finding {
        subject: "database",
        result: result.map(|()| format!("the embedded PostgreSQL will create one in {place}")),
    }
}

//! The program: reads the settings, starts the log, and runs the service or a subcommand.

use std::io::{Write, stderr};
use std::process::ExitCode;

use context_services::settings::{Command, Settings};
use context_services::{log, startup, users};
use tracing::error;

/// Requests make many small allocations on one thread and free them on another, which mimalloc is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> ExitCode {
    match dotenvy::from_path(".env") {
        Ok(()) => {}
        Err(error) if error.not_found() => {}
        Err(error) => {
            return refuse(&format!("cannot parse the file .env: {error}"));
        }
    }
    let settings = Settings::of_process();
    // Kept to the end: dropping it writes the last lines.
    let _log = match log::start(&settings.log) {
        Ok(log) => log,
        Err(error) => return refuse(&format!("{error:#}")),
    };
    let result = match settings.command.clone() {
        Some(Command::User(command)) => users::run(&settings, &command).await,
        None => startup::run(settings).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = log::with_causes(error.as_ref());
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What ends the program before there is a log. `eprintln!` would panic if standard error is full or closed.
fn refuse(message: &str) -> ExitCode {
    // There is nowhere left to report this failure to.
    let _ = writeln!(stderr(), "error: {message}");
    ExitCode::from(2)
}

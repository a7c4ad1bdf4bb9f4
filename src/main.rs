//! The program: reads its settings, starts the log, and runs the service or another command.

use std::process::ExitCode;

use context_services::settings::{Command, Settings};
use context_services::{startup, users};
use tracing::error;

/// Requests are many small allocations on one thread that are freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> ExitCode {
    match dotenvy::from_path(".env") {
        Ok(()) => {}
        Err(error) if error.not_found() => {}
        Err(error) => {
            eprintln!("error: the file .env does not parse: {error}");
            return ExitCode::from(2);
        }
    }
    let settings = Settings::of_process();
    if let Err(error) = startup::log(&settings.log) {
        eprintln!("error: {error:#}");
        return ExitCode::from(2);
    }
    let done = match settings.command.clone() {
        Some(Command::User(command)) => users::run(&settings, &command).await,
        Some(Command::Demo) | None => startup::run(settings).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

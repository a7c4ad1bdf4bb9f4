//! The program: reads the settings, and runs the service or a subcommand.

use std::process::ExitCode;

use context_services::{cli, commands, log};

/// Requests allocate many small blocks on one thread and free them on another, which mimalloc handles well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> ExitCode {
    if let Err(error) = cli::without_session_options() {
        cli::report(&format!("cannot start without the environment variable PGOPTIONS: {error}"));
        return ExitCode::FAILURE;
    }
    if let Err(sentence) = cli::read_env_file() {
        return ExitCode::from(cli::refuse(&sentence));
    }
    let settings = match cli::parse() {
        Ok(settings) => settings,
        Err(status) => return ExitCode::from(status),
    };
    commands::run(settings).await.unwrap_or_else(|error| {
        cli::report(&log::with_causes(error.as_ref()));
        ExitCode::FAILURE
    })
}

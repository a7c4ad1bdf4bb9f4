//! The program: reads its settings, starts the log, and runs the service.

use std::process::ExitCode;

use context_services::settings::Settings;
use context_services::startup;
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
    match startup::run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

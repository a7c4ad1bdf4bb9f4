//! The command line: subcommands, the settings of each, and the file `.env`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Arg, Args, Command as Parser, CommandFactory, FromArgMatches, Subcommand};
use clap_complete::Shell;

use crate::domain::access::Role;
use crate::files::{self, Fault};
use crate::settings::Settings;

/// The version, with the commit if it is known (see `build.rs`).
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("CONTEXT_SERVICES_COMMIT"));

/// A subcommand.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the service. The default without a subcommand
    Serve,
    /// Bring the schema of the database up to date, as the role that owns its tables
    ///
    /// The service does this itself at startup if its role is allowed to. See "Two roles" in docs/operating.md.
    Migrate {
        /// Change nothing: list the steps that are missing, and exit with status 1 if there are any
        #[arg(long)]
        check: bool,
    },
    /// Skip identifiers that were assigned after the backup from which the database was restored
    ///
    /// Run it after a restore, before the service starts; otherwise it reassigns identifiers that applications
    /// already know.
    AfterRestore {
        /// The number of identifiers of each kind to skip: more than were assigned since the backup
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
        skip: u32,
    },
    /// Check settings, database, durability, clock, rights, schema and replica: one line each, and status 1 if one is
    /// wrong
    Check,
    /// Ask the running service whether it is ready, at its `BIND_ADDRESS`: status 0 if it is, or else 1
    Healthcheck,
    /// Add, list and remove the users of the service
    #[command(subcommand)]
    User(UserCommand),
    /// Add lanes, in which services are stored side by side, and look at them
    #[command(subcommand)]
    Lanes(LanesCommand),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, in the format of `man`
    Man {
        /// Subcommand whose page to print instead
        subcommand: Option<String>,
    },
}

/// A subcommand of `lanes`.
#[derive(Debug, Clone, Subcommand)]
pub enum LanesCommand {
    /// List all lanes: number, lowest and highest identifier of a service, and whether services start in it
    List,
    /// Add lanes, as the role that owns the tables, while the service runs. What exists stays where it is
    ///
    /// All nodes must run this release. Lanes cannot be removed. See docs/scaling.md.
    Add {
        /// How many; 0 opens those that an interrupted `add` has left
        #[arg(value_parser = clap::value_parser!(u32).range(0..=100))]
        count: u32,
    },
    /// Look whether each lane has what it should have: one line each, and status 1 if one is wrong
    Check,
}

/// A subcommand of `user`.
#[derive(Debug, Clone, Subcommand)]
pub enum UserCommand {
    /// Add a password or token and print it. A user may have several, each with its own role
    Add(AddUser),
    /// List all credentials: ID, user, kind and role
    List,
    /// Remove a user, or one of its credentials
    Remove {
        /// Name of the user
        name: String,
        /// ID of a credential. Without it, all credentials of the user are removed
        #[arg(long)]
        id: Option<i32>,
    },
}

/// The credential to add.
#[derive(Debug, Clone, Args)]
pub struct AddUser {
    /// Name of the user: 1 to 64 characters, no colons
    pub name: String,
    /// Role: reader (queries), writer (also lifecycle events and extensions) or administrator (everything)
    #[arg(long)]
    pub role: Role,
    /// Add a bearer token instead of a password for HTTP Basic
    #[arg(long)]
    pub token: bool,
    /// Read the password from the first line of standard input instead of generating one
    #[arg(long, conflicts_with = "token")]
    pub password_stdin: bool,
}

/// Names in a file `.env` that are not settings of the service, but are read by libraries or by other programs.
const OTHERS: [&str; 8] =
    ["POSTGRES_PASSWORD", "RUST_BACKTRACE", "RUST_LOG", "NO_COLOR", "TZ", "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Prefixes of further such names.
const OTHERS_BEGIN: [&str; 4] = ["COMPOSE_", "DOCKER_", "SQLX_", "PG"];

/// The parser of the command line. Every setting may be given before or after a subcommand. The help of a subcommand
/// lists the settings that it uses.
pub fn parser() -> Parser {
    let mut parser = Settings::command().version(VERSION).mut_args(|setting| setting.global(true));
    parser.build();
    let names: Vec<_> = parser.get_subcommands().map(|subcommand| subcommand.get_name().to_owned()).collect();
    names
        .iter()
        .fold(parser, |parser, name| parser.mut_subcommand(name, |subcommand| with_own_settings(name, subcommand)))
}

/// Hides from the help of a subcommand, and of its own subcommands, the settings that it does not use.
fn with_own_settings(name: &str, subcommand: Parser) -> Parser {
    let subcommand = subcommand.mut_args(|argument| {
        let hidden = argument.get_env().is_some() && !takes(name, &argument);
        if hidden { argument.hide(true) } else { argument }
    });
    let below: Vec<_> = subcommand.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    below
        .iter()
        .fold(subcommand, |subcommand, below| subcommand.mut_subcommand(below, |below| with_own_settings(name, below)))
}

/// Whether a subcommand uses a setting.
fn takes(subcommand: &str, setting: &Arg) -> bool {
    match subcommand {
        "serve" | "check" => true,
        "migrate" | "after-restore" | "lanes" | "user" => {
            matches!(setting.get_help_heading(), Some("Database" | "Log"))
        }
        "healthcheck" => matches!(
            setting.get_id().as_str(),
            "bind_address" | "tls_certificate" | "tls_key" | "allowed_hosts" | "request_timeout"
        ),
        _ => false,
    }
}

/// The names of all settings, as environment variables.
fn setting_names() -> BTreeSet<String> {
    let settings = Settings::command();
    settings.get_arguments().filter_map(|setting| setting.get_env()?.to_str().map(str::to_owned)).collect()
}

/// Executes the program again without `PGOPTIONS` if the environment has it. The PostgreSQL client would send these
/// options for every session, even with the embedded server, and they can make every session fail.
pub fn without_session_options() -> io::Result<()> {
    const NAME: &str = "PGOPTIONS";
    if std::env::var_os(NAME).is_none() {
        return Ok(());
    }
    let mut program = std::process::Command::new(std::env::current_exe()?);
    // `exec` returns only if it fails.
    Err(program.args(std::env::args_os().skip(1)).env_remove(NAME).exec())
}

/// Reads the file `.env`, if there is one, into the environment. Variables that are already set keep their values.
///
/// The error is a sentence for the operator.
pub fn read_env_file() -> Result<(), String> {
    let text = match files::read(Path::new(".env")) {
        Ok(text) => text,
        Err(Fault::Missing | Fault::Empty) => return Ok(()),
        Err(fault) => return Err(format!("cannot read the file .env: {fault}")),
    };
    let entries = dotenvy::from_read_iter(files::without_mark(&text));
    let settings = setting_names();
    let is_known = |name: &str| {
        settings.contains(name) || OTHERS.contains(&name) || OTHERS_BEGIN.iter().any(|begin| name.starts_with(begin))
    };
    for entry in entries {
        // The library's error repeats the line, which may contain a password.
        let (name, _) = entry.map_err(|_| "cannot read the file .env: a line is not NAME=value".to_owned())?;
        if !is_known(&name) {
            return Err(format!("the file .env sets {name}, which is not a setting: .env.example lists all of them"));
        }
    }
    dotenvy::from_read(files::without_mark(&text)).map_err(|_| "cannot read the file .env".to_owned())
}

/// Reads the settings and the subcommand of this process.
///
/// If this returns `Err`, the error has already been written to standard error, or the help to standard output. The
/// value is the exit status.
pub fn parse() -> Result<Settings, u8> {
    let parsed = parser().try_get_matches().and_then(|matches| Settings::from_arg_matches(&matches));
    let error = match parsed {
        Ok(settings) => match settings.check() {
            Ok(()) => return Ok(settings),
            Err(sentence) => return Err(refuse(&sentence)),
        },
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // There is nowhere left to report this failure to.
            drop(error.print());
            Err(u8::try_from(error.exit_code()).unwrap_or(2))
        }
        _ => Err(refuse(&one_line(&error.render().to_string()))),
    }
}

/// The parser's message on a wrong command line, in one line.
fn one_line(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let text = lines.collect::<Vec<_>>().join(" ");
    format!("{}; see --help", text.strip_prefix("error: ").unwrap_or(&text))
}

/// Reports why the command line is refused, and returns the exit status.
pub fn refuse(sentence: &str) -> u8 {
    report(sentence);
    2
}

/// Writes an error to standard error, as one line. `eprintln!` would panic if standard error were full or closed.
pub fn report(error: &str) {
    let error = error.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    // There is nowhere left to report this failure to.
    drop(writeln!(io::stderr(), "error: {error}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Settings {
        let matches = parser().try_get_matches_from([&["context-services"], arguments].concat()).unwrap();
        Settings::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn every_setting_works_before_and_after_a_subcommand() {
        parser().debug_assert();
        for arguments in [
            &["--write-batch", "7", "user", "list"][..],
            &["user", "--write-batch", "7", "list"],
            &["user", "list", "--write-batch", "7"],
            &["serve", "--write-batch=7"],
            &["--write-batch=7"],
            &["--write-batch=9", "check", "--write-batch=7"],
        ] {
            assert_eq!(parsed(arguments).writer.write_batch, 7, "{arguments:?}");
        }
    }

    #[test]
    fn the_help_of_a_subcommand_lists_the_settings_that_it_takes() {
        let help = |name: &str| parser().find_subcommand_mut(name).unwrap().render_long_help().to_string();
        for (subcommand, listed, left_out) in [
            ("serve", "WRITE_BATCH", "--check"),
            ("check", "WRITE_BATCH", "--check"),
            ("migrate", "DATABASE_URL", "WRITE_BATCH"),
            ("after-restore", "DATABASE_URL", "WRITE_BATCH"),
            ("user", "DATA_DIR", "WRITE_BATCH"),
            ("healthcheck", "BIND_ADDRESS", "DATABASE_URL"),
            ("completions", "<SHELL>", "BIND_ADDRESS"),
            ("man", "[SUBCOMMAND]", "BIND_ADDRESS"),
        ] {
            let help = help(subcommand);
            assert!(help.contains(listed) && !help.contains(left_out), "{subcommand}: {help}");
        }
    }

    #[test]
    fn what_the_parser_says_is_one_line() {
        let error = parser().try_get_matches_from(["context-services", "--log-format", "xml"]).unwrap_err();
        let line = one_line(&error.render().to_string());
        assert_eq!(
            line,
            "invalid value 'xml' for '--log-format <LOG_FORMAT>' [possible values: text, json]; see --help"
        );
    }
}

//! The command `context-services user`, which adds, lists and removes passwords and tokens.

use std::io::{self, BufRead, Write, stdout};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use argon2::password_hash::SaltString;
use argon2::password_hash::rand_core::{OsRng, RngCore};

use super::database::{Missing, with_database};
use crate::cli::{AddUser, UserCommand};
use crate::domain::access::{Credential, CredentialKind, MOST_PASSWORDS, SecretHash, is_user_name};
use crate::domain::clock::SystemClock;
use crate::settings::Settings;
use crate::store::{self, DatabaseAddress, Store};

/// The fewest characters of a password that a person chooses.
const MIN_PASSWORD: usize = 12;

/// Runs the command on the database of the settings.
pub(super) async fn run(settings: &Settings, command: &UserCommand) -> Result<()> {
    with_database(settings, Missing::Refuse, async |database| run_on(settings, database, command).await).await
}

async fn run_on(settings: &Settings, database: DatabaseAddress, command: &UserCommand) -> Result<()> {
    let pending = store::pending_migrations(database.clone()).await?;
    ensure!(
        pending.is_empty(),
        "the database has no service of this version: start the service or run `context-services migrate` first"
    );
    let store = Store::open(settings.store(database), Arc::new(SystemClock)).await?;
    let done = match command {
        UserCommand::Add(add) => self::add(&store, add).await,
        UserCommand::List => list(&store),
        UserCommand::Remove { name, id } => remove(&store, name, *id).await,
    };
    store.close().await;
    done
}

async fn add(store: &Store, AddUser { name, role, token, password_stdin }: &AddUser) -> Result<()> {
    ensure!(is_user_name(name), "a user name has 1 to 64 characters and no control characters or colons");
    let is_password = |one: &&Credential| one.name == *name && one.kind == CredentialKind::Password;
    let passwords = store.credentials().iter().filter(is_password).count();
    ensure!(
        *token || passwords < MOST_PASSWORDS,
        "{name} has {passwords} passwords already: remove one first (`user list` has their numbers)"
    );
    let (kind, secret) = match (token, password_stdin) {
        (true, _) => (CredentialKind::Token, random() + &random()),
        (false, true) => (CredentialKind::Password, password_of_stdin()?),
        (false, false) => (CredentialKind::Password, random()),
    };
    let hash = match kind {
        CredentialKind::Token => SecretHash::of_token(&secret),
        CredentialKind::Password => {
            let mut salt = [0; 16];
            OsRng.fill_bytes(&mut salt);
            SecretHash::of_password(&secret, salt).map_err(|error| anyhow::anyhow!("cannot hash: {error}"))?
        }
    };
    let id = store.add_credential(name, kind, *role, &hash).await?;
    writeln!(stdout(), "added {} {id} of user {name}, role {}", kind.word(), role.word())?;
    if !password_stdin {
        writeln!(stdout(), "{secret}")?;
        // This note is for a person at a terminal. If writing it fails, nobody is reading.
        drop(writeln!(io::stderr(), "It is shown only once: the service keeps nothing but its hash."));
    }
    Ok(())
}

fn list(store: &Store) -> Result<()> {
    for credential in store.credentials().iter() {
        let (kind, role) = (credential.kind.word(), credential.role.word());
        writeln!(stdout(), "{}\t{}\t{kind}\t{role}", credential.id, credential.name)?;
    }
    Ok(())
}

async fn remove(store: &Store, name: &str, id: Option<i32>) -> Result<()> {
    let removed = store.remove_credentials(name, id).await?;
    ensure!(removed > 0, "no such user, or no such credential of this user");
    writeln!(stdout(), "removed {removed}; effective within a second")?;
    Ok(())
}

fn password_of_stdin() -> Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.chars().count() < MIN_PASSWORD {
        bail!("a password needs at least {MIN_PASSWORD} characters");
    }
    Ok(password.to_owned())
}

/// 128 random bits from the operating system, as 22 letters, digits, `+` and `/`.
fn random() -> String {
    SaltString::generate(OsRng).to_string()
}

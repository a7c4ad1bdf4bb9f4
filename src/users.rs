//! The command `context-services user`, which adds, lists and removes passwords and tokens.

use std::io::{self, BufRead};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use argon2::password_hash::SaltString;
use argon2::password_hash::rand_core::{OsRng, RngCore};

use crate::domain::access::{CredentialKind, SecretHash, is_user_name};
use crate::domain::clock::SystemClock;
use crate::postgres::{EmbeddedError, EmbeddedPostgres, NAME};
use crate::settings::{AddUser, Settings, UserCommand};
use crate::store::{DatabaseAddress, Store};

/// The fewest characters of a password that a person chooses.
const MIN_PASSWORD: usize = 12;

/// Runs the command on the database of the settings. The embedded PostgreSQL is started for it, unless the service is
/// already running.
pub async fn run(settings: &Settings, command: &UserCommand) -> Result<()> {
    if let Some(database) = settings.external_database().map_err(anyhow::Error::msg)? {
        return run_on(settings, database, command).await;
    }
    match EmbeddedPostgres::start(&settings.embedded()).await {
        Ok(embedded) => {
            let done = run_on(settings, embedded.connect_options(NAME).into(), command).await;
            embedded.stop().context("cannot stop the embedded PostgreSQL")?;
            done
        }
        Err(EmbeddedError::InUse(_)) => {
            run_on(settings, EmbeddedPostgres::running(&settings.embedded())?.database(NAME).into(), command).await
        }
        Err(error) => Err(error).context("cannot start the embedded PostgreSQL"),
    }
}

async fn run_on(settings: &Settings, database: DatabaseAddress, command: &UserCommand) -> Result<()> {
    let store = Store::open(settings.store(database), Arc::new(SystemClock)).await.context("cannot open the store")?;
    let done = match command {
        UserCommand::Add(add) => self::add(&store, add).await,
        UserCommand::List => {
            list(&store);
            Ok(())
        }
        UserCommand::Remove { name, id } => remove(&store, name, *id).await,
    };
    store.close().await;
    done
}

async fn add(store: &Store, AddUser { name, role, token, password_stdin }: &AddUser) -> Result<()> {
    ensure!(is_user_name(name), "a user name has 1 to 64 characters and no control characters or colons");
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
    println!("added {} {id} of user {name}, role {}", kind.word(), role.word());
    if !password_stdin {
        println!("{secret}");
        eprintln!("It is shown only once: the service keeps nothing but its hash.");
    }
    Ok(())
}

fn list(store: &Store) {
    for credential in store.credentials().iter() {
        println!("{}\t{}\t{}\t{}", credential.id, credential.name, credential.kind.word(), credential.role.word());
    }
}

async fn remove(store: &Store, name: &str, id: Option<i32>) -> Result<()> {
    let removed = store.remove_credentials(name, id).await?;
    ensure!(removed > 0, "no such user, or no such credential of this user");
    println!("removed {removed}; effective within a second");
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

//! Who may do what: roles, and the passwords and tokens by which callers are known.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Argon2, password_hash};

/// The most characters of a user's name.
const MAX_NAME: usize = 64;

/// What a caller may do; each role may do all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Queries: every GET.
    Reader,
    /// Lifecycle events, and records of extensions.
    Writer,
    /// Schemas, business attributes, the mode, users' services deleted.
    Administrator,
}

impl Role {
    /// All of them, from the least to the most.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Administrator];

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Administrator => "administrator",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let role = Self::ALL.into_iter().find(|role| role.word() == word);
        role.ok_or_else(|| "expected reader, writer or administrator".to_owned())
    }
}

/// How a caller proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// HTTP Basic.
    Password,
    /// A bearer token.
    Token,
}

impl CredentialKind {
    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
        }
    }
}

/// The hash of a password or token. It is not shown, since it can be guessed at without limit.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(pub String);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl SecretHash {
    /// Of a password: Argon2id. Takes tens of milliseconds of CPU, and 19 MiB, on purpose.
    pub fn of_password(password: &str, salt: [u8; 16]) -> Result<Self, password_hash::Error> {
        let salt = SaltString::encode_b64(&salt)?;
        Ok(Self(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string()))
    }

    /// Of a token, which is random and long: a fast hash.
    pub fn of_token(token: &str) -> Self {
        Self(blake3::hash(token.as_bytes()).to_string())
    }

    /// Whether it is this password's. Takes as long as hashing one.
    pub fn is_of_password(&self, password: &str) -> bool {
        let hash = PasswordHash::new(&self.0);
        hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }

    /// Whether it is this token's, in a time that does not depend on how much of it is right.
    pub fn is_of_token(&self, token: &str) -> bool {
        blake3::Hash::from_hex(&self.0).is_ok_and(|hash| hash == blake3::hash(token.as_bytes()))
    }
}

/// A password or token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Names it.
    pub id: i32,
    /// The user whose it is.
    pub name: String,
    /// How it is used.
    pub kind: CredentialKind,
    /// What it lets its bearer do.
    pub role: Role,
    /// What is kept of it.
    pub hash: SecretHash,
}

/// Whether this can be a user's name: 1 to 64 characters without control characters or colons, which end it in HTTP
/// Basic.
pub fn is_user_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.chars().count()) && !name.contains(|c: char| c.is_control() || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_secret_alone() {
        let password = SecretHash::of_password("pässword", [7; 16]).expect("a hash");
        assert!(password.0.starts_with("$argon2id$"), "{}", password.0);
        assert!(password.is_of_password("pässword") && !password.is_of_password("passwort"));
        let token = SecretHash::of_token("t0ken");
        assert!(token.is_of_token("t0ken") && !token.is_of_token("t0ke") && !token.is_of_token(&token.0));
        assert!(!format!("{password:?}{token:?}").contains(&token.0), "hashes are not shown");
    }
}

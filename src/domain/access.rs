//! Access: roles, and the passwords and tokens that authenticate callers.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Argon2, password_hash};

/// The most characters of a user name.
const MAX_NAME: usize = 64;

/// The most passwords of a user: an old one, and the new one that replaces it. Each check computes this many hashes, so
/// that it takes equally long for every user.
pub const MOST_PASSWORDS: usize = 2;

/// A role. Each role includes the rights of the roles before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// May send every GET except under `/maintenance`, `/refused` and `/administration`.
    Reader,
    /// May also send lifecycle events and change the records of extensions.
    Writer,
    /// May send every request: may also change schemas, business attributes and the mode, and delete services.
    Administrator,
}

impl Role {
    /// All roles, from the fewest rights to the most.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Administrator];

    /// The name of the role.
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

/// The kinds of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A password, for HTTP Basic.
    Password,
    /// A bearer token.
    Token,
}

impl CredentialKind {
    /// The name of the kind.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
        }
    }
}

/// The hash of a password or token. `Debug` does not show it, since a leaked hash can be attacked offline.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(pub String);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl SecretHash {
    /// Hashes a password with Argon2id. This takes tens of milliseconds of CPU time and 19 MiB of memory, by design.
    pub fn of_password(password: &str, salt: [u8; 16]) -> Result<Self, password_hash::Error> {
        let salt = SaltString::encode_b64(&salt)?;
        Ok(Self(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string()))
    }

    /// Hashes a token with BLAKE3. Tokens are long and random, so a fast hash suffices.
    pub fn of_token(token: &str) -> Self {
        Self(blake3::hash(token.as_bytes()).to_string())
    }

    /// Returns whether this is the hash of the password. The check costs as much as hashing.
    pub fn is_of_password(&self, password: &str) -> bool {
        let hash = PasswordHash::new(&self.0);
        hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    }

    /// Returns whether this is the hash of the token. The comparison takes constant time.
    pub fn is_of_token(&self, token: &str) -> bool {
        blake3::Hash::from_hex(&self.0).is_ok_and(|hash| hash == blake3::hash(token.as_bytes()))
    }
}

/// A password or token of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The identifier of the credential.
    pub id: i32,
    /// The name of the user.
    pub name: String,
    /// Whether it is a password or a token.
    pub kind: CredentialKind,
    /// The role that it grants.
    pub role: Role,
    /// The hash of the secret.
    pub hash: SecretHash,
}

/// Returns whether this is a valid user name: 1 to 64 characters without control characters or colons. A colon would
/// end the name in HTTP Basic.
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

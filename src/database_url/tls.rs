//! What an address of a database, or else the environment, says about TLS. The database client reads the files only when
//! it connects, and its errors do not name them.

use std::path::Path;

use percent_encoding::percent_decode_str;
use rustls::crypto::ring::default_provider;
use sqlx::postgres::PgSslMode;

use super::{Fault, MODES};
use crate::files::{self, FileError};
use crate::pem;

/// A value, and the parameter or variable that has it.
struct Named {
    name: String,
    value: String,
    /// Whether it is a variable of the environment.
    is_variable: bool,
}

/// The parameters of TLS.
pub(super) struct TlsParameters {
    mode: Option<Named>,
    root: Option<Named>,
    certificate: Option<Named>,
    key: Option<Named>,
}

impl Named {
    /// The last of the parameters that have one of these names, or else the variable.
    fn of(parameters: &str, names: &[&str], variable: &str) -> Option<Self> {
        let mut pairs = parameters.split('&').filter_map(|pair| pair.split_once('=')).rev();
        if let Some((name, value)) = pairs.find(|(name, _)| names.contains(name)) {
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            return Some(Self { name: name.to_owned(), value, is_variable: false });
        }
        // The database client reads it, too.
        let value = std::env::var_os(variable)?.into_string().ok()?;
        Some(Self { name: variable.to_owned(), value, is_variable: true })
    }

    fn fault(&self, sentence: String) -> Fault {
        if self.is_variable { Fault::Environment(sentence) } else { Fault::Address(sentence) }
    }

    /// What `read` makes of the PEM, which is the value itself or in the file that it names.
    fn read<T>(&self, read: impl FnOnce(&[u8]) -> Result<T, files::Fault>) -> Result<T, Fault> {
        if self.value.is_empty() {
            let remedy = if self.is_variable { "unset it" } else { "leave it out" };
            return Err(self.fault(format!("{} is empty: name a file, or {remedy}", self.name)));
        }
        let inline = self.value.trim();
        if inline.starts_with("-----BEGIN") && inline.ends_with("-----") {
            let unusable = |fault| self.fault(FileError::new(&self.name, "", fault).to_string());
            return read(inline.as_bytes()).map_err(unusable);
        }
        let text = files::read(Path::new(&self.value)).and_then(|text| {
            // The client would pass over the first certificate.
            let has_mark = files::without_mark(&text).len() < text.len();
            if has_mark { Err(files::Fault::ByteOrderMark) } else { Ok(text) }
        });
        let unusable = |fault| self.fault(FileError::new(&self.name, &self.value, fault).to_string());
        text.and_then(|text| read(&text)).map_err(unusable)
    }
}

impl TlsParameters {
    pub(super) fn of(parameters: &str) -> Self {
        Self {
            mode: Named::of(parameters, &["sslmode", "ssl-mode"], "PGSSLMODE"),
            root: Named::of(parameters, &["sslrootcert", "ssl-root-cert", "ssl-ca"], "PGSSLROOTCERT"),
            certificate: Named::of(parameters, &["sslcert", "ssl-cert"], "PGSSLCERT"),
            key: Named::of(parameters, &["sslkey", "ssl-key"], "PGSSLKEY"),
        }
    }

    /// Whether a certificate of an authority is named.
    pub(super) const fn have_root(&self) -> bool {
        self.root.is_some()
    }

    /// Checks what is used in this mode, and what the address has itself.
    pub(super) fn check(&self, mode: PgSslMode) -> Result<(), Fault> {
        // The client takes a word that it does not know for `prefer`.
        if let Some(mode) = self.mode.as_ref().filter(|mode| mode.value.parse::<PgSslMode>().is_err()) {
            return Err(mode.fault(format!("{} must be {MODES}", mode.name)));
        }
        let verifies = matches!(mode, PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        let is_off = matches!(mode, PgSslMode::Disable | PgSslMode::Allow);
        if let Some(root) = self.root.as_ref().filter(|root| verifies || !root.is_variable) {
            if root.value == "system" {
                let remedy = "use sslmode=verify-full without it, which trusts the certificates of the system";
                return Err(root.fault(format!("{}=system is not supported: {remedy}", root.name)));
            }
            root.read(pem::certificates)?;
        }
        let used = |named: &&Named| !is_off || !named.is_variable;
        let own = (self.certificate.as_ref().filter(used), self.key.as_ref().filter(used));
        let without = |alone: &Named, other| alone.fault(format!("{} is set without the {other} for it", alone.name));
        match own {
            (Some(certificate), Some(key)) => check_pair(certificate, key),
            (Some(alone), None) => Err(without(alone, "key")),
            (None, Some(alone)) => Err(without(alone, "certificate")),
            (None, None) => Ok(()),
        }
    }
}

fn check_pair(certificate: &Named, key: &Named) -> Result<(), Fault> {
    let (chain, secret) = (certificate.read(pem::chain)?, key.read(pem::private_key)?);
    let unusable = |fault| key.fault(FileError::new(&key.name, "", fault).to_string());
    pem::certified(chain, secret, &default_provider()).map(drop).map_err(unusable)
}

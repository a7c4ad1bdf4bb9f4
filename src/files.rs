//! Files that settings name. What is wrong with one is said in a sentence that repeats nothing of its content.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

/// Some editors write it in front of a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A file that cannot be used, by the setting that names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {file}: {fault}")]
pub struct FileError {
    file: String,
    fault: Fault,
}

impl FileError {
    pub(crate) fn new(setting: &str, place: impl fmt::Display, fault: Fault) -> Self {
        Self { file: format!("{setting} {place}").trim_end().to_owned(), fault }
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Nothing has this name.
    #[error("there is no such file")]
    Missing,
    /// A directory has this name.
    #[error("it is a directory")]
    Directory,
    /// A pipe, socket or device has this name. Reading it may never end.
    #[error("it is not a regular file")]
    NotRegular,
    /// Its rights exclude the account of this process.
    #[error("the account of the service may not read it")]
    Forbidden,
    /// The operating system refuses it for another reason.
    #[error("{0}")]
    Unreadable(String),
    /// It has no content.
    #[error("it is empty")]
    Empty,
    /// It is not text in UTF-8.
    #[error("it is not text in UTF-8")]
    Binary,
    /// It has a byte order mark that its reader does not accept.
    #[error("it begins with a byte order mark: save it as UTF-8 without one")]
    ByteOrderMark,
    /// It lacks what is read from it.
    #[error("it has no {0} in PEM")]
    Lacks(&'static str),
    /// A part of it was lost.
    #[error("it is incomplete: a certificate or key in it was cut off")]
    Incomplete,
    /// A part of it was changed.
    #[error("it is damaged: a certificate or key in it is not base64")]
    Damaged,
    /// A passphrase is needed.
    #[error("the key is encrypted: write it without a passphrase, with `openssl pkey -in KEY -out NEW`")]
    Encrypted,
    /// It is not clear which key is meant.
    #[error("it has several private keys: leave the one of the certificate")]
    SeveralKeys,
    /// The cryptographic library refuses what was read.
    #[error("{0}")]
    Unusable(String),
}

/// The content of a text file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let kind = std::fs::metadata(path).map_err(|error| fault_of(&error))?.file_type();
    if kind.is_file() || kind.is_dir() { read_any(path) } else { Err(Fault::NotRegular) }
}

fn read_any(path: &Path) -> Result<Vec<u8>, Fault> {
    let bytes = std::fs::read(path).map_err(|error| fault_of(&error))?;
    match bytes.as_slice() {
        text if text.contains(&0) => Err(Fault::Binary),
        text if without_mark(text).trim_ascii().is_empty() => Err(Fault::Empty),
        _ => Ok(bytes),
    }
}

fn fault_of(error: &std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound => Fault::Missing,
        ErrorKind::IsADirectory => Fault::Directory,
        ErrorKind::PermissionDenied => Fault::Forbidden,
        _ => Fault::Unreadable(error.to_string()),
    }
}

/// The text of a file in UTF-8, which may be a pipe: shells pass secrets by them.
pub(crate) fn text(path: &Path) -> Result<String, Fault> {
    str::from_utf8(without_mark(&read_any(path)?)).map(str::to_owned).map_err(|_| Fault::Binary)
}

/// A text without the byte order mark that may be in front of it.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

//! The embedded server's configuration, in a file of its own that `postgresql.conf` includes.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::account::Account;
use super::{EmbeddedError, file_error, memory};

/// The settings that differ from PostgreSQL's defaults. Durability stays on, as by default. Autovacuum runs often,
/// because queries keep their plans for a small table until autovacuum has seen the table grow. A client that connects
/// and then sends nothing would delay a stop by `authentication_timeout`.
const SETTINGS: &str = "\
# Overwritten by context-services at every start. To change a setting, add it to postgresql.conf below the include of
# this file.
listen_addresses = ''
port = 5432
max_connections = 200
unix_socket_permissions = 0700
authentication_timeout = 10s
max_wal_size = 4GB
checkpoint_timeout = 15min
autovacuum_naptime = 10s
jit = off
";

const INCLUDE: &str = "include_if_exists = 'context-services.conf'";

/// Writes the configuration into the data directory.
pub(super) fn write(
    data: &Path,
    socket_dir: &Path,
    wal_compression: &str,
    account: Account,
) -> Result<(), EmbeddedError> {
    let main = data.join("postgresql.conf");
    let read = fs::read_to_string(&main).map_err(|source| file_error("read", &main, source))?;
    if !read.contains(INCLUDE) {
        replace(&main, &format!("{read}\n{INCLUDE}\n"), account)?;
    }
    let buffers = memory::shared_buffers_mb();
    let socket_dir = directory_list(&socket_dir.to_string_lossy());
    let text = format!(
        "{SETTINGS}shared_buffers = {buffers}MB\nwal_compression = {wal_compression}\n\
         unix_socket_directories = {socket_dir}\n"
    );
    replace(&data.join("context-services.conf"), &text, account)
}

/// A list of one directory, as a string of the configuration. Without the inner quotes a comma would separate two
/// directories.
fn directory_list(directory: &str) -> String {
    let item = format!("\"{}\"", directory.replace('"', "\"\""));
    format!("'{}'", item.replace('\\', "\\\\").replace('\'', "''"))
}

/// Replaces a file of the account as a whole: a process that is killed leaves either the old file or the new one. The
/// directory may belong to another account, so no existing file is opened and no link is followed.
fn replace(path: &Path, text: &str, account: Account) -> Result<(), EmbeddedError> {
    let new = path.with_extension("new");
    let write = || {
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        account.own_file(&file)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|source| file_error("write", path, source))
}

#[cfg(test)]
mod tests {
    use super::directory_list;

    #[test]
    fn a_directory_is_one_item_whatever_its_name_has() {
        for (directory, written) in
            [("/data/run", r#"'"/data/run"'"#), ("/a, b/it's", r#"'"/a, b/it''s"'"#), (r#"/a\n"b"#, r#"'"/a\\n""b"'"#)]
        {
            assert_eq!(directory_list(directory), written);
        }
    }
}

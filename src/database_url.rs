//! `DATABASE_URL` and `READ_DATABASE_URL`, with one host or several. They are parsed strictly, and errors repeat
//! nothing that may be a password.

use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::store::DatabaseAddress;

const FORM: &str = "expected postgres://user:password@host:port/database";

const ESCAPES: &str = "in a user or password, write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A and % as %25";

/// Parameters that are passed to the database client.
const PARAMETERS: [&str; 19] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "target_session_attrs",
];

/// Parameters of other clients that change nothing here: the service has limits and keepalives of its own.
const WITHOUT_EFFECT: [&str; 8] = [
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "client_encoding",
    "fallback_application_name",
];

/// Parameters of other clients that would have an effect. Errors name these, but no other names, which may be part of a
/// password.
const NOT_SUPPORTED: [&str; 17] = [
    "channel_binding",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "load_balance_hosts",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcompression",
    "sslcrl",
    "sslpassword",
    "sslsni",
];

/// The URL of a database. `Debug` hides it, since it may contain a password.
#[derive(Clone)]
pub struct DatabaseUrl(String);

impl From<&str> for DatabaseUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

impl DatabaseUrl {
    /// The address, or `None` if the URL is empty. Errors begin with the name of the setting.
    fn address(&self, setting: &str) -> Result<Option<DatabaseAddress>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        parse(&self.0).map(Some).map_err(|fault| format!("{setting}: {fault}"))
    }
}

/// The address in a setting, or in the file that the setting's counterpart with `_FILE` names.
pub(crate) fn configured(
    setting: &str,
    url: Option<&DatabaseUrl>,
    file: Option<&Path>,
) -> Result<Option<DatabaseAddress>, String> {
    let Some(file) = file.filter(|file| !file.as_os_str().is_empty()) else {
        return url.map_or(Ok(None), |url| url.address(setting));
    };
    if url.is_some_and(|url| !url.0.is_empty()) {
        return Err(format!("{setting} and {setting}_FILE are both set: unset one of them"));
    }
    let read = std::fs::read_to_string(file);
    let text = read.map_err(|error| format!("cannot read {setting}_FILE {}: {error}", file.display()))?;
    let address = DatabaseUrl::from(text.lines().next().unwrap_or_default().trim()).address(setting)?;
    address.map(Some).ok_or_else(|| format!("{setting}_FILE {} is empty", file.display()))
}

/// Parses a URL. An error says what is wrong with the URL, and never repeats a value.
pub(crate) fn parse(url: &str) -> Result<DatabaseAddress, String> {
    let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
    if !matches!(scheme, "postgres" | "postgresql") {
        return Err(FORM.to_owned());
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    // The signs of a password with an unescaped `/`, `?` or `#`, which ended the authority early.
    if tail.contains('#') || path.contains('@') || query.split('=').next().is_some_and(|name| name.contains('@')) {
        return Err(format!("the address does not parse: {ESCAPES}"));
    }
    let parameters = parameters(query)?;
    let (login, hosts) = authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
    check_login(login)?;
    let at = if authority.contains('@') { "@" } else { "" };
    let hosts = hosts.split(',').map(|host| {
        check_host(host)?;
        let url = format!("postgres://{login}{at}{host}{path}?{parameters}");
        url.parse().map(without_traps).map_err(|_| FORM.to_owned())
    });
    hosts.collect::<Result<Vec<_>, _>>().map(DatabaseAddress::new)
}

/// The parameters that are passed on, as they were written.
fn parameters(query: &str) -> Result<String, String> {
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "target_session_attrs" if matches!(value, "any" | "read-write" | "primary") => {}
            "target_session_attrs" => {
                return Err("target_session_attrs must be read-write, primary or any: the service writes".to_owned());
            }
            "host" | "hostaddr" | "port" if value.contains(',') || value.to_ascii_lowercase().contains("%2c") => {
                return Err("several hosts are written before the database: \
                            postgres://user:password@host1:5432,host2:5432/database"
                    .to_owned());
            }
            "sslmode" | "ssl-mode" if value.parse::<PgSslMode>().is_err() => {
                return Err("sslmode must be disable, allow, prefer, require, verify-ca or verify-full".to_owned());
            }
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => {
                check_root(value)?;
                kept.push(pair);
            }
            "port" if value.parse::<u16>().is_err() => return Err("port must be a number up to 65535".to_owned()),
            "hostaddr" if value.parse::<std::net::IpAddr>().is_err() => {
                return Err("hostaddr must be an IP address".to_owned());
            }
            _ if PARAMETERS.contains(&name) || name.starts_with("options[") => kept.push(pair),
            _ if WITHOUT_EFFECT.contains(&name) => {}
            _ if NOT_SUPPORTED.contains(&name) => return Err(format!("the parameter {name} is not supported")),
            _ => return Err(format!("it has an unknown parameter after `?`; {ESCAPES}")),
        }
    }
    Ok(kept.join("&"))
}

/// Checks the file of CA certificates, since a connection error would not name it.
fn check_root(value: &str) -> Result<(), String> {
    let path = percent_decode_str(value).decode_utf8_lossy();
    if path.starts_with("-----BEGIN") {
        return Ok(());
    }
    let read = std::fs::read_to_string(&*path);
    let text = read.map_err(|error| format!("cannot read the file {path} of sslrootcert: {error}"))?;
    if text.contains("-----BEGIN CERTIFICATE") {
        Ok(())
    } else {
        Err(format!("the file {path} of sslrootcert has no certificate"))
    }
}

fn check_login(login: &str) -> Result<(), String> {
    let broken = login.split('%').skip(1).any(|rest| {
        let digits = rest.get(..2).unwrap_or_default();
        digits.len() < 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    });
    if broken { Err(format!("a `%` is not followed by two hexadecimal digits: {ESCAPES}")) } else { Ok(()) }
}

fn check_host(host: &str) -> Result<(), String> {
    let after_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    match after_address.split_once(':') {
        Some((_, port)) if !port.is_empty() && port.parse::<u16>().is_err() => {
            Err(format!("a port must be a number up to 65535; {ESCAPES}"))
        }
        _ => Ok(()),
    }
}

/// Removes the brackets of an IPv6 address, which only the URL needs, and turns off TLS for a Unix socket, on which
/// PostgreSQL does not offer it.
fn without_traps(options: PgConnectOptions) -> PgConnectOptions {
    if options.get_socket().is_some() || options.get_host().starts_with('/') {
        return options.ssl_mode(PgSslMode::Disable);
    }
    let address = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    address.into_iter().fold(options, |options, address| options.host(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<(String, u16)> {
        let hosts = parse(url).unwrap().into_hosts();
        hosts.iter().map(|host| (host.get_host().to_owned(), host.get_port())).collect()
    }

    #[test]
    fn hosts_are_read_in_order_each_with_its_port() {
        assert_eq!(
            hosts("postgres://app:pw@db1:6000,db2,[::1]:7000/x?target_session_attrs=read-write"),
            [("db1".to_owned(), 6000), ("db2".to_owned(), 5432), ("::1".to_owned(), 7000)]
        );
        assert_eq!(hosts("postgresql://app@db/x?connect_timeout=5&sslmode=require"), [("db".to_owned(), 5432)]);
    }

    #[test]
    fn a_socket_is_used_without_tls() {
        for url in [
            "postgres://app@%2Frun%2Fpostgresql/x?sslmode=verify-full",
            "postgres:///x?host=/run/postgresql&sslmode=require",
        ] {
            let host = parse(url).unwrap().into_hosts().remove(0);
            assert_eq!(host.get_socket().unwrap().to_str(), Some("/run/postgresql"), "{url}");
            assert!(matches!(host.get_ssl_mode(), PgSslMode::Disable), "{url}");
        }
    }

    #[test]
    fn each_fault_has_a_sentence_of_its_own_that_repeats_no_secret() {
        for (url, sentence) in [
            ("mysql://app:hunter2@db/x", "expected postgres://"),
            ("hunter2", "expected postgres://"),
            ("postgres://app:hun/ter2@db/x", "%2F"),
            ("postgres://app:hun?ter2@db/x", "%3F"),
            ("postgres://app:1?ter2=1@db/x", "%3F"),
            ("postgres://app:hun#ter2@db/x", "%23"),
            ("postgres://app:hun%ter2@db/x", "two hexadecimal digits"),
            ("postgres://app:hunter2@db:66000/x", "a port must be a number"),
            ("postgres://app:hunter2@db/x?port=a", "port must be a number"),
            ("postgres://app:hunter2@db/x?sslmode=hunter2", "sslmode must be"),
            ("postgres://app:hunter2@db/x?sslpassword=hunter2", "sslpassword is not supported"),
            ("postgres://app:hunter2@db/x?hunter2=1", "unknown parameter"),
            ("postgres://app:hunter2@db/x?hostaddr=hunter2", "IP address"),
            (
                "postgres://app:hunter2@db/x?sslrootcert=%2Fnowhere.pem",
                "cannot read the file /nowhere.pem of sslrootcert",
            ),
            ("postgres://app:hunter2@db/x?sslrootcert=/etc/hostname", "sslrootcert has no certificate"),
            ("postgres://app:hunter2@db/x?host=a,b", "several hosts"),
            ("postgres://app:hunter2@db/x?target_session_attrs=standby", "the service writes"),
        ] {
            let error = parse(url).map(|_| ()).unwrap_err();
            assert!(error.contains(sentence), "{url}: {error}");
            assert!(!error.contains("ter2"), "{url}: {error}");
        }
    }
}

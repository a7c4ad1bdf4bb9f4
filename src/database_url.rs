//! `DATABASE_URL` and `READ_DATABASE_URL`, with one host or several. They are parsed strictly, and errors repeat
//! nothing that may be a password.

mod tls;

use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::files::{self, FileError};
use crate::store::{DatabaseAddress, is_own_setting};

use tls::TlsParameters;

const FORM: &str = "expected postgres://user:password@host:port/database";

const ESCAPES: &str = "in a user or password, write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A and % as %25";

/// The values of `sslmode`.
const MODES: &str = "disable, allow, prefer, require, verify-ca or verify-full";

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
const NOT_SUPPORTED: [&str; 18] = [
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
    "sslnegotiation",
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
        parse(&self.0).map(Some).map_err(|fault| match fault {
            Fault::Address(fault) => format!("{setting}: {fault}"),
            Fault::Environment(fault) => fault,
        })
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
    let unusable = |fault| FileError::new(&format!("{setting}_FILE"), file.display(), fault).to_string();
    let text = files::text(file).map_err(unusable)?;
    let first = text.lines().next().unwrap_or_default().trim();
    let address = DatabaseUrl::from(first).address(setting)?;
    address.map(Some).ok_or_else(|| unusable(files::Fault::Lacks("address in its first line")))
}

/// What is wrong with an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// In the address itself.
    Address(String),
    /// In an environment variable that applies because the address does not set the parameter. The message names it.
    Environment(String),
}

impl From<String> for Fault {
    fn from(sentence: String) -> Self {
        Self::Address(sentence)
    }
}

impl From<&str> for Fault {
    fn from(sentence: &str) -> Self {
        Self::Address(sentence.to_owned())
    }
}

/// Parses a URL. An error says what is wrong with the URL, and never repeats a value.
pub(crate) fn parse(url: &str) -> Result<DatabaseAddress, Fault> {
    if url.trim() != url {
        return Err("it begins or ends with a blank: remove the blank".into());
    }
    if url.starts_with(['"', '\'']) {
        return Err("it begins with a quotation mark: remove the quotation marks".into());
    }
    let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
    if !matches!(scheme, "postgres" | "postgresql") {
        return Err(FORM.into());
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    // The signs of a password with an unescaped `/`, `?` or `#`, which ended the authority early.
    if tail.contains('#') || path.contains('@') || query.split('=').next().is_some_and(|name| name.contains('@')) {
        return Err(format!("the address does not parse: {ESCAPES}").into());
    }
    let parameters = parameters(query)?;
    let (login, hosts) = authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
    check_login(login)?;
    let at = if authority.contains('@') { "@" } else { "" };
    let tls = TlsParameters::of(&parameters);
    let is_list = hosts.contains(',');
    let hosts = hosts.split(',').map(|host| {
        check_host(host, is_list)?;
        let url = format!("postgres://{login}{at}{host}{path}?{parameters}");
        without_traps(url.parse().map_err(|_| FORM)?, &tls)
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
                return Err(format!("sslmode must be {MODES}"));
            }
            "port" if value.parse::<u16>().is_err() => return Err("port must be a number up to 65535".to_owned()),
            "hostaddr" if value.parse::<std::net::IpAddr>().is_err() => {
                return Err("hostaddr must be an IP address".to_owned());
            }
            "statement-cache-capacity" if value.parse::<usize>().is_err() => {
                return Err("statement-cache-capacity must be a number".to_owned());
            }
            _ if PARAMETERS.contains(&name) || name.starts_with("options[") => {
                check_options(name, value)?;
                kept.push(pair);
            }
            _ if WITHOUT_EFFECT.contains(&name) => {}
            _ if NOT_SUPPORTED.contains(&name) => return Err(format!("the parameter {name} is not supported")),
            _ => return Err(format!("it has an unknown parameter after `?`; {ESCAPES}")),
        }
    }
    Ok(kept.join("&"))
}

/// Refuses settings in `options` that the service sets itself. They would be in force until it does, and could keep it
/// from doing so.
fn check_options(name: &str, value: &str) -> Result<(), String> {
    let text = value.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8_lossy();
    let named: Vec<&str> = match name.strip_prefix("options[") {
        Some(name) => vec![name.trim_end_matches(']')],
        None if name == "options" => text.split_whitespace().collect(),
        None => return Ok(()),
    };
    let setting = |word: &str| {
        let word = word.strip_prefix("--").or(word.strip_prefix("-c")).unwrap_or(word);
        word.split('=').next().unwrap_or_default().replace('-', "_").to_ascii_lowercase()
    };
    match named.into_iter().map(setting).find(|name| is_own_setting(name)) {
        Some(name) => Err(format!("options sets {name}, which the service sets itself: remove it from the options")),
        None => Ok(()),
    }
}

fn check_login(login: &str) -> Result<(), String> {
    let broken = login.split('%').skip(1).any(|rest| {
        let digits = rest.get(..2).unwrap_or_default();
        digits.len() < 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    });
    if broken { Err(format!("a `%` is not followed by two hexadecimal digits: {ESCAPES}")) } else { Ok(()) }
}

fn check_host(host: &str, is_in_list: bool) -> Result<(), String> {
    if is_in_list && host.split(':').next().is_some_and(str::is_empty) {
        return Err("a host in the list is empty: remove a comma, or name the host".to_owned());
    }
    if host.contains(char::is_whitespace) {
        return Err("a host contains a blank: remove the blank".to_owned());
    }
    let after_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    match after_address.split_once(':') {
        Some((_, port)) if !port.is_empty() && port.parse::<u16>().is_err() => {
            Err(format!("a port must be a number up to 65535; {ESCAPES}"))
        }
        _ => Ok(()),
    }
}

/// Removes the brackets of an IPv6 address, which only the URL needs, and turns off TLS for a Unix socket, on which
/// PostgreSQL does not offer it. As in libpq, `require` verifies the server's certificate if there is a CA certificate.
fn without_traps(options: PgConnectOptions, tls: &TlsParameters) -> Result<PgConnectOptions, Fault> {
    if options.get_socket().is_some() || options.get_host().starts_with('/') {
        return Ok(options.ssl_mode(PgSslMode::Disable));
    }
    tls.check(options.get_ssl_mode())?;
    let address = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    let options = address.into_iter().fold(options, |options, address| options.host(&address));
    let verifies = tls.have_root() && matches!(options.get_ssl_mode(), PgSslMode::Require);
    Ok(if verifies { options.ssl_mode(PgSslMode::VerifyCa) } else { options })
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
    fn require_verifies_the_certificate_of_the_server_if_an_authority_is_named() {
        let authority = rcgen::generate_simple_self_signed(["db".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.crt");
        std::fs::write(&path, authority.cert.pem()).unwrap();
        let mode = |parameters: &str| {
            parse(&format!("postgres://app@db/x?{parameters}")).unwrap().into_hosts().remove(0).get_ssl_mode()
        };
        let root = format!("sslrootcert={}", path.display());
        assert!(matches!(mode(&format!("sslmode=require&{root}")), PgSslMode::VerifyCa));
        assert!(matches!(mode("sslmode=require"), PgSslMode::Require));
        assert!(matches!(mode(&format!("sslmode=verify-full&{root}")), PgSslMode::VerifyFull));
        assert!(matches!(mode(&format!("sslmode=prefer&{root}")), PgSslMode::Prefer));
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
                "cannot read sslrootcert /nowhere.pem: there is no such file",
            ),
            (
                "postgres://app:hunter2@db/x?sslrootcert=/etc/hostname",
                "sslrootcert /etc/hostname: it has no certificate",
            ),
            (
                "postgres://app:hunter2@db/x?sslrootcert=system",
                "sslrootcert=system is not supported: use sslmode=verify-full",
            ),
            ("postgres://app:hunter2@db/x?sslrootcert=", "sslrootcert is empty: name a file, or leave it out"),
            ("postgres://app:hunter2@db/x?sslcert=&sslkey=", "sslcert is empty: name a file, or leave it out"),
            ("postgres://app:hunter2@a,,b/x", "a host in the list is empty"),
            ("postgres://app:hunter2@a,b,/x", "a host in the list is empty"),
            ("postgres://app:hunter2@a,:5433/x", "a host in the list is empty"),
            ("postgres://app:hunter2@a, b/x", "a host contains a blank"),
            (" postgres://app:hunter2@db/x", "it begins or ends with a blank"),
            ("postgres://app:hunter2@db/x\n", "it begins or ends with a blank"),
            ("\"postgres://app:hunter2@db/x\"", "remove the quotation marks"),
            ("postgres://app:hunter2@db/x?statement-cache-capacity=ter2", "statement-cache-capacity must be a number"),
            ("postgres://app:hunter2@db/x?options=-c+statement_timeout%3D1", "options sets statement_timeout"),
            ("postgres://app:hunter2@db/x?options=-c%20geqo%3Doff%20--Search-Path%3Dx", "options sets search_path"),
            ("postgres://app:hunter2@db/x?options=-cstatement_timeout=1", "options sets statement_timeout"),
            ("postgres://app:hunter2@db/x?options[statement_timeout]=1", "options sets statement_timeout"),
            ("postgres://app:hunter2@db/x?host=a,b", "several hosts"),
            ("postgres://app:hunter2@db/x?target_session_attrs=standby", "the service writes"),
        ] {
            let Err(Fault::Address(error)) = parse(url) else { panic!("{url}") };
            assert!(error.contains(sentence), "{url}: {error}");
            assert!(!error.contains("ter2"), "{url}: {error}");
        }
    }
}

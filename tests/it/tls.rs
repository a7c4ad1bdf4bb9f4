//! TLS, and the command that manages users.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use rcgen::generate_simple_self_signed;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::support::postgres::open_directory;
use crate::support::program::{Program, output};
use crate::support::until;

/// Writes a new certificate and its key to files. Returns the certificate.
fn certificate(directory: &Path) -> CertificateDer<'static> {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// Sends a GET request as a client that trusts one certificate alone.
fn get(program: &Program, path: &str, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    let mut connection = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut socket = TcpStream::connect(program.url.trim_start_matches("https://")).unwrap();
    let mut stream = rustls::Stream::new(&mut connection, &mut socket);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map(|_| answer)
}

#[test]
fn a_certificate_is_used_and_another_one_after_sighup() {
    let directory = open_directory();
    let first = certificate(directory.path());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let settings = [
        ("DATA_DIR", directory.path().to_str().unwrap()),
        ("TLS_CERTIFICATE", &path("tls.crt")),
        ("TLS_KEY", &path("tls.key")),
    ];
    let mut program = Program::start_with(&settings);
    let answer = get(&program, "/health/ready", &first).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let second = certificate(directory.path());
    program.signal("HUP");
    program.line_with("reloaded the TLS certificate");
    assert!(get(&program, "/health/ready", &second).unwrap().starts_with("HTTP/1.1 200"));
    get(&program, "/health/ready", &first).unwrap_err();

    std::fs::write(path("tls.key"), "nonsense").unwrap();
    program.signal("HUP");
    program.line_with("cannot reload the TLS certificate");
    assert!(get(&program, "/health/ready", &second).unwrap().starts_with("HTTP/1.1 200"));
    program.stop();
}

fn user(directory: &Path, arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, .. } =
        output(&[("DATA_DIR", directory.to_str().unwrap())], &[&["user"], arguments].concat());
    (status.success(), String::from_utf8(stdout).unwrap())
}

#[tokio::test]
async fn users_are_added_whether_the_service_runs_or_not() {
    let directory = open_directory();
    let (added, said) = user(directory.path(), &["add", "ivr", "--role", "reader"]);
    assert!(added, "{said}");
    let password = said.lines().last().unwrap().to_owned();

    let settings = [("DATA_DIR", directory.path().to_str().unwrap()), ("AUTHENTICATION", "required")];
    let mut program = Program::start_with(&settings);
    let (added, said) = user(directory.path(), &["add", "ivr", "--role", "writer", "--token"]);
    assert!(added, "{said}");
    let token = said.lines().last().unwrap().to_owned();
    let client = reqwest::Client::new();
    let status = format!("{}/server/status", program.url);
    assert_eq!(client.get(&status).send().await.unwrap().status(), 401);
    assert_eq!(client.get(&status).basic_auth("ivr", Some(&password)).send().await.unwrap().status(), 200);
    let with_token = async || client.get(&status).bearer_auth(&token).send().await.unwrap().status();
    until("the token is in force", async || with_token().await == 200).await;

    let (_, listed) = user(directory.path(), &["list"]);
    assert!(listed.contains("1\tivr\tpassword\treader\n2\tivr\ttoken\twriter"), "{listed}");
    assert!(!listed.contains(&token) && !listed.contains(&password));
    assert!(user(directory.path(), &["remove", "ivr", "--id", "2"]).0);
    assert!(!user(directory.path(), &["remove", "nobody"]).0);
    assert!(!user(directory.path(), &["add", "a:b", "--role", "reader"]).0);
    let line = program.line_with("get_server_status");
    assert!(!line.contains(&token) && !line.contains(&password), "{line}");
    program.stop();
}

//! The program with TLS, and a client that trusts its certificate. HTTP/2 is spoken frame by frame.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rcgen::generate_simple_self_signed;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::program::Program;

/// The connection preface of an HTTP/2 client.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An HTTP/2 frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Writes a new certificate and its key to files. Returns the certificate.
pub(crate) fn certificate(directory: &Path) -> CertificateDer<'static> {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// Connects as a client that trusts one certificate alone and speaks one protocol.
pub(crate) fn connect(program: &Program, trusted: &CertificateDer<'static>, protocol: &str) -> Stream {
    connect_offering(program, trusted, &[protocol])
}

/// Connects as a client that trusts one certificate alone and offers several protocols.
pub(crate) fn connect_offering(program: &Program, trusted: &CertificateDer<'static>, protocols: &[&str]) -> Stream {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    StreamOwned::new(connection, TcpStream::connect(program.url.trim_start_matches("https://")).unwrap())
}

/// A connection with TLS.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Starts the program with TLS, and with these settings.
pub(crate) fn start_with_tls(directory: &Path, settings: &[(&str, &str)]) -> (Program, CertificateDer<'static>) {
    let certificate = certificate(directory);
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (certificate_file, key_file) = (path("tls.crt"), path("tls.key"));
    let tls =
        [("DATA_DIR", directory.to_str().unwrap()), ("TLS_CERTIFICATE", &certificate_file), ("TLS_KEY", &key_file)];
    (Program::start_with(&[&tls, settings].concat()), certificate)
}

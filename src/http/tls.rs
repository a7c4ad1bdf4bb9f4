//! TLS: the certificate and its private key, which are reloaded on demand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The name of HTTP/2 in TLS (RFC 9113, section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";

/// The reason why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file does not exist, or is not PEM.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// A section of the certificate file lacks its first or last line, or a certificate in the file was cut off.
    #[error("{} is incomplete: a certificate in it was cut off", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
    },
    /// The key does not match the certificate, or their type is not supported.
    #[error("the certificate and its key cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// The certificate in use, and the files that it is read from.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    provider: CryptoProvider,
    current: ArcSwap<CertifiedKey>,
}

impl Tls {
    /// Reads a certificate chain and its private key, both in PEM.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>, TlsError> {
        let provider = default_provider();
        let current = ArcSwap::from_pointee(certified(&certificate, &key, &provider)?);
        Ok(Arc::new(Self { certificate, key, provider, current }))
    }

    /// Reloads both files. New connections use the new certificate; if it cannot be used, the old one stays in use.
    pub fn read_again(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(certified(&self.certificate, &self.key, &self.provider)?));
        Ok(())
    }

    /// The configuration of the listener: TLS 1.2 or 1.3, with HTTP/1.1, and HTTP/2 if wanted.
    pub(super) fn config(self: &Arc<Self>, http2: bool) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if http2 {
            config.alpn_protocols.insert(0, HTTP2.to_vec());
        }
        Ok(config)
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn certified(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    let chain = chain_of(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Unusable)
}

/// The certificates of a file. The parser skips a section whose first line is cut off.
fn chain_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::File { path: path.to_owned(), source };
    let text = std::fs::read(path).map_err(|error| unreadable(pem::Error::Io(error)))?;
    let incomplete = || TlsError::Incomplete { path: path.to_owned() };
    if !has_whole_sections(&text) {
        return Err(incomplete());
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(unreadable)?;
    if chain.iter().all(|certificate| is_whole(certificate)) { Ok(chain) } else { Err(incomplete()) }
}

/// Whether each section of a PEM file has its first and last line.
fn has_whole_sections(text: &[u8]) -> bool {
    let mut bounds = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"--"));
    while let Some(begin) = bounds.next() {
        let end = bounds.next().unwrap_or_default();
        if !begin.starts_with(b"-----BEGIN ") || !end.starts_with(b"-----END ") {
            return false;
        }
    }
    true
}

/// Whether a certificate is as long as its first bytes say: it is a DER sequence whose length takes two bytes.
fn is_whole(certificate: &[u8]) -> bool {
    let [0x30, 0x82, high, low, content @ ..] = certificate else { return false };
    content.len() == usize::from(u16::from_be_bytes([*high, *low]))
}

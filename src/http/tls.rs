//! TLS: the certificate and its private key, which are reloaded on demand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::files::{self, FileError};
use crate::pem;

/// The name of HTTP/2 in TLS (RFC 9113, section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";

/// The reason why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The library cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
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
            .map_err(TlsError::Setup)?;
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
    let of_certificate = |fault| FileError::new("TLS_CERTIFICATE", certificate.display(), fault);
    let of_key = |fault| FileError::new("TLS_KEY", key.display(), fault);
    let chain = files::read(certificate).and_then(|text| pem::chain(&text)).map_err(of_certificate)?;
    let read = files::read(key).and_then(|text| pem::private_key(&text)).map_err(of_key)?;
    Ok(pem::certified(chain, read, provider).map_err(of_key)?)
}

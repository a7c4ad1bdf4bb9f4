//! `context-services healthcheck`: asks the running service whether it is ready, for images and supervisors.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::settings::Settings;

/// The longest time for everything.
const LIMIT: Duration = Duration::from_secs(5);

/// The longest answer that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// What a problem says.
#[derive(Deserialize)]
struct ProblemBody {
    detail: String,
}

/// Fails unless the service answers that it is ready.
pub(super) async fn run(settings: &Settings) -> Result<()> {
    let address = reachable(settings.http.bind_address)?;
    let hosts = &settings.access.allowed_hosts;
    let host = hosts.first().map_or("localhost", String::as_str);
    let asked = async {
        let stream = TcpStream::connect(address).await?;
        match settings.access.tls_certificate {
            Some(_) => ask(connector()?.connect(ServerName::from(address.ip()), stream).await?, host).await,
            None => ask(stream, host).await,
        }
    };
    let answer = tokio::time::timeout(LIMIT, asked).await;
    let answer = answer.with_context(|| format!("no answer from {address} within {} s", LIMIT.as_secs()))?;
    judge(&answer.with_context(|| format!("the service does not answer at {address}"))?)
}

/// The address at which a service that listens on `bound` can be reached from this machine.
fn reachable(bound: SocketAddr) -> Result<SocketAddr> {
    ensure!(bound.port() != 0, "BIND_ADDRESS has port 0: the service has chosen another one, which is in its log");
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, bound.port()))
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str) -> Result<String> {
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let read = stream.take(LONGEST).read_to_end(&mut answer).await;
    // A connection that is closed without TLS's farewell has still carried an answer.
    if answer.is_empty() {
        read?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Success if an answer has status 200. The error repeats what the service says.
fn judge(answer: &str) -> Result<()> {
    let status = answer.split(' ').nth(1).filter(|_| answer.starts_with("HTTP/1."));
    match status {
        Some("200") => Ok(()),
        Some(status) => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let detail = serde_json::from_str::<ProblemBody>(body).map(|problem| problem.detail);
            bail!("the service is not ready: status {status}: {}", detail.unwrap_or_default())
        }
        None => bail!("what answers is not this service without TLS: compare TLS_CERTIFICATE with its setting"),
    }
}

fn connector() -> Result<TlsConnector> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let any = Arc::new(AnyCertificate(provider));
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth()).into())
}

/// Accepts every certificate. It is made for the name that callers use, which this machine's own address is not; nothing
/// secret is sent, and readiness is all that is believed.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_asked_on_loopback() {
        for (bound, asked) in
            [("0.0.0.0:8080", "127.0.0.1:8080"), ("[::]:8080", "[::1]:8080"), ("192.0.2.1:8443", "192.0.2.1:8443")]
        {
            assert_eq!(reachable(bound.parse().unwrap()).unwrap(), asked.parse().unwrap());
        }
        reachable("127.0.0.1:0".parse().unwrap()).unwrap_err();
    }

    #[test]
    fn only_status_200_is_healthy() {
        judge("HTTP/1.1 200 OK\r\n\r\n{}").unwrap();
        let problem =
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n{\"detail\":\"the database is read-only\"}";
        assert!(judge(problem).unwrap_err().to_string().contains("status 503: the database is read-only"));
        judge("\u{15}\u{3}").unwrap_err();
        judge("").unwrap_err();
    }
}

//! Certificates and private keys in PEM. A part that was cut off or damaged is refused, also behind a whole one.

use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::files::{Fault, without_mark};

/// The certificates in a text, of which there is at least one.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = sections(text)?.into_iter().filter(|(kind, _)| *kind == SectionKind::Certificate);
    let certificates: Vec<CertificateDer<'static>> = found.map(|(_, der)| der.into()).collect();
    if certificates.is_empty() { Err(Fault::Lacks("certificate")) } else { Ok(certificates) }
}

/// The certificates in a text, the first of which is that of this program.
pub(crate) fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let chain = certificates(text)?;
    let is_valid = chain.first().is_some_and(|own| ParsedCertificate::try_from(own).is_ok());
    if is_valid { Ok(chain) } else { Err(Fault::Unusable("its first certificate is not valid".to_owned())) }
}

/// The private key in a text.
pub(crate) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    if has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED") {
        return Err(Fault::Encrypted);
    }
    let mut keys = sections(text)?.into_iter().filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(Fault::Lacks("private key")),
        (Some(_), Some(_)) => Err(Fault::SeveralKeys),
    }
}

/// A certificate chain with its key.
pub(crate) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Fault> {
    let rsa_bits = rsa_bits(&key);
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        Fault::Unusable(match (error, rsa_bits) {
            (Error::InconsistentKeys(InconsistentKeys::KeyMismatch), _) => {
                "the key does not belong to the certificate".to_owned()
            }
            (Error::General(_), Some(bits @ (..2048 | 4097..))) => {
                format!("the RSA key has {bits} bits: create a key of 2048 to 4096 bits, and a certificate for it")
            }
            (Error::General(_), _) => {
                "the key cannot be used: create an RSA key of 2048 to 4096 bits, an ECDSA key on \
                                       P-256 or P-384, or an Ed25519 key, and a certificate for it"
                    .to_owned()
            }
            (other, _) => other.to_string(),
        })
    })
}

/// The size of an RSA key. `None` if the key is of another kind.
fn rsa_bits(key: &PrivateKeyDer<'_>) -> Option<usize> {
    let key = match key {
        PrivateKeyDer::Pkcs1(key) => key.secret_pkcs1_der(),
        PrivateKeyDer::Pkcs8(key) => {
            let (_version, rest) = element(element(key.secret_pkcs8_der(), SEQUENCE)?.0, INTEGER)?;
            let (_algorithm, rest) = element(rest, SEQUENCE)?;
            element(rest, OCTET_STRING)?.0
        }
        _ => return None,
    };
    let (_version, rest) = element(element(key, SEQUENCE)?.0, INTEGER)?;
    let modulus = element(rest, INTEGER)?.0;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    Some((modulus.len() - zeros) * 8 - first.leading_zeros() as usize)
}

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// The sections of a text, each whole.
fn sections(text: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, Fault> {
    let text = without_mark(text);
    if !has_whole_sections(text) {
        return Err(Fault::Incomplete);
    }
    let read = <(SectionKind, Vec<u8>)>::pem_slice_iter(text);
    let sections: Vec<_> = read.collect::<Result<_, _>>().map_err(|_| Fault::Damaged)?;
    if sections.iter().all(|(_, der)| is_whole(der)) { Ok(sections) } else { Err(Fault::Incomplete) }
}

/// Whether each section begins and ends. The parser passes over a section whose first line is cut off.
fn has_whole_sections(text: &[u8]) -> bool {
    let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii_end);
    let mut bounds = lines.filter(|line| line.starts_with(b"--") || *line == b"-");
    while let Some(begin) = bounds.next() {
        let begin = begin.strip_prefix(b"-----BEGIN ").and_then(|label| label.strip_suffix(b"-----"));
        let end = bounds.next().and_then(|end| end.strip_prefix(b"-----END ")?.strip_suffix(b"-----"));
        if begin.is_none() || begin != end {
            return false;
        }
    }
    true
}

/// Whether a sequence in DER is as long as its first bytes say.
fn is_whole(der: &[u8]) -> bool {
    element(der, SEQUENCE).is_some_and(|(_, rest)| rest.is_empty())
}

/// The content of the first element in DER, which must have this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, first, rest @ ..] = der else { return None };
    let (digits, rest) = match first {
        0x81..=0x84 => rest.split_at_checked(usize::from(first & 0x7f))?,
        _ => (std::slice::from_ref(first), rest),
    };
    let length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
    rest.split_at_checked(length).filter(|_| *found == tag)
}

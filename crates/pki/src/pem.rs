//! The textual form of keys and certificates (RFC 7468), as they are stored and handed out.

use der::pem::{LineEnding, encode_string};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};

use crate::PkiError;

/// A certificate's text.
pub(crate) fn certificate(der: &[u8]) -> Result<String, PkiError> {
    text("CERTIFICATE", der)
}

/// A PKCS #8 key's text.
pub(crate) fn key(pkcs8: &[u8]) -> Result<String, PkiError> {
    text("PRIVATE KEY", pkcs8)
}

/// All certificates of a text; `what` they were to be. At least one.
pub(crate) fn read_certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    match CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(PkiError::Malformed { what }),
    }
}

/// The PKCS #8 key of a text; `what` it was to be.
pub(crate) fn read_key(pem: &str, what: &'static str) -> Result<PrivatePkcs8KeyDer<'static>, PkiError> {
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| PkiError::Malformed { what })
}

fn text(label: &str, der: &[u8]) -> Result<String, PkiError> {
    Ok(encode_string(label, LineEnding::LF, der).map_err(der::Error::from)?)
}

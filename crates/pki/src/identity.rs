//! A certificate together with its key, as it is stored and handed out.

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::{PkiError, Redacted, pem};

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The certificate, PEM. More than one is a chain, the leaf first.
    pub certificate_pem: String,
    /// The key, PKCS #8 in PEM.
    pub key_pem: Redacted<String>,
}

impl Identity {
    /// Certificate chain and key as rustls wants them.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when either cannot be read.
    pub fn to_rustls(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), PkiError> {
        let chain = pem::read_certificates(&self.certificate_pem, "the certificate")?;
        let key = pem::read_key(self.key_pem.expose(), "the certificate's key")?;
        Ok((chain, key.into()))
    }
}

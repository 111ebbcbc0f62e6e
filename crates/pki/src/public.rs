//! Certificates that others made and upload: read, never trusted further than that they are one.

use aws_lc_rs::digest;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use der::Decode;
use x509_cert::Certificate;

use crate::{PkiError, UnixTime, pem, secret::hexadecimal};

const WHAT: &str = "the certificate";
/// Some tools leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A certificate without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicCertificate {
    der: Vec<u8>,
    not_after: UnixTime,
}

impl PublicCertificate {
    /// Reads base64 of DER, or of a PEM file (of which the first certificate counts): clients of Azure send both.
    /// White space between the digits is nothing.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when it is no certificate.
    pub fn from_base64(text: &str) -> Result<Self, PkiError> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let bytes = BASE64.decode(digits).map_err(|_| malformed())?;
        match std::str::from_utf8(&bytes) {
            Ok(pem) if pem.contains("-----BEGIN") => Self::from_pem(pem),
            _ => Self::from_der(bytes),
        }
    }

    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when there is none.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        Self::from_der(pem::read_certificates(text, WHAT)?.swap_remove(0).to_vec())
    }

    fn from_der(der: Vec<u8>) -> Result<Self, PkiError> {
        let certificate = Certificate::from_der(&der).map_err(|_| malformed())?;
        let not_after = certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
        let not_after = UnixTime(i64::try_from(not_after).map_err(|_| PkiError::ValidityOutOfRange)?);
        Ok(Self { der, not_after })
    }

    /// The last second of its validity.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// PEM.
    ///
    /// # Errors
    /// [`PkiError::Encoding`] when it is too large to be written.
    pub fn pem(&self) -> Result<String, PkiError> {
        pem::certificate(&self.der)
    }

    /// The SHA-1 of the DER in upper-case hexadecimal: by it Windows and Azure tell certificates apart. It says which
    /// one is meant, it proves nothing.
    pub fn thumbprint(&self) -> String {
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        hexadecimal(digest.as_ref()).to_ascii_uppercase()
    }
}

fn malformed() -> PkiError {
    PkiError::Malformed { what: WHAT }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{NOW, authority};

    #[test]
    fn base64_of_der_and_of_a_pem_file_are_the_same_certificate() {
        let root = authority(NOW);
        let der = general_purpose::STANDARD.encode(root.certificate_der());
        let pem = general_purpose::STANDARD.encode(format!("Bag Attributes\n{}", root.certificate_pem()));
        let lines: String =
            der.as_bytes().chunks(64).flat_map(|line| [line, b"\r\n"].concat()).map(char::from).collect();
        let one = PublicCertificate::from_base64(&der).unwrap();
        assert_eq!(PublicCertificate::from_base64(&pem).unwrap(), one);
        assert_eq!(PublicCertificate::from_base64(&lines).unwrap(), one);
        assert_eq!(PublicCertificate::from_base64(der.trim_end_matches('=')).unwrap(), one);
        assert_eq!(one.pem().unwrap(), root.certificate_pem());
        assert_eq!(one.not_after(), NOW.plus_days(3650));
    }

    #[test]
    fn a_thumbprint_is_the_sha_1_of_the_der() {
        let certificate = PublicCertificate { der: b"abc".to_vec(), not_after: NOW };
        assert_eq!(certificate.thumbprint(), "A9993E364706816ABA3E25717850C26C9CD0D89D");
    }

    #[test]
    fn what_is_no_certificate_is_malformed() {
        let root = authority(NOW);
        let key = general_purpose::STANDARD.encode(root.to_pem().key.expose());
        for text in ["", "AAAA", "not base64!", root.certificate_pem(), &key] {
            assert!(matches!(PublicCertificate::from_base64(text), Err(PkiError::Malformed { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,64}") {
            let _ = PublicCertificate::from_base64(&text);
        }
    }
}

//! Certificate authorities and what they sign.
//!
//! Keys are ECDSA P-256. Names beyond the 64 characters that X.520 gives a common name are left
//! out of it: the subject alternative names carry them, and every client looks only there.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{PkiError, Redacted, UnixTime, secret::random};

/// Upper bound of a common name's length (X.520 `ub-common-name`).
const COMMON_NAME_MAX: usize = 64;
/// Certificates are valid from a little earlier than now, for clients whose clock is behind.
const BACKDATED_S: i64 = 3600;
/// Octets of a serial number: RFC 5280 allows 20, randomness needs 8 or more.
const SERIAL_OCTETS: usize = 16;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    certificate_der: CertificateDer<'static>,
}

/// An authority as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityPem {
    /// The certificate, PEM.
    pub certificate: String,
    /// The key, PKCS #8 in PEM.
    pub key: Redacted<String>,
}

/// What a server certificate is to say.
#[derive(Debug, Clone, Copy)]
pub struct ServerCertificate<'a> {
    /// The subject's common name; left out when it is longer than 64 characters.
    pub common_name: &'a str,
    /// The DNS names it is for.
    pub names: &'a [String],
    /// The addresses it is for.
    pub addresses: &'a [IpAddr],
    /// When it is made.
    pub now: UnixTime,
    /// How long it is valid.
    pub lifetime_days: u32,
}

/// What a client certificate is to say.
#[derive(Debug, Clone, Copy)]
pub struct ClientCertificate<'a> {
    /// The subject's common name: the Kubernetes user.
    pub common_name: &'a str,
    /// The subject's organizations, at most one: the Kubernetes groups. (Distinguished names as
    /// rcgen builds them hold one value of a type.)
    pub organizations: &'a [String],
    /// When it is made.
    pub now: UnixTime,
    /// How long it is valid.
    pub lifetime_days: u32,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The key, PKCS #8 in PEM.
    pub key_pem: Redacted<String>,
}

/// Who a client certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The common name.
    pub common_name: String,
    /// The organizations, in order.
    pub organizations: Vec<String>,
}

impl Authority {
    /// Makes a self-signed authority.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn generate(common_name: &str, now: UnixTime, lifetime_days: u32) -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = params(common_name, &[], now, lifetime_days)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key)?;
        let (certificate_pem, certificate_der) = (certificate.pem(), certificate.der().clone());
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem, certificate_der })
    }

    /// Reads a stored authority.
    ///
    /// # Errors
    /// When certificate or key are malformed.
    pub fn from_pem(pem: &AuthorityPem) -> Result<Self, PkiError> {
        let key = KeyPair::from_pem(pem.key.expose())?;
        let certificate_der = CertificateDer::from_pem_slice(pem.certificate.as_bytes())
            .map_err(|_| PkiError::Malformed { what: "the authority's certificate" })?;
        let issuer = Issuer::from_ca_cert_der(&certificate_der, key)?;
        Ok(Self { issuer, certificate_pem: pem.certificate.clone(), certificate_der })
    }

    /// The authority as it is stored.
    pub fn to_pem(&self) -> AuthorityPem {
        let key = Redacted::new(self.issuer.key().serialize_pem());
        AuthorityPem { certificate: self.certificate_pem.clone(), key }
    }

    /// The certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate, DER.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate_der
    }

    /// Signs a server certificate.
    ///
    /// # Errors
    /// When a name is no DNS name.
    pub fn issue_server(&self, wanted: &ServerCertificate<'_>) -> Result<Identity, PkiError> {
        let mut params = params(wanted.common_name, &[], wanted.now, wanted.lifetime_days)?;
        for name in wanted.names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.subject_alt_names.extend(wanted.addresses.iter().copied().map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// Signs a client certificate.
    ///
    /// # Errors
    /// When there is more than one organization.
    pub fn issue_client(&self, wanted: &ClientCertificate<'_>) -> Result<Identity, PkiError> {
        let mut params = params(wanted.common_name, wanted.organizations, wanted.now, wanted.lifetime_days)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity, PkiError> {
        let key = KeyPair::generate()?;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate_pem: certificate.pem(), key_pem: Redacted::new(key.serialize_pem()) })
    }
}

impl Identity {
    /// Certificate chain and key as rustls wants them.
    ///
    /// # Errors
    /// When either is malformed.
    pub fn to_rustls(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), PkiError> {
        let chain = CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| PkiError::Malformed { what: "the certificate" })?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.expose().as_bytes())
            .map_err(|_| PkiError::Malformed { what: "the key" })?;
        Ok((chain, key))
    }
}

/// Reads who a client certificate is for. The chain must have been verified before.
///
/// # Errors
/// When the certificate is malformed or has no common name.
pub fn client_subject(der: &[u8]) -> Result<Subject, PkiError> {
    let malformed = || PkiError::Malformed { what: "the client's certificate" };
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| malformed())?;
    let subject = certificate.subject();
    let common_name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).ok_or_else(malformed)?;
    let organizations = subject.iter_organization().filter_map(|name| name.as_str().ok().map(str::to_owned));
    Ok(Subject { common_name: common_name.to_owned(), organizations: organizations.collect() })
}

fn params(
    common_name: &str,
    organizations: &[String],
    now: UnixTime,
    lifetime_days: u32,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    match organizations {
        [] => {}
        [organization] => subject.push(DnType::OrganizationName, organization.as_str()),
        _ => return Err(PkiError::Malformed { what: "a subject with more than one organization" }),
    }
    if common_name.chars().count() <= COMMON_NAME_MAX {
        subject.push(DnType::CommonName, common_name);
    }
    params.distinguished_name = subject;
    params.not_before = date(now.plus_seconds(-BACKDATED_S))?;
    params.not_after = date(now.plus_days(lifetime_days))?;
    // A positive number: the first octet's high bit is the sign.
    let mut serial = random(SERIAL_OCTETS);
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    params.serial_number = Some(SerialNumber::from(serial));
    Ok(params)
}

fn date(time: UnixTime) -> Result<::time::OffsetDateTime, PkiError> {
    ::time::OffsetDateTime::from_unix_timestamp(time.0).map_err(|_| PkiError::Malformed { what: "the time" })
}

//! X.509 certificates as they are written (RFC 5280 §4.1, with ECDSA as in RFC 5758 §3.2).
//!
//! The schema stands here as types and `der` writes them. A certificate builder would be shorter; those at hand
//! hold one value for each type of attribute in a subject, and the groups of a Kubernetes client are several
//! organizations of one subject.

use std::{net::IpAddr, time::Duration};

use aws_lc_rs::{
    digest,
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{EcdsaKeyPair, EcdsaPublicKey},
};
use der::{
    DateTime, Decode, Encode, Sequence,
    asn1::{Any, BitString, Ia5String, OctetString},
    oid::{AssociatedOid, db},
};
use rustls::pki_types::DnsName;
use x509_cert::{
    attr::AttributeTypeAndValue,
    ext::{
        Extension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::{RdnSequence, RelativeDistinguishedName},
    serial_number::SerialNumber,
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
    time::{Time, Validity},
};

use crate::{PkiError, UnixTime, secret::random};

/// Octets of a serial number: RFC 5280 §4.1.2.2 allows 20, unpredictability asks for 8 or more.
const SERIAL_OCTETS: usize = 16;
/// Octets of a key identifier (RFC 7093 §2, method 1).
const KEY_IDENTIFIER_OCTETS: usize = 20;

/// What a certificate is good for.
pub(crate) enum Purpose {
    /// Signs leaf certificates, and none that sign others.
    Authority,
    /// Shows who a server is, under these names and addresses.
    Server(Vec<GeneralName>),
    /// Shows who a client is.
    Client,
}

/// What is yet to be signed.
pub(crate) struct Draft<'a> {
    /// The subject: whom it is for.
    pub(crate) subject: RdnSequence,
    /// The subject's key.
    pub(crate) public_key: &'a EcdsaPublicKey,
    /// What it is good for.
    pub(crate) purpose: Purpose,
    /// The first second of its validity.
    pub(crate) not_before: UnixTime,
    /// The last second of its validity.
    pub(crate) not_after: UnixTime,
}

/// Who signs.
pub(crate) struct Signatory<'a> {
    /// The authority's subject.
    pub(crate) name: &'a RdnSequence,
    /// The identifier of the authority's key, as its certificate gives it.
    pub(crate) key_identifier: &'a [u8],
    /// The authority's key.
    pub(crate) key: &'a EcdsaKeyPair,
}

/// RFC 5280 §4.1: what is signed. Version 3 counts from zero.
#[derive(Sequence)]
struct TbsCertificate {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: RdnSequence,
    validity: Validity,
    subject: RdnSequence,
    subject_public_key_info: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

/// RFC 5280 §4.1: with the signature.
#[derive(Sequence)]
#[expect(clippy::struct_field_names, reason = "the names of RFC 5280")]
struct Certificate {
    tbs_certificate: TbsCertificate,
    signature_algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

impl Draft<'_> {
    /// Signs the draft; gives the certificate as DER.
    pub(crate) fn sign(self, signatory: &Signatory<'_>) -> Result<Vec<u8>, PkiError> {
        let algorithm = AlgorithmIdentifierOwned { oid: db::rfc5912::ECDSA_WITH_SHA_256, parameters: None };
        let public_key: PublicKeyX509Der<'_> = self.public_key.as_der().map_err(|_| PkiError::Signing)?;
        let extensions = extensions(
            self.purpose,
            self.subject.is_empty(),
            &key_identifier(self.public_key),
            signatory.key_identifier,
        )?;
        let tbs_certificate = TbsCertificate {
            version: 2,
            serial_number: serial_number()?,
            signature: algorithm.clone(),
            issuer: signatory.name.clone(),
            validity: Validity::new(time(self.not_before)?, time(self.not_after)?),
            subject: self.subject,
            subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(public_key.as_ref())?,
            extensions,
        };
        let signature =
            signatory.key.sign(&SystemRandom::new(), &tbs_certificate.to_der()?).map_err(|_| PkiError::Signing)?;
        let signature = BitString::from_bytes(signature.as_ref())?;
        Ok(Certificate { tbs_certificate, signature_algorithm: algorithm, signature }.to_der()?)
    }
}

/// The identifier of a key: the leftmost 160 bits of its SHA-256 (RFC 7093 §2, method 1).
pub(crate) fn key_identifier(key: &EcdsaPublicKey) -> Vec<u8> {
    digest::digest(&digest::SHA256, key.as_ref()).as_ref().iter().take(KEY_IDENTIFIER_OCTETS).copied().collect()
}

/// A subject: organizations in their order, then the common name, each an element of its own.
pub(crate) fn subject<'a>(
    organizations: impl IntoIterator<Item = &'a str>,
    common_name: Option<&'a str>,
) -> Result<RdnSequence, PkiError> {
    let organizations = organizations.into_iter().map(|name| (db::rfc4519::ORGANIZATION_NAME, name));
    let common_name = common_name.map(|name| (db::rfc4519::COMMON_NAME, name));
    let mut subject = RdnSequence::default();
    for (oid, value) in organizations.chain(common_name) {
        let mut element = RelativeDistinguishedName::default();
        element.insert(AttributeTypeAndValue { oid, value: Any::new(der::Tag::Utf8String, value.as_bytes())? })?;
        subject.push(element);
    }
    Ok(subject)
}

/// A DNS name of a server, which may begin with the wildcard label.
pub(crate) fn dns_name(name: &str) -> Result<GeneralName, PkiError> {
    // A certificate's names are absolute without saying so.
    let name = name.strip_suffix('.').unwrap_or(name);
    let valid = DnsName::try_from(name.strip_prefix("*.").unwrap_or(name)).is_ok() && !name.ends_with('.');
    if !valid {
        return Err(PkiError::NotDnsName(name.to_owned()));
    }
    Ok(GeneralName::DnsName(Ia5String::new(name)?))
}

/// An address of a server.
pub(crate) fn address(address: IpAddr) -> GeneralName {
    GeneralName::from(address)
}

fn extensions(
    purpose: Purpose,
    nameless_subject: bool,
    own_key: &[u8],
    authority_key: &[u8],
) -> Result<Vec<Extension>, der::Error> {
    let authority_key_identifier =
        AuthorityKeyIdentifier { key_identifier: Some(OctetString::new(authority_key)?), ..Default::default() };
    let mut extensions = vec![
        extension(false, &SubjectKeyIdentifier(OctetString::new(own_key)?))?,
        extension(false, &authority_key_identifier)?,
    ];
    let (constraints, usages, extended_usage) = match &purpose {
        Purpose::Authority => (
            BasicConstraints { ca: true, path_len_constraint: Some(0) },
            KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            None,
        ),
        Purpose::Server(_) => (leaf(), KeyUsages::DigitalSignature.into(), Some(db::rfc5280::ID_KP_SERVER_AUTH)),
        Purpose::Client => (leaf(), KeyUsages::DigitalSignature.into(), Some(db::rfc5280::ID_KP_CLIENT_AUTH)),
    };
    extensions.push(extension(true, &constraints)?);
    extensions.push(extension(true, &KeyUsage(usages))?);
    if let Some(usage) = extended_usage {
        extensions.push(extension(false, &ExtendedKeyUsage(vec![usage]))?);
    }
    if let Purpose::Server(names) = purpose {
        // RFC 5280 §4.2.1.6: critical when nothing else says whom the certificate is for.
        extensions.push(extension(nameless_subject, &SubjectAltName(names))?);
    }
    Ok(extensions)
}

fn leaf() -> BasicConstraints {
    BasicConstraints { ca: false, path_len_constraint: None }
}

fn extension<T: AssociatedOid + Encode>(critical: bool, value: &T) -> Result<Extension, der::Error> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

/// A random positive number of exactly [`SERIAL_OCTETS`]: neither a sign bit nor a leading zero.
fn serial_number() -> Result<SerialNumber, der::Error> {
    let mut octets = random(SERIAL_OCTETS);
    if let Some(first) = octets.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    SerialNumber::new(&octets)
}

/// `UTCTime` until 2049, `GeneralizedTime` after (RFC 5280 §4.1.2.5).
fn time(time: UnixTime) -> Result<Time, PkiError> {
    u64::try_from(time.0)
        .ok()
        .and_then(|seconds| DateTime::from_unix_duration(Duration::from_secs(seconds)).ok())
        .map(Time::from)
        .ok_or(PkiError::ValidityOutOfRange)
}

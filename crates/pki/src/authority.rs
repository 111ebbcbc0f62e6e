//! Certificate authorities and what they sign. Keys are ECDSA P-256, signatures SHA-256.

use std::{fmt, net::IpAddr};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use der::Decode;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use x509_cert::{Certificate, ext::pkix::SubjectKeyIdentifier, name::RdnSequence};

use crate::{
    Identity, PkiError, Redacted, UnixTime,
    certificate::{Draft, Purpose, Signatory, address, dns_name, key_identifier, subject},
    pem,
};

/// Upper bound of a common name's length, in characters (X.520 `ub-common-name`).
const COMMON_NAME_MAX: usize = 64;
/// Certificates are valid from a little earlier than now, in seconds, for clients whose clock is behind.
const BACKDATED_S: i64 = 3600;
const CERTIFICATE: &str = "the authority's certificate";
const KEY: &str = "the authority's key";

/// A certificate authority: a self-signed certificate and its key. It signs leaf certificates only.
pub struct Authority {
    key: EcdsaKeyPair,
    name: RdnSequence,
    key_identifier: Vec<u8>,
    not_after: UnixTime,
    pem: AuthorityPem,
    der: CertificateDer<'static>,
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
    /// The subject's common name, for people. Left out when it is longer than the 64 characters of X.520: clients
    /// look at `names` and `addresses` only.
    pub common_name: &'a str,
    /// The DNS names it is for. The first label may be `*`.
    pub names: &'a [String],
    /// The addresses it is for.
    pub addresses: &'a [IpAddr],
    /// When it is made.
    pub now: UnixTime,
    /// How long it is valid; never longer than its authority.
    pub lifetime_days: u32,
}

/// What a client certificate is to say.
#[derive(Debug, Clone, Copy)]
pub struct ClientCertificate<'a> {
    /// The subject's common name: the Kubernetes user. Written whole however long it is, as Kubernetes itself does
    /// (`system:node:<name>`), since it is all that says who the client is.
    pub common_name: &'a str,
    /// The subject's organizations: the Kubernetes groups.
    pub organizations: &'a [String],
    /// When it is made.
    pub now: UnixTime,
    /// How long it is valid; never longer than its authority.
    pub lifetime_days: u32,
}

impl Authority {
    /// Makes an authority with a new key. A common name beyond the 64 characters of X.520 is cut there: the key
    /// identifier, not the name, tells authorities apart.
    ///
    /// # Errors
    /// [`PkiError::Nameless`] for an empty common name, [`PkiError::ValidityOutOfRange`] for a time that no
    /// certificate can state.
    pub fn generate(common_name: &str, now: UnixTime, lifetime_days: u32) -> Result<Self, PkiError> {
        if common_name.is_empty() {
            return Err(PkiError::Nameless);
        }
        let common_name: String = common_name.chars().take(COMMON_NAME_MAX).collect();
        let name = subject([], Some(&common_name))?;
        let key = generate_key()?;
        let key_identifier = key_identifier(key.public_key());
        let not_after = now.plus_days(lifetime_days);
        let draft = Draft {
            subject: name.clone(),
            public_key: key.public_key(),
            purpose: Purpose::Authority,
            not_before: now.plus_seconds(-BACKDATED_S),
            not_after,
        };
        let der = draft.sign(&Signatory { name: &name, key_identifier: &key_identifier, key: &key })?;
        let pem = AuthorityPem { certificate: pem::certificate(&der)?, key: key_pem(&key)? };
        Ok(Self { key, name, key_identifier, not_after, pem, der: der.into() })
    }

    /// Reads a stored authority.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when certificate or key cannot be read, [`PkiError::KeyMismatch`] when they are not
    /// of the same authority.
    pub fn from_pem(stored: &AuthorityPem) -> Result<Self, PkiError> {
        let der = pem::read_certificates(&stored.certificate, CERTIFICATE)?.swap_remove(0);
        let malformed = |_| PkiError::Malformed { what: CERTIFICATE };
        let certificate = Certificate::from_der(&der).map_err(malformed)?;
        let certificate = certificate.tbs_certificate();
        let pkcs8 = pem::read_key(stored.key.expose(), KEY)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.secret_pkcs8_der())
            .map_err(|_| PkiError::Malformed { what: KEY })?;
        if certificate.subject_public_key_info().subject_public_key.raw_bytes() != key.public_key().as_ref() {
            return Err(PkiError::KeyMismatch);
        }
        let stated = certificate.get_extension::<SubjectKeyIdentifier>().map_err(malformed)?;
        let key_identifier =
            stated.map_or_else(|| key_identifier(key.public_key()), |(_, identifier)| identifier.0.as_bytes().to_vec());
        let not_after = certificate.validity().not_after.to_unix_duration().as_secs();
        Ok(Self {
            name: certificate.subject().clone().into(),
            key_identifier,
            not_after: UnixTime(i64::try_from(not_after).map_err(|_| PkiError::ValidityOutOfRange)?),
            pem: stored.clone(),
            der,
            key,
        })
    }

    /// The authority as it is stored.
    pub fn to_pem(&self) -> AuthorityPem {
        self.pem.clone()
    }

    /// The certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem.certificate
    }

    /// The certificate, DER.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Signs a server certificate with a new key.
    ///
    /// # Errors
    /// [`PkiError::NotDnsName`] for a name that is none, [`PkiError::Nameless`] when there is neither a name nor an
    /// address, [`PkiError::AuthorityExpired`] when the authority's own certificate has run out.
    pub fn issue_server(&self, wanted: &ServerCertificate<'_>) -> Result<Identity, PkiError> {
        let names = wanted.names.iter().map(|name| dns_name(name));
        let addresses = wanted.addresses.iter().copied().map(|one| Ok(address(one)));
        let names = names.chain(addresses).collect::<Result<Vec<_>, PkiError>>()?;
        if names.is_empty() {
            return Err(PkiError::Nameless);
        }
        let fits = !wanted.common_name.is_empty() && wanted.common_name.chars().count() <= COMMON_NAME_MAX;
        let subject = subject([], fits.then_some(wanted.common_name))?;
        self.issue(subject, Purpose::Server(names), wanted.now, wanted.lifetime_days)
    }

    /// Signs a client certificate with a new key.
    ///
    /// # Errors
    /// [`PkiError::Nameless`] for an empty common name, [`PkiError::AuthorityExpired`] when the authority's own
    /// certificate has run out.
    pub fn issue_client(&self, wanted: &ClientCertificate<'_>) -> Result<Identity, PkiError> {
        if wanted.common_name.is_empty() {
            return Err(PkiError::Nameless);
        }
        let organizations = wanted.organizations.iter().map(String::as_str);
        let subject = subject(organizations, Some(wanted.common_name))?;
        self.issue(subject, Purpose::Client, wanted.now, wanted.lifetime_days)
    }

    fn issue(
        &self,
        subject: RdnSequence,
        purpose: Purpose,
        now: UnixTime,
        lifetime_days: u32,
    ) -> Result<Identity, PkiError> {
        if now > self.not_after {
            return Err(PkiError::AuthorityExpired { at: self.not_after });
        }
        let key = generate_key()?;
        let draft = Draft {
            subject,
            public_key: key.public_key(),
            purpose,
            not_before: now.plus_seconds(-BACKDATED_S),
            // Nobody accepts a leaf whose authority has run out.
            not_after: now.plus_days(lifetime_days).min(self.not_after),
        };
        let signatory = Signatory { name: &self.name, key_identifier: &self.key_identifier, key: &self.key };
        Ok(Identity { certificate_pem: pem::certificate(&draft.sign(&signatory)?)?, key_pem: key_pem(&key)? })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("name", &self.name.to_string()).finish_non_exhaustive()
    }
}

fn generate_key() -> Result<EcdsaKeyPair, PkiError> {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| PkiError::Generation)
}

fn key_pem(key: &EcdsaKeyPair) -> Result<Redacted<String>, PkiError> {
    let pkcs8 = key.to_pkcs8v1().map_err(|_| PkiError::Generation)?;
    Ok(Redacted::new(pem::key(pkcs8.as_ref())?))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use der::{asn1::ObjectIdentifier, oid::db::rfc5280::ID_KP_SERVER_AUTH};
    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier},
        pki_types::{self, ServerName},
        server::WebPkiClientVerifier,
    };
    use x509_cert::{
        ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName},
        time::Time,
    };

    use super::*;
    use crate::testing::{NOW, authority, client, der, long_name, server};

    fn roots(authority: &Authority) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate_der().clone()).unwrap();
        Arc::new(roots)
    }

    fn at(time: UnixTime) -> pki_types::UnixTime {
        pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(time.0.try_into().unwrap()))
    }

    /// What a client that trusts `authority` says of `leaf` when it wanted to reach `name` at `now`.
    fn reaches(authority: &Authority, leaf: &Identity, name: &str, now: UnixTime) -> Result<(), rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots(authority), provider).build().unwrap();
        let name = ServerName::try_from(name).unwrap();
        verifier.verify_server_cert(&der(leaf), &[], &name, &[], at(now)).map(|_| ())
    }

    /// What a server that trusts `authority` says of a client that shows `leaf` at `now`.
    fn admits(authority: &Authority, leaf: &Identity, now: UnixTime) -> Result<(), rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots(authority), provider).build().unwrap();
        verifier.verify_client_cert(&der(leaf), &[], at(now)).map(|_| ())
    }

    fn parsed(der: &[u8]) -> Certificate {
        Certificate::from_der(der).unwrap()
    }

    fn criticality(certificate: &Certificate) -> Vec<(ObjectIdentifier, bool)> {
        let extensions = certificate.tbs_certificate().extensions().unwrap();
        extensions.iter().map(|extension| (extension.extn_id, extension.critical)).collect()
    }

    fn server_named(authority: &Authority, name: &str) -> Result<Identity, PkiError> {
        let names = [name.to_owned()];
        let wanted =
            ServerCertificate { common_name: name, names: &names, addresses: &[], now: NOW, lifetime_days: 30 };
        authority.issue_server(&wanted)
    }

    #[test]
    fn a_server_is_reached_by_each_of_its_names_and_addresses_and_by_no_other() {
        let authority = authority(NOW);
        let leaf = server(&authority, NOW);
        for name in [long_name().as_str(), "kubernetes", "any.example.com", "10.224.0.4", "fd00::1"] {
            reaches(&authority, &leaf, name, NOW).unwrap();
        }
        for name in ["apiserver", "example.com", "two.labels.example.com", "10.224.0.5", "::1"] {
            reaches(&authority, &leaf, name, NOW).unwrap_err();
        }
    }

    #[test]
    fn a_leaf_is_believed_for_its_lifetime_only() {
        let authority = authority(NOW);
        let leaf = server(&authority, NOW);
        for now in [NOW.plus_seconds(-BACKDATED_S), NOW.plus_days(30)] {
            reaches(&authority, &leaf, "kubernetes", now).unwrap();
        }
        for now in [NOW.plus_seconds(-BACKDATED_S - 1), NOW.plus_days(30).plus_seconds(1)] {
            reaches(&authority, &leaf, "kubernetes", now).unwrap_err();
        }
    }

    #[test]
    fn a_leaf_of_another_authority_of_the_same_name_is_refused() {
        let (ours, other) = (authority(NOW), authority(NOW));
        reaches(&ours, &server(&other, NOW), "kubernetes", NOW).unwrap_err();
        admits(&ours, &client(&other, "masterclient", &["system:masters"], NOW), NOW).unwrap_err();
        admits(&ours, &client(&ours, "masterclient", &["system:masters"], NOW), NOW).unwrap();
    }

    #[test]
    fn a_server_is_no_client_and_a_client_no_server() {
        let authority = authority(NOW);
        admits(&authority, &server(&authority, NOW), NOW).unwrap_err();
        reaches(&authority, &client(&authority, "kubernetes", &[], NOW), "kubernetes", NOW).unwrap_err();
    }

    #[test]
    fn a_stored_authority_goes_on_signing() {
        let authority = authority(NOW);
        let stored = serde_json::to_string(&authority.to_pem()).unwrap();
        let restarted = Authority::from_pem(&serde_json::from_str(&stored).unwrap()).unwrap();
        assert_eq!(restarted.to_pem(), authority.to_pem());
        assert_eq!(restarted.certificate_der(), authority.certificate_der());
        reaches(&authority, &server(&restarted, NOW), "kubernetes", NOW).unwrap();
    }

    #[test]
    fn an_authority_may_sign_leaves_and_says_so() {
        let authority = authority(NOW);
        let certificate = parsed(authority.certificate_der());
        let certificate = certificate.tbs_certificate();
        assert_eq!(certificate.subject(), certificate.issuer());
        let (critical, constraints) = certificate.get_extension::<BasicConstraints>().unwrap().unwrap();
        assert!(critical);
        assert_eq!(constraints, BasicConstraints { ca: true, path_len_constraint: Some(0) });
        let (critical, usage) = certificate.get_extension::<KeyUsage>().unwrap().unwrap();
        assert!(critical && usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    }

    #[test]
    fn a_leaf_names_the_key_that_signed_it_and_what_it_is_for() {
        let authority = authority(NOW);
        let root = parsed(authority.certificate_der());
        let (_, root_key) = root.tbs_certificate().get_extension::<SubjectKeyIdentifier>().unwrap().unwrap();
        let leaf = parsed(&der(&server(&authority, NOW)));
        let leaf = leaf.tbs_certificate();
        let (_, signed_by) = leaf.get_extension::<AuthorityKeyIdentifier>().unwrap().unwrap();
        assert_eq!(signed_by.key_identifier, Some(root_key.0));
        let (_, constraints) = leaf.get_extension::<BasicConstraints>().unwrap().unwrap();
        assert!(!constraints.ca);
        let (_, usage) = leaf.get_extension::<KeyUsage>().unwrap().unwrap();
        assert!(usage.digital_signature() && !usage.key_cert_sign());
        let (_, purposes) = leaf.get_extension::<ExtendedKeyUsage>().unwrap().unwrap();
        assert_eq!(purposes.0, [ID_KP_SERVER_AUTH]);
    }

    #[test]
    fn serial_numbers_are_positive_and_never_the_same() {
        let authority = authority(NOW);
        let serials: BTreeSet<Vec<u8>> = (0..64)
            .map(|_| parsed(&der(&server(&authority, NOW))).tbs_certificate().serial_number().as_bytes().to_vec())
            .collect();
        assert_eq!(serials.len(), 64);
        assert!(serials.iter().all(|serial| serial.len() == 16 && serial[0] & 0x80 == 0));
    }

    #[test]
    fn a_common_name_that_is_too_long_is_left_to_the_alternative_names() {
        let authority = authority(NOW);
        let name = long_name();
        let leaf = server_named(&authority, &name).unwrap();
        reaches(&authority, &leaf, &name, NOW).unwrap();
        let certificate = parsed(&der(&leaf));
        assert!(certificate.tbs_certificate().subject().is_empty());
        let (critical, _) = certificate.tbs_certificate().get_extension::<SubjectAltName>().unwrap().unwrap();
        assert!(critical, "RFC 5280 asks for it when there is no subject");

        let short = parsed(&der(&server_named(&authority, "a.example").unwrap()));
        assert_eq!(short.tbs_certificate().subject().to_string(), "CN=a.example");
        let critical = criticality(&short).into_iter().filter(|(_, critical)| *critical).count();
        assert_eq!(critical, 2, "constraints and usage");
    }

    #[test]
    fn an_authority_with_a_long_name_is_cut_and_works() {
        let authority = Authority::generate(&"ü".repeat(100), NOW, 365).unwrap();
        let subject = parsed(authority.certificate_der()).tbs_certificate().subject().to_string();
        assert_eq!(subject, format!("CN={}", "ü".repeat(64)));
        let restarted = Authority::from_pem(&authority.to_pem()).unwrap();
        reaches(&authority, &server(&restarted, NOW), "kubernetes", NOW).unwrap();
    }

    #[test]
    fn a_final_dot_is_not_part_of_a_certificates_name() {
        let authority = authority(NOW);
        let leaf = server_named(&authority, "a.example.").unwrap();
        reaches(&authority, &leaf, "a.example", NOW).unwrap();
    }

    #[test]
    fn what_is_no_dns_name_is_refused() {
        let authority = authority(NOW);
        for name in ["", ".", "a..b", "a.example..", "*", "a.*.example", "10.0.0.1", "a b", "ü.example", "-a"] {
            assert!(matches!(server_named(&authority, name), Err(PkiError::NotDnsName(_))), "{name:?}");
        }
    }

    #[test]
    fn nobody_gets_no_certificate() {
        let authority = authority(NOW);
        let nobody =
            ServerCertificate { common_name: "somebody", names: &[], addresses: &[], now: NOW, lifetime_days: 1 };
        assert!(matches!(authority.issue_server(&nobody), Err(PkiError::Nameless)));
        let nobody = ClientCertificate { common_name: "", organizations: &[], now: NOW, lifetime_days: 1 };
        assert!(matches!(authority.issue_client(&nobody), Err(PkiError::Nameless)));
        assert!(matches!(Authority::generate("", NOW, 1), Err(PkiError::Nameless)));
    }

    #[test]
    fn a_leaf_does_not_outlive_its_authority() {
        let authority = Authority::generate("ca", NOW, 1).unwrap();
        let leaf = parsed(&der(&server(&authority, NOW)));
        let root = parsed(authority.certificate_der());
        assert_eq!(leaf.tbs_certificate().validity().not_after, root.tbs_certificate().validity().not_after);

        let restarted = Authority::from_pem(&authority.to_pem()).unwrap();
        let wanted = ClientCertificate {
            common_name: "late",
            organizations: &[],
            now: NOW.plus_days(1).plus_seconds(1),
            lifetime_days: 1,
        };
        for authority in [authority, restarted] {
            let refusal = authority.issue_client(&wanted).unwrap_err();
            assert!(matches!(refusal, PkiError::AuthorityExpired { at } if at == NOW.plus_days(1)));
        }
    }

    #[test]
    fn dates_from_2050_on_are_written_as_rfc_5280_asks() {
        let end_of_2049 = UnixTime(2_524_607_999);
        for (end, short) in [(end_of_2049, true), (end_of_2049.plus_seconds(1), false)] {
            let authority = Authority::generate("ca", end.plus_seconds(-10 * 86_400), 10).unwrap();
            let certificate = parsed(authority.certificate_der());
            let not_after = certificate.tbs_certificate().validity().not_after;
            assert_eq!(matches!(not_after, Time::UtcTime(_)), short, "{not_after}");
            assert_eq!(i64::try_from(not_after.to_unix_duration().as_secs()), Ok(end.0));
        }
    }

    #[test]
    fn times_that_no_certificate_can_state_are_refused() {
        for (now, lifetime_days) in
            [(UnixTime(0), 1), (UnixTime(i64::MIN), 1), (UnixTime(i64::MAX), 1), (NOW, u32::MAX)]
        {
            let refusal = Authority::generate("ca", now, lifetime_days).unwrap_err();
            assert!(matches!(refusal, PkiError::ValidityOutOfRange), "{now:?} {refusal}");
        }
    }

    #[test]
    fn a_stored_authority_whose_parts_do_not_fit_is_refused() {
        let (one, other) = (authority(NOW).to_pem(), authority(NOW).to_pem());
        let mixed = AuthorityPem { certificate: one.certificate.clone(), key: other.key };
        assert!(matches!(Authority::from_pem(&mixed), Err(PkiError::KeyMismatch)));
        let no_key = AuthorityPem { certificate: one.certificate.clone(), key: Redacted::new(one.certificate) };
        assert!(matches!(Authority::from_pem(&no_key), Err(PkiError::Malformed { .. })));
        let nothing = AuthorityPem { certificate: String::new(), key: one.key };
        assert!(matches!(Authority::from_pem(&nothing), Err(PkiError::Malformed { .. })));
    }

    #[test]
    fn an_authority_does_not_show_its_key() {
        let authority = authority(NOW);
        let shown = format!("{authority:?} {:?} {:?}", authority.to_pem(), server(&authority, NOW));
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }
}

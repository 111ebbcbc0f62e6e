//! What a client's certificate is worth, and the handshake that lets every certificate in to be judged afterwards.
//!
//! A real kube-apiserver asks for a certificate and does not verify it in the handshake (`tls.RequestClientCert` in
//! k8s.io/apiserver `server/secure_serving.go`): one that is not to be believed is no credential, and the request is
//! answered 401 unless it brings another one.

use std::{sync::Arc, time::Duration};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{self, CertificateDer},
    server::{
        NoClientAuth, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use crate::{PkiError, Subject, UnixTime, pem, subject::client_subject, tls::PROVIDER};

/// Who signs the certificates of a server's clients. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClientAuthority(Arc<dyn ClientCertVerifier>);

impl ClientAuthority {
    /// Of PEM: one certificate or more.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when there is none or one cannot be read.
    pub fn from_pem(certificates: &str) -> Result<Self, PkiError> {
        const WHAT: &str = "the authority of clients";
        let mut roots = RootCertStore::empty();
        for certificate in pem::read_certificates(certificates, WHAT)? {
            roots.add(certificate)?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&PROVIDER))
            .build()
            .map(Self)
            .map_err(|_| PkiError::Malformed { what: WHAT })
    }

    /// Whom the certificates that a client showed, its own first, speak of: `None` when there are none, another authority
    /// signed them, they are not valid at `now` or not for clients, or they name nobody.
    pub fn subject(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Option<Subject> {
        let (leaf, others) = chain.split_first()?;
        let now = Duration::from_secs(u64::try_from(now.0).ok()?);
        self.0.verify_client_cert(leaf, others, pki_types::UnixTime::since_unix_epoch(now)).ok()?;
        client_subject(leaf).ok()
    }
}

/// Asks for a certificate of the authority, where there is one, and takes any whose key the client has.
pub(crate) fn handshake_verifier(clients: Option<&ClientAuthority>) -> Arc<dyn ClientCertVerifier> {
    match clients {
        Some(ClientAuthority(judge)) => Arc::new(Asked(Arc::clone(judge))),
        None => Arc::new(NoClientAuth),
    }
}

/// The handshake of a server that asks for a certificate and judges it later.
#[derive(Debug)]
struct Asked(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Asked {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: pki_types::UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, authority, client, der, server};

    #[test]
    fn a_client_is_believed_by_a_certificate_of_the_authority_for_clients_and_while_it_is_valid() {
        let (ours, theirs) = (authority(NOW), authority(NOW));
        let clients = ClientAuthority::from_pem(ours.certificate_pem()).unwrap();
        let masters = ["system:masters"];
        let leaf = der(&client(&ours, "masterclient", &masters, NOW));
        let subject = clients.subject(std::slice::from_ref(&leaf), NOW).unwrap();
        assert_eq!(
            (subject.common_name.as_str(), subject.organizations),
            ("masterclient", vec![masters[0].to_owned()])
        );
        assert_eq!(clients.subject(std::slice::from_ref(&leaf), NOW.plus_days(31)), None, "it has run out");
        for stranger in
            [der(&client(&theirs, "masterclient", &masters, NOW)), der(&server(&ours, NOW)), vec![1, 2].into()]
        {
            assert_eq!(clients.subject(&[stranger], NOW), None);
        }
        assert_eq!(clients.subject(&[], NOW), None);
    }

    #[test]
    fn a_client_of_either_of_two_authorities_is_believed() {
        let (old, new) = (authority(NOW), authority(NOW));
        let both = format!("{}{}", old.certificate_pem(), new.certificate_pem());
        let clients = ClientAuthority::from_pem(&both).unwrap();
        for authority in [&old, &new] {
            let leaf = der(&client(authority, "u", &[], NOW));
            assert_eq!(clients.subject(&[leaf], NOW).unwrap().common_name, "u");
        }
        assert!(matches!(ClientAuthority::from_pem(""), Err(PkiError::Malformed { .. })));
    }
}

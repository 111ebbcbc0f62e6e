//! TLS as a witness: shakes hands with whoever is there, and says who that is.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use der::Decode;
use jiff::Timestamp;
use pki::Redacted;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client::TlsStream};
use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

use super::way::Stream;
use crate::{
    kubeconfig::{Access, Proof},
    observation::{Certificate, Tls, Verdict},
};

/// Whom to believe, and what to show.
#[derive(Clone)]
pub(super) struct Trust {
    verifier: Result<Arc<dyn ServerCertVerifier>, String>,
    provider: Arc<CryptoProvider>,
    client: Option<(Vec<CertificateDer<'static>>, Arc<Redacted<PrivateKeyDer<'static>>>)>,
    /// Whether to end the handshake with a server that is not believed. Without it nothing secret is sent.
    strict: bool,
}

/// Why a client certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
#[error("the client certificate cannot be used")]
pub(super) struct UnusableCertificate;

impl Trust {
    /// The kubeconfig's authority, else the system's. Nobody is believed when it cannot be read.
    pub(super) fn of(access: &Access) -> Self {
        let system = Self::system();
        let verifier = match &access.authority {
            Some(Ok(pem)) => kubeconfigs(pem, &system.provider),
            Some(Err(error)) => Err(error.clone()),
            None => return system,
        };
        Self { verifier, ..system }
    }

    /// The system's authorities.
    pub(super) fn system() -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))
            .map(|verifier| Arc::new(verifier) as Arc<dyn ServerCertVerifier>)
            .map_err(|error| error.to_string());
        Self { verifier, provider, client: None, strict: false }
    }

    /// Why no server can be believed, if so.
    pub(super) fn error(&self) -> Option<&str> {
        self.verifier.as_ref().err().map(String::as_str)
    }

    /// Shows nothing.
    pub(super) fn anonymous(&self) -> Self {
        Self { client: None, strict: false, ..self.clone() }
    }

    /// Speaks with the believed server only, and shows it the user's certificate, if there is one.
    pub(super) fn with_client(&self, proof: &Proof) -> Result<Self, UnusableCertificate> {
        let client = match &proof.certificate {
            None => None,
            Some(Err(_)) => return Err(UnusableCertificate),
            Some(Ok(client)) => {
                let chain = CertificateDer::pem_slice_iter(&client.certificate).collect::<Result<Vec<_>, _>>();
                let key = PrivateKeyDer::from_pem_slice(client.key.expose()).map_err(|_| UnusableCertificate)?;
                Some((chain.map_err(|_| UnusableCertificate)?, Arc::new(Redacted::new(key))))
            }
        };
        Ok(Self { client, strict: true, ..self.clone() })
    }

    fn config(&self, witness: &Arc<Witness>) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(witness) as Arc<dyn ServerCertVerifier>);
        let mut config = match &self.client {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.expose().clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn kubeconfigs(pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().map(|verifier| verifier as Arc<dyn ServerCertVerifier>).map_err(|error| error.to_string())
}

/// Shakes hands on `stream` with a server that should be `expected`; the session, if one came about.
pub(super) async fn shake(
    stream: Box<dyn Stream>,
    expected: &str,
    trust: &Trust,
    limit: Duration,
) -> (Tls, Option<TlsStream<Box<dyn Stream>>>) {
    let witness = Arc::new(Witness { trust: trust.clone(), seen: Mutex::default() });
    let tls = |verdict| Tls { verdict, expected_name: expected.to_owned(), certificate: witness.certificate() };
    let error = |error: String| Verdict::Unacceptable { error };
    let Ok(name) = ServerName::try_from(expected.to_owned()) else {
        return (tls(error(format!("`{expected}` is not a name that a certificate can have"))), None);
    };
    let config = match trust.config(&witness) {
        Ok(config) => config,
        Err(failure) => return (tls(error(failure.to_string())), None),
    };
    match timeout(limit, TlsConnector::from(Arc::new(config)).connect(name, stream)).await {
        Err(_) => (tls(Verdict::Silent), None),
        Ok(Ok(session)) => (tls(witness.verdict()), Some(session)),
        Ok(Err(failure)) => {
            let inner = failure.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let verdict = match inner {
                Some(rustls::Error::InvalidCertificate(_)) => witness.verdict(),
                // A server that does not speak TLS sends what is no TLS record.
                Some(rustls::Error::InvalidMessage(_)) if witness.certificate().is_none() => Verdict::NotTls,
                _ => Verdict::Cut { error: failure.to_string() },
            };
            (tls(verdict), None)
        }
    }
}

/// Sees who is there and what the real verifier says of them.
struct Witness {
    trust: Trust,
    seen: Mutex<Option<(Option<Certificate>, Verdict)>>,
}

impl Witness {
    fn certificate(&self) -> Option<Certificate> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .and_then(|(certificate, _)| certificate.clone())
    }

    fn verdict(&self) -> Verdict {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let unseen = || Verdict::Unacceptable { error: "no certificate was shown".to_owned() };
        seen.as_ref().map_or_else(unseen, |(_, verdict)| verdict.clone())
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = match &self.trust.verifier {
            Ok(verifier) => verifier.verify_server_cert(leaf, intermediates, name, ocsp, now),
            Err(_) => Err(CertificateError::UnknownIssuer.into()),
        };
        let verdict = verified.as_ref().err().map_or(Verdict::Verified, judge);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((read(leaf), verdict));
        if self.trust.strict { verified } else { Ok(ServerCertVerified::assertion()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.trust.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.trust.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// AKS's authorities all have the name `ca`, so that another cluster's shows as a bad signature.
fn judge(error: &rustls::Error) -> Verdict {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Verdict::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Verdict::WrongName,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Verdict::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Verdict::NotYetValid,
            other => Verdict::Unacceptable { error: other.to_string() },
        },
        other => Verdict::Unacceptable { error: other.to_string() },
    }
}

/// What a certificate says; nothing when it cannot be read.
pub(super) fn read(der: &[u8]) -> Option<Certificate> {
    let certificate = x509_cert::Certificate::from_der(der).ok()?;
    let certificate = certificate.tbs_certificate();
    let names = certificate.get_extension::<SubjectAltName>().ok().flatten();
    let name = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        GeneralName::IpAddress(bytes) => {
            let four = <[u8; 4]>::try_from(bytes.as_bytes()).map(IpAddr::from);
            four.or_else(|_| <[u8; 16]>::try_from(bytes.as_bytes()).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    };
    let time = |time: &x509_cert::time::Time| {
        Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
    };
    Some(Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        names: names.map(|(_, names)| names.0.iter().filter_map(name).collect()).unwrap_or_default(),
        not_before: time(&certificate.validity().not_before)?,
        not_after: time(&certificate.validity().not_after)?,
    })
}

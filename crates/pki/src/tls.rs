//! TLS configurations for servers.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, pem::PemObject},
    server::{NoClientAuth, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use crate::{Identity, PkiError};

/// Makes aws-lc-rs the process's cryptography. Calling it again does nothing.
pub fn install_provider() {
    // An error says that a provider is already installed, which is what is wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A server that shows `identity`. With `client_authority` (PEM) it asks clients for a certificate
/// of that authority: one that is not is refused, none at all is accepted.
///
/// # Errors
/// When a certificate or key is malformed or they do not fit.
pub fn server_config(
    identity: &Identity,
    client_authority: Option<&str>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, PkiError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier: Arc<dyn ClientCertVerifier> = match client_authority {
        None => Arc::new(NoClientAuth),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                roots.add(certificate.map_err(|_| PkiError::Malformed { what: "the client authority" })?)?;
            }
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .map_err(|_| PkiError::Malformed { what: "the client authority" })?
        }
    };
    let (chain, key) = identity.to_rustls()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::{io, net::IpAddr};

    use rustls::{ClientConfig, ClientConnection, ServerConnection, pki_types::ServerName};

    use super::*;
    use crate::{Authority, ClientCertificate, ServerCertificate, UnixTime, client_subject};

    fn now() -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        UnixTime(i64::try_from(since.as_secs()).unwrap())
    }

    fn server(authority: &Authority) -> Identity {
        let long = format!("{}.privatelink.japaneast.azmk8s.io", "a".repeat(60));
        authority
            .issue_server(&ServerCertificate {
                common_name: &long,
                names: &[long.clone(), "kubernetes".to_owned()],
                addresses: &[IpAddr::from([10, 224, 0, 4])],
                now: now(),
                lifetime_days: 30,
            })
            .unwrap()
    }

    fn client(authority: &Authority) -> Identity {
        let organizations = ["system:masters".to_owned()];
        authority
            .issue_client(&ClientCertificate {
                common_name: "masterclient",
                organizations: &organizations,
                now: now(),
                lifetime_days: 30,
            })
            .unwrap()
    }

    /// Shakes hands in memory; gives the client's certificate as the server saw it.
    fn shake(server: Arc<ServerConfig>, client: ClientConfig, name: &str) -> io::Result<Option<Vec<u8>>> {
        let mut server = ServerConnection::new(server).map_err(io::Error::other)?;
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let mut client = ClientConnection::new(Arc::new(client), name).map_err(io::Error::other)?;
        for _ in 0..10 {
            let mut wire = Vec::new();
            client.write_tls(&mut wire)?;
            server.read_tls(&mut wire.as_slice())?;
            server.process_new_packets().map_err(io::Error::other)?;
            let mut wire = Vec::new();
            server.write_tls(&mut wire)?;
            client.read_tls(&mut wire.as_slice())?;
            client.process_new_packets().map_err(io::Error::other)?;
        }
        assert!(!server.is_handshaking(), "the handshake does not end");
        Ok(server.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec()))
    }

    fn trusting(authority: &Authority, identity: Option<&Identity>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate_der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.to_rustls().unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        }
    }

    #[test]
    fn every_name_and_address_verifies_and_no_other() {
        let authority = Authority::generate("ca", now(), 365).unwrap();
        let config = server_config(&server(&authority), None, &[]).unwrap();
        let long = format!("{}.privatelink.japaneast.azmk8s.io", "a".repeat(60));
        for name in [long.as_str(), "kubernetes", "10.224.0.4"] {
            shake(Arc::clone(&config), trusting(&authority, None), name).unwrap();
        }
        assert!(shake(config, trusting(&authority, None), "another.example").is_err());
    }

    #[test]
    fn a_stored_authority_goes_on_signing() {
        let authority = Authority::generate("ca", now(), 365).unwrap();
        let again = Authority::from_pem(&authority.to_pem()).unwrap();
        let config = server_config(&server(&again), None, &[]).unwrap();
        shake(config, trusting(&authority, None), "kubernetes").unwrap();
    }

    #[test]
    fn clients_show_who_they_are_or_nothing() {
        let authority = Authority::generate("ca", now(), 365).unwrap();
        let config = server_config(&server(&authority), Some(authority.certificate_pem()), &[]).unwrap();
        let identity = client(&authority);
        let shown = shake(Arc::clone(&config), trusting(&authority, Some(&identity)), "kubernetes").unwrap().unwrap();
        let subject = client_subject(&shown).unwrap();
        assert_eq!(subject.common_name, "masterclient");
        assert_eq!(subject.organizations, ["system:masters"]);
        assert_eq!(shake(Arc::clone(&config), trusting(&authority, None), "kubernetes").unwrap(), None);

        let stranger = client(&Authority::generate("another", now(), 365).unwrap());
        assert!(shake(config, trusting(&authority, Some(&stranger)), "kubernetes").is_err());
    }
}

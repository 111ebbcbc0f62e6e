//! TLS configurations for servers. One cryptography for the whole process: aws-lc-rs.

use std::sync::{Arc, LazyLock};

use rustls::{ServerConfig, crypto::CryptoProvider, server::NoServerSessionStorage};

use crate::{ClientAuthority, Identity, PkiError, client};

pub(crate) static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));

/// Makes aws-lc-rs the process's cryptography. Calling it again does nothing.
pub fn install_provider() {
    // Refused when a provider is installed already, which is what is wanted.
    let _ = CryptoProvider::clone(&PROVIDER).install_default();
}

/// A server that shows `identity` and offers the protocols `alpn`, the preferred first. With `clients` it asks for a
/// certificate of that authority, and whoever has the key of the one that he shows comes in: what the certificate is
/// worth is for [`ClientAuthority::subject`] to say, so that the refusal can be told in HTTP.
///
/// Sessions are not resumed: clients here are short-lived processes, and the memory that each configuration would set
/// aside for sessions counts when there are a thousand clusters.
///
/// # Errors
/// [`PkiError::Malformed`] when a certificate or key cannot be read, [`PkiError::Tls`] when they do not fit.
pub fn server_config(
    identity: &Identity,
    clients: Option<&ClientAuthority>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, PkiError> {
    let (chain, key) = identity.to_rustls()?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(client::handshake_verifier(clients))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        time::{SystemTime, UNIX_EPOCH},
    };

    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConnection,
        pki_types::{CertificateDer, ServerName},
    };

    use super::*;
    use crate::{
        Authority, UnixTime,
        testing::{authority, client, server},
    };

    /// The clock's time, since a handshake looks at the clock.
    fn now() -> UnixTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        UnixTime(since.as_secs().try_into().unwrap())
    }

    /// What a server saw of a client.
    #[derive(Debug, PartialEq, Eq)]
    struct Seen {
        certificates: Vec<CertificateDer<'static>>,
        protocol: Option<Vec<u8>>,
    }

    /// Shakes hands in memory.
    fn shake(server: &Arc<ServerConfig>, client: ClientConfig) -> io::Result<Seen> {
        let mut server = ServerConnection::new(Arc::clone(server)).map_err(io::Error::other)?;
        let name = ServerName::try_from("kubernetes").map_err(io::Error::other)?;
        let mut client = ClientConnection::new(Arc::new(client), name).map_err(io::Error::other)?;
        while client.wants_write() || server.wants_write() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire)?;
            server.read_tls(&mut wire.as_slice())?;
            server.process_new_packets().map_err(io::Error::other)?;
            let mut wire = Vec::new();
            server.write_tls(&mut wire)?;
            client.read_tls(&mut wire.as_slice())?;
            client.process_new_packets().map_err(io::Error::other)?;
        }
        assert!(!server.is_handshaking() && !client.is_handshaking(), "the handshake does not end");
        Ok(Seen {
            certificates: server
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .cloned()
                .map(CertificateDer::into_owned)
                .collect(),
            protocol: server.alpn_protocol().map(<[u8]>::to_vec),
        })
    }

    fn trusting(authority: &Authority, identity: Option<&Identity>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate_der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
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
    fn whatever_certificate_clients_show_they_come_in_and_are_judged_afterwards() {
        let ours = authority(now());
        let clients = ClientAuthority::from_pem(ours.certificate_pem()).unwrap();
        let config = server_config(&server(&ours, now()), Some(&clients), &[]).unwrap();
        let user = |identity: Option<&Identity>| {
            let seen = shake(&config, trusting(&ours, identity)).unwrap();
            assert_eq!(seen.certificates.is_empty(), identity.is_none());
            clients.subject(&seen.certificates, now()).map(|subject| subject.common_name)
        };
        assert_eq!(user(Some(&client(&ours, "masterclient", &[], now()))).as_deref(), Some("masterclient"));
        assert_eq!(user(None), None);
        assert_eq!(user(Some(&client(&authority(now()), "masterclient", &[], now()))), None);
        assert_eq!(user(Some(&client(&ours, "masterclient", &[], now().plus_seconds(-40 * 86_400)))), None);
    }

    #[test]
    fn a_certificate_without_its_key_does_not_come_in() {
        let ours = authority(now());
        let clients = ClientAuthority::from_pem(ours.certificate_pem()).unwrap();
        let config = server_config(&server(&ours, now()), Some(&clients), &[]).unwrap();
        let (chain, _) = client(&ours, "masterclient", &[], now()).to_rustls().unwrap();
        let (_, key) = client(&ours, "thief", &[], now()).to_rustls().unwrap();
        let key = PROVIDER.key_provider.load_private_key(key).unwrap();
        let stolen = rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(chain, key));
        let mut roots = RootCertStore::empty();
        roots.add(ours.certificate_der().clone()).unwrap();
        let thief = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(stolen));
        shake(&config, thief).unwrap_err();
    }

    #[test]
    fn a_server_that_asks_for_no_certificate_sees_none() {
        let authority = authority(now());
        let config = server_config(&server(&authority, now()), None, &[]).unwrap();
        let seen = shake(&config, trusting(&authority, Some(&client(&authority, "u", &[], now())))).unwrap();
        assert_eq!(seen, Seen { certificates: Vec::new(), protocol: None });
    }

    #[test]
    fn the_preferred_protocol_that_both_speak_is_taken() {
        let authority = authority(now());
        let config = server_config(&server(&authority, now()), None, &[b"h2", b"http/1.1"]).unwrap();
        for (offered, taken) in [(vec!["http/1.1", "h2"], "h2"), (vec!["http/1.1"], "http/1.1")] {
            let mut client = trusting(&authority, None);
            client.alpn_protocols = offered.into_iter().map(Into::into).collect();
            assert_eq!(shake(&config, client).unwrap().protocol.as_deref(), Some(taken.as_bytes()));
        }
    }

    #[test]
    fn an_identity_whose_parts_do_not_fit_is_refused() {
        let authority = authority(now());
        let (one, other) = (server(&authority, now()), server(&authority, now()));
        let mixed = Identity { key_pem: other.key_pem, ..one.clone() };
        assert!(matches!(server_config(&mixed, None, &[]), Err(PkiError::Tls(_))));
        let empty = Identity { certificate_pem: String::new(), ..one };
        assert!(matches!(server_config(&empty, None, &[]), Err(PkiError::Malformed { .. })));
    }

    #[test]
    fn installing_the_provider_again_does_nothing() {
        install_provider();
        install_provider();
        assert!(CryptoProvider::get_default().is_some());
    }
}

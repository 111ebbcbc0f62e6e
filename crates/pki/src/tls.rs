//! TLS configurations for servers. One cryptography for the whole process: aws-lc-rs.

use std::sync::{Arc, LazyLock};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use crate::{Identity, PkiError, pem};

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));

/// Makes aws-lc-rs the process's cryptography. Calling it again does nothing.
pub fn install_provider() {
    // Refused when a provider is installed already, which is what is wanted.
    let _ = CryptoProvider::clone(&PROVIDER).install_default();
}

/// A server that shows `identity` and offers the protocols `alpn`, the preferred first. With `client_authority` (PEM,
/// one certificate or more) it asks clients for a certificate: one that another authority signed or that has
/// run out is refused, none at all is accepted.
///
/// Sessions are not resumed: clients here are short-lived processes, and the memory that each configuration would set
/// aside for sessions counts when there are a thousand clusters.
///
/// # Errors
/// [`PkiError::Malformed`] when a certificate or key cannot be read, [`PkiError::Tls`] when they do not fit.
pub fn server_config(
    identity: &Identity,
    client_authority: Option<&str>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, PkiError> {
    let (chain, key) = identity.to_rustls()?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(client_verifier(client_authority)?)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn client_verifier(authority: Option<&str>) -> Result<Arc<dyn ClientCertVerifier>, PkiError> {
    const WHAT: &str = "the authority of clients";
    let Some(authority) = authority else {
        return Ok(Arc::new(NoClientAuth));
    };
    let mut roots = RootCertStore::empty();
    for certificate in pem::read_certificates(authority, WHAT)? {
        roots.add(certificate)?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&PROVIDER))
        .allow_unauthenticated()
        .build()
        .map_err(|_| PkiError::Malformed { what: WHAT })
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        time::{SystemTime, UNIX_EPOCH},
    };

    use rustls::{ClientConfig, ClientConnection, ServerConnection, pki_types::ServerName};

    use super::*;
    use crate::{
        Authority, UnixTime, client_subject,
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
        user: Option<String>,
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
        let shown = server.peer_certificates().and_then(|chain| chain.first());
        Ok(Seen {
            user: shown.map(|leaf| client_subject(leaf).unwrap().common_name),
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
    fn clients_show_who_they_are_or_nothing() {
        let ours = authority(now());
        let config = server_config(&server(&ours, now()), Some(ours.certificate_pem()), &[]).unwrap();
        let seen = shake(&config, trusting(&ours, Some(&client(&ours, "masterclient", &[], now())))).unwrap();
        assert_eq!(seen.user.as_deref(), Some("masterclient"));
        assert_eq!(shake(&config, trusting(&ours, None)).unwrap().user, None);

        let stranger = client(&authority(now()), "masterclient", &[], now());
        shake(&config, trusting(&ours, Some(&stranger))).unwrap_err();
        let expired = client(&ours, "masterclient", &[], now().plus_seconds(-40 * 86_400));
        shake(&config, trusting(&ours, Some(&expired))).unwrap_err();
    }

    #[test]
    fn a_server_that_asks_for_no_certificate_sees_none() {
        let authority = authority(now());
        let config = server_config(&server(&authority, now()), None, &[]).unwrap();
        let seen = shake(&config, trusting(&authority, Some(&client(&authority, "u", &[], now())))).unwrap();
        assert_eq!(seen, Seen { user: None, protocol: None });
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
    fn a_client_of_either_of_two_authorities_is_admitted() {
        let (old, new) = (authority(now()), authority(now()));
        let both = format!("{}{}", old.certificate_pem(), new.certificate_pem());
        let config = server_config(&server(&new, now()), Some(&both), &[]).unwrap();
        for authority in [&old, &new] {
            let identity = client(authority, "u", &[], now());
            assert_eq!(shake(&config, trusting(&new, Some(&identity))).unwrap().user.as_deref(), Some("u"));
        }
    }

    #[test]
    fn an_identity_whose_parts_do_not_fit_is_refused() {
        let authority = authority(now());
        let (one, other) = (server(&authority, now()), server(&authority, now()));
        let mixed = Identity { key_pem: other.key_pem, ..one.clone() };
        assert!(matches!(server_config(&mixed, None, &[]), Err(PkiError::Tls(_))));
        let empty = Identity { certificate_pem: String::new(), ..one.clone() };
        assert!(matches!(server_config(&empty, None, &[]), Err(PkiError::Malformed { .. })));
        assert!(matches!(server_config(&one, Some(""), &[]), Err(PkiError::Malformed { .. })));
    }

    #[test]
    fn installing_the_provider_again_does_nothing() {
        install_provider();
        install_provider();
        assert!(CryptoProvider::get_default().is_some());
    }
}

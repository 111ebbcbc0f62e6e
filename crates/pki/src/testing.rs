//! What the tests of this crate share: a fixed time, and certificates to look at.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;

use crate::{Authority, ClientCertificate, Identity, ServerCertificate, UnixTime};

/// 2027-01-15T08:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);

/// A name longer than a common name may be.
pub(crate) fn long_name() -> String {
    format!("{}.privatelink.japaneast.azmk8s.io", "a".repeat(60))
}

pub(crate) fn authority(now: UnixTime) -> Authority {
    Authority::generate("noren test", now, 3650).unwrap()
}

/// A server's certificate for [`long_name`], `kubernetes`, `*.example.com`, 10.224.0.4 and `fd00::1`, for 30 days.
pub(crate) fn server(authority: &Authority, now: UnixTime) -> Identity {
    let names = [long_name(), "kubernetes".to_owned(), "*.example.com".to_owned()];
    let addresses = [IpAddr::from([10, 224, 0, 4]), "fd00::1".parse().unwrap()];
    let wanted =
        ServerCertificate { common_name: "apiserver", names: &names, addresses: &addresses, now, lifetime_days: 30 };
    authority.issue_server(&wanted).unwrap()
}

/// A client's certificate for 30 days.
pub(crate) fn client(authority: &Authority, common_name: &str, organizations: &[&str], now: UnixTime) -> Identity {
    let organizations: Vec<String> = organizations.iter().map(ToString::to_string).collect();
    let wanted = ClientCertificate { common_name, organizations: &organizations, now, lifetime_days: 30 };
    authority.issue_client(&wanted).unwrap()
}

/// The leaf certificate, DER.
pub(crate) fn der(identity: &Identity) -> CertificateDer<'static> {
    identity.to_rustls().unwrap().0.swap_remove(0)
}

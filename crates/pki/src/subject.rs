//! Who a client certificate is for, as Kubernetes reads it: the common name is the user, each organization a group.
//!
//! Must never: decide whether the certificate is to be believed. `client` did that before.

use der::{
    Decode,
    asn1::{Any, Ia5StringRef},
    oid::db::rfc4519::{COMMON_NAME, ORGANIZATION_NAME},
};
use x509_cert::{Certificate, ext::pkix::name::DirectoryString};

use crate::PkiError;

/// Who a client certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The common name. Not empty.
    pub common_name: String,
    /// The organizations, in order.
    pub organizations: Vec<String>,
}

/// Reads who a client certificate (DER) is for. Its chain must have been verified before.
///
/// Of several common names the last one counts, as in Go's `crypto/x509/pkix`, which is what a real API server reads
/// with.
///
/// # Errors
/// [`PkiError::Malformed`] when it cannot be read, [`PkiError::Nameless`] when it has no common name.
pub(crate) fn client_subject(der: &[u8]) -> Result<Subject, PkiError> {
    let certificate = Certificate::from_der(der).map_err(|_| malformed())?;
    let mut common_name = String::new();
    let mut organizations = Vec::new();
    for attribute in certificate.tbs_certificate().subject().iter() {
        match attribute.oid {
            COMMON_NAME => common_name = text(&attribute.value)?,
            ORGANIZATION_NAME => organizations.push(text(&attribute.value)?),
            _ => {}
        }
    }
    if common_name.is_empty() {
        return Err(PkiError::Nameless);
    }
    Ok(Subject { common_name, organizations })
}

fn text(value: &Any) -> Result<String, PkiError> {
    match DirectoryString::try_from(value) {
        Ok(text) => Ok(text.into()),
        Err(_) => value.decode_as::<Ia5StringRef<'_>>().map(|text| text.to_string()).map_err(|_| malformed()),
    }
}

fn malformed() -> PkiError {
    PkiError::Malformed { what: "the client's certificate" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{NOW, authority, client, der, server};

    #[test]
    fn a_client_is_read_as_it_was_written() {
        let authority = authority(NOW);
        let user = format!("system:node:{}", "n".repeat(100));
        for (user, groups) in [
            ("masterclient", vec!["system:masters"]),
            ("jbeda", vec!["app1", "app2", "app1", "日本語, O=x"]),
            (user.as_str(), vec![]),
        ] {
            let subject = client_subject(&der(&client(&authority, user, &groups, NOW))).unwrap();
            assert_eq!(
                (subject.common_name.as_str(), subject.organizations),
                (user, groups.iter().map(ToString::to_string).collect())
            );
        }
    }

    #[test]
    fn who_has_no_common_name_is_nobody() {
        let nameless = crate::ServerCertificate {
            common_name: "",
            names: &["a.example".to_owned()],
            addresses: &[],
            now: NOW,
            lifetime_days: 1,
        };
        let leaf = authority(NOW).issue_server(&nameless).unwrap();
        assert!(matches!(client_subject(&der(&leaf)), Err(PkiError::Nameless)));
    }

    #[test]
    fn what_is_no_certificate_is_malformed() {
        let leaf = der(&server(&authority(NOW), NOW));
        for bytes in [&[][..], b"-----BEGIN CERTIFICATE-----", &leaf[1..], &leaf[..leaf.len() - 1]] {
            assert!(matches!(client_subject(bytes), Err(PkiError::Malformed { .. })));
        }
    }

    proptest! {
        #[test]
        fn a_damaged_certificate_does_no_harm(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut leaf = der(&client(&authority(NOW), "user", &["a", "b"], NOW)).to_vec();
            let at = at.index(leaf.len());
            leaf[at] = to;
            let _ = client_subject(&leaf);
        }
    }
}

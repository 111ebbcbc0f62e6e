//! The keys of a cluster. The one place where a provider's answer cannot be repeated: keys are
//! drawn by `pki` from the system and never from [`crate::provider::Entropy`].

use azure::ArmError;
use pki::{Authority, ClientCertificate, PkiError, UnixTime};

use super::state::{Access, Credentials};

/// AKS's authorities are valid for 30 years.
const AUTHORITY_LIFETIME_DAYS: u32 = 30 * 365;
/// Its client certificates for two.
const CLIENT_LIFETIME_DAYS: u32 = 2 * 365;
/// The user that AKS's client certificates name.
const CLIENT_NAME: &str = "masterclient";
/// The group that gives it every right.
const CLIENT_GROUP: &str = "system:masters";
/// Random bytes of a token; AKS's have 128 hexadecimal digits.
const TOKEN_LEN: usize = 64;

/// A fresh authority with fresh users.
///
/// # Errors
/// 500 when the system gives no keys.
pub(super) fn issue(now: jiff::Timestamp) -> Result<Credentials, ArmError> {
    let now = UnixTime(now.as_second());
    let issue = || -> Result<Credentials, PkiError> {
        let authority = Authority::generate("ca", now, AUTHORITY_LIFETIME_DAYS)?;
        let organizations = [CLIENT_GROUP.to_owned()];
        let wanted = ClientCertificate {
            common_name: CLIENT_NAME,
            organizations: &organizations,
            now,
            lifetime_days: CLIENT_LIFETIME_DAYS,
        };
        let access = || {
            Ok::<_, PkiError>(Access {
                certificate: authority.issue_client(&wanted)?,
                token: pki::random_hex(TOKEN_LEN),
            })
        };
        Ok(Credentials { user: access()?, admin: access()?, authority: authority.to_pem() })
    };
    issue().map_err(|error| ArmError::new(500, "InternalServerError", format!("The cluster's keys: {error}.")))
}

//! Tokens as Entra ID issues them: JSON web tokens, RS256 only (RFC 7515, 7518 §3.3, 7519).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{PkiError, Redacted, UnixTime};

/// Verified tokens that are remembered.
const REMEMBERED_MAX: usize = 4096;

/// Signs tokens and checks them.
pub struct TokenIssuer {
    pkcs8: Redacted<Vec<u8>>,
    encoding: EncodingKey,
    decoding: DecodingKey,
    key_id: String,
    modulus: String,
    exponent: String,
}

/// An issuer as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerPem {
    /// The RSA key, PKCS #8 in PEM.
    pub key: Redacted<String>,
}

/// What a token must say to be accepted.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// One of these is its audience.
    pub audiences: &'a [String],
    /// One of these issued it.
    pub issuers: &'a [String],
    /// Now.
    pub now: UnixTime,
    /// Seconds by which clocks may differ.
    pub leeway_s: i64,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JSON web token.
    #[error("the token is malformed")]
    Malformed,
    /// It is signed with another algorithm or by another key.
    #[error("the token is signed by an unknown key or algorithm")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    WrongAudience {
        /// The audience it is for.
        found: String,
    },
    /// Somebody else issued it.
    #[error("the token comes from another issuer")]
    WrongIssuer {
        /// Who issued it.
        found: String,
    },
    /// It was valid.
    #[error("the token has expired")]
    Expired {
        /// Until then.
        at: UnixTime,
    },
    /// It will be valid.
    #[error("the token is not valid yet")]
    NotYetValid {
        /// From then.
        from: UnixTime,
    },
}

/// The claims that decide whether a token is accepted.
#[derive(Debug, Deserialize)]
struct Registered {
    aud: String,
    iss: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
}

impl TokenIssuer {
    /// Makes a new RSA-2048 key.
    ///
    /// # Errors
    /// When the system gives no key.
    pub fn generate() -> Result<Self, PkiError> {
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| PkiError::Generation)?;
        let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(|_| PkiError::Generation)?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// Reads a stored issuer.
    ///
    /// # Errors
    /// When the key is malformed.
    pub fn from_pem(pem: &IssuerPem) -> Result<Self, PkiError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.key.expose().as_bytes())
            .map_err(|_| PkiError::Malformed { what: "the token key" })?;
        Self::from_pkcs8(key.secret_pkcs8_der())
    }

    /// The issuer as it is stored.
    pub fn to_pem(&self) -> IssuerPem {
        IssuerPem { key: Redacted::new(pem_of(self.pkcs8.expose())) }
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, PkiError> {
        let malformed = || PkiError::Malformed { what: "the token key" };
        let key = KeyPair::from_pkcs8(pkcs8).map_err(|_| malformed())?;
        let public = key.public_key();
        let bytes = |number: aws_lc_rs::io::Positive<'_>| number.big_endian_without_leading_zero().to_vec();
        let (modulus, exponent) = (bytes(public.modulus()), bytes(public.exponent()));
        Ok(Self {
            encoding: EncodingKey::from_rsa_pem(pem_of(pkcs8).as_bytes())?,
            pkcs8: Redacted::new(pkcs8.to_vec()),
            decoding: DecodingKey::from_rsa_raw_components(&modulus, &exponent),
            key_id: URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &modulus)),
            modulus: URL_SAFE_NO_PAD.encode(modulus),
            exponent: URL_SAFE_NO_PAD.encode(exponent),
        })
    }

    /// Signs a token with these claims.
    ///
    /// # Errors
    /// When the claims cannot be written as JSON.
    pub fn issue<C: Serialize>(&self, claims: &C) -> Result<String, PkiError> {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::RS256) };
        Ok(jsonwebtoken::encode(&header, claims, &self.encoding)?)
    }

    /// The public key as a JSON web key set (RFC 7517).
    pub fn jwks(&self) -> Value {
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id, "x5t": self.key_id,
            "n": self.modulus, "e": self.exponent,
        }]})
    }

    /// Checks a token and reads its claims.
    ///
    /// # Errors
    /// The first reason not to accept it.
    pub fn verify<C: DeserializeOwned>(&self, token: &str, expected: &Expectation<'_>) -> Result<C, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
            // A header that names no algorithm of ours, such as `none`, does not parse.
            jsonwebtoken::errors::ErrorKind::Json(_) => TokenError::UnknownKey,
            _ => TokenError::Malformed,
        })?;
        if header.alg != Algorithm::RS256 || header.kid.as_ref() != Some(&self.key_id) {
            return Err(TokenError::UnknownKey);
        }
        let claims: Value = self.signed_claims(token)?;
        let registered = Registered::deserialize(&claims).map_err(|_| TokenError::Malformed)?;
        registered.check(expected)?;
        C::deserialize(claims).map_err(|_| TokenError::Malformed)
    }

    fn signed_claims(&self, token: &str) -> Result<Value, TokenError> {
        let mut validation = Validation::new(Algorithm::RS256);
        // The time is passed in, so these are checked by hand.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded = jsonwebtoken::decode::<Value>(token, &self.decoding, &validation);
        decoded.map(|data| data.claims).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::BadSignature,
            _ => TokenError::Malformed,
        })
    }
}

impl Registered {
    fn check(&self, expected: &Expectation<'_>) -> Result<(), TokenError> {
        if !expected.issuers.contains(&self.iss) {
            return Err(TokenError::WrongIssuer { found: self.iss.clone() });
        }
        if !expected.audiences.contains(&self.aud) {
            return Err(TokenError::WrongAudience { found: self.aud.clone() });
        }
        if expected.now.0 >= self.exp.saturating_add(expected.leeway_s) {
            return Err(TokenError::Expired { at: UnixTime(self.exp) });
        }
        match self.nbf {
            Some(from) if expected.now.0.saturating_add(expected.leeway_s) < from => {
                Err(TokenError::NotYetValid { from: UnixTime(from) })
            }
            _ => Ok(()),
        }
    }
}

/// RFC 7468 §10: a PKCS #8 key in textual form, 64 characters a line.
fn pem_of(pkcs8: &[u8]) -> String {
    let body = STANDARD.encode(pkcs8);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in body.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END PRIVATE KEY-----\n"
}

/// Remembers what verified, so that a token pays for its signature once.
///
/// Bounded: the oldest entries go first. An entry is forgotten when its token expires.
pub struct VerifiedTokens<C> {
    entries: Mutex<Entries<C>>,
}

struct Entries<C> {
    by_digest: HashMap<[u8; 32], (UnixTime, C)>,
    order: VecDeque<[u8; 32]>,
}

impl<C: Clone> VerifiedTokens<C> {
    /// Remembers nothing yet.
    pub fn new() -> Self {
        Self { entries: Mutex::new(Entries { by_digest: HashMap::new(), order: VecDeque::new() }) }
    }

    /// What `token` verified to, unless it is unknown or has expired at `now`.
    pub fn get(&self, token: &str, now: UnixTime) -> Option<C> {
        let digest = token_digest(token);
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (expires, claims) = entries.by_digest.get(&digest)?;
        (now < *expires).then(|| claims.clone())
    }

    /// Remembers that `token` verified to `claims` and is valid until `expires`.
    pub fn remember(&self, token: &str, expires: UnixTime, claims: C) {
        let digest = token_digest(token);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.by_digest.insert(digest, (expires, claims)).is_none() {
            entries.order.push_back(digest);
        }
        while entries.order.len() > REMEMBERED_MAX {
            if let Some(oldest) = entries.order.pop_front() {
                entries.by_digest.remove(&oldest);
            }
        }
    }
}

impl<C: Clone> Default for VerifiedTokens<C> {
    fn default() -> Self {
        Self::new()
    }
}

fn token_digest(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn claims() -> Value {
        json!({"aud": "https://arm/", "iss": "https://sts/t", "exp": NOW.0 + 60, "nbf": NOW.0 - 60, "oid": "x"})
    }

    fn check(issuer: &TokenIssuer, token: &str) -> Result<Value, TokenError> {
        let (audiences, issuers) = (["https://arm/".to_owned()], ["https://sts/t".to_owned()]);
        let expected = Expectation { audiences: &audiences, issuers: &issuers, now: NOW, leeway_s: 0 };
        issuer.verify(token, &expected)
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    #[test]
    fn a_token_is_accepted_by_its_issuer_also_after_a_restart() {
        let issuer = TokenIssuer::generate().unwrap();
        let token = issuer.issue(&claims()).unwrap();
        assert_eq!(check(&issuer, &token).unwrap()["oid"], "x");
        let restarted = TokenIssuer::from_pem(&issuer.to_pem()).unwrap();
        assert_eq!(restarted.jwks(), issuer.jwks());
        assert_eq!(check(&restarted, &token).unwrap()["oid"], "x");
    }

    #[test]
    fn each_wrong_claim_has_its_own_refusal() {
        let issuer = TokenIssuer::generate().unwrap();
        let refusal = |claims: Value| check(&issuer, &issuer.issue(&claims).unwrap()).unwrap_err();
        assert_eq!(refusal(with("aud", json!("other"))), TokenError::WrongAudience { found: "other".into() });
        assert_eq!(refusal(with("iss", json!("other"))), TokenError::WrongIssuer { found: "other".into() });
        assert_eq!(refusal(with("exp", json!(NOW.0))), TokenError::Expired { at: NOW });
        let later = UnixTime(NOW.0 + 10);
        assert_eq!(refusal(with("nbf", json!(later.0))), TokenError::NotYetValid { from: later });
    }

    #[test]
    fn forged_tokens_are_refused() {
        let (issuer, other) = (TokenIssuer::generate().unwrap(), TokenIssuer::generate().unwrap());
        let token = issuer.issue(&claims()).unwrap();
        assert_eq!(check(&issuer, &other.issue(&claims()).unwrap()).unwrap_err(), TokenError::UnknownKey);

        let parts: Vec<&str> = token.split('.').collect();
        let forged_claims = URL_SAFE_NO_PAD.encode(with("oid", json!("admin")).to_string());
        let tampered = format!("{}.{forged_claims}.{}", parts[0], parts[2]);
        assert_eq!(check(&issuer, &tampered).unwrap_err(), TokenError::BadSignature);

        let kid = issuer.jwks()["keys"][0]["kid"].clone();
        for algorithm in ["none", "HS256"] {
            let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm, "typ": "JWT", "kid": kid}).to_string());
            let unsigned = format!("{header}.{forged_claims}.");
            assert_eq!(check(&issuer, &unsigned).unwrap_err(), TokenError::UnknownKey, "{algorithm}");
        }
        for text in ["", "a", "a.b.c", "...", "\u{0}"] {
            assert!(matches!(check(&issuer, text), Err(TokenError::Malformed | TokenError::UnknownKey)), "{text:?}");
        }
    }

    #[test]
    fn remembered_tokens_expire_and_are_bounded() {
        let verified = VerifiedTokens::new();
        verified.remember("t", NOW, 1);
        assert_eq!(verified.get("t", UnixTime(NOW.0 - 1)), Some(1));
        assert_eq!(verified.get("t", NOW), None);
        for number in 0..REMEMBERED_MAX {
            verified.remember(&number.to_string(), NOW, number);
        }
        assert_eq!(verified.get("t", UnixTime(0)), None, "the oldest went first");
        assert_eq!(verified.get("7", UnixTime(0)), Some(7));
    }
}

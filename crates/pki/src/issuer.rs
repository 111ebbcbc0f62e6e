//! Tokens as Entra ID issues them: JSON web tokens signed with RS256 (RFC 7515, 7518 §3.3, 7519).
//!
//! An issuer writes one header and takes back no other, byte for byte. What a token's header claims is therefore
//! never acted on: `none`, HMAC with the public key, embedded keys and `crit` have nothing to hold on to.

use std::fmt;

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use der::{Decode, Sequence, asn1::UintRef};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{PkiError, Redacted, UnixTime, pem};

/// The longest token that is looked at, in bytes: what a request's header may hold.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
const KEY: &str = "the token key";

/// Signs tokens and checks them. The key is RSA with 2,048 bits.
pub struct TokenIssuer {
    key: KeyPair,
    public: ParsedPublicKey,
    public_jwk: PublicJwk,
    /// The encoded header of every token.
    header: String,
    pem: IssuerPem,
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
    /// It is no JSON web token, or lacks a claim that every token has.
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
        /// The audience it is for; several are separated by a comma.
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
        /// The first second at which it was not (`exp`).
        at: UnixTime,
    },
    /// It will be valid.
    #[error("the token is not valid yet")]
    NotYetValid {
        /// The first second at which it is (`nbf`).
        from: UnixTime,
    },
}

/// The public key in the members of RFC 7518 §6.3.1, with its thumbprint.
#[derive(Debug, PartialEq, Eq)]
struct PublicJwk {
    key_id: String,
    modulus: String,
    exponent: String,
}

/// RFC 8017 §A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

/// The claims that decide whether a token is accepted (RFC 7519 §4.1).
#[derive(Debug, Deserialize)]
struct Registered {
    aud: Audience,
    iss: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
}

/// RFC 7519 §4.1.3: one audience, or a list of them as in Kubernetes' tokens.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl TokenIssuer {
    /// Makes a new key. By far the slowest thing here, since two primes are searched for: some 50 ms, now and then
    /// 200. Do it beside other work.
    ///
    /// # Errors
    /// [`PkiError::Generation`] when the system gives no key.
    pub fn generate() -> Result<Self, PkiError> {
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| PkiError::Generation)?;
        let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(|_| PkiError::Generation)?;
        let pem = IssuerPem { key: Redacted::new(pem::key(pkcs8.as_ref())?) };
        Self::new(key, pem)
    }

    /// Reads a stored issuer.
    ///
    /// # Errors
    /// [`PkiError::Malformed`] when the key cannot be read.
    pub fn from_pem(stored: &IssuerPem) -> Result<Self, PkiError> {
        let pkcs8 = pem::read_key(stored.key.expose(), KEY)?;
        let key = KeyPair::from_pkcs8(pkcs8.secret_pkcs8_der()).map_err(|_| PkiError::Malformed { what: KEY })?;
        Self::new(key, stored.clone())
    }

    fn new(key: KeyPair, pem: IssuerPem) -> Result<Self, PkiError> {
        let malformed = || PkiError::Malformed { what: KEY };
        let public = key.public_key().as_ref();
        let public_jwk = PublicJwk::new(&RsaPublicKey::from_der(public).map_err(|_| malformed())?);
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": public_jwk.key_id}).to_string();
        Ok(Self {
            public: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).map_err(|_| malformed())?,
            public_jwk,
            header: URL_SAFE_NO_PAD.encode(header),
            key,
            pem,
        })
    }

    /// The issuer as it is stored.
    pub fn to_pem(&self) -> IssuerPem {
        self.pem.clone()
    }

    /// The public key as a JSON web key set (RFC 7517).
    pub fn jwks(&self) -> Value {
        let PublicJwk { key_id, modulus, exponent } = &self.public_jwk;
        json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id, "n": modulus, "e": exponent}]})
    }

    /// Signs a token with these claims.
    ///
    /// # Errors
    /// [`PkiError::Claims`] when the claims cannot be written as JSON.
    pub fn issue<C: Serialize>(&self, claims: &C) -> Result<String, PkiError> {
        let claims = serde_json::to_vec(claims).map_err(PkiError::Claims)?;
        let mut token = self.header.clone();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| PkiError::Signing)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Checks a token and reads its claims.
    ///
    /// # Errors
    /// The first reason not to accept it: who signed it, then who issued it, for whom, and until when.
    pub fn verify<C: DeserializeOwned>(&self, token: &str, expected: &Expectation<'_>) -> Result<C, TokenError> {
        let claims = self.signed_claims(token)?;
        let registered: Registered = serde_json::from_slice(&claims).map_err(|_| TokenError::Malformed)?;
        registered.check(expected)?;
        serde_json::from_slice(&claims).map_err(|_| TokenError::Malformed)
    }

    /// The claims, as JSON, of a token that this issuer signed.
    fn signed_claims(&self, token: &str) -> Result<Vec<u8>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        if header != self.header {
            return Err(refused_header(header));
        }
        let (claims, signature) = (decoded(claims)?, decoded(signature)?);
        self.public.verify_sig(message.as_bytes(), &signature).map_err(|_| TokenError::BadSignature)?;
        Ok(claims)
    }
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer").field("key_id", &self.public_jwk.key_id).finish_non_exhaustive()
    }
}

impl PublicJwk {
    fn new(key: &RsaPublicKey<'_>) -> Self {
        let modulus = URL_SAFE_NO_PAD.encode(key.modulus.as_bytes());
        let exponent = URL_SAFE_NO_PAD.encode(key.public_exponent.as_bytes());
        // RFC 7638 §3: the required members in the order of their names, without white space.
        let canonical = format!(r#"{{"e":"{exponent}","kty":"RSA","n":"{modulus}"}}"#);
        let key_id = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
        Self { key_id, modulus, exponent }
    }
}

impl Registered {
    fn check(self, expected: &Expectation<'_>) -> Result<(), TokenError> {
        let Self { aud, iss, exp, nbf } = self;
        if !expected.issuers.contains(&iss) {
            return Err(TokenError::WrongIssuer { found: iss });
        }
        if !aud.as_slice().iter().any(|one| expected.audiences.contains(one)) {
            return Err(TokenError::WrongAudience { found: aud.as_slice().join(",") });
        }
        if expected.now.0 >= exp.saturating_add(expected.leeway_s) {
            return Err(TokenError::Expired { at: UnixTime(exp) });
        }
        match nbf {
            Some(from) if expected.now.0.saturating_add(expected.leeway_s) < from => {
                Err(TokenError::NotYetValid { from: UnixTime(from) })
            }
            _ => Ok(()),
        }
    }
}

impl Audience {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

/// Why a header that is not the issuer's is refused: it is another's, or none at all.
fn refused_header(header: &str) -> TokenError {
    match decoded(header).map(|json| serde_json::from_slice::<Map<String, Value>>(&json)) {
        Ok(Ok(header)) if header.contains_key("alg") => TokenError::UnknownKey,
        _ => TokenError::Malformed,
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    static ISSUER: LazyLock<TokenIssuer> = LazyLock::new(|| TokenIssuer::generate().unwrap());

    fn claims() -> Value {
        json!({"aud": "https://arm/", "iss": "https://sts/t", "exp": NOW.0 + 60, "nbf": NOW.0 - 60, "oid": "x"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn check(issuer: &TokenIssuer, token: &str) -> Result<Value, TokenError> {
        check_within(issuer, token, 0)
    }

    fn check_within(issuer: &TokenIssuer, token: &str, leeway_s: i64) -> Result<Value, TokenError> {
        let (audiences, issuers) = (["https://arm/".to_owned()], ["https://sts/t".to_owned()]);
        issuer.verify(token, &Expectation { audiences: &audiences, issuers: &issuers, now: NOW, leeway_s })
    }

    fn refusal(claims: &Value) -> TokenError {
        check(&ISSUER, &ISSUER.issue(claims).unwrap()).unwrap_err()
    }

    /// A token of `ISSUER` whose header was replaced; `sign` makes the signature from what is signed.
    fn forged(header: &Value, sign: impl Fn(&str) -> Vec<u8>) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims().to_string()));
        let signature = URL_SAFE_NO_PAD.encode(sign(&message));
        format!("{message}.{signature}")
    }

    #[test]
    fn a_token_is_accepted_by_its_issuer_also_after_a_restart() {
        let token = ISSUER.issue(&claims()).unwrap();
        assert_eq!(check(&ISSUER, &token).unwrap()["oid"], "x");
        let stored = serde_json::to_string(&ISSUER.to_pem()).unwrap();
        let restarted = TokenIssuer::from_pem(&serde_json::from_str(&stored).unwrap()).unwrap();
        assert_eq!(restarted.jwks(), ISSUER.jwks());
        assert_eq!(check(&restarted, &token).unwrap()["oid"], "x");
    }

    #[test]
    fn another_implementation_accepts_a_token_by_the_published_key() {
        use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};

        let token = ISSUER.issue(&claims()).unwrap();
        let published: JwkSet = serde_json::from_value(ISSUER.jwks()).unwrap();
        let header = decode_header(&token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::RS256, Some("JWT")));
        let key = published.find(&header.kid.unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.set_audience(&["https://arm/"]);
        let decoded = decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap();
        assert_eq!(decoded.claims, claims());
    }

    #[test]
    fn each_wrong_claim_has_its_own_refusal() {
        assert_eq!(refusal(&with("aud", json!("other"))), TokenError::WrongAudience { found: "other".into() });
        assert_eq!(refusal(&with("iss", json!("other"))), TokenError::WrongIssuer { found: "other".into() });
        assert_eq!(refusal(&with("exp", json!(NOW.0))), TokenError::Expired { at: NOW });
        let later = UnixTime(NOW.0 + 10);
        assert_eq!(refusal(&with("nbf", json!(later.0))), TokenError::NotYetValid { from: later });
        for missing in ["aud", "iss", "exp"] {
            assert_eq!(refusal(&without(missing)), TokenError::Malformed, "{missing}");
        }
    }

    #[test]
    fn a_token_without_a_beginning_is_valid_at_once() {
        check(&ISSUER, &ISSUER.issue(&without("nbf")).unwrap()).unwrap();
    }

    #[test]
    fn one_of_several_audiences_is_enough() {
        let several = with("aud", json!(["https://graph/", "https://arm/"]));
        check(&ISSUER, &ISSUER.issue(&several).unwrap()).unwrap();
        let found = "https://graph/,https://vault/".to_owned();
        assert_eq!(
            refusal(&with("aud", json!(["https://graph/", "https://vault/"]))),
            TokenError::WrongAudience { found }
        );
        assert_eq!(refusal(&with("aud", json!([]))), TokenError::WrongAudience { found: String::new() });
    }

    #[test]
    fn clocks_may_differ_by_the_leeway_and_no_more() {
        let ended = ISSUER.issue(&with("exp", json!(NOW.0 - 4))).unwrap();
        check_within(&ISSUER, &ended, 5).unwrap();
        check_within(&ISSUER, &ended, 4).unwrap_err();
        let begins = ISSUER.issue(&with("nbf", json!(NOW.0 + 5))).unwrap();
        check_within(&ISSUER, &begins, 5).unwrap();
        check_within(&ISSUER, &begins, 4).unwrap_err();
    }

    #[test]
    fn times_at_the_ends_of_the_range_do_not_overflow() {
        check_within(&ISSUER, &ISSUER.issue(&with("exp", json!(i64::MAX))).unwrap(), i64::MAX).unwrap();
        let ended = ISSUER.issue(&with("exp", json!(i64::MIN))).unwrap();
        assert_eq!(check(&ISSUER, &ended).unwrap_err(), TokenError::Expired { at: UnixTime(i64::MIN) });
    }

    #[test]
    fn a_token_of_another_key_is_refused() {
        let other = TokenIssuer::generate().unwrap();
        assert_eq!(check(&ISSUER, &other.issue(&claims()).unwrap()).unwrap_err(), TokenError::UnknownKey);
    }

    #[test]
    fn claims_that_were_changed_do_not_fit_the_signature() {
        let token = ISSUER.issue(&claims()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let changed = URL_SAFE_NO_PAD.encode(with("oid", json!("admin")).to_string());
        let tampered = format!("{}.{changed}.{}", parts[0], parts[2]);
        assert_eq!(check(&ISSUER, &tampered).unwrap_err(), TokenError::BadSignature);
        let unsigned = format!("{}.{changed}.", parts[0]);
        assert_eq!(check(&ISSUER, &unsigned).unwrap_err(), TokenError::BadSignature);
    }

    #[test]
    fn no_other_algorithm_is_taken_even_if_its_signature_fits() {
        use aws_lc_rs::{hmac, signature::RSA_PKCS1_SHA512};

        let kid = &ISSUER.public_jwk.key_id;
        let unsigned = |_: &str| Vec::new();
        for algorithm in ["none", "None", "NONE"] {
            let token = forged(&json!({"typ": "JWT", "alg": algorithm, "kid": kid}), unsigned);
            assert_eq!(check(&ISSUER, &token).unwrap_err(), TokenError::UnknownKey, "{algorithm}");
        }
        // The classic confusion: the public key, which everybody has, taken for a shared secret.
        let public = hmac::Key::new(hmac::HMAC_SHA256, ISSUER.public.as_ref());
        let hs256 = forged(&json!({"typ": "JWT", "alg": "HS256", "kid": kid}), |message| {
            hmac::sign(&public, message.as_bytes()).as_ref().to_vec()
        });
        assert_eq!(check(&ISSUER, &hs256).unwrap_err(), TokenError::UnknownKey);
        let rs512 = forged(&json!({"typ": "JWT", "alg": "RS512", "kid": kid}), |message| {
            let mut signature = vec![0; 256];
            ISSUER.key.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
            signature
        });
        assert_eq!(check(&ISSUER, &rs512).unwrap_err(), TokenError::UnknownKey);
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let token = ISSUER.issue(&claims()).unwrap();
        let not_an_object = format!("{}.e30.", URL_SAFE_NO_PAD.encode("[]"));
        let padded = format!("{token}=");
        let four_parts = format!("{token}.e30");
        let long = "a".repeat(TOKEN_BYTES_MAX + 1);
        for text in ["", "a", "a.b", "a.b.c", "...", "\u{0}", "é.é.é", &not_an_object, &padded, &four_parts, &long] {
            assert_eq!(check(&ISSUER, text).unwrap_err(), TokenError::Malformed, "{text:?}");
        }
        assert_eq!(refusal(&json!("claims")), TokenError::Malformed);
    }

    #[test]
    fn an_issuer_does_not_show_its_key() {
        let shown = format!("{:?} {:?}", *ISSUER, ISSUER.to_pem());
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_a_panic(text in "\\PC{0,64}\\.\\PC{0,64}\\.\\PC{0,64}") {
            prop_assert!(check(&ISSUER, &text).is_err());
        }

        #[test]
        fn a_token_with_any_byte_changed_is_refused(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
            let token = ISSUER.issue(&claims()).unwrap();
            let at = at.index(token.len());
            prop_assume!(token[at..=at] != to);
            let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
            prop_assert!(check(&ISSUER, &changed).is_err());
        }
    }
}

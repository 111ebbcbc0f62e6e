//! Random secrets and how to compare them.

use aws_lc_rs::{constant_time, hmac, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::Redacted;

const HEXADECIMAL: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// A secret of `bytes` random bytes, in URL-safe text.
///
/// # Panics
/// When the system has no randomness to give: nothing can be kept secret then.
pub fn random_token(bytes: usize) -> Redacted<String> {
    Redacted::new(URL_SAFE_NO_PAD.encode(random(bytes)))
}

/// A secret of `bytes` random bytes, in hexadecimal digits.
///
/// # Panics
/// When the system has no randomness to give.
pub fn random_hex(bytes: usize) -> Redacted<String> {
    Redacted::new(hexadecimal(&random(bytes)))
}

/// Bytes in hexadecimal digits, lower case.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| HEXADECIMAL[usize::from(nibble & 0xf)];
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Whether two secrets are the same, in a time that tells nothing about where they differ.
pub fn constant_time_equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// A code that only who has `key` can make for `message` (HMAC-SHA-256), in URL-safe text. Compare it with
/// [`constant_time_equal`].
pub fn authentication_code(key: &Redacted<String>, message: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, message))
}

#[expect(clippy::expect_used, reason = "without randomness there is no safe way on")]
pub(crate) fn random(bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    rand::fill(&mut buffer).expect("invariant: the system has randomness");
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_as_long_as_asked_and_never_the_same() {
        let (a, b) = (random_token(32), random_token(32));
        assert_eq!(a.expose().len(), 43);
        assert!(!constant_time_equal(a.expose().as_bytes(), b.expose().as_bytes()));
        let hex = random_hex(16);
        assert_eq!(hex.expose().len(), 32);
        assert!(hex.expose().chars().all(|digit| HEXADECIMAL.contains(&digit)));
        assert_ne!(hex, random_hex(16));
    }

    #[test]
    fn a_code_is_of_one_key_and_one_message() {
        // RFC 4231, test case 2.
        let code = authentication_code(&Redacted::new("Jefe".into()), b"what do ya want for nothing?");
        assert_eq!(code, "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM");
        assert_ne!(authentication_code(&Redacted::new("Jef".into()), b"what do ya want for nothing?"), code);
    }

    #[test]
    fn only_equal_secrets_compare_equal() {
        assert!(constant_time_equal(b"secret", b"secret"));
        assert!(!constant_time_equal(b"secret", b"secreT"));
        assert!(!constant_time_equal(b"secret", b"secre"));
        assert!(constant_time_equal(b"", b""));
    }
}

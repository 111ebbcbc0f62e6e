//! Random secrets and how to compare them.

use aws_lc_rs::{constant_time, rand};
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
    let digit = |nibble: u8| HEXADECIMAL[usize::from(nibble & 0xf)];
    Redacted::new(random(bytes).into_iter().flat_map(|byte| [digit(byte >> 4), digit(byte)]).collect())
}

/// Whether two secrets are the same, in a time that tells nothing about where they differ.
pub fn constant_time_equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
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
    fn only_equal_secrets_compare_equal() {
        assert!(constant_time_equal(b"secret", b"secret"));
        assert!(!constant_time_equal(b"secret", b"secreT"));
        assert!(!constant_time_equal(b"secret", b"secre"));
        assert!(constant_time_equal(b"", b""));
    }
}

//! Random secrets and how to compare them.

use aws_lc_rs::{constant_time, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::Redacted;

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
    let digits = random(bytes)
        .into_iter()
        .fold(String::with_capacity(bytes * 2), |digits, byte| digits + &format!("{byte:02x}"));
    Redacted::new(digits)
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
    fn secrets_differ_and_compare() {
        let (a, b) = (random_token(32), random_token(32));
        assert_eq!(a.expose().len(), 43);
        assert!(!constant_time_equal(a.expose().as_bytes(), b.expose().as_bytes()));
        assert!(constant_time_equal(a.expose().as_bytes(), a.clone().expose().as_bytes()));
        assert_eq!(random_hex(4).expose().len(), 8);
    }
}

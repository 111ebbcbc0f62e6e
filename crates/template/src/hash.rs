//! The two functions of the template language that make names: `uniqueString` and `guid`. Both give
//! what Azure gives, so that a name made in the lab is the name made in Azure.
//!
//! Source: Azure's own reimplementation in terraform-provider-azapi (`unique_string`), a 64-bit
//! variant of `MurmurHash3` in base 32; the documentation of Bicep's `guid` (a version 5 UUID).

use uuid::{Uuid, uuid};

/// The namespace of Azure's name-based GUIDs.
const NAMESPACE: Uuid = uuid!("11fb06fb-712d-4ddd-98c7-e71bbd588830");
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const C1: u32 = 0x239b_961b;
const C2: u32 = 0xab0e_9789;

/// `guid(…)` of texts joined by `-`.
pub(super) fn guid(joined: &str) -> String {
    Uuid::new_v5(&NAMESPACE, joined.as_bytes()).to_string()
}

/// `uniqueString(…)` of texts joined by `-`: 13 letters and digits.
pub(super) fn unique_string(joined: &str) -> String {
    let hash = murmur(joined.as_bytes());
    let digit = |place: u32| {
        let bits = (hash << (5 * place)) >> 59;
        char::from(ALPHABET[usize::try_from(bits).unwrap_or_default()])
    };
    (0..13).map(digit).collect()
}

fn murmur(data: &[u8]) -> u64 {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
    let first = |word: u32| word.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let second = |word: u32| word.wrapping_mul(C2).rotate_left(17).wrapping_mul(C1);
    let (mut left, mut right) = (0_u32, 0_u32);
    let mut blocks = data.chunks_exact(8);
    for block in &mut blocks {
        left = (left ^ first(word(&block[..4]))).rotate_left(19).wrapping_add(right);
        left = left.wrapping_mul(5).wrapping_add(0x561c_cd1b);
        right = (right ^ second(word(&block[4..]))).rotate_left(13).wrapping_add(left);
        right = right.wrapping_mul(5).wrapping_add(0x0bca_a747);
    }
    let tail = blocks.remainder();
    if !tail.is_empty() {
        let (low, high) = tail.split_at(tail.len().min(4));
        left ^= first(word(low));
        right ^= second(word(high));
    }
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    (left, right) = (left ^ length, right ^ length);
    left = left.wrapping_add(right);
    right = right.wrapping_add(left);
    (left, right) = (mixed(left), mixed(right));
    left = left.wrapping_add(right);
    right = right.wrapping_add(left);
    (u64::from(right) << 32) | u64::from(left)
}

fn mixed(mut word: u32) -> u32 {
    word = (word ^ (word >> 16)).wrapping_mul(0x85eb_ca6b);
    word = (word ^ (word >> 13)).wrapping_mul(0xc2b2_ae35);
    word ^ (word >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_azure_makes() {
        let joined = "/subscriptions/00000000-0000-0000-0000-000000000000-resource-id";
        assert_eq!(unique_string(joined), "cwvxuqg24sifi", "the example of terraform-provider-azapi");
        assert_eq!(guid("a-b-c"), "a98fa280-e03f-5afa-8d8e-92d0a9c201e8");
    }
}

//! Remembers which tokens were verified, so that a token that comes with every request pays for its signature once.
//!
//! Must never: hold a token (only its digest), grow without bound, or answer for a token that has expired.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest;

use crate::UnixTime;

/// Tokens that are remembered at most.
const REMEMBERED_MAX: usize = 4096;

/// SHA-256 of the whole token, signature included.
type Digest = [u8; 32];

/// What verified tokens said, to be asked before [`TokenIssuer::verify`](crate::TokenIssuer::verify). The oldest
/// entries go first.
///
/// It knows tokens and nothing of what was expected of them: use one for each set of audiences and issuers.
pub struct VerifiedTokens<C> {
    entries: Mutex<Entries<C>>,
}

struct Entries<C> {
    by_digest: HashMap<Digest, Verified<C>>,
    /// Every key of `by_digest` once, the oldest first.
    order: VecDeque<Digest>,
}

struct Verified<C> {
    expires: UnixTime,
    claims: C,
}

impl<C: Clone> VerifiedTokens<C> {
    /// Remembers nothing yet.
    pub fn new() -> Self {
        Self { entries: Mutex::new(Entries { by_digest: HashMap::new(), order: VecDeque::new() }) }
    }

    /// What `token` verified to, unless it is unknown or has expired at `now`. Clones the claims: put them into an
    /// `Arc` if they are large.
    pub fn get(&self, token: &str, now: UnixTime) -> Option<C> {
        let digest = digest_of(token);
        let entries = self.entries();
        let verified = entries.by_digest.get(&digest)?;
        (now < verified.expires).then(|| verified.claims.clone())
    }

    /// Remembers that `token` verified to `claims` and is valid until just before `expires` (`exp`).
    pub fn remember(&self, token: &str, expires: UnixTime, claims: C) {
        let digest = digest_of(token);
        let mut entries = self.entries();
        if entries.by_digest.insert(digest, Verified { expires, claims }).is_none() {
            entries.order.push_back(digest);
        }
        if entries.order.len() > REMEMBERED_MAX
            && let Some(oldest) = entries.order.pop_front()
        {
            entries.by_digest.remove(&oldest);
        }
    }

    /// A panic elsewhere cannot leave an entry half-written: each is inserted whole.
    fn entries(&self) -> MutexGuard<'_, Entries<C>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clone> Default for VerifiedTokens<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> fmt::Debug for VerifiedTokens<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens").finish_non_exhaustive()
    }
}

fn digest_of(token: &str) -> Digest {
    let mut bytes = Digest::default();
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    #[test]
    fn an_expired_token_is_not_served() {
        let verified = VerifiedTokens::new();
        verified.remember("t", NOW, 1);
        assert_eq!(verified.get("t", NOW.plus_seconds(-1)), Some(1));
        assert_eq!(verified.get("t", NOW), None);
        assert_eq!(verified.get("u", NOW.plus_seconds(-1)), None);
    }

    #[test]
    fn the_oldest_go_first_and_there_are_never_more_than_the_bound() {
        let verified = VerifiedTokens::new();
        for number in 0..=REMEMBERED_MAX {
            verified.remember(&number.to_string(), NOW, number);
        }
        assert_eq!(verified.get("0", UnixTime(0)), None);
        assert_eq!(verified.get("1", UnixTime(0)), Some(1));
        assert_eq!(verified.get(&REMEMBERED_MAX.to_string(), UnixTime(0)), Some(REMEMBERED_MAX));
        let entries = verified.entries();
        assert_eq!((entries.by_digest.len(), entries.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }

    #[test]
    fn remembering_again_takes_no_second_place() {
        let verified = VerifiedTokens::new();
        verified.remember("t", NOW, 1);
        verified.remember("t", NOW.plus_seconds(1), 2);
        assert_eq!(verified.get("t", NOW), Some(2));
        assert_eq!(verified.entries().order.len(), 1);
    }
}

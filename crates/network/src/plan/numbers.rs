//! Small numbers for things that need an address or a short name in the fabric.

use std::{collections::BTreeSet, net::Ipv4Addr};

use imbl::OrdMap;

/// Hands out the smallest free number; a number stays with its key until it is released.
#[derive(Debug, Clone)]
pub(super) struct Numbers<K: Ord + Clone> {
    held: OrdMap<K, u32>,
    keys: OrdMap<u32, K>,
    free: BTreeSet<u32>,
}

impl<K: Ord + Clone> Default for Numbers<K> {
    fn default() -> Self {
        Self { held: OrdMap::new(), keys: OrdMap::new(), free: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Numbers<K> {
    /// The number of `key`, from 1 on.
    pub(super) fn hold(&mut self, key: &K) -> u32 {
        if let Some(number) = self.held.get(key) {
            return *number;
        }
        // Without gaps the next number is the count of those held.
        let next = u32::try_from(self.held.len()).unwrap_or(u32::MAX - 1) + 1;
        let number = self.free.pop_first().unwrap_or(next);
        self.held.insert(key.clone(), number);
        self.keys.insert(number, key.clone());
        number
    }

    /// Who has `number`.
    pub(super) fn key_of(&self, number: u32) -> Option<&K> {
        self.keys.get(&number)
    }

    /// Gives the numbers of all keys that `gone` names back.
    pub(super) fn release_all(&mut self, gone: impl Fn(&K) -> bool) {
        let keys: Vec<K> = self.held.keys().filter(|key| gone(key)).cloned().collect();
        for key in &keys {
            self.release(key);
        }
    }

    /// Gives the number of `key` back.
    pub(super) fn release(&mut self, key: &K) {
        if let Some(number) = self.held.remove(key) {
            self.keys.remove(&number);
            self.free.insert(number);
        }
    }
}

/// The `number`-th address from `base` on.
pub(super) fn nth(base: Ipv4Addr, number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(base).saturating_add(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_and_gaps_are_filled() {
        let mut numbers = Numbers::default();
        assert_eq!(["a", "b", "c", "b"].map(|key| numbers.hold(&key)), [1, 2, 3, 2]);
        numbers.release(&"b");
        assert_eq!((numbers.hold(&"d"), numbers.hold(&"e"), numbers.key_of(2)), (2, 4, Some(&"d")));
    }
}

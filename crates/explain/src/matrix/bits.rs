//! Sets of clusters as a bit for each.

use std::cmp::Ordering;

/// A set of numbers, 64 to a word; all sets of one matrix have the same length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bits(Box<[u64]>);

impl Bits {
    /// An empty set of numbers below `length`.
    pub(super) fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)].into())
    }

    pub(super) fn insert(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let bits = |word: u64| std::iter::successors(Some(word), |left| Some(left & left.wrapping_sub(1)));
        let of_word = move |(at, word): (usize, &u64)| {
            bits(*word).take_while(|left| *left != 0).map(move |left| at * 64 + left.trailing_zeros() as usize)
        };
        self.0.iter().enumerate().flat_map(of_word)
    }

    /// As the sorted lists of the members compare.
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        let differing = self.0.iter().zip(&other.0).position(|(mine, theirs)| mine != theirs);
        let Some(at) = differing else { return Ordering::Equal };
        let (mine, theirs) = (self.0[at], other.0[at]);
        let first = (mine ^ theirs).trailing_zeros();
        // The one that lacks this member has a greater one there, or has ended.
        let goes_on = |bits: &Self| bits.0[at] >> first != 0 || bits.0[at + 1..].iter().any(|word| *word != 0);
        if mine >> first & 1 == 1 {
            if goes_on(other) { Ordering::Less } else { Ordering::Greater }
        } else if goes_on(self) {
            Ordering::Greater
        } else {
            Ordering::Less
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_compare_as_their_sorted_members_do() {
        let sets: [&[usize]; 8] = [&[], &[0], &[0, 1], &[0, 70], &[1], &[63, 64], &[64], &[70]];
        let bits = sets.map(|set| {
            let mut bits = Bits::new(80);
            for number in set {
                bits.insert(*number);
            }
            bits
        });
        for (mine, left) in sets.iter().zip(&bits) {
            assert!(left.iter().eq(mine.iter().copied()));
            for (theirs, right) in sets.iter().zip(&bits) {
                assert_eq!(left.cmp(right), mine.cmp(theirs), "{mine:?} {theirs:?}");
            }
        }
    }
}

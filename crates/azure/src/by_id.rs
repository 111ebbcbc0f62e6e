//! A persistent map by resource id that is read in id order and looked up by hash: ids are long and
//! begin alike, so that each step of a search by order costs what a whole look-up by hash does.

use std::ops::Deref;

use imbl::{GenericHashMap, OrdMap, shared_ptr::DefaultSharedPtr};

use crate::ResourceId;

/// A persistent map that is looked up by hash only.
pub(crate) type ByHash<V> = GenericHashMap<ResourceId, V, foldhash::fast::RandomState, DefaultSharedPtr>;

/// A persistent map by resource id. Everything that only reads in order is [`OrdMap`]'s.
#[derive(Debug, Clone)]
pub struct ById<V> {
    ordered: OrdMap<ResourceId, V>,
    hashed: ByHash<V>,
}

impl<V> Default for ById<V> {
    fn default() -> Self {
        Self { ordered: OrdMap::default(), hashed: ByHash::default() }
    }
}

impl<V: Clone> ById<V> {
    /// The value of `id`.
    pub fn get(&self, id: &ResourceId) -> Option<&V> {
        self.hashed.get(id)
    }

    /// Whether there is one.
    pub fn contains_key(&self, id: &ResourceId) -> bool {
        self.hashed.contains_key(id)
    }

    /// Sets the value of `id`; gives the one before.
    pub fn insert(&mut self, id: ResourceId, value: V) -> Option<V> {
        self.hashed.insert(id.clone(), value.clone());
        self.ordered.insert(id, value)
    }

    /// Takes the value of `id` out.
    pub fn remove(&mut self, id: &ResourceId) -> Option<V> {
        self.hashed.remove(id);
        self.ordered.remove(id)
    }
}

impl<V> Deref for ById<V> {
    type Target = OrdMap<ResourceId, V>;

    fn deref(&self) -> &Self::Target {
        &self.ordered
    }
}

impl<'a, V> IntoIterator for &'a ById<V> {
    type Item = (&'a ResourceId, &'a V);
    type IntoIter = <&'a OrdMap<ResourceId, V> as IntoIterator>::IntoIter;

    fn into_iter(self) -> Self::IntoIter {
        (&self.ordered).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_hash_agree_after_every_change() {
        let id = |name: &str| ResourceId::group("s", name);
        let mut map = ById::default();
        for name in ["b", "A", "c"] {
            map.insert(id(name), name);
        }
        let before = map.clone();
        assert_eq!(map.insert(id("a"), "a"), Some("A"), "ids ignore case");
        assert_eq!(map.remove(&id("C")), Some("c"));
        assert_eq!(map.values().copied().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((map.get(&id("A")), map.get(&id("c"))), (Some(&"a"), None));
        assert!(before.contains_key(&id("c")) && !map.contains_key(&id("c")));
    }
}

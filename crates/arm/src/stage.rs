//! An estate in the making: each step of a request sees what the steps before it changed, and
//! nobody else sees any of it.

use std::sync::Arc;

use azure::{Change, Estate, Resource, ResourceId};

/// The estate a request started from, with the changes it wants so far.
pub(crate) struct Stage {
    estate: Estate,
    changes: Vec<Change>,
}

impl Stage {
    /// No change yet. Cheap: estates share their structure.
    pub(crate) fn new(estate: &Estate) -> Self {
        Self { estate: estate.clone(), changes: Vec::new() }
    }

    /// The estate with the changes so far.
    pub(crate) fn estate(&self) -> &Estate {
        &self.estate
    }

    /// Creates or replaces a resource.
    pub(crate) fn put(&mut self, resource: Resource) {
        self.change(Change::Put(Arc::new(resource)));
    }

    /// Removes a resource and everything below it, children first.
    pub(crate) fn delete_tree(&mut self, id: &ResourceId) {
        for change in crate::provider::delete_tree(&self.estate, id) {
            self.change(change);
        }
    }

    /// Makes any change.
    pub(crate) fn change(&mut self, change: Change) {
        let absent = matches!(&change, Change::Delete(id) if !self.estate.contains(id));
        if !absent {
            self.estate = self.estate.apply(self.estate.revision(), [&change]);
            self.changes.push(change);
        }
    }

    /// The changes in order; of several changes of one resource only the last.
    pub(crate) fn into_changes(self) -> Vec<Change> {
        let mut seen = std::collections::BTreeSet::new();
        let mut changes: Vec<Change> =
            self.changes.into_iter().rev().filter(|change| seen.insert(change.id().clone())).collect();
        changes.reverse();
        changes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_sees_the_steps_before_it_and_only_the_last_change_counts() {
        let id = ResourceId::group("s", "rg").resource("Microsoft.Network/virtualNetworks", "v");
        let mut stage = Stage::new(&Estate::default());
        stage.put(Resource::new(id.clone(), &json!({"n": 1})));
        stage.put(Resource::new(id.clone(), &json!({"n": 2})));
        assert!(stage.estate().contains(&id));
        stage.delete_tree(&id.child("subnets", "never-there"));
        let changes = stage.into_changes();
        assert_eq!(changes, [Change::put(Resource::new(id, &json!({"n": 2})))]);
    }
}

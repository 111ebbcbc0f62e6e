//! Reading one instance's attributes, known or to be followed.

use azure::{Json, Kind, ResourceId};
use serde_json::{Value, json};

use super::{
    instance::{Instance, World},
    reference::{Want, at},
};
use crate::{SourceFinding, draft::Draft};

/// The attributes of one instance.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) instance: &'a Instance,
}

impl<'a> Reader<'a> {
    /// The value at `a.0.b`; `null` where it is absent or unknown.
    pub(super) fn value(self, path: &str) -> &'a Value {
        at(&self.instance.values, path).unwrap_or(&Value::Null)
    }

    /// The text at `path`; an empty one is none.
    pub(super) fn text(self, path: &str) -> Option<&'a str> {
        Json::new(self.value(path)).text()
    }

    pub(super) fn flag(self, path: &str) -> Option<bool> {
        self.value(path).as_bool()
    }

    /// The first of `names` that is set: providers have renamed some.
    pub(super) fn flag_of(self, names: &[&str]) -> Option<bool> {
        names.iter().find_map(|name| self.flag(name))
    }

    /// How many blocks there are at `path`.
    pub(super) fn blocks(self, path: &str) -> usize {
        self.value(path).as_array().map_or(0, Vec::len)
    }

    /// Whether the value at `path` will be known only when it is applied.
    pub(super) fn is_unknown(self, path: &str) -> bool {
        let mut place = &self.instance.unknown;
        for name in path.split('.') {
            if place == &Value::Bool(true) {
                return true;
            }
            place = match place {
                Value::Array(items) => name.parse().ok().and_then(|at: usize| items.get(at)).unwrap_or(&Value::Null),
                other => &other[name],
            };
        }
        place == &Value::Bool(true)
    }

    /// Whether the configuration says something at `path` that nobody knows yet. What is unknown and not in the
    /// configuration is for Azure to choose; a `dynamic` block is not in it either.
    pub(super) fn is_lost(self, path: &str) -> bool {
        let expressions = self.world.declaration(self.instance).map(|declaration| &declaration["expressions"]);
        let said = |path: &str| expressions.is_none_or(|expressions| at(expressions, path).is_some());
        let is_dynamic = || path.split_once('.').is_some_and(|(block, _)| !said(block));
        self.is_unknown(path) && (said(path) || is_dynamic())
    }

    /// A text that may have to be followed: a group's or network's name.
    pub(super) fn name(self, path: &str) -> Option<String> {
        let known = || self.text(path).map(str::to_owned);
        known().or_else(|| self.world.follow(self.instance, path, Want::Text))
    }

    /// The id at `path` of a resource of one of `kinds`, without saying so if it cannot be followed.
    pub(super) fn quiet_id(self, path: &str, kinds: &[Kind]) -> Option<ResourceId> {
        match self.text(path) {
            Some(text) => text.parse().ok(),
            None if self.is_unknown(path) => self.world.follow(self.instance, path, Want::Id(kinds))?.parse().ok(),
            None => None,
        }
    }

    /// The id at `path` of a resource of one of `kinds`; one that will be there and cannot be followed is said.
    pub(super) fn id(self, draft: &mut Draft, path: &str, kinds: &[Kind]) -> Option<ResourceId> {
        let id = self.quiet_id(path, kinds);
        if id.is_none() && self.is_lost(path) {
            let message = format!(
                "`{path}` is not known before it is applied, and its expression leads to no resource of this plan (a local \
                 cannot be followed): it is taken to be unset"
            );
            draft.find(SourceFinding::warning("ReferenceUnknown", message).at(&self.instance.address));
        }
        id
    }

    /// `{"id": …}` of the resource at `path`, or `null`.
    pub(super) fn reference(self, draft: &mut Draft, path: &str, kinds: &[Kind]) -> Value {
        self.id(draft, path, kinds).map_or(Value::Null, |id| json!({"id": id}))
    }

    /// The ids of the list at `path`.
    pub(super) fn ids(self, draft: &mut Draft, path: &str, kinds: &[Kind]) -> Vec<ResourceId> {
        if let Some(items) =
            self.value(path).as_array().filter(|items| !items.is_empty() && !items.iter().all(Value::is_null))
        {
            return items.iter().filter_map(|item| Json::new(item).parsed()).collect();
        }
        if !self.is_unknown(path) && !self.is_unknown(&format!("{path}.0")) {
            return Vec::new();
        }
        // The references of a list do not say which is which: each that leads to a resource counts.
        let found = self.world.follow_all(self.instance, path, kinds);
        if found.is_empty() {
            let message =
                format!("`{path}` is not known before it is applied, and cannot be followed: it is taken to be empty");
            draft.find(SourceFinding::warning("ReferenceUnknown", message).at(&self.instance.address));
        }
        found
    }
}

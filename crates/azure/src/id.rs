//! ARM resource ids: `/subscriptions/…/resourceGroups/…/providers/<namespace>/<type>/<name>…`.
//!
//! Azure compares ids without regard to case and answers with the case it was given first, so a
//! [`ResourceId`] keeps its text and compares by its lower-case key. Keys sort so that a resource
//! is followed by everything below it, which makes "all children" a range.
//!
//! Source: ARM resource provider contract (resource ids are case-insensitive); az-wire §2.1.

use std::{cmp::Ordering, fmt, hash, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// An ARM resource id: equality, order and hash ignore case, the text keeps it.
#[derive(Clone)]
pub struct ResourceId {
    text: Arc<str>,
    key: Arc<str>,
}

/// Why a text is not a resource id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid Azure resource id: {reason}")]
pub struct InvalidResourceId {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl ResourceId {
    /// Parses an id; a trailing slash and doubled slashes are forgiven, as ARM does.
    ///
    /// # Errors
    /// [`InvalidResourceId`] when the text does not start with `/`, a segment has no partner, or
    /// the path is neither a subscription, a resource group nor a provider's resource.
    pub fn parse(text: &str) -> Result<Self, InvalidResourceId> {
        let invalid = |reason| InvalidResourceId { text: text.to_owned(), reason };
        if !text.starts_with('/') {
            return Err(invalid("it does not start with `/`"));
        }
        let segments: Vec<&str> = text.split('/').filter(|segment| !segment.is_empty()).collect();
        let mut rest = segments.as_slice();
        if let [word, _, tail @ ..] = rest
            && word.eq_ignore_ascii_case("subscriptions")
        {
            rest = tail;
            if let [word, _, tail @ ..] = rest
                && word.eq_ignore_ascii_case("resourceGroups")
            {
                rest = tail;
            }
        }
        let scope_only = rest.is_empty();
        while let [word, tail @ ..] = rest {
            if !word.eq_ignore_ascii_case("providers") {
                return Err(invalid("expected `providers`"));
            }
            let end = tail.iter().position(|segment| segment.eq_ignore_ascii_case("providers")).unwrap_or(tail.len());
            let (resource, next) = tail.split_at(end);
            if resource.len() < 3 || resource.len() % 2 == 0 {
                return Err(invalid("`providers` needs a namespace and pairs of type and name"));
            }
            rest = next;
        }
        if segments.is_empty() || (scope_only && segments.len() % 2 == 1) {
            return Err(invalid("it names no resource"));
        }
        let mut normal = String::with_capacity(text.len());
        for segment in segments {
            normal.push('/');
            normal.push_str(segment);
        }
        Ok(Self::from_normal(&normal))
    }

    /// `/subscriptions/<subscription>`.
    pub fn subscription_scope(subscription: &str) -> Self {
        Self::from_normal(&format!("/subscriptions/{subscription}"))
    }

    /// `/subscriptions/<subscription>/resourceGroups/<name>`.
    pub fn group(subscription: &str, name: &str) -> Self {
        Self::from_normal(&format!("/subscriptions/{subscription}/resourceGroups/{name}"))
    }

    /// The resource `<type>/<name>` of a provider, below `self` (a group, a subscription or, for
    /// extension resources, another resource). `resource_type` has one `/`.
    #[must_use]
    pub fn resource(&self, resource_type: &str, name: &str) -> Self {
        Self::from_normal(&format!("{}/providers/{resource_type}/{name}", self.text))
    }

    /// The child `<type>/<name>` of this resource.
    #[must_use]
    pub fn child(&self, child_type: &str, name: &str) -> Self {
        Self::from_normal(&format!("{}/{child_type}/{name}", self.text))
    }

    /// What resources of a full type lie below, with `self` as their parent or as the scope they extend.
    pub(crate) fn collection(&self, resource_type: &str) -> Self {
        match resource_type.rsplit_once('/') {
            Some((parent, child)) if parent.contains('/') => Self::from_normal(&format!("{}/{child}", self.text)),
            _ => Self::from_normal(&format!("{}/providers/{resource_type}", self.text)),
        }
    }

    fn from_normal(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let text: Arc<str> = text.into();
        let key = if *lower == *text { Arc::clone(&text) } else { lower.into() };
        Self { text, key }
    }

    /// The id as it was first written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id in lower case: what equality and order look at.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The last segment: the resource's name, in the case it was written.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// The name as templates and listings have it: those of the parents of the same provider come first, `zone/link`.
    pub fn template_name(&self) -> String {
        let segments: Vec<&str> = self.segments().collect();
        let provider = segments.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers"));
        match provider.and_then(|at| segments.get(at + 3..)) {
            Some(names) => names.iter().step_by(2).copied().collect::<Vec<_>>().join("/"),
            None => self.name().to_owned(),
        }
    }

    /// The subscription's id, if the id lies in one.
    pub fn subscription(&self) -> Option<&str> {
        let mut segments = self.segments();
        segments.next()?.eq_ignore_ascii_case("subscriptions").then(|| segments.next())?
    }

    /// The resource group's name, if the id lies in one.
    pub fn group_name(&self) -> Option<&str> {
        let mut segments = self.segments().skip(2);
        segments.next()?.eq_ignore_ascii_case("resourceGroups").then(|| segments.next())?
    }

    /// The id of the resource group this lies in (or is).
    pub fn group_id(&self) -> Option<Self> {
        Some(Self::group(self.subscription()?, self.group_name()?))
    }

    /// The full type: `Microsoft.Network/virtualNetworks/subnets`; for scopes
    /// `Microsoft.Resources/resourceGroups` and `Microsoft.Resources/subscriptions`.
    pub fn resource_type(&self) -> String {
        let segments: Vec<&str> = self.segments().collect();
        let provider = segments.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers"));
        match provider {
            Some(at) => {
                let mut full = segments.get(at + 1).copied().unwrap_or_default().to_owned();
                for part in segments.iter().skip(at + 2).step_by(2) {
                    full.push('/');
                    full.push_str(part);
                }
                full
            }
            None if segments.len() >= 4 => "Microsoft.Resources/resourceGroups".to_owned(),
            None => "Microsoft.Resources/subscriptions".to_owned(),
        }
    }

    /// What this resource lies directly below: its parent resource, the scope of an extension
    /// resource, its resource group, its subscription; `None` for a subscription or the tenant.
    pub fn parent(&self) -> Option<Self> {
        let end = self.parent_len();
        (end > 0).then(|| Self { text: self.text[..end].into(), key: self.key[..end].into() })
    }

    /// Whether `other` is this id's parent.
    pub fn is_child_of(&self, other: &Self) -> bool {
        self.parent_len() == other.key.len() && self.is_below(other)
    }

    /// How much of the text is the parent's: nothing if there is none.
    fn parent_len(&self) -> usize {
        let mut slashes = self.key.rmatch_indices('/').map(|(at, _)| at);
        let (_, pair) = (slashes.next(), slashes.next());
        let (_, namespace) = (slashes.next(), slashes.next());
        // providers/<namespace>/<type>/<name>: the whole of it goes.
        let provider = |at: &usize| self.key[*at..].split('/').nth(1) == Some("providers");
        namespace.filter(provider).or(pair).unwrap_or(0)
    }

    /// The ancestor `n` type/name pairs up, for children of known depth.
    pub fn ancestor(&self, levels: usize) -> Option<Self> {
        (0..levels).try_fold(self.clone(), |id, _| id.parent())
    }

    /// Whether `self` lies strictly below `other`.
    pub fn is_below(&self, other: &Self) -> bool {
        self.key.strip_prefix(&*other.key).is_some_and(|rest| rest.starts_with('/'))
    }

    fn segments(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').skip(1)
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.key, &other.key) || self.key == other.key
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    /// `/` sorts before every other character of a name, so that children follow their parent
    /// before any sibling whose name merely starts the same (`vnet`, `vnet/subnets/…`, `vnet-2`).
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.key, &other.key) {
            return Ordering::Equal;
        }
        let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        let (mut left, mut right) = (self.key.as_bytes(), other.key.as_bytes());
        // Ids begin alike for long: what is equal is skipped a block at a time.
        while let (Some((block, left_rest)), Some((same, right_rest))) =
            (left.split_first_chunk::<16>(), right.split_first_chunk::<16>())
            && block == same
        {
            (left, right) = (left_rest, right_rest);
        }
        left.iter().map(rank).cmp(right.iter().map(rank))
    }
}

impl hash::Hash for ResourceId {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ResourceId {
    type Err = InvalidResourceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for ResourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ResourceId {
        text.parse().unwrap()
    }

    const SUBNET: &str =
        "/subscriptions/s/resourceGroups/RG/providers/Microsoft.Network/virtualNetworks/V/subnets/default";

    #[test]
    fn ids_compare_without_case_and_keep_it() {
        let lower = id(&SUBNET.to_lowercase());
        assert_eq!(id(SUBNET), lower);
        assert_eq!(id(SUBNET).as_str(), SUBNET);
        assert_eq!(id(SUBNET).name(), "default");
        assert_eq!(id(SUBNET).group_name(), Some("RG"));
        assert_eq!(id(SUBNET).resource_type(), "Microsoft.Network/virtualNetworks/subnets");
    }

    #[test]
    fn parents_climb_to_the_subscription() {
        let mut names = Vec::new();
        let mut next = Some(id(SUBNET));
        while let Some(here) = next {
            names.push(here.resource_type());
            next = here.parent();
        }
        assert_eq!(
            names,
            [
                "Microsoft.Network/virtualNetworks/subnets",
                "Microsoft.Network/virtualNetworks",
                "Microsoft.Resources/resourceGroups",
                "Microsoft.Resources/subscriptions"
            ]
        );
    }

    #[test]
    fn an_extension_resource_lies_below_its_scope() {
        let scope = id(SUBNET);
        let assignment = scope.resource("Microsoft.Authorization/roleAssignments", "g");
        assert_eq!(assignment.resource_type(), "Microsoft.Authorization/roleAssignments");
        assert_eq!(assignment.parent(), Some(scope));
    }

    #[test]
    fn children_sort_directly_behind_their_parent() {
        let vnet = ResourceId::group("s", "rg").resource("Microsoft.Network/virtualNetworks", "v");
        let other = ResourceId::group("s", "rg").resource("Microsoft.Network/virtualNetworks", "v-2");
        let mut ids = vec![other.clone(), vnet.child("subnets", "z"), vnet.clone()];
        ids.sort();
        assert_eq!(ids, [vnet.clone(), vnet.child("subnets", "z"), other]);
    }

    #[test]
    fn what_is_no_id_says_why() {
        for text in ["", "vnet", "/", "/subscriptions", "/subscriptions/s/resourceGroups/rg/vnet/v", "/providers/A"] {
            assert!(ResourceId::parse(text).is_err(), "{text} parsed");
        }
        assert_eq!(id("//subscriptions//s/").as_str(), "/subscriptions/s");
    }
}

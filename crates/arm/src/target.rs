//! Paths of the management plane → what they name.
//!
//! Pure and total: any path gives a [`Target`] or Azure's refusal. Words match without case, doubled
//! slashes collapse, segments are percent-decoded (`A/%2A`). It never looks at what exists: whether
//! `…/v/subnets` is a collection or an action depends on the method, which `read` and `write` look at.

use std::borrow::Cow;

use azure::{ArmError, Kind, ResourceId};

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/tenants`.
    Tenants,
    /// `/subscriptions`.
    Subscriptions,
    /// `/subscriptions/S`.
    Subscription(ResourceId),
    /// `/subscriptions/S/locations`.
    Locations(ResourceId),
    /// `/subscriptions/S/resourceGroups`.
    Groups(ResourceId),
    /// `/subscriptions/S/resources` and `…/resourceGroups/rg/resources`.
    Resources(ResourceId),
    /// `/subscriptions/S/tagNames`.
    TagNames(ResourceId),
    /// `/providers` and `/subscriptions/S/providers`.
    Namespaces(Option<ResourceId>),
    /// `/providers/NS`, `/subscriptions/S/providers/NS` and its `/register`, `/unregister`.
    Namespace {
        /// The subscription, unless asked at the tenant.
        subscription: Option<ResourceId>,
        /// The namespace as written.
        namespace: String,
        /// What to do with it, in lower case.
        action: Option<String>,
    },
    /// `/subscriptions/S/providers/NS/locations/L/<view>`.
    Regional {
        /// The subscription.
        subscription: ResourceId,
        /// The namespace, in lower case.
        namespace: String,
        /// The location as written.
        location: String,
        /// What lies below it, in lower case.
        view: String,
    },
    /// The state of a long-running operation (`operations/ID`, `operationStatuses/ID`).
    Operation(Poll),
    /// Its result (`operationResults/ID`).
    OperationResult(Poll),
    /// A resource, or the group it names.
    Resource(ResourceId),
    /// What ends in a word without a partner: a collection, an action or a view.
    Tail {
        /// What it lies below: a subscription, a group or a resource.
        scope: ResourceId,
        /// The type this would be a collection of, `NS/type[/type]`, as written.
        resource_type: String,
        /// The last word as written.
        word: String,
    },
}

/// Where a client asks after a long-running operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Poll {
    /// The subscription.
    pub(crate) subscription: ResourceId,
    /// The operation's id, in lower case.
    pub(crate) operation: String,
}

/// Longest path that is looked at, in bytes.
const PATH_LEN_MAX: usize = 8 * 1024;
/// Longest name of anything, in characters (ARM's limit for a resource name).
const SEGMENT_LEN_MAX: usize = 260;

impl Target {
    /// What `path` (the URI's, without query) names.
    ///
    /// # Errors
    /// 404 for what no management path looks like, 400 for names no resource can have.
    pub(crate) fn parse(path: &str) -> Result<Self, ArmError> {
        if path.len() > PATH_LEN_MAX {
            return Err(ArmError::new(414, "RequestUriTooLong", "The request URI is too long."));
        }
        let decoded = path.split('/').filter(|segment| !segment.is_empty()).map(decode);
        let segments: Vec<Cow<'_, str>> = decoded.collect::<Result<_, _>>()?;
        let words: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        parse(&words)
    }

    /// The subscription it lies in; `None` for what belongs to the tenant.
    pub(crate) fn subscription(&self) -> Option<&str> {
        match self {
            Self::Tenants | Self::Subscriptions => None,
            Self::Namespaces(subscription) | Self::Namespace { subscription, .. } => {
                subscription.as_ref().and_then(ResourceId::subscription)
            }
            Self::Subscription(id)
            | Self::Locations(id)
            | Self::Groups(id)
            | Self::Resources(id)
            | Self::TagNames(id)
            | Self::Resource(id)
            | Self::Regional { subscription: id, .. }
            | Self::Tail { scope: id, .. } => id.subscription(),
            Self::Operation(poll) | Self::OperationResult(poll) => poll.subscription.subscription(),
        }
    }
}

impl Target {
    /// Whether this is a template deployment, or something done with one.
    pub(crate) fn is_deployment(&self) -> bool {
        match self {
            Self::Resource(id) => Kind::of(id) == Kind::Deployment,
            Self::Tail { scope, .. } => Kind::of(scope) == Kind::Deployment,
            _ => false,
        }
    }
}

fn is(segment: &str, word: &str) -> bool {
    segment.eq_ignore_ascii_case(word)
}

fn parse(words: &[&str]) -> Result<Target, ArmError> {
    match words {
        [tenants] if is(tenants, "tenants") => Ok(Target::Tenants),
        [subscriptions] if is(subscriptions, "subscriptions") => Ok(Target::Subscriptions),
        [subscriptions, subscription, rest @ ..] if is(subscriptions, "subscriptions") => {
            in_subscription(ResourceId::subscription_scope(subscription), rest, words)
        }
        [providers] if is(providers, "providers") => Ok(Target::Namespaces(None)),
        [providers, namespace] if is(providers, "providers") => {
            Ok(Target::Namespace { subscription: None, namespace: (*namespace).to_owned(), action: None })
        }
        [providers, ..] if is(providers, "providers") => resource(words),
        _ => Err(ArmError::not_found(
            "MissingSubscription",
            "The request did not have a subscription or a valid tenant level resource provider.",
        )),
    }
}

fn in_subscription(subscription: ResourceId, rest: &[&str], words: &[&str]) -> Result<Target, ArmError> {
    let poll = |operation: &str| Poll { subscription: subscription.clone(), operation: operation.to_lowercase() };
    match rest {
        [] => Ok(Target::Subscription(subscription)),
        [word] if is(word, "locations") => Ok(Target::Locations(subscription)),
        [word] if is(word, "resourceGroups") => Ok(Target::Groups(subscription)),
        [word] if is(word, "resources") => Ok(Target::Resources(subscription)),
        [word] if is(word, "tagNames") => Ok(Target::TagNames(subscription)),
        [word] if is(word, "providers") => Ok(Target::Namespaces(Some(subscription))),
        [word, id] if is(word, "operationResults") => Ok(Target::OperationResult(poll(id))),
        [groups, group] if is(groups, "resourceGroups") => {
            Ok(Target::Resource(ResourceId::group(subscription.subscription().unwrap_or_default(), group)))
        }
        // Deployments are older than providers: both paths are still in use (az-wire §6).
        [groups, group, word, rest @ ..] if is(groups, "resourceGroups") && is(word, "deployments") => {
            let mut path = vec![words[0], words[1], *groups, *group, "providers", "Microsoft.Resources", *word];
            path.extend(rest);
            resource(&path)
        }
        [groups, group, word] if is(groups, "resourceGroups") && is(word, "resources") => {
            Ok(Target::Resources(ResourceId::group(subscription.subscription().unwrap_or_default(), group)))
        }
        [providers, namespace, action @ ..] if is(providers, "providers") && action.len() <= 1 => match action {
            [action] if !is(action, "register") && !is(action, "unregister") => resource(words),
            _ => Ok(Target::Namespace {
                subscription: Some(subscription),
                namespace: (*namespace).to_owned(),
                action: action.first().map(|action| action.to_lowercase()),
            }),
        },
        [providers, namespace, locations, location, view @ ..]
            if is(providers, "providers") && is(locations, "locations") =>
        {
            Ok(match view {
                [word, id] if is(word, "operations") || is(word, "operationStatuses") => Target::Operation(poll(id)),
                [word, id] if is(word, "operationResults") => Target::OperationResult(poll(id)),
                _ => Target::Regional {
                    subscription,
                    namespace: namespace.to_lowercase(),
                    location: (*location).to_owned(),
                    view: view.join("/").to_lowercase(),
                },
            })
        }
        _ => resource(words),
    }
}

/// A resource (pairs of type and name behind the namespace) or a tail (one word more).
fn resource(words: &[&str]) -> Result<Target, ArmError> {
    let path = |words: &[&str]| words.iter().fold(String::new(), |path, word| path + "/" + word);
    let unknown = || ArmError::not_found("NotFound", format!("No resource has the path '{}'.", path(words)));
    let Some(providers) = words.iter().rposition(|word| is(word, "providers")) else { return Err(unknown()) };
    let (before, behind) = (&words[..providers], words.get(providers + 2..).unwrap_or_default());
    // Scopes are not addressed as resources of their provider.
    let is_scope = |word: &&str| is(word, "subscriptions") || is(word, "resourceGroups");
    if behind.is_empty() || (is(words[providers + 1], "Microsoft.Resources") && behind.first().is_some_and(is_scope)) {
        return Err(unknown());
    }
    if behind.len() % 2 == 0 {
        return ResourceId::parse(&path(words)).map(Target::Resource).map_err(|_| unknown());
    }
    let scope = if behind.len() == 1 { before } else { &words[..words.len() - 1] };
    let mut resource_type = words[providers + 1].to_owned();
    for part in behind.iter().step_by(2) {
        resource_type.push('/');
        resource_type.push_str(part);
    }
    let scope = ResourceId::parse(&path(scope)).map_err(|_| unknown())?;
    let word = behind.last().copied().unwrap_or_default().to_owned();
    Ok(Target::Tail { scope, resource_type, word })
}

/// One decoded segment that may be part of an id.
fn decode(segment: &str) -> Result<Cow<'_, str>, ArmError> {
    let decoded = if segment.contains('%') { percent_decode(segment, false) } else { Some(Cow::Borrowed(segment)) };
    let refused = |character: char| character.is_control() || matches!(character, '/' | '\\' | '?' | '#' | '<' | '>');
    match decoded {
        Some(name)
            if !name.is_empty()
                && name.chars().count() <= SEGMENT_LEN_MAX
                && !name.contains(refused)
                && name != "."
                && name != ".." =>
        {
            Ok(name)
        }
        _ => Err(ArmError::bad_request(
            "InvalidResourceName",
            format!("Resource name {} is invalid.", segment.chars().take(SEGMENT_LEN_MAX).collect::<String>()),
        )),
    }
}

/// Undoes percent-encoding (and, in a query, `+` for a space); `None` when the result is no UTF-8.
/// A `%` without two hexadecimal digits stands for itself.
pub(crate) fn percent_decode(text: &str, plus_is_space: bool) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| byte == b'%' || (byte == b'+' && plus_is_space)) {
        return Some(Cow::Borrowed(text));
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
                continue;
            }
            (b'+', ..) if plus_is_space => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// A query string as pairs in order, names in lower case, both sides decoded. Parameters that are
/// no UTF-8 are left out.
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent_decode(name, true)?.to_lowercase(), percent_decode(value, true)?.into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCOPE: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Resources/resourceGroups/other";

    fn target(path: &str) -> Target {
        Target::parse(path).unwrap()
    }

    #[test]
    fn words_match_without_case_and_slashes_collapse() {
        let Target::Resource(id) =
            target("/Subscriptions/s/resourcegroups/rg//providers/Microsoft.Network//dnsResolvers/r2")
        else {
            panic!("no resource");
        };
        assert_eq!(id.name(), "r2");
        assert_eq!(target("/subscriptions/s/RESOURCEGROUPS"), Target::Groups(ResourceId::subscription_scope("s")));
    }

    #[test]
    fn a_word_without_a_partner_is_a_tail() {
        let group = ResourceId::group("s", "rg");
        assert_eq!(
            target("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/"),
            Target::Tail {
                scope: group.clone(),
                resource_type: "Microsoft.Network/virtualNetworks".into(),
                word: "virtualNetworks".into()
            }
        );
        assert_eq!(
            target("/subscriptions/s/resourceGroups/rg/providers/M.C/managedClusters/a/runCommand"),
            Target::Tail {
                scope: group.resource("M.C/managedClusters", "a"),
                resource_type: "M.C/managedClusters/runCommand".into(),
                word: "runCommand".into()
            }
        );
        assert!(matches!(
            target("/subscriptions/s/providers/Microsoft.Network/virtualNetworks"),
            Target::Tail { scope, .. } if scope == ResourceId::subscription_scope("s")
        ));
    }

    #[test]
    fn what_belongs_to_a_subscription_is_told_apart() {
        assert!(matches!(target("/subscriptions/s/providers/A.B/register"), Target::Namespace { action: Some(_), .. }));
        assert!(matches!(
            target("/subscriptions/s/providers/A.B/locations/West Europe/kubernetesVersions"),
            Target::Regional { view, .. } if view == "kubernetesversions"
        ));
        assert!(matches!(target("/subscriptions/s/providers/A.B/locations/w/operations/X"), Target::Operation(_)));
        assert!(matches!(target("/subscriptions/s/operationresults/X"), Target::OperationResult(_)));
    }

    #[test]
    fn segments_are_decoded_and_names_that_break_out_are_refused() {
        let Target::Resource(id) = target("/subscriptions/s/resourceGroups/rg/providers/A.B/z/corp/A/%2A") else {
            panic!("no resource");
        };
        assert_eq!(id.name(), "*");
        for path in
            ["/subscriptions/a%2Fb", "/subscriptions/s/resourceGroups/..", "/subscriptions/%00", "/x", "", SCOPE]
        {
            assert!(Target::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn queries_are_decoded_in_order() {
        assert_eq!(
            parse_query("$filter=a%20eq+'b'&API-Version=1&&x"),
            [("$filter", "a eq 'b'"), ("api-version", "1"), ("x", "")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn no_path_panics(path in "(/(subscriptions|providers|resourceGroups|locations|%[0-9a-f]{2}|.{0,4})){0,12}") {
            let _ = Target::parse(&path);
        }
    }
}

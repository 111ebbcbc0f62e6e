//! Limit ranges: what containers have by default, and what they, their pods and claims may ask for.
//!
//! Pure. Source: kubernetes/kubernetes `plugin/pkg/admission/limitranger`, whose words these are.

use serde_json::{Value, json};

use super::resources::{Amounts, amounts, containers, of_pod};
use crate::{quantity::Quantity, registry::Resource};

/// Where a pod tells what was filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

fn limits<'a>(range: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    range["spec"]["limits"].as_array().into_iter().flatten().filter(move |limit| limit["type"] == kind)
}

/// Gives the containers of a new pod what the ranges say and they do not.
pub(super) fn fill_in(ranges: &[Value], row: &Resource, pod: &mut Value) {
    if !row.is_core("Pod") {
        return;
    }
    let mut told = Vec::new();
    for range in ranges {
        let named = |field: &str| {
            let all = limits(range, "Container").filter_map(|limit| limit[field].as_object());
            all.flatten().map(|(name, amount)| (name.clone(), amount.clone())).collect::<Vec<_>>()
        };
        let (requests, limits) = (named("defaultRequest"), named("default"));
        for (list, prefix) in [("containers", ""), ("initContainers", "init ")] {
            for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                for (kind, what, defaults) in [("requests", "request", &requests), ("limits", "limit", &limits)] {
                    let mut given = Vec::new();
                    for (name, amount) in defaults {
                        if container["resources"][kind][name].is_null() {
                            container["resources"][kind][name] = amount.clone();
                            given.push(name.as_str());
                        }
                    }
                    given.sort_unstable();
                    if !given.is_empty() {
                        let called = container["name"].as_str().unwrap_or_default();
                        told.push(format!("{} {what} for {prefix}container {called}", given.join(", ")));
                    }
                }
            }
        }
    }
    if !told.is_empty() {
        pod["metadata"]["annotations"][ANNOTATION] = json!(format!("LimitRanger plugin set: {}", told.join("; ")));
    }
}

/// Why an object breaks a range, if it does.
pub(super) fn broken(range: &Value, row: &Resource, object: &Value) -> Option<String> {
    let mut problems = Vec::new();
    let spec = &object["spec"];
    if row.is_core("PersistentVolumeClaim") {
        for limit in limits(range, "PersistentVolumeClaim") {
            let (requests, limits) = (amounts(&spec["resources"]["requests"]), amounts(&spec["resources"]["limits"]));
            let asked = Asked { kind: "PersistentVolumeClaim", requests: &requests, limits: &limits };
            asked.check_each(&limit["min"], Asked::minimum, &mut problems);
            asked.check_each(&limit["max"], Asked::maximum_request, &mut problems);
        }
    } else if row.is_core("Pod") {
        for limit in range["spec"]["limits"].as_array().into_iter().flatten() {
            if limit["type"] == "Container" {
                for (container, _) in containers(spec) {
                    let resources = &container["resources"];
                    let (requests, limits) = (amounts(&resources["requests"]), amounts(&resources["limits"]));
                    Asked { kind: "Container", requests: &requests, limits: &limits }.check(limit, &mut problems);
                }
            } else if limit["type"] == "Pod" {
                let (requests, limits) = (of_pod(spec, "requests"), of_pod(spec, "limits"));
                Asked { kind: "Pod", requests: &requests, limits: &limits }.check(limit, &mut problems);
            }
        }
    }
    match problems.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// What something asks for.
struct Asked<'a> {
    kind: &'a str,
    requests: &'a Amounts,
    limits: &'a Amounts,
}

impl Asked<'_> {
    fn check(&self, limit: &Value, problems: &mut Vec<String>) {
        self.check_each(&limit["min"], Self::minimum, problems);
        self.check_each(&limit["max"], Self::maximum, problems);
        self.check_each(&limit["maxLimitRequestRatio"], Self::ratio, problems);
    }

    fn check_each(
        &self,
        bounds: &Value,
        rule: fn(&Self, &str, Quantity) -> Option<String>,
        problems: &mut Vec<String>,
    ) {
        problems.extend(amounts(bounds).iter().filter_map(|(name, bound)| rule(self, name, *bound)));
    }

    fn minimum(&self, name: &str, bound: Quantity) -> Option<String> {
        let start = format!("minimum {name} usage per {} is {bound}", self.kind);
        match (self.requests.get(name), self.limits.get(name)) {
            (None, _) => Some(format!("{start}.  No request is specified")),
            (Some(request), _) if *request < bound => Some(format!("{start}, but request is {request}")),
            (_, Some(limit)) if *limit < bound => Some(format!("{start}, but limit is {limit}")),
            _ => None,
        }
    }

    fn maximum(&self, name: &str, bound: Quantity) -> Option<String> {
        let start = format!("maximum {name} usage per {} is {bound}", self.kind);
        match (self.limits.get(name), self.requests.get(name)) {
            (None, _) => Some(format!("{start}.  No limit is specified")),
            (Some(limit), _) if *limit > bound => Some(format!("{start}, but limit is {limit}")),
            (_, Some(request)) if *request > bound => Some(format!("{start}, but request is {request}")),
            _ => None,
        }
    }

    fn maximum_request(&self, name: &str, bound: Quantity) -> Option<String> {
        let start = format!("maximum {name} usage per {} is {bound}", self.kind);
        match self.requests.get(name) {
            None => Some(format!("{start}.  No request is specified")),
            Some(request) if *request > bound => Some(format!("{start}, but request is {request}")),
            Some(_) => None,
        }
    }

    fn ratio(&self, name: &str, bound: Quantity) -> Option<String> {
        let start = format!("{name} max limit to request ratio per {} is {bound}", self.kind);
        let given = |list: &Amounts| list.get(name).copied().filter(|amount| !amount.is_zero());
        let Some(request) = given(self.requests) else {
            return Some(format!("{start}, but no request is specified or request is 0"));
        };
        let Some(limit) = given(self.limits) else {
            return Some(format!("{start}, but no limit is specified or limit is 0"));
        };
        let ratio = limit.approximate() / request.approximate();
        (ratio > bound.approximate()).then(|| format!("{start}, but provided ratio is {ratio:.6}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn range(limit: &Value) -> Value {
        let mut range = json!({"spec": {"limits": [limit]}});
        let row = registry::find("", "v1", "limitranges").unwrap();
        crate::defaults::fill_in(row, &mut range);
        range
    }

    fn pod(resources: &Value) -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "resources": resources}]}})
    }

    fn pods() -> &'static Resource {
        registry::find("", "v1", "pods").unwrap()
    }

    #[test]
    fn containers_get_what_they_do_not_say_and_the_pod_tells() {
        let ranges = [range(&json!({"type": "Container", "max": {"cpu": "800m"}, "min": {"memory": "64Mi"}}))];
        let mut filled = pod(&json!({"requests": {"cpu": "100m"}}));
        fill_in(&ranges, pods(), &mut filled);
        let resources = &filled["spec"]["containers"][0]["resources"];
        assert_eq!(*resources, json!({"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "800m"}}));
        assert_eq!(
            filled["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: memory request for container c; cpu limit for container c"
        );
    }

    #[test]
    fn refusals_say_what_is_allowed_and_what_was_asked_for() {
        let container = |limit: Value, resources: Value| broken(&range(&limit), pods(), &pod(&resources));
        let bounds = json!({"type": "Container", "max": {"cpu": "800m"}, "min": {"cpu": "100m"}});
        let both = |request: &str, limit: &str| json!({"requests": {"cpu": request}, "limits": {"cpu": limit}});
        assert_eq!(container(bounds.clone(), both("200m", "0.5")), None);
        assert_eq!(
            container(bounds.clone(), both("50m", "1")).unwrap(),
            "[minimum cpu usage per Container is 100m, but request is 50m, maximum cpu usage per Container is 800m, but \
             limit is 1]"
        );
        assert_eq!(
            container(json!({"type": "Pod", "max": {"memory": "1Gi"}}), json!({})).unwrap(),
            "maximum memory usage per Pod is 1Gi.  No limit is specified"
        );
        assert_eq!(
            container(json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}), both("100m", "300m"))
                .unwrap(),
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"
        );
        let claims = registry::find("", "v1", "persistentvolumeclaims").unwrap();
        let claim = json!({"spec": {"resources": {"requests": {"storage": "5Gi"}}}});
        let bounds = range(&json!({"type": "PersistentVolumeClaim", "max": {"storage": "2Gi"}}));
        assert_eq!(
            broken(&bounds, claims, &claim).unwrap(),
            "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 5Gi"
        );
    }
}

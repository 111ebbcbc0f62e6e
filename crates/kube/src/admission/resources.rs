//! What a pod asks for and is limited to, as a whole.
//!
//! Pure. Source: k8s.io/component-helpers `resource/helpers.go`: containers run together, those that initialise one after
//! the other, save those that keep running beside the others.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::quantity::Quantity;

/// Amounts by the names of resources.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// The amounts that an object of names and amounts says.
pub(super) fn amounts(list: &Value) -> Amounts {
    let pairs = list.as_object().into_iter().flatten();
    pairs.filter_map(|(name, amount)| Some((name.clone(), Quantity::of(amount)?))).collect()
}

/// The containers of a pod with whether each initialises.
pub(super) fn containers(spec: &Value) -> impl Iterator<Item = (&Value, bool)> {
    let of = |list: &str, initialises| {
        spec[list].as_array().into_iter().flatten().map(move |container| (container, initialises))
    };
    of("containers", false).chain(of("initContainers", true))
}

/// The `requests` or `limits` of a whole pod.
pub(super) fn of_pod(spec: &Value, list: &str) -> Amounts {
    let mut total = Amounts::new();
    for (container, _) in containers(spec).filter(|(_, initialises)| !initialises) {
        add(&mut total, &amounts(&container["resources"][list]));
    }
    let (mut beside, mut most) = (Amounts::new(), Amounts::new());
    for (container, _) in containers(spec).filter(|(_, initialises)| *initialises) {
        let own = amounts(&container["resources"][list]);
        let mut while_it_runs = beside.clone();
        add(&mut while_it_runs, &own);
        if container["restartPolicy"] == "Always" {
            add(&mut total, &own);
            beside.clone_from(&while_it_runs);
        }
        raise(&mut most, &while_it_runs);
    }
    raise(&mut total, &most);
    // What a pod says of itself as a whole counts instead.
    total.extend(amounts(&spec["resources"][list]));
    let mut overhead = amounts(&spec["overhead"]);
    overhead.retain(|name, _| list == "requests" || total.contains_key(name));
    add(&mut total, &overhead);
    total
}

fn add(total: &mut Amounts, others: &Amounts) {
    for (name, amount) in others {
        let held = total.entry(name.clone()).or_default();
        *held = *held + *amount;
    }
}

fn raise(total: &mut Amounts, others: &Amounts) {
    for (name, amount) in others {
        let held = total.entry(name.clone()).or_insert(*amount);
        *held = (*held).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_runs_together_adds_up_and_what_runs_before_counts_if_it_is_more() {
        let asks = |cpu: &str| json!({"requests": {"cpu": cpu}});
        let spec = json!({
            "containers": [{"resources": asks("100m")}, {"resources": asks("200m")}],
            "initContainers": [
                {"resources": asks("50m"), "restartPolicy": "Always"},
                {"resources": asks("900m")},
            ],
            "overhead": {"cpu": "10m"},
        });
        assert_eq!(of_pod(&spec, "requests")["cpu"].to_string(), "960m");
        assert!(of_pod(&spec, "limits").is_empty());
    }
}

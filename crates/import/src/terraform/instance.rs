//! Every resource instance of a state or plan, and the configuration it comes from.

use std::{cell::RefCell, collections::BTreeMap};

use azure::{Json, ResourceId};
use serde_json::{Map, Value};

/// Modules are nested this deep at most.
const DEPTH_MAX: usize = 32;
/// What ids lie in when no subscription is known.
pub(super) const NO_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// One call of a module: its name, and its key under `for_each` or `count`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) key: Option<String>,
}

/// One instance of a resource or data source.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) address: String,
    pub(super) module: Vec<Step>,
    /// `azurerm_subnet.aks` or `data.azurerm_subnet.aks`.
    pub(super) base: String,
    /// The resource type, `azurerm_subnet`.
    pub(super) kind: String,
    pub(super) is_data: bool,
    /// Its key under `for_each` or `count`.
    pub(super) key: Option<String>,
    pub(super) values: Value,
    /// Where `values` are not known before they are applied: `true` in their place.
    pub(super) unknown: Value,
}

/// All instances, by module and base address.
pub(super) struct World<'a> {
    pub(super) instances: Vec<Instance>,
    pub(super) by_base: BTreeMap<(Vec<Step>, String), Vec<usize>>,
    pub(super) document: &'a Value,
    pub(super) subscription: Option<String>,
    pub(super) ids: RefCell<BTreeMap<usize, Option<ResourceId>>>,
}

impl<'a> World<'a> {
    pub(super) fn new(document: &'a Value) -> Self {
        let mut instances = Vec::new();
        // Data sources that were read are in the prior state, even of a plan that has none to change.
        if document.get("planned_values").is_some() {
            let prior = &document["prior_state"]["values"]["root_module"];
            module(prior, &[], 0, &mut |instance: Instance| {
                if instance.is_data {
                    instances.push(instance);
                }
            });
        }
        for values in ["planned_values", "values"] {
            module(&document[values]["root_module"], &[], 0, &mut |instance| instances.push(instance));
        }
        state_file(&document["resources"], &mut instances);
        let changes = document["resource_changes"].as_array().into_iter().flatten();
        let mut unknown: BTreeMap<&str, &Value> = changes
            .filter_map(|change| Some((change["address"].as_str()?, &change["change"]["after_unknown"])))
            .collect();
        for instance in &mut instances {
            if let Some(unknown) = unknown.remove(instance.address.as_str()) {
                instance.unknown = unknown.clone();
            }
        }
        let mut by_base: BTreeMap<(Vec<Step>, String), Vec<usize>> = BTreeMap::new();
        for (at, instance) in instances.iter().enumerate() {
            by_base.entry((instance.module.clone(), instance.base.clone())).or_default().push(at);
        }
        let subscription = subscription(document, &instances);
        Self { instances, by_base, document, subscription, ids: RefCell::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// The subscription in which what has no id yet will lie.
    pub(super) fn subscription(&self) -> &str {
        self.subscription.as_deref().unwrap_or(NO_SUBSCRIPTION)
    }

    /// The configuration of a module.
    pub(super) fn configuration(&self, module: &[Step]) -> &'a Value {
        let root = &self.document["configuration"]["root_module"];
        module.iter().fold(root, |module, step| &module["module_calls"][&step.name]["module"])
    }

    /// The configuration of the resource that `instance` is one of.
    pub(super) fn declaration(&self, instance: &Instance) -> Option<&'a Value> {
        let resources = self.configuration(&instance.module)["resources"].as_array()?;
        resources.iter().find(|resource| resource["address"] == instance.base.as_str())
    }
}

fn module(tree: &Value, path: &[Step], depth: usize, found: &mut impl FnMut(Instance)) {
    if depth > DEPTH_MAX {
        return;
    }
    for resource in tree["resources"].as_array().into_iter().flatten() {
        let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
        let (kind, name, is_data) = (text("type"), text("name"), resource["mode"] == "data");
        found(Instance {
            address: text("address"),
            module: path.to_vec(),
            base: format!("{}{kind}.{name}", if is_data { "data." } else { "" }),
            kind,
            is_data,
            key: key(&resource["index"]),
            values: resource["values"].clone(),
            unknown: Value::Null,
        });
    }
    for child in tree["child_modules"].as_array().into_iter().flatten() {
        let steps = steps(child["address"].as_str().unwrap_or_default());
        module(child, &steps, depth + 1, found);
    }
}

/// `terraform.tfstate`, version 4.
fn state_file(resources: &Value, instances: &mut Vec<Instance>) {
    for resource in resources.as_array().into_iter().flatten() {
        let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
        let (kind, name, is_data, module) = (text("type"), text("name"), resource["mode"] == "data", text("module"));
        let base = format!("{}{kind}.{name}", if is_data { "data." } else { "" });
        for instance in resource["instances"].as_array().into_iter().flatten() {
            instances.push(Instance {
                address: if module.is_empty() { base.clone() } else { format!("{module}.{base}") },
                module: steps(&module),
                base: base.clone(),
                kind: kind.clone(),
                is_data,
                key: key(&instance["index_key"]),
                values: instance["attributes"].clone(),
                unknown: Value::Null,
            });
        }
    }
}

/// `count`'s and `for_each`'s keys as a text.
fn key(index: &Value) -> Option<String> {
    match index {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The calls of a module's address, `module.a["k"].module.b`.
fn steps(address: &str) -> Vec<Step> {
    let parts = super::reference::parts(address);
    parts
        .chunks(2)
        .filter_map(|pair| match pair {
            [word, called] if word.name == "module" => Some(called.clone()),
            _ => None,
        })
        .collect()
}

/// The subscription of what is there already, or the provider's own.
fn subscription(document: &Value, instances: &[Instance]) -> Option<String> {
    let known = |instance: &Instance| {
        let id: ResourceId = Json::new(&instance.values).get("id").parsed()?;
        id.subscription().map(str::to_owned)
    };
    let configured = || {
        let providers = document["configuration"]["provider_config"].as_object();
        providers.into_iter().flat_map(Map::values).find_map(|provider| {
            let given = &provider["expressions"]["subscription_id"];
            let variable = given["references"].as_array().into_iter().flatten().find_map(|name| {
                let name = name.as_str()?.strip_prefix("var.")?;
                document["variables"][name]["value"].as_str()
            });
            given["constant_value"].as_str().or(variable).map(str::to_owned)
        })
    };
    let configured = configured().filter(|text| !text.is_empty() && !text.contains('/'));
    configured.or_else(|| instances.iter().find_map(known))
}

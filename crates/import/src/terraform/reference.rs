//! Following a value that is not known yet through the configuration: to the resource it will come from.
//!
//! Terraform writes an expression as the list of what it refers to, the most exact first. Variables lead to the call
//! of the module, outputs into the module, `each` to what the resource is made for. Locals are not in the document.

use azure::{Kind, ResourceId};
use serde_json::Value;

use super::instance::{Instance, Step, World};

/// Longest chain of references that is followed.
const HOPS_MAX: usize = 24;

/// What is looked for at the end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Want<'k> {
    /// The id of a resource of one of these kinds.
    Id(&'k [Kind]),
    /// A text: `name` of a group or network.
    Text,
}

/// Where a reference stands: the module, and the keys that choose among instances.
#[derive(Clone)]
struct Place<'a> {
    module: Vec<Step>,
    keys: Vec<String>,
    for_each: Option<&'a Value>,
}

/// The parts of an address or reference, `a.b["c.d"].e`, each with its key.
pub(super) fn parts(text: &str) -> Vec<Step> {
    let mut parts: Vec<Step> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        if !name.is_empty() {
            parts.push(Step { name: name.to_owned(), key: None });
        }
        rest = match tail.strip_prefix('[') {
            Some(bracketed) => {
                let quoted = bracketed.strip_prefix('"');
                let (body, close) = quoted.map_or((bracketed, "]"), |quoted| (quoted, "\"]"));
                let end = body.find(close).unwrap_or(body.len());
                if let Some(last) = parts.last_mut() {
                    last.key = Some(body[..end].to_owned());
                }
                body.get(end + close.len()..).unwrap_or_default()
            }
            None => tail.strip_prefix('.').unwrap_or(tail),
        };
    }
    parts
}

impl World<'_> {
    /// What the attribute at `path` of an instance will be, as far as its expression leads to something known.
    pub(super) fn follow(&self, instance: &Instance, path: &str, want: Want<'_>) -> Option<String> {
        let declaration = self.declaration(instance)?;
        let expression = at(&declaration["expressions"], path)?;
        let place = Place {
            module: instance.module.clone(),
            keys: instance.key.iter().cloned().collect(),
            for_each: declaration.get("for_each_expression"),
        };
        self.expression(expression, &place, want, 0)
    }

    /// Every resource of one of `kinds` that the attribute at `path`, a list, refers to.
    pub(super) fn follow_all(&self, instance: &Instance, path: &str, kinds: &[Kind]) -> Vec<ResourceId> {
        let Some(declaration) = self.declaration(instance) else { return Vec::new() };
        let references = at(&declaration["expressions"], path).and_then(|found| found["references"].as_array());
        let place = Place {
            module: instance.module.clone(),
            keys: instance.key.iter().cloned().collect(),
            for_each: declaration.get("for_each_expression"),
        };
        let mut found: Vec<ResourceId> = Vec::new();
        for reference in references.into_iter().flatten().filter_map(Value::as_str) {
            let id = self.reference(&parts(reference), &place, Want::Id(kinds), 0).and_then(|id| id.parse().ok());
            found.extend(id.filter(|id| !found.contains(id)));
        }
        found
    }

    fn expression(&self, expression: &Value, place: &Place<'_>, want: Want<'_>, hops: usize) -> Option<String> {
        if let Some(constant) = expression["constant_value"].as_str() {
            return Some(constant.to_owned());
        }
        if hops > HOPS_MAX {
            return None;
        }
        let references = expression["references"].as_array()?.iter().filter_map(Value::as_str);
        references.map(parts).find_map(|parts| self.reference(&parts, place, want, hops + 1))
    }

    fn reference(&self, parts: &[Step], place: &Place<'_>, want: Want<'_>, hops: usize) -> Option<String> {
        let (first, second) = (parts.first()?, parts.get(1));
        let with_keys = |module: Vec<Step>, keys: &[&Option<String>]| {
            let mut all: Vec<String> = keys.iter().copied().flatten().cloned().collect();
            all.extend(place.keys.iter().cloned());
            Place { module, keys: all, for_each: None }
        };
        match first.name.as_str() {
            "var" => {
                let (called, outer) = place.module.split_last()?;
                let call = &self.configuration(outer)["module_calls"][&called.name];
                let place = Place {
                    for_each: call.get("for_each_expression"),
                    ..with_keys(outer.to_vec(), &[&second?.key, &called.key])
                };
                self.expression(&call["expressions"][&second?.name], &place, want, hops)
            }
            "module" => {
                let called = second?;
                let mut module = place.module.clone();
                module.push(self.called(&place.module, called, &place.keys)?);
                let output = parts.get(2)?;
                let expression = &self.configuration(&module)["outputs"][&output.name]["expression"];
                self.expression(expression, &with_keys(module, &[&output.key]), want, hops)
            }
            "each" => self.expression(place.for_each?, &Place { for_each: None, ..place.clone() }, want, hops),
            "data" => self.resource(
                &format!("data.{}.{}", second?.name, parts.get(2)?.name),
                parts.get(2)?,
                parts.get(3..)?,
                place,
                want,
            ),
            kind if kind.starts_with("azurerm_") || kind.starts_with("azapi_") => {
                self.resource(&format!("{kind}.{}", second?.name), second?, parts.get(2..)?, place, want)
            }
            _ => None,
        }
    }

    /// The instance of a module's call: the one with the key, or the only one.
    fn called(&self, module: &[Step], called: &Step, keys: &[String]) -> Option<Step> {
        let depth = module.len();
        let mut all: Vec<&Step> = self
            .by_base
            .keys()
            .filter(|(path, _)| path.len() > depth && path.starts_with(module) && path[depth].name == called.name)
            .map(|(path, _)| &path[depth])
            .collect();
        all.dedup();
        let wanted = called.key.as_ref().into_iter().chain(keys);
        let mut by_key = wanted.filter_map(|key| all.iter().find(|step| step.key.as_ref() == Some(key)));
        by_key.next().copied().or_else(|| (all.len() == 1).then(|| all[0])).cloned()
    }

    fn resource(
        &self,
        base: &str,
        named: &Step,
        attribute: &[Step],
        place: &Place<'_>,
        want: Want<'_>,
    ) -> Option<String> {
        let candidates = self.by_base.get(&(place.module.clone(), base.to_owned()))?;
        let with_key = |key: &String| candidates.iter().find(|at| self.instances[**at].key.as_ref() == Some(key));
        let chosen = match &named.key {
            Some(key) => with_key(key),
            None => {
                place.keys.iter().find_map(with_key).or_else(|| candidates.first().filter(|_| candidates.len() == 1))
            }
        };
        let chosen = *chosen?;
        match want {
            Want::Id(kinds) => {
                // `azurerm_virtual_network.hub.subnet` of inline subnets has no address of its own.
                let id = self.id(chosen)?;
                kinds.contains(&Kind::of(&id)).then(|| id.to_string())
            }
            Want::Text => {
                let path: Vec<&str> = attribute.iter().map(|step| step.name.as_str()).collect();
                let path = if path.is_empty() { "name".to_owned() } else { path.join(".") };
                at(&self.instances[chosen].values, &path)?.as_str().map(str::to_owned)
            }
        }
    }

    /// The ARM id of an instance: its own, or the one that it will have.
    pub(super) fn id(&self, at: usize) -> Option<ResourceId> {
        if let Some(known) = self.ids.borrow().get(&at) {
            return known.clone();
        }
        // A circle in the configuration, which Terraform refuses, must not be one here.
        self.ids.borrow_mut().insert(at, None);
        let id = super::convert::id(self, &self.instances[at]);
        self.ids.borrow_mut().insert(at, id.clone());
        id
    }
}

/// The value at `a.0.b`.
pub(super) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        Value::Object(object) => object.get(name),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_come_apart_at_dots_outside_keys() {
        let apart = |text: &str| -> Vec<(String, Option<String>)> {
            parts(text).into_iter().map(|part| (part.name, part.key)).collect()
        };
        let part = |name: &str, key: Option<&str>| (name.to_owned(), key.map(str::to_owned));
        assert_eq!(
            apart(r#"module.net["a.b"].azurerm_subnet.aks[0].id"#),
            [
                part("module", None),
                part("net", Some("a.b")),
                part("azurerm_subnet", None),
                part("aks", Some("0")),
                part("id", None)
            ]
        );
        assert_eq!(apart("a[\"x"), [part("a", Some("x"))]);
        assert_eq!(apart("..[]"), []);
    }
}

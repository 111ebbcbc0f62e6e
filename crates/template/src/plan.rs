//! A template's resources: each copy and child by its id, in the order in which they are deployed.
//!
//! What comes before what is said by `dependsOn` and by every `reference` to another resource of the
//! same template; otherwise the template's own order stands.

use std::collections::{BTreeMap, BTreeSet};

use azure::{Kind, ResourceId};
use serde_json::{Map, Value, json};

use super::{
    Problem, RESOURCES_MAX, Scope, check,
    evaluate::loop_count,
    references::resource_path,
    syntax::{self, Expression, Text},
};

/// Deepest nesting of child resources and of values.
const DEPTH_MAX: usize = 32;

/// What of a template's resource is not part of the resource itself.
const TEMPLATE_KEYS: &[&str] = &[
    "type",
    "name",
    "apiVersion",
    "dependsOn",
    "condition",
    "copy",
    "resources",
    "scope",
    "comments",
    "metadata",
    "existing",
    "resourceGroup",
    "subscriptionId",
];

/// One resource of a template, to be deployed.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What it will be.
    pub id: ResourceId,
    /// Its declaration, not evaluated.
    pub declared: Value,
    /// The loops it stands in: name and turn.
    pub loops: Vec<(String, i64)>,
    /// The planned resources it comes after.
    pub depends_on: Vec<ResourceId>,
}

impl Planned {
    /// The body that a `PUT` of it would have, each property as `evaluate` says. A nested deployment's template is left
    /// as it is: it is evaluated when it is deployed.
    ///
    /// # Errors
    /// What `evaluate` finds.
    pub fn body<E>(&self, mut evaluate: impl FnMut(&Value) -> Result<Value, E>) -> Result<Map<String, Value>, E> {
        let nested = Kind::of(&self.id) == Kind::Deployment;
        let mut body = Map::new();
        for (key, value) in self.declared.as_object().into_iter().flatten() {
            if TEMPLATE_KEYS.contains(&key.as_str()) {
                continue;
            }
            let evaluated = if nested && key == "properties" {
                let mut properties = value.clone();
                let template = properties["template"].take();
                let mut properties = evaluate(&properties)?;
                properties["template"] = template;
                properties
            } else {
                evaluate(value)?
            };
            body.insert(key.clone(), evaluated);
        }
        Ok(body)
    }
}

/// A resource before the order is known.
struct Found {
    planned: Planned,
    symbol: Option<String>,
    name: String,
    /// Whether its condition holds.
    wanted: bool,
}

/// The resources of `template` in the order of deployment. `scope` has no runtime yet.
pub fn plan(scope: &Scope<'_>, template: &Value) -> Result<Vec<Planned>, Problem> {
    for required in ["$schema", "contentVersion"] {
        if template[required].as_str().is_none_or(str::is_empty) {
            return Err(Problem::new(format!("Required property '{required}' not found in JSON. Path ''.")));
        }
    }
    for section in ["variables", "resources", "outputs"] {
        check::check(&scope.inputs, &template[section])?;
    }
    let mut gathered = Gathered { found: Vec::new() };
    match template.get("resources") {
        None | Some(Value::Null) => {}
        Some(Value::Array(resources)) => {
            for resource in resources {
                gathered.declaration(scope, resource, None, None, 0)?;
            }
        }
        Some(Value::Object(resources)) => {
            for (symbol, resource) in resources {
                gathered.declaration(scope, resource, Some(symbol), None, 0)?;
            }
        }
        Some(_) => return Err(Problem::new("The template's 'resources' are neither an array nor an object.")),
    }
    gathered.refuse_twice()?;
    for found in &gathered.found {
        for name in [Some(&found.name), found.symbol.as_ref()].into_iter().flatten() {
            scope.inputs.remember(name, &found.planned.id);
        }
    }
    let orders = gathered.dependencies(scope)?;
    gathered.ordered(&orders)
}

struct Gathered {
    found: Vec<Found>,
}

impl Gathered {
    /// Takes in one declaration, each of its copies and all its children.
    fn declaration(
        &mut self,
        scope: &Scope<'_>,
        declared: &Value,
        symbol: Option<&str>,
        parent: Option<(&str, &str)>,
        depth: usize,
    ) -> Result<(), Problem> {
        let Value::Object(resource) = declared else {
            return Err(Problem::new("A resource of the template is not an object."));
        };
        if depth > DEPTH_MAX {
            return Err(Problem::new(format!("Resources are nested deeper than {DEPTH_MAX} levels.")));
        }
        let Some(copy) = resource.get("copy").filter(|copy| !copy.is_null()) else {
            return self.one(scope, resource, symbol, parent, depth);
        };
        let name = copy["name"].as_str().ok_or_else(|| Problem::new("A resource's 'copy' has no name."))?;
        let count = loop_count(&scope.value(&copy["count"])?)?;
        for turn in 0..count {
            self.one(&scope.within(&[(name.to_owned(), turn)]), resource, symbol, parent, depth)?;
        }
        Ok(())
    }

    fn one(
        &mut self,
        scope: &Scope<'_>,
        resource: &Map<String, Value>,
        symbol: Option<&str>,
        parent: Option<(&str, &str)>,
        depth: usize,
    ) -> Result<(), Problem> {
        if self.found.len() >= RESOURCES_MAX {
            return Err(Problem::new(format!(
                "The number of template resources limit exceeded. Limit: '{RESOURCES_MAX}'. Please see https://aka.ms/arm-template/#resources for usage details."
            )));
        }
        let text = |key: &str| -> Result<Option<String>, Problem> {
            match resource.get(key) {
                None | Some(Value::Null) => Ok(None),
                Some(value) => match scope.value(value)? {
                    Value::String(text) => Ok(Some(text)),
                    _ => Err(Problem::new(format!("The '{key}' of a template resource is not a string."))),
                },
            }
        };
        let required = |key: &str| {
            text(key)?.filter(|text| !text.is_empty()).ok_or_else(|| {
                Problem::new(format!("Required property '{key}' not found in a resource of the template."))
            })
        };
        let (own_type, own_name) = (required("type")?, required("name")?);
        let (full_type, name) = match parent {
            Some((parent_type, parent_name)) if !own_type.starts_with(&format!("{parent_type}/")) => {
                (format!("{parent_type}/{own_type}"), format!("{parent_name}/{own_name}"))
            }
            _ => (own_type, own_name),
        };
        let existing = resource.get("existing") == Some(&json!(true));
        if !existing {
            required("apiVersion")?;
        }
        let base = base(scope, text("scope")?, text("subscriptionId")?, text("resourceGroup")?)?;
        let id = id_of(&base, &full_type, &name)?;
        let condition = resource.get("condition").map(|condition| scope.value(condition)).transpose()?;
        let wanted = match condition {
            None | Some(Value::Bool(true)) => true,
            Some(Value::Bool(false)) => false,
            Some(_) => return Err(Problem::new(format!("The condition of the resource '{name}' is not a boolean."))),
        };
        let planned = Planned {
            id,
            declared: Value::Object(resource.clone()),
            loops: scope.loops().to_vec(),
            depends_on: Vec::new(),
        };
        let symbol = symbol.map(str::to_owned);
        self.found.push(Found { planned, symbol, name: name.clone(), wanted: wanted && !existing });
        match resource.get("resources") {
            Some(Value::Array(children)) => children
                .iter()
                .try_for_each(|child| self.declaration(scope, child, None, Some((&full_type, &name)), depth + 1)),
            _ => Ok(()),
        }
    }

    fn refuse_twice(&self) -> Result<(), Problem> {
        let mut seen = BTreeSet::new();
        let twice = self.found.iter().filter(|found| found.wanted).find(|found| !seen.insert(found.planned.id.clone()));
        match twice {
            Some(twice) => Err(Problem::new(format!(
                "The resource '{}' is defined multiple times in a template. Please see https://aka.ms/arm-syntax-resources for usage details.",
                twice.planned.id
            ))),
            None => Ok(()),
        }
    }

    /// For each resource, those it comes after.
    fn dependencies(&self, scope: &Scope<'_>) -> Result<Vec<BTreeSet<usize>>, Problem> {
        let mut by_id: BTreeMap<&ResourceId, usize> = BTreeMap::new();
        for (at, found) in self.found.iter().enumerate() {
            by_id.insert(&found.planned.id, at);
        }
        let mut all = Vec::new();
        for (at, found) in self.found.iter().enumerate() {
            let scope = scope.within(&found.planned.loops);
            let mut after = BTreeSet::new();
            for named in found.planned.declared["dependsOn"].as_array().into_iter().flatten() {
                let Value::String(named) = scope.value(named)? else {
                    return Err(Problem::new(format!(
                        "A 'dependsOn' of the resource '{}' is not a string.",
                        found.name
                    )));
                };
                let found = self.named(&named);
                if found.is_empty() {
                    return Err(Problem::new(format!(
                        "The resource '{named}' is not defined in the template. Please see https://aka.ms/arm-syntax for usage details."
                    )));
                }
                after.extend(found);
            }
            let mut referred = Vec::new();
            referred_to(&scope, &found.planned.declared, &mut referred, 0);
            for text in referred {
                let by_name = || scope.inputs.named(&text);
                let id = if text.starts_with('/') { ResourceId::parse(&text).ok() } else { by_name() };
                after.extend(id.and_then(|id| by_id.get(&id).copied()));
            }
            after.remove(&at);
            all.push(after);
        }
        Ok(all)
    }

    /// The resources that a `dependsOn` names: by id, by type and name, by name, symbol or loop.
    fn named(&self, text: &str) -> Vec<usize> {
        let lower = text.to_lowercase();
        let tail = format!("/providers/{}", lower.trim_start_matches('/'));
        let is = |other: &str| other.to_lowercase() == lower;
        let matching = |holds: &dyn Fn(&Found) -> bool| -> Vec<usize> {
            self.found.iter().enumerate().filter(|(_, found)| holds(found)).map(|(at, _)| at).collect()
        };
        let exact = matching(&|found| {
            found.planned.id.key() == lower
                || found.planned.id.key().ends_with(&tail)
                || found.symbol.as_deref().is_some_and(is)
                || is(&found.name)
        });
        if !exact.is_empty() {
            return exact;
        }
        matching(&|found| found.planned.loops.iter().any(|(name, _)| is(name)) || is(found.planned.id.name()))
    }

    /// The wanted resources, each after what it depends on, otherwise in the template's order.
    fn ordered(self, orders: &[BTreeSet<usize>]) -> Result<Vec<Planned>, Problem> {
        let mut left: Vec<(usize, Found)> = self.found.into_iter().enumerate().collect();
        let ids: Vec<(ResourceId, bool)> =
            left.iter().map(|(_, found)| (found.planned.id.clone(), found.wanted)).collect();
        let mut done = BTreeSet::new();
        let mut planned = Vec::new();
        while !left.is_empty() {
            let ready = left.iter().position(|(at, _)| orders[*at].is_subset(&done));
            let Some(ready) = ready else {
                let name = left.first().map(|(_, found)| found.name.clone()).unwrap_or_default();
                return Err(Problem::new(format!(
                    "Circular dependency detected on resource: '{name}'. Please see https://aka.ms/arm-syntax-resources for usage details."
                )));
            };
            let (at, mut found) = left.remove(ready);
            done.insert(at);
            if found.wanted {
                let before = orders[at].iter().filter_map(|at| ids.get(*at)).filter(|(_, wanted)| *wanted);
                found.planned.depends_on = before.map(|(id, _)| id.clone()).collect();
                planned.push(found.planned);
            }
        }
        Ok(planned)
    }
}

/// What a resource lies below: its `scope`, the group it names, or where the template is deployed.
fn base(
    scope: &Scope<'_>,
    given: Option<String>,
    subscription: Option<String>,
    group: Option<String>,
) -> Result<ResourceId, Problem> {
    let here = scope.world.scope();
    if let Some(given) = given {
        let absolute = if given.starts_with('/') { given } else { format!("{here}/providers/{given}") };
        return ResourceId::parse(&absolute).map_err(|_| {
            Problem::new(format!("The scope '{absolute}' of a template resource is not supported by this lab."))
        });
    }
    let subscription = subscription.or_else(|| here.subscription().map(str::to_owned)).unwrap_or_default();
    Ok(match group {
        Some(group) => ResourceId::group(&subscription, &group),
        None => here.clone(),
    })
}

fn id_of(base: &ResourceId, full_type: &str, name: &str) -> Result<ResourceId, Problem> {
    if full_type.eq_ignore_ascii_case(Kind::ResourceGroup.arm_type()) {
        return Ok(ResourceId::group(base.subscription().unwrap_or_default(), name));
    }
    let names: Vec<&str> = name.split('/').collect();
    resource_path(base.as_str(), full_type, &names).ok_or_else(|| {
        Problem::new(format!(
            "The template resource '{name}' for type '{full_type}' has incorrect segment lengths. A nested resource type must have identical number of segments as its resource name. A root resource type must have segment length one greater than its resource name. Please see https://aka.ms/arm-syntax-resources for usage details."
        ))
    })
}

/// What the `reference` and `list…` calls in `value` are about, as far as it can be told now.
fn referred_to(scope: &Scope<'_>, value: &Value, referred: &mut Vec<String>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::String(text) => {
            if let Ok(Text::Expression(expression)) = syntax::read(text) {
                calls(scope, &expression, referred);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| referred_to(scope, item, referred, depth + 1)),
        Value::Object(object) => {
            let inner = check::is_inner(value);
            // Children are resources of their own.
            let own = object
                .iter()
                .filter(|(key, _)| !((depth == 0 && *key == "resources") || (inner && *key == "template")));
            own.for_each(|(_, value)| referred_to(scope, value, referred, depth + 1));
        }
        _ => {}
    }
}

fn calls(scope: &Scope<'_>, expression: &Expression, referred: &mut Vec<String>) {
    match expression {
        Expression::Literal(_) => {}
        Expression::Index { of, by, .. } => {
            calls(scope, of, referred);
            calls(scope, by, referred);
        }
        Expression::Call { name, arguments } => {
            let lower = name.to_ascii_lowercase();
            if (lower == "reference" || lower.starts_with("list"))
                && let Some(Ok(Value::String(text))) = arguments.first().map(|argument| scope.evaluate(argument))
            {
                referred.push(text);
            }
            for argument in arguments {
                calls(scope, argument, referred);
            }
        }
    }
}

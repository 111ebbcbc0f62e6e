//! ARM templates (Bicep's output, `az group export`), with or without a file of parameters: each resource as a
//! deployment would put it.
//!
//! Where a template is deployed to is not in it: group, subscription and region get placeholders. What an expression asks of
//! a resource that does not exist yet has no answer, and is left out.

use std::{collections::BTreeMap, rc::Rc};

use azure::{Json, Kind, ResourceId};
use serde_json::{Map, Value, json};
use template::{Inputs, Planned, Problem, Scope, World};

use crate::{Error, SourceFinding, draft::Draft};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
const GUID: &str = "00000000-0000-0000-0000-000000000000";
const GROUP: &str = "deployment-target";
const REGION: &str = "unknown";
/// Deepest nesting of deployments in deployments.
const NESTING_MAX: usize = 5;

/// A template or a file of parameters, recognised by its `$schema`.
#[derive(Debug)]
pub(crate) enum Kindred {
    Template(Value),
    Parameters(Value),
}

/// What `value` is, by its `$schema`.
pub(crate) fn recognise(value: Value) -> Result<Kindred, Value> {
    let schema = Json::new(&value).get("$schema").text().unwrap_or_default().to_ascii_lowercase();
    if schema.contains("deploymenttemplate.json") {
        Ok(Kindred::Template(value))
    } else if schema.contains("deploymentparameters.json") {
        Ok(Kindred::Parameters(value))
    } else {
        Err(value)
    }
}

/// The templates and parameters of all inputs, by file.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    templates: Vec<(String, Value)>,
    parameters: BTreeMap<String, Value>,
}

impl Templates {
    pub(crate) fn add(&mut self, name: &str, found: Kindred) {
        match found {
            Kindred::Template(value) => self.templates.push((name.to_owned(), value)),
            Kindred::Parameters(mut value) => drop(self.parameters.insert(name.to_owned(), value["parameters"].take())),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.templates.is_empty() && self.parameters.is_empty()
    }

    /// `main.json` goes with `main.parameters.json`, and with the only file of parameters there is.
    fn parameters_of(&self, template: &str) -> &Value {
        let stem = template.strip_suffix(".json").unwrap_or(template);
        let own = self.parameters.get(&format!("{stem}.parameters.json"));
        let only =
            || self.parameters.values().next().filter(|_| self.parameters.len() == 1 && self.templates.len() == 1);
        own.or_else(only).unwrap_or(&Value::Null)
    }

    /// Takes in the resources of every template.
    pub(crate) fn read(self, draft: &mut Draft) -> Result<(), Error> {
        if self.templates.is_empty()
            && let Some(name) = self.parameters.keys().next()
        {
            let reason = "parameters without the template that they are for: name both, or their directory".to_owned();
            return Err(Error::Shape { name: name.clone(), reason });
        }
        for (name, template) in &self.templates {
            let schema = Json::new(template).get("$schema").text().unwrap_or_default().to_ascii_lowercase();
            let to_subscription = schema.contains("subscriptiondeploymenttemplate");
            let scope = if to_subscription {
                ResourceId::subscription_scope(SUBSCRIPTION)
            } else {
                ResourceId::group(SUBSCRIPTION, GROUP)
            };
            let message = format!(
                "a template does not say where it is deployed to: `{scope}` and the region `{REGION}` are placeholders"
            );
            draft.find(SourceFinding::note("TargetPlaceholder", message).at(name));
            let mut deployment = Deployment { draft, place: name, depth: 0 };
            let parameters = self.parameters_of(name);
            deployment.deploy(&scope, template, parameters, None).map_err(|problem| Error::Shape {
                name: name.clone(),
                reason: format!(
                    "the template cannot be evaluated: {} Values of parameters are read from NAME.parameters.json beside NAME.json.",
                    problem.message
                ),
            })?;
        }
        Ok(())
    }
}

/// A deployment that nobody makes.
struct Deployment<'a> {
    draft: &'a mut Draft,
    place: &'a str,
    depth: usize,
}

/// What a nested template without inputs of its own takes over.
struct Outer {
    inputs: Rc<Inputs>,
    loops: Vec<(String, i64)>,
}

impl Deployment<'_> {
    fn deploy(
        &mut self,
        scope: &ResourceId,
        template: &Value,
        parameters: &Value,
        outer: Option<Outer>,
    ) -> Result<(), Problem> {
        let budget = outer.as_ref().map(|outer| outer.inputs.budget()).unwrap_or_default();
        let (inputs, loops, planned) = {
            let world = Imagined { scope, draft: self.draft };
            let (inputs, loops) = match outer {
                Some(outer) => (Rc::new(outer.inputs.shared()), outer.loops),
                None => (template::read_inputs(&world, template, parameters, budget)?, Vec::new()),
            };
            let planned = template::plan(&Scope::new(&world, Rc::clone(&inputs)).within(&loops), template)?;
            (inputs, loops, planned)
        };
        for planned in planned {
            self.one(scope, &inputs, &loops, &planned)?;
        }
        Ok(())
    }

    fn one(
        &mut self,
        scope: &ResourceId,
        inputs: &Rc<Inputs>,
        loops: &[(String, i64)],
        planned: &Planned,
    ) -> Result<(), Problem> {
        let mut unknown = Vec::new();
        let body = {
            let world = Imagined { scope, draft: self.draft };
            let scope = Scope::new(&world, Rc::clone(inputs)).at_runtime().within(loops).within(&planned.loops);
            planned.body(|value| Ok::<_, Problem>(as_far_as_known(&scope, value, &mut unknown)))?
        };
        for problem in unknown {
            let message = format!("a value that is known only when it is deployed is left out: {}", problem.message);
            self.draft.find(SourceFinding::warning("ExpressionUnknown", message).of(&planned.id).at(self.place));
        }
        match Kind::of(&planned.id) {
            Kind::Deployment => self.nested(inputs, planned, body),
            kind => {
                self.put(&planned.id, kind, body);
                Ok(())
            }
        }
    }

    fn put(&mut self, id: &ResourceId, kind: Kind, body: Map<String, Value>) {
        let made_later = [Kind::ManagedCluster, Kind::NetworkInterface, Kind::InboundEndpoint, Kind::PrivateEndpoint];
        if made_later.contains(&kind) {
            self.draft.declared.insert(id.clone());
        }
        self.draft.add(id.clone(), body);
        if kind == Kind::VirtualMachine
            && let Some(entry) = self.draft.entries.get_mut(id)
        {
            // What is deployed is started.
            entry.hidden.insert("powerState".to_owned(), json!("running"));
        }
    }

    fn nested(&mut self, inputs: &Rc<Inputs>, planned: &Planned, body: Map<String, Value>) -> Result<(), Problem> {
        if self.depth >= NESTING_MAX {
            return Err(Problem::new(format!("Deployments are nested deeper than {NESTING_MAX} levels.")));
        }
        let body = Value::Object(body);
        let properties = &body["properties"];
        if !properties["template"].is_object() {
            let message = "its template lies elsewhere (`templateLink`) and is not read: name it as well";
            self.draft.find(SourceFinding::warning("LinkedTemplate", message).of(&planned.id).at(self.place));
            return Ok(());
        }
        let inner = Json::new(properties)
            .at("expressionEvaluationOptions.scope")
            .text()
            .is_some_and(|scope| scope.eq_ignore_ascii_case("inner"));
        let outer = (!inner).then(|| Outer { inputs: Rc::clone(inputs), loops: planned.loops.clone() });
        let scope = planned.id.parent().unwrap_or_else(|| planned.id.clone());
        let mut deeper = Deployment { draft: self.draft, place: self.place, depth: self.depth + 1 };
        deeper.deploy(&scope, &properties["template"], &properties["parameters"], outer)
    }
}

/// `value` evaluated; where that fails, its parts, without those that fail.
fn as_far_as_known(scope: &Scope<'_>, value: &Value, unknown: &mut Vec<Problem>) -> Value {
    let problem = match scope.value(value) {
        Ok(value) => return value,
        Err(problem) => problem,
    };
    match value {
        // A loop in a value is a whole.
        Value::Object(object) if !object.contains_key("copy") => {
            let known = object.iter().map(|(key, value)| (key.clone(), as_far_as_known(scope, value, unknown)));
            Value::Object(known.collect())
        }
        Value::Array(items) => items.iter().map(|item| as_far_as_known(scope, item, unknown)).collect(),
        _ => {
            unknown.push(problem);
            Value::Null
        }
    }
}

/// Where it would be deployed, with what is known of it so far.
struct Imagined<'a> {
    scope: &'a ResourceId,
    draft: &'a Draft,
}

impl World for Imagined<'_> {
    fn scope(&self) -> &ResourceId {
        self.scope
    }

    fn resource_group(&self) -> Result<Value, Problem> {
        let group =
            self.scope.group_id().ok_or_else(|| Problem::new("The template is not deployed to a resource group."))?;
        Ok(
            json!({"id": group, "name": group.name(), "type": Kind::ResourceGroup.arm_type(), "location": REGION, "tags": {}, "properties": {}}),
        )
    }

    fn subscription(&self) -> Value {
        let id = self.scope.subscription().unwrap_or(SUBSCRIPTION);
        json!({"id": format!("/subscriptions/{id}"), "subscriptionId": id, "tenantId": GUID, "displayName": "unknown"})
    }

    fn tenant(&self) -> Value {
        json!({"tenantId": GUID, "displayName": "unknown", "countryCode": ""})
    }

    fn environment(&self) -> Value {
        json!({"name": "AzureCloud", "resourceManager": "https://management.azure.com/", "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"}})
    }

    fn deployment(&self) -> Value {
        json!({"name": "deployment", "location": REGION, "properties": {"mode": "Incremental"}})
    }

    fn reference(&self, id: &ResourceId, full: bool) -> Result<Value, Problem> {
        let entry = self.draft.entries.get(id).ok_or_else(|| Problem::new(format!("'{id}' is not in the source.")))?;
        let document = Value::Object(entry.document.clone());
        Ok(if full { document } else { document["properties"].clone() })
    }

    fn list(&self, id: &ResourceId, action: &str, _: Value) -> Result<Value, Problem> {
        Err(Problem::new(format!("What '{action}' of '{id}' answers is a secret or not known.")))
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn new_guid(&self) -> String {
        GUID.to_owned()
    }
}

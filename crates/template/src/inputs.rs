//! What expressions refer to: parameters, checked and with their defaults, and variables.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use azure::ResourceId;
use serde_json::{Map, Value, json};

use super::{NAMES_MAX, Problem, Scope, World, arguments::type_name};

/// Work that one deployment may do, in parts of values made.
const WORK_MAX: usize = 20_000_000;
/// How deep variables may refer to each other.
const VARIABLE_DEPTH_MAX: usize = 32;

/// How much work is left.
#[derive(Debug)]
pub struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(WORK_MAX))
    }
}

impl Budget {
    pub(super) fn spend(&self, work: usize) -> Result<(), Problem> {
        let left = self.0.get().checked_sub(work);
        self.0.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| Problem::new("The template takes too much work to be evaluated."))
    }
}

/// What the expressions of a template refer to.
#[derive(Debug)]
pub struct Inputs {
    /// By name in lower case.
    pub(super) parameters: BTreeMap<String, Value>,
    variables: Map<String, Value>,
    /// Variables that have been evaluated.
    known: RefCell<BTreeMap<String, Value>>,
    depth: Cell<usize>,
    /// Names and symbols of the template's resources, in lower case.
    names: RefCell<BTreeMap<String, ResourceId>>,
    pub(super) budget: Rc<Budget>,
}

impl Inputs {
    /// Inputs with the same parameters and variables for a nested template.
    #[must_use]
    pub fn shared(&self) -> Self {
        Self {
            parameters: self.parameters.clone(),
            variables: self.variables.clone(),
            known: self.known.clone(),
            depth: Cell::new(0),
            names: RefCell::default(),
            budget: Rc::clone(&self.budget),
        }
    }

    /// What work is left for nested templates.
    pub fn budget(&self) -> Rc<Budget> {
        Rc::clone(&self.budget)
    }

    /// The parameter `name`.
    pub(super) fn parameter(&self, name: &str) -> Result<&Value, Problem> {
        self.parameters.get(&name.to_lowercase()).ok_or_else(|| {
            Problem::new(format!(
                "The template parameter '{name}' is not found. Please see https://aka.ms/arm-syntax-parameters for usage details."
            ))
        })
    }

    /// There is a variable `name`.
    pub(super) fn declares(&self, name: &str) -> Result<(), Problem> {
        let plain = self.variables.keys().any(|key| key.eq_ignore_ascii_case(name));
        if plain || self.copied(name).is_some() { Ok(()) } else { Err(no_variable(name)) }
    }

    /// The loop that makes the variable `name`.
    fn copied(&self, name: &str) -> Option<&Value> {
        let mut loops = self.variables.get("copy").and_then(Value::as_array).into_iter().flatten();
        loops.find(|one| one["name"].as_str().is_some_and(|other| other.eq_ignore_ascii_case(name)))
    }

    /// The variable `name`, evaluated in `outside`.
    pub(super) fn variable(&self, outside: &Scope<'_>, name: &str) -> Result<Value, Problem> {
        let key = name.to_lowercase();
        if let Some(value) = self.known.borrow().get(&key) {
            return Ok(value.clone());
        }
        if self.depth.get() >= VARIABLE_DEPTH_MAX {
            return Err(Problem::new(format!("The template variable '{name}' refers to itself, or too deep.")));
        }
        self.depth.set(self.depth.get() + 1);
        let value = self.evaluated(outside, name);
        self.depth.set(self.depth.get() - 1);
        let value = value?;
        self.known.borrow_mut().insert(key, value.clone());
        Ok(value)
    }

    fn evaluated(&self, outside: &Scope<'_>, name: &str) -> Result<Value, Problem> {
        if let Some((_, value)) = self.variables.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
            return outside.value(value);
        }
        match self.copied(name) {
            Some(copied) => outside.copies(copied).map(|(_, values)| Value::Array(values)),
            None => Err(no_variable(name)),
        }
    }

    /// The template's resource of this name or symbol.
    pub(super) fn named(&self, name: &str) -> Option<ResourceId> {
        self.names.borrow().get(&name.to_lowercase()).cloned()
    }

    pub(super) fn remember(&self, name: &str, id: &ResourceId) {
        self.names.borrow_mut().insert(name.to_lowercase(), id.clone());
    }
}

fn no_variable(name: &str) -> Problem {
    Problem::new(format!(
        "The template variable '{name}' is not found. Please see https://aka.ms/arm-template/#variables for usage details."
    ))
}

/// Reads a template's parameters and variables; `given` is the deployment's `parameters`.
pub fn read_inputs(
    world: &dyn World,
    template: &Value,
    given: &Value,
    budget: Rc<Budget>,
) -> Result<Rc<Inputs>, Problem> {
    let empty = Map::new();
    let declared = section(template, "parameters")?.unwrap_or(&empty);
    let variables = section(template, "variables")?.cloned().unwrap_or_default();
    if template["functions"].as_array().is_some_and(|functions| !functions.is_empty()) {
        return Err(Problem::new("User-defined functions are not supported by this lab."));
    }
    if declared.len() > NAMES_MAX || variables.len() > NAMES_MAX {
        return Err(Problem::new(format!("The template has more than {NAMES_MAX} parameters or variables.")));
    }
    let given = match given {
        Value::Null => &empty,
        Value::Object(given) => given,
        _ => return Err(Problem::new("The parameters of the deployment are not an object.")),
    };
    refuse_unknown(declared, given)?;
    let mut inputs = Inputs {
        parameters: BTreeMap::new(),
        variables,
        known: RefCell::default(),
        depth: Cell::new(0),
        names: RefCell::default(),
        budget,
    };
    let mut defaults = Vec::new();
    for (name, declaration) in declared {
        let value = given.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        match value {
            Some(Value::Object(value)) if value.contains_key("reference") => {
                return Err(Problem::new(format!(
                    "The parameter '{name}' refers to a key vault, which is not supported by this lab."
                )));
            }
            Some(Value::Object(value)) if value.get("value").is_some_and(|value| !value.is_null()) => {
                inputs.parameters.insert(name.to_lowercase(), value["value"].clone());
            }
            Some(Value::Object(_)) | None if is_missing(declaration) => {
                return Err(Problem::new(format!(
                    "The value for the template parameter '{name}' is not provided. Please see https://aka.ms/arm-create-parameter-file for usage details."
                )));
            }
            Some(Value::Object(_)) | None => defaults.push((name, declaration)),
            Some(_) => {
                return Err(Problem::new(format!(
                    "The value of the parameter '{name}' is not an object with a 'value'."
                )));
            }
        }
    }
    // A default may refer to parameters declared anywhere: each round settles those that can be.
    let mut inputs = Rc::new(inputs);
    while !defaults.is_empty() {
        let mut left = Vec::new();
        let mut problem = None;
        let before = defaults.len();
        for (name, declaration) in defaults {
            match default(world, &inputs, declaration) {
                Ok(value) => {
                    let settled = Rc::get_mut(&mut inputs).ok_or_else(|| Problem::new("The parameters are in use."))?;
                    settled.parameters.insert(name.to_lowercase(), value);
                    settled.known.borrow_mut().clear();
                }
                Err(refusal) => {
                    problem.get_or_insert(refusal);
                    left.push((name, declaration));
                }
            }
        }
        if left.len() == before {
            return Err(problem.unwrap_or_else(|| Problem::new("A parameter has no value.")));
        }
        defaults = left;
    }
    for (name, declaration) in declared {
        let value = inputs.parameters.get(&name.to_lowercase()).unwrap_or(&Value::Null);
        check(name, declaration, value)?;
    }
    Ok(inputs)
}

/// An object of the template, if it has one of that name.
fn section<'a>(template: &'a Value, name: &str) -> Result<Option<&'a Map<String, Value>>, Problem> {
    match template.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Problem::new(format!("The template's '{name}' are not an object."))),
    }
}

fn refuse_unknown(declared: &Map<String, Value>, given: &Map<String, Value>) -> Result<(), Problem> {
    let unknown: Vec<&str> = given
        .keys()
        .filter(|name| !declared.keys().any(|declared| declared.eq_ignore_ascii_case(name)))
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = declared.keys().map(String::as_str).collect();
    Err(Problem::new(format!(
        "The template parameters '{}' in the parameters file are not valid; they are not present in the original template and can therefore not be provided at deployment time. The only supported parameters for this template are '{}'. Please see https://aka.ms/arm-pass-parameter-values for usage details.",
        unknown.join(", "),
        known.join(", ")
    )))
}

/// Whether a parameter that nobody gave has no value.
fn is_missing(declaration: &Value) -> bool {
    declaration.get("defaultValue").is_none() && declaration["nullable"] != json!(true)
}

fn default(world: &dyn World, inputs: &Rc<Inputs>, declaration: &Value) -> Result<Value, Problem> {
    let Some(default) = declaration.get("defaultValue") else { return Ok(Value::Null) };
    let mut scope = Scope::new(world, Rc::clone(inputs));
    scope.in_default = true;
    scope.value(default)
}

/// Type, allowed values and bounds.
fn check(name: &str, declaration: &Value, value: &Value) -> Result<(), Problem> {
    let declared = declaration["type"].as_str().unwrap_or_default();
    let nullable = declaration["nullable"] == json!(true) && value.is_null();
    let (fits, wanted) = match declared.to_ascii_lowercase().as_str() {
        "string" | "securestring" => (value.is_string(), "String, Uri"),
        "int" => (value.is_i64(), "Integer"),
        "bool" => (value.is_boolean(), "Boolean"),
        "array" => (value.is_array(), "Array"),
        "object" | "secureobject" => (value.is_object(), "Object"),
        // A type of the template's own: its definition is not looked into.
        "" if declaration.get("$ref").is_some() => (true, ""),
        other => {
            return Err(Problem::new(format!("The type '{other}' of the template parameter '{name}' is not valid.")));
        }
    };
    if !fits && !nullable {
        return Err(Problem::new(format!(
            "Template parameter JToken type is not valid. Expected '{wanted}'. Actual '{}'. Please see https://aka.ms/arm-create-parameter-file for usage details.",
            type_name(value)
        )));
    }
    let refused = |why: String| {
        Err(Problem::new(format!(
            "The provided value for the template parameter '{name}' is not valid. {why} Please see https://aka.ms/arm-syntax-parameters for usage details."
        )))
    };
    if let Some(allowed) = declaration["allowedValues"].as_array() {
        let same = |one: &Value| match (one.as_str(), value.as_str()) {
            (Some(one), Some(value)) => one.eq_ignore_ascii_case(value),
            _ => one == value,
        };
        let chosen = value.as_array().filter(|_| !allowed.contains(value));
        let fits =
            chosen.map_or_else(|| allowed.iter().any(same), |items| items.iter().all(|item| allowed.contains(item)));
        if !fits {
            let names: Vec<String> = allowed.iter().map(super::texts::string_of).collect();
            let shown = super::texts::string_of(value);
            return refused(format!("The value '{shown}' is not part of the allowed value(s): '{}'.", names.join(",")));
        }
    }
    let length = value.as_str().map(|text| text.chars().count()).or_else(|| value.as_array().map(Vec::len));
    let length = length.and_then(|length| i64::try_from(length).ok());
    for (least, most, measured, what) in
        [("minLength", "maxLength", length, "length"), ("minValue", "maxValue", value.as_i64(), "value")]
    {
        let Some(measured) = measured else { continue };
        if declaration[least].as_i64().is_some_and(|least| measured < least) {
            return refused(format!("Its {what} must be greater than or equal to '{}'.", declaration[least]));
        }
        if declaration[most].as_i64().is_some_and(|most| measured > most) {
            return refused(format!("Its {what} must be less than or equal to '{}'.", declaration[most]));
        }
    }
    Ok(())
}

/// The parameters as a deployment's document shows them: secrets by their type alone.
pub fn declared_parameters(template: &Value, inputs: &Inputs) -> Value {
    let declared = template["parameters"].as_object().into_iter().flatten();
    let shown = declared.map(|(name, declaration)| {
        let shown_type = super::outputs::type_shown(&declaration["type"]);
        let value = inputs.parameters.get(&name.to_lowercase()).cloned().unwrap_or_default();
        let secret = shown_type.starts_with("Secure");
        (name.clone(), if secret { json!({"type": shown_type}) } else { json!({"type": shown_type, "value": value}) })
    });
    Value::Object(shown.collect())
}

//! Values of a template → what they come to: expressions in texts, `copy` loops in objects.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::{
    Problem, World,
    arguments::{Arguments, type_name},
    check, collections, dates,
    inputs::Inputs,
    logic, numbers, references,
    syntax::{self, Expression, Text},
    texts,
};

/// Most turns of one `copy` loop; Azure's limit.
pub(super) const LOOP_MAX: i64 = 800;

/// Where an expression stands: what it can refer to.
#[derive(Clone)]
pub struct Scope<'a> {
    pub(super) world: &'a dyn World,
    pub(super) inputs: Rc<Inputs>,
    /// The loops around it, outermost first: name and turn.
    pub(super) loops: Vec<(String, i64)>,
    /// The variables of the lambdas around it, outermost first.
    locals: Vec<(String, Value)>,
    /// Whether resources have a state to ask for.
    pub(super) runtime: bool,
    /// Whether this is the default of a parameter, where time and chance are allowed.
    pub(super) in_default: bool,
}

impl<'a> Scope<'a> {
    /// The scope of a template's own expressions, before anything is deployed.
    /// The scope of a template with `inputs` in `world`, before anything of it has a state.
    pub fn new(world: &'a dyn World, inputs: Rc<Inputs>) -> Self {
        Self { world, inputs, loops: Vec::new(), locals: Vec::new(), runtime: false, in_default: false }
    }

    /// The scope in which resources have a state.
    #[must_use]
    pub fn at_runtime(mut self) -> Self {
        self.runtime = true;
        self
    }

    /// The scope inside loops.
    #[must_use]
    pub fn within(&self, loops: &[(String, i64)]) -> Self {
        let mut inner = self.clone();
        inner.loops.extend_from_slice(loops);
        inner
    }

    /// The loops around this.
    pub fn loops(&self) -> &[(String, i64)] {
        &self.loops
    }

    /// What a value of the template comes to.
    pub fn value(&self, value: &Value) -> Result<Value, Problem> {
        self.inputs.budget.spend(1)?;
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(object) => self.object(object),
            plain => Ok(plain.clone()),
        }
    }

    fn object(&self, object: &Map<String, Value>) -> Result<Value, Problem> {
        let mut evaluated = Map::new();
        for (key, value) in object {
            if key == "copy"
                && let Value::Array(loops) = value
                && loops.iter().all(|one| one.get("input").is_some())
            {
                for one in loops {
                    let (name, values) = self.copies(one)?;
                    evaluated.insert(name, Value::Array(values));
                }
                continue;
            }
            let key = match self.text(key)? {
                Value::String(key) => key,
                other => return Err(Problem::new(format!("A property's name is of type '{}'.", type_name(&other)))),
            };
            evaluated.insert(key, self.value(value)?);
        }
        Ok(Value::Object(evaluated))
    }

    /// A `copy` loop with a `name`, a `count` and an `input`.
    pub(super) fn copies(&self, declared: &Value) -> Result<(String, Vec<Value>), Problem> {
        let name = declared["name"].as_str().ok_or_else(|| Problem::new("A 'copy' loop has no name."))?;
        let count = loop_count(&self.value(&declared["count"])?)?;
        let values = (0..count).map(|turn| self.within(&[(name.to_owned(), turn)]).value(&declared["input"]));
        Ok((name.to_owned(), values.collect::<Result<_, _>>()?))
    }

    /// What a text of the template comes to.
    /// What a text of the template comes to: an expression in brackets, or itself.
    pub(crate) fn text(&self, text: &str) -> Result<Value, Problem> {
        match syntax::read(text)? {
            Text::Literal(text) => Ok(Value::String(text)),
            Text::Expression(expression) => self.evaluate(&expression),
        }
    }

    pub(super) fn evaluate(&self, expression: &Expression) -> Result<Value, Problem> {
        let value = match expression {
            Expression::Literal(value) => value.clone(),
            Expression::Index { of, by, safe } => index(self.evaluate(of)?, &self.evaluate(by)?, *safe)?,
            Expression::Call { name, arguments } => self.call(name, arguments)?,
        };
        self.inputs.budget.spend(size(&value))?;
        Ok(value)
    }

    fn call(&self, name: &str, arguments: &[Expression]) -> Result<Value, Problem> {
        let lower = name.to_ascii_lowercase();
        if let Some(value) = logic::lazy(self, &lower, name, arguments) {
            return value;
        }
        let values = arguments.iter().map(|argument| self.evaluate(argument)).collect::<Result<_, _>>()?;
        let arguments = Arguments { function: name, values };
        let found = match lower.as_str() {
            "parameters" => Some(self.parameter(&arguments)),
            "variables" => Some(self.variable(&arguments)),
            "lambdavariables" => Some(self.local(&arguments)),
            "copyindex" => Some(self.copy_index(&arguments)),
            lower => logic::call(lower, &arguments)
                .or_else(|| texts::call(lower, &arguments))
                .or_else(|| numbers::call(lower, &arguments))
                .or_else(|| collections::call(lower, &arguments))
                .or_else(|| dates::call(self, lower, &arguments))
                .or_else(|| references::call(self, lower, &arguments)),
        };
        found.unwrap_or_else(|| Err(check::unknown_function(name)))
    }

    /// The same scope with a lambda's variables.
    pub(super) fn with_locals(&self, names: &[String], values: &[Value]) -> Self {
        let mut inner = self.clone();
        inner.locals.extend(names.iter().cloned().zip(values.iter().cloned()));
        inner
    }

    fn parameter(&self, arguments: &Arguments<'_>) -> Result<Value, Problem> {
        arguments.count(1, 1)?;
        self.inputs.parameter(arguments.text(0)?).cloned()
    }

    fn variable(&self, arguments: &Arguments<'_>) -> Result<Value, Problem> {
        arguments.count(1, 1)?;
        let name = arguments.text(0)?;
        // A variable stands outside every loop and lambda.
        let outside = Scope { loops: Vec::new(), locals: Vec::new(), runtime: false, ..self.clone() };
        self.inputs.variable(&outside, name)
    }

    fn local(&self, arguments: &Arguments<'_>) -> Result<Value, Problem> {
        arguments.count(1, 1)?;
        let name = arguments.text(0)?;
        let found = self.locals.iter().rev().find(|(local, _)| local.eq_ignore_ascii_case(name));
        found
            .map(|(_, value)| value.clone())
            .ok_or_else(|| arguments.invalid(format!("There is no variable '{name}'.")))
    }

    /// `copyIndex([name], [offset])`.
    fn copy_index(&self, arguments: &Arguments<'_>) -> Result<Value, Problem> {
        arguments.count(0, 2)?;
        let (name, offset) = match arguments.values.as_slice() {
            [] => (None, 0),
            [Value::String(name)] => (Some(name.as_str()), 0),
            [Value::String(name), _] => (Some(name.as_str()), arguments.number(1)?),
            _ => (None, arguments.number(0)?),
        };
        let found = match name {
            Some(name) => self.loops.iter().rev().find(|(other, _)| other.eq_ignore_ascii_case(name)),
            None => self.loops.last(),
        };
        let (_, turn) = found.ok_or_else(|| {
            Problem::new(
                "The template function 'copyIndex' is not expected at this location. The function can only be used in a resource with copy specified. Please see https://aka.ms/arm-copy for usage details.",
            )
        })?;
        turn.checked_add(offset).map(|index| json!(index)).ok_or_else(|| arguments.invalid("The index is too large."))
    }
}

/// The number of turns of a loop.
pub(super) fn loop_count(count: &Value) -> Result<i64, Problem> {
    match count.as_i64() {
        Some(count) if (0..=LOOP_MAX).contains(&count) => Ok(count),
        Some(count) => Err(Problem::new(format!(
            "The template copy definition has an invalid copy count '{count}'. The count must not be negative and must not exceed '{LOOP_MAX}'."
        ))),
        None => Err(Problem::new(format!(
            "The copy count must be an integer. The provided value is of type '{}'.",
            type_name(count)
        ))),
    }
}

/// `of[by]`: an item of an array by its number, a property of an object by its name in any case.
fn index(of: Value, by: &Value, safe: bool) -> Result<Value, Problem> {
    let absent = |why: String| if safe { Ok(Value::Null) } else { Err(Problem::new(why)) };
    match (of, by) {
        (Value::Array(mut items), by) if by.is_i64() => {
            let at = by.as_i64().and_then(|at| usize::try_from(at).ok()).filter(|at| *at < items.len());
            match at {
                Some(at) => Ok(items.swap_remove(at)),
                None => absent(format!(
                    "The language expression property array index '{by}' is out of bounds. Please see https://aka.ms/arm-template-expressions for usage details."
                )),
            }
        }
        (Value::Object(object), Value::String(name)) => {
            if let Some((_, value)) = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)) {
                return Ok(value.clone());
            }
            let names: Vec<&str> = object.keys().map(String::as_str).collect();
            absent(format!(
                "The language expression property '{name}' doesn't exist, available properties are '{}'.",
                names.join(", ")
            ))
        }
        (Value::Null, _) if safe => Ok(Value::Null),
        (of, by) => absent(format!(
            "The language expression property '{}' can't be evaluated on a value of type '{}'.",
            by.as_str().map_or_else(|| by.to_string(), str::to_owned),
            type_name(&of)
        )),
    }
}

/// How much a value weighs: its parts, and its texts by their length.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / 16,
        Value::Array(items) => items.iter().fold(1, |sum, item| sum + size(item)),
        Value::Object(object) => object.values().fold(1, |sum, item| sum + 1 + size(item)),
        _ => 1,
    }
}

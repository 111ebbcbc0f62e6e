//! What can be said of a template's expressions before any is evaluated: that they can be read, and
//! that the functions, parameters and variables they name are there. So a mistake in a property is
//! found before the first resource is written.

use serde_json::Value;

use super::{
    Problem,
    inputs::Inputs,
    syntax::{self, Expression, Text},
};

/// Deepest nesting of values that is looked at; nothing deeper passes the request's own limit.
const DEPTH_MAX: usize = 128;

/// Every function there is, in lower case, but for `list…`. A test calls each.
pub(super) const FUNCTIONS: &[&str] = &[
    "add",
    "and",
    "array",
    "base64",
    "base64tojson",
    "base64tostring",
    "bool",
    "cidrhost",
    "cidrsubnet",
    "coalesce",
    "concat",
    "contains",
    "copyindex",
    "createarray",
    "createobject",
    "datetimeadd",
    "datetimefromepoch",
    "datetimetoepoch",
    "deployment",
    "div",
    "empty",
    "endswith",
    "environment",
    "equals",
    "extensionresourceid",
    "false",
    "filter",
    "first",
    "flatten",
    "float",
    "format",
    "greater",
    "greaterorequals",
    "groupby",
    "guid",
    "if",
    "indexof",
    "int",
    "intersection",
    "items",
    "join",
    "json",
    "lambdavariables",
    "last",
    "lastindexof",
    "length",
    "less",
    "lessorequals",
    "map",
    "max",
    "min",
    "mod",
    "mul",
    "newguid",
    "not",
    "null",
    "objectkeys",
    "or",
    "padleft",
    "parameters",
    "parsecidr",
    "range",
    "reduce",
    "reference",
    "replace",
    "resourcegroup",
    "resourceid",
    "shallowmerge",
    "skip",
    "sort",
    "split",
    "startswith",
    "string",
    "sub",
    "subscription",
    "subscriptionresourceid",
    "substring",
    "take",
    "tenant",
    "tenantresourceid",
    "tolower",
    "toobject",
    "toupper",
    "trim",
    "true",
    "tryget",
    "union",
    "uniquestring",
    "uri",
    "uricomponent",
    "uricomponenttostring",
    "utcnow",
    "variables",
];

/// Looks at every expression in `value`. A nested template with inputs of its own is not looked at:
/// it is when it is deployed.
pub(super) fn check(inputs: &Inputs, value: &Value) -> Result<(), Problem> {
    Check { inputs }.value(value, 0)
}

/// The refusal of a function nobody knows.
pub(super) fn unknown_function(name: &str) -> Problem {
    Problem::new(format!(
        "The template function '{name}' is not valid. Please see https://aka.ms/arm-functions for usage details."
    ))
}

struct Check<'a> {
    inputs: &'a Inputs,
}

impl Check<'_> {
    fn value(&self, value: &Value, depth: usize) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::new(format!("The template is nested deeper than {DEPTH_MAX} levels.")));
        }
        match value {
            Value::String(text) => match syntax::read(text)? {
                Text::Literal(_) => Ok(()),
                Text::Expression(expression) => self.expression(&expression),
            },
            Value::Array(items) => items.iter().try_for_each(|item| self.value(item, depth + 1)),
            Value::Object(object) => {
                let inner = is_inner(value);
                let own = object.iter().filter(|(key, _)| !(inner && *key == "template"));
                own.into_iter().try_for_each(|(_, value)| self.value(value, depth + 1))
            }
            _ => Ok(()),
        }
    }

    fn expression(&self, expression: &Expression) -> Result<(), Problem> {
        match expression {
            Expression::Literal(_) => Ok(()),
            Expression::Index { of, by, .. } => self.expression(of).and_then(|()| self.expression(by)),
            Expression::Call { name, arguments } => {
                let lower = name.to_ascii_lowercase();
                let is_list = lower.starts_with("list") && lower.len() > "list".len();
                if lower != "lambda" && !is_list && !FUNCTIONS.contains(&lower.as_str()) {
                    return Err(unknown_function(name));
                }
                if let [Expression::Literal(Value::String(named))] = arguments.as_slice() {
                    match lower.as_str() {
                        "parameters" => self.inputs.parameter(named).map(|_| ())?,
                        "variables" => self.inputs.declares(named)?,
                        _ => {}
                    }
                }
                arguments.iter().try_for_each(|argument| self.expression(argument))
            }
        }
    }
}

/// Whether these are the properties of a nested deployment with inputs of its own.
pub(super) fn is_inner(properties: &Value) -> bool {
    let scope = properties["expressionEvaluationOptions"]["scope"].as_str();
    scope.is_some_and(|scope| scope.eq_ignore_ascii_case("inner"))
}

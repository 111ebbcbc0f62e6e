//! The arguments of a template function: their number and their types, refused as Azure does.

use serde_json::{Map, Value};

use super::Problem;

/// The evaluated arguments of one call.
pub(super) struct Arguments<'a> {
    /// The function's name as written.
    pub(super) function: &'a str,
    pub(super) values: Vec<Value>,
}

impl Arguments<'_> {
    /// There are at least `least` and at most `most` of them.
    pub(super) fn count(&self, least: usize, most: usize) -> Result<(), Problem> {
        let given = self.values.len();
        if (least..=most).contains(&given) {
            return Ok(());
        }
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let wanted = if most == usize::MAX { format!("at least {least}") } else { wanted };
        Err(Problem::new(format!(
            "Unable to evaluate template language function '{}': function requires {wanted} argument(s) while {given} were provided.",
            self.function
        )))
    }

    pub(super) fn get(&self, at: usize) -> &Value {
        self.values.get(at).unwrap_or(&Value::Null)
    }

    pub(super) fn text(&self, at: usize) -> Result<&str, Problem> {
        self.get(at).as_str().ok_or_else(|| self.wrong(at, "a string"))
    }

    pub(super) fn number(&self, at: usize) -> Result<i64, Problem> {
        self.get(at).as_i64().ok_or_else(|| self.wrong(at, "an integer"))
    }

    pub(super) fn flag(&self, at: usize) -> Result<bool, Problem> {
        self.get(at).as_bool().ok_or_else(|| self.wrong(at, "a boolean"))
    }

    pub(super) fn array(&self, at: usize) -> Result<&Vec<Value>, Problem> {
        self.get(at).as_array().ok_or_else(|| self.wrong(at, "an array"))
    }

    pub(super) fn object(&self, at: usize) -> Result<&Map<String, Value>, Problem> {
        self.get(at).as_object().ok_or_else(|| self.wrong(at, "an object"))
    }

    /// A whole number that counts something.
    pub(super) fn size(&self, at: usize) -> Result<usize, Problem> {
        usize::try_from(self.number(at)?).map_err(|_| self.wrong(at, "a number that is not negative"))
    }

    /// The refusal of the argument at `at`.
    pub(super) fn wrong(&self, at: usize, wanted: &str) -> Problem {
        Problem::new(format!(
            "The template language function '{}' expects its parameter at position '{}' to be {wanted}. The provided value is of type '{}'. Please see https://aka.ms/arm-functions for usage details.",
            self.function,
            at + 1,
            type_name(self.get(at))
        ))
    }

    /// The refusal of what the arguments say.
    pub(super) fn invalid(&self, why: impl std::fmt::Display) -> Problem {
        Problem::new(format!(
            "Unable to evaluate the template language function '{}'. {why} Please see https://aka.ms/arm-functions for usage details.",
            self.function
        ))
    }
}

/// Azure's name of a value's type.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "Integer",
        Value::Number(_) => "Float",
        Value::String(_) => "String",
        Value::Array(_) => "Array",
        Value::Object(_) => "Object",
    }
}

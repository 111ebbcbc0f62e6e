//! Whole numbers.

use serde_json::{Value, json};

use super::{Problem, arguments::Arguments};

/// Longest array that `range` makes; Azure's limit.
const RANGE_MAX: i64 = 10_000;

/// The functions of this file. `None` for a name it does not know.
pub(super) fn call(lower: &str, arguments: &Arguments<'_>) -> Option<Result<Value, Problem>> {
    let two = |compute: fn(i64, i64) -> Option<i64>| {
        arguments.count(2, 2).and_then(|()| {
            let found = compute(arguments.number(0)?, arguments.number(1)?);
            found.map(|number| json!(number)).ok_or_else(|| arguments.invalid("The result is not a number."))
        })
    };
    Some(match lower {
        "add" => two(i64::checked_add),
        "sub" => two(i64::checked_sub),
        "mul" => two(i64::checked_mul),
        "div" => two(i64::checked_div),
        "mod" => two(i64::checked_rem),
        "int" => arguments.count(1, 1).and_then(|()| whole(arguments)),
        "float" => arguments.count(1, 1).and_then(|()| float(arguments)),
        "min" => extreme(arguments, |numbers| numbers.iter().min().copied()),
        "max" => extreme(arguments, |numbers| numbers.iter().max().copied()),
        "range" => arguments.count(2, 2).and_then(|()| range(arguments)),
        _ => return None,
    })
}

fn whole(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let number = match arguments.get(0) {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.map(|number| json!(number)).ok_or_else(|| arguments.wrong(0, "an integer, or a text that is one"))
}

fn float(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let number = match arguments.get(0) {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.map(|number| json!(number)).ok_or_else(|| arguments.wrong(0, "a number, or a text that is one"))
}

/// `min` and `max`: of the arguments, or of the items of the one array.
fn extreme(arguments: &Arguments<'_>, choose: fn(&[i64]) -> Option<i64>) -> Result<Value, Problem> {
    arguments.count(1, usize::MAX)?;
    let values = match arguments.values.as_slice() {
        [Value::Array(items)] => items.as_slice(),
        values => values,
    };
    let numbers: Option<Vec<i64>> = values.iter().map(Value::as_i64).collect();
    numbers
        .and_then(|numbers| choose(&numbers))
        .map(|number| json!(number))
        .ok_or_else(|| arguments.invalid("It takes whole numbers, or one array of them."))
}

fn range(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let (start, count) = (arguments.number(0)?, arguments.number(1)?);
    match start.checked_add(count) {
        Some(end) if (0..=RANGE_MAX).contains(&count) => Ok((start..end).map(Value::from).collect()),
        _ => Err(arguments.invalid(format!("The count must not be negative and must not exceed '{RANGE_MAX}'."))),
    }
}

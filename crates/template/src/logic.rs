//! Conditions, comparisons and lambdas. What need not be evaluated is not: `if` takes one branch.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::{Problem, arguments::Arguments, evaluate::Scope, syntax::Expression, texts::string_of};

/// The functions that do not evaluate all their arguments. `None` for any other.
pub(super) fn lazy(
    scope: &Scope<'_>,
    lower: &str,
    name: &str,
    arguments: &[Expression],
) -> Option<Result<Value, Problem>> {
    let one = |at: usize| -> Result<Value, Problem> {
        match arguments.get(at) {
            Some(argument) => scope.evaluate(argument),
            None => Arguments { function: name, values: Vec::new() }.count(at + 1, at + 1).map(|()| Value::Null),
        }
    };
    let flag = |at: usize| {
        let value = one(at)?;
        Arguments { function: name, values: vec![value] }.flag(0)
    };
    Some(match lower {
        "if" => flag(0).and_then(|holds| {
            let exact = arguments.len() == 3;
            let counted = Arguments { function: name, values: vec![Value::Null; arguments.len()] };
            if exact { one(if holds { 1 } else { 2 }) } else { counted.count(3, 3).map(|()| Value::Null) }
        }),
        "and" | "or" => (0..arguments.len().max(2))
            .try_fold(None, |decided: Option<bool>, at| match decided {
                Some(decided) => Ok(Some(decided)),
                None => flag(at).map(|holds| (holds == (lower == "or")).then_some(holds)),
            })
            .map(|decided: Option<bool>| json!(decided.unwrap_or(lower == "and"))),
        "coalesce" => {
            (0..arguments.len()).map(one).find(|value| !matches!(value, Ok(Value::Null))).unwrap_or(Ok(Value::Null))
        }
        "map" | "filter" | "reduce" | "sort" | "toobject" | "groupby" => with_lambda(scope, lower, name, arguments),
        _ => return None,
    })
}

/// A lambda: the names of its variables and its body.
struct Lambda<'a> {
    names: Vec<String>,
    body: &'a Expression,
}

impl<'a> Lambda<'a> {
    fn of(scope: &Scope<'_>, function: &str, argument: Option<&'a Expression>) -> Result<Self, Problem> {
        let wrong =
            || Problem::new(format!("The template language function '{function}' expects a lambda as its argument."));
        let Some(Expression::Call { name, arguments }) = argument else { return Err(wrong()) };
        let Some((body, names)) = arguments.split_last() else { return Err(wrong()) };
        if !name.eq_ignore_ascii_case("lambda") {
            return Err(wrong());
        }
        let names = names.iter().map(|name| match scope.evaluate(name)? {
            Value::String(name) => Ok(name),
            _ => Err(wrong()),
        });
        Ok(Self { names: names.collect::<Result<_, _>>()?, body })
    }

    fn call(&self, scope: &Scope<'_>, values: &[Value]) -> Result<Value, Problem> {
        scope.with_locals(&self.names, values).evaluate(self.body)
    }
}

fn with_lambda(scope: &Scope<'_>, lower: &str, name: &str, arguments: &[Expression]) -> Result<Value, Problem> {
    let first = arguments.first().map_or(Ok(Value::Null), |argument| scope.evaluate(argument))?;
    let first = Arguments { function: name, values: vec![first] };
    let items = first.array(0)?.clone();
    let lambda = |at: usize| Lambda::of(scope, name, arguments.get(at));
    match lower {
        "map" => {
            let lambda = lambda(1)?;
            let indexed = items.into_iter().enumerate();
            indexed.map(|(at, item)| lambda.call(scope, &[item, json!(at)])).collect()
        }
        "filter" => {
            let lambda = lambda(1)?;
            let mut kept = Vec::new();
            for (at, item) in items.into_iter().enumerate() {
                let holds = lambda.call(scope, &[item.clone(), json!(at)])?;
                if (Arguments { function: name, values: vec![holds] }).flag(0)? {
                    kept.push(item);
                }
            }
            Ok(Value::Array(kept))
        }
        "reduce" => {
            let start = arguments.get(1).map_or(Ok(Value::Null), |argument| scope.evaluate(argument))?;
            let lambda = lambda(2)?;
            let mut indexed = items.into_iter().enumerate();
            indexed.try_fold(start, |sum, (at, item)| lambda.call(scope, &[sum, item, json!(at)]))
        }
        "sort" => {
            let lambda = lambda(1)?;
            let mut failed = None;
            let mut items = items;
            // The lambda says whether its first argument comes first.
            items.sort_by(|left, right| match lambda.call(scope, &[left.clone(), right.clone()]) {
                Ok(Value::Bool(true)) => Ordering::Less,
                Ok(_) => match lambda.call(scope, &[right.clone(), left.clone()]) {
                    Ok(Value::Bool(true)) => Ordering::Greater,
                    _ => Ordering::Equal,
                },
                Err(problem) => {
                    failed.get_or_insert(problem);
                    Ordering::Equal
                }
            });
            failed.map_or(Ok(Value::Array(items)), Err)
        }
        _ => {
            let (key, value) = (lambda(1)?, arguments.get(2).map(|_| lambda(2)).transpose()?);
            let mut object = Map::new();
            for item in items {
                let key = string_of(&key.call(scope, std::slice::from_ref(&item))?);
                let value = match &value {
                    Some(value) => value.call(scope, &[item])?,
                    None => item,
                };
                if lower == "toobject" {
                    object.insert(key, value);
                } else if let Value::Array(group) = object.entry(key).or_insert_with(|| json!([])) {
                    group.push(value);
                }
            }
            Ok(Value::Object(object))
        }
    }
}

/// The other functions of this file. `None` for a name it does not know.
pub(super) fn call(lower: &str, arguments: &Arguments<'_>) -> Option<Result<Value, Problem>> {
    let counted = |least, most, value: &dyn Fn() -> Result<Value, Problem>| {
        Some(arguments.count(least, most).and_then(|()| value()))
    };
    let compared = |holds: fn(Ordering) -> bool| counted(2, 2, &|| order(arguments).map(|order| json!(holds(order))));
    match lower {
        "true" => counted(0, 0, &|| Ok(json!(true))),
        "false" => counted(0, 0, &|| Ok(json!(false))),
        "null" => counted(0, 0, &|| Ok(Value::Null)),
        "not" => counted(1, 1, &|| Ok(json!(!arguments.flag(0)?))),
        "bool" => counted(1, 1, &|| truth(arguments)),
        "equals" => counted(2, 2, &|| Ok(json!(arguments.get(0) == arguments.get(1)))),
        "less" => compared(Ordering::is_lt),
        "lessorequals" => compared(Ordering::is_le),
        "greater" => compared(Ordering::is_gt),
        "greaterorequals" => compared(Ordering::is_ge),
        _ => None,
    }
}

fn truth(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    Ok(json!(match arguments.get(0) {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => true,
        Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => false,
        _ => return Err(arguments.wrong(0, "a boolean, or a text or number that stands for one")),
    }))
}

fn order(arguments: &Arguments<'_>) -> Result<Ordering, Problem> {
    match (arguments.get(0), arguments.get(1)) {
        (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
        _ => Ok(arguments.number(0)?.cmp(&arguments.number(1)?)),
    }
}

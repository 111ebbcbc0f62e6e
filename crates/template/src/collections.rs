//! Arrays and objects, and what texts have in common with them.

use serde_json::{Map, Value, json};

use super::{Problem, arguments::Arguments, texts::string_of};

/// The functions of this file. `None` for a name it does not know.
pub(super) fn call(lower: &str, arguments: &Arguments<'_>) -> Option<Result<Value, Problem>> {
    let of = |least: usize, most: usize, value: &dyn Fn() -> Result<Value, Problem>| {
        Some(arguments.count(least, most).and_then(|()| value()))
    };
    match lower {
        "concat" => of(1, usize::MAX, &|| concat(arguments)),
        "createarray" => Some(Ok(Value::Array(arguments.values.clone()))),
        "createobject" => Some(create_object(arguments)),
        "array" => of(1, 1, &|| {
            Ok(match arguments.get(0) {
                Value::Array(items) => json!(items),
                other => json!([other]),
            })
        }),
        "length" => of(1, 1, &|| Ok(json!(length(arguments)?))),
        "empty" => of(1, 1, &|| Ok(json!(arguments.get(0).is_null() || length(arguments)? == 0))),
        "first" => of(1, 1, &|| end(arguments, true)),
        "last" => of(1, 1, &|| end(arguments, false)),
        "skip" => of(2, 2, &|| part(arguments, |count, length| (count.min(length), length))),
        "take" => of(2, 2, &|| part(arguments, |count, length| (0, count.min(length)))),
        "contains" => of(2, 2, &|| contains(arguments)),
        "indexof" => of(2, 2, &|| position(arguments, true)),
        "lastindexof" => of(2, 2, &|| position(arguments, false)),
        "union" => of(1, usize::MAX, &|| union(arguments)),
        "intersection" => of(1, usize::MAX, &|| intersection(arguments)),
        "flatten" => of(1, 1, &|| {
            let parts = (0..arguments.array(0)?.len()).map(|at| {
                let part = arguments.array(0)?.get(at).and_then(Value::as_array);
                part.cloned().ok_or_else(|| arguments.wrong(0, "an array of arrays"))
            });
            Ok(Value::Array(parts.collect::<Result<Vec<_>, _>>()?.concat()))
        }),
        "items" => of(1, 1, &|| {
            let mut pairs: Vec<(&String, &Value)> = arguments.object(0)?.iter().collect();
            pairs.sort_by(|left, right| left.0.cmp(right.0));
            Ok(pairs.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect())
        }),
        "objectkeys" => of(1, 1, &|| {
            let mut keys: Vec<&String> = arguments.object(0)?.keys().collect();
            keys.sort();
            Ok(json!(keys))
        }),
        "tryget" => of(2, usize::MAX, &|| Ok(try_get(arguments))),
        "shallowmerge" => of(1, 1, &|| {
            let mut merged = Map::new();
            for object in arguments.array(0)? {
                merged.extend(object.as_object().cloned().ok_or_else(|| arguments.wrong(0, "an array of objects"))?);
            }
            Ok(Value::Object(merged))
        }),
        _ => None,
    }
}

fn concat(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    if arguments.get(0).is_array() {
        let mut all = Vec::new();
        for at in 0..arguments.values.len() {
            all.extend(arguments.array(at)?.iter().cloned());
        }
        return Ok(Value::Array(all));
    }
    let plain = |value: &Value| !value.is_array() && !value.is_object();
    match arguments.values.iter().position(|value| !plain(value)) {
        Some(at) => Err(arguments.wrong(at, "a string")),
        None => Ok(json!(arguments.values.iter().map(string_of).collect::<String>())),
    }
}

fn create_object(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let mut object = Map::new();
    for at in (0..arguments.values.len()).step_by(2) {
        let Some(value) = arguments.values.get(at + 1) else {
            return Err(arguments.invalid("Its arguments must be pairs of a name and a value."));
        };
        object.insert(arguments.text(at)?.to_owned(), value.clone());
    }
    Ok(Value::Object(object))
}

fn length(arguments: &Arguments<'_>) -> Result<usize, Problem> {
    match arguments.get(0) {
        Value::Array(items) => Ok(items.len()),
        Value::Object(object) => Ok(object.len()),
        Value::String(text) => Ok(text.chars().count()),
        _ => Err(arguments.wrong(0, "an array, an object or a string")),
    }
}

/// The first or the last item or letter.
fn end(arguments: &Arguments<'_>, first: bool) -> Result<Value, Problem> {
    if let Value::String(text) = arguments.get(0) {
        let letter = if first { text.chars().next() } else { text.chars().next_back() };
        return Ok(json!(letter.map(String::from).unwrap_or_default()));
    }
    let items = arguments.array(0)?;
    Ok(if first { items.first() } else { items.last() }.cloned().unwrap_or_default())
}

/// What lies between two places of a text or an array, which `range` makes of a count and the length.
fn part(arguments: &Arguments<'_>, range: fn(usize, usize) -> (usize, usize)) -> Result<Value, Problem> {
    let count = usize::try_from(arguments.number(1)?.max(0)).unwrap_or_default();
    if let Value::String(text) = arguments.get(0) {
        let letters: Vec<char> = text.chars().collect();
        let (from, to) = range(count, letters.len());
        return Ok(json!(letters[from..to].iter().collect::<String>()));
    }
    let items = arguments.array(0)?;
    let (from, to) = range(count, items.len());
    Ok(json!(items[from..to]))
}

fn contains(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    Ok(json!(match arguments.get(0) {
        Value::Array(items) => items.contains(arguments.get(1)),
        Value::Object(object) => {
            let name = arguments.text(1)?;
            object.keys().any(|key| key.eq_ignore_ascii_case(name))
        }
        _ => arguments.text(0)?.contains(&string_of(arguments.get(1))),
    }))
}

fn position(arguments: &Arguments<'_>, first: bool) -> Result<Value, Problem> {
    let found = if let Value::Array(items) = arguments.get(0) {
        let mut places = (0..items.len()).filter(|at| items.get(*at) == Some(arguments.get(1)));
        if first { places.next() } else { places.next_back() }
    } else {
        let (text, wanted) = (arguments.text(0)?.to_lowercase(), arguments.text(1)?.to_lowercase());
        let byte = if first { text.find(&wanted) } else { text.rfind(&wanted) };
        byte.map(|byte| text[..byte].chars().count())
    };
    Ok(found.map_or(json!(-1), |at| json!(at)))
}

/// Objects are merged through and through, the later one wins; of arrays every item once.
fn union(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    if arguments.get(0).is_object() {
        let mut merged = Map::new();
        for at in 0..arguments.values.len() {
            deep_merge(&mut merged, arguments.object(at)?);
        }
        return Ok(Value::Object(merged));
    }
    let mut all: Vec<Value> = Vec::new();
    for at in 0..arguments.values.len() {
        for item in arguments.array(at)? {
            if !all.contains(item) {
                all.push(item.clone());
            }
        }
    }
    Ok(Value::Array(all))
}

fn deep_merge(target: &mut Map<String, Value>, source: &Map<String, Value>) {
    for (key, value) in source {
        match (target.get_mut(key), value) {
            (Some(Value::Object(held)), Value::Object(value)) => deep_merge(held, value),
            _ => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

fn intersection(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    if arguments.get(0).is_object() {
        let mut common = arguments.object(0)?.clone();
        for at in 1..arguments.values.len() {
            let other = arguments.object(at)?;
            common.retain(|key, value| other.get(key) == Some(value));
        }
        return Ok(Value::Object(common));
    }
    let mut common = arguments.array(0)?.clone();
    for at in 1..arguments.values.len() {
        let other = arguments.array(at)?;
        common.retain(|item| other.contains(item));
    }
    Ok(Value::Array(common))
}

/// `tryGet(of, name or number, …)`: `null` for what is not there.
fn try_get(arguments: &Arguments<'_>) -> Value {
    let mut keys = arguments.values.iter().skip(1);
    let start = arguments.get(0).clone();
    keys.try_fold(start, |value, key| match (&value, key) {
        (Value::Object(object), Value::String(name)) => {
            object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        }
        (Value::Array(items), key) => items.get(usize::try_from(key.as_i64()?).ok()?).cloned(),
        _ => None,
    })
    .unwrap_or_default()
}

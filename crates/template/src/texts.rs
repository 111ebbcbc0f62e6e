//! Texts.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Problem, arguments::Arguments, hash};

/// Longest text that `padLeft` makes.
const PADDED_MAX: usize = 4_096;

/// The functions of this file. `None` for a name it does not know; `concat`, `length` and others
/// that take arrays as well are in `collections`.
pub(super) fn call(lower: &str, arguments: &Arguments<'_>) -> Option<Result<Value, Problem>> {
    let of = |least: usize, most: usize, value: &dyn Fn() -> Result<Value, Problem>| {
        Some(arguments.count(least, most).and_then(|()| value()))
    };
    let text = |change: &dyn Fn(&str) -> String| of(1, 1, &|| Ok(json!(change(arguments.text(0)?))));
    match lower {
        "tolower" => text(&str::to_lowercase),
        "toupper" => text(&str::to_uppercase),
        "trim" => text(&|text| text.trim().to_owned()),
        "string" => of(1, 1, &|| Ok(json!(string_of(arguments.get(0))))),
        "format" => of(1, usize::MAX, &|| format(arguments)),
        "replace" => of(3, 3, &|| {
            let (text, old) = (arguments.text(0)?, arguments.text(1)?);
            if old.is_empty() {
                return Err(arguments.invalid("The text to be replaced is empty."));
            }
            Ok(json!(text.replace(old, arguments.text(2)?)))
        }),
        "split" => of(2, 2, &|| split(arguments)),
        "join" => of(2, 2, &|| {
            let texts: Vec<String> = arguments.array(0)?.iter().map(string_of).collect();
            Ok(json!(texts.join(arguments.text(1)?)))
        }),
        "substring" => of(2, 3, &|| substring(arguments)),
        "startswith" => {
            of(2, 2, &|| Ok(json!(arguments.text(0)?.to_lowercase().starts_with(&arguments.text(1)?.to_lowercase()))))
        }
        "endswith" => {
            of(2, 2, &|| Ok(json!(arguments.text(0)?.to_lowercase().ends_with(&arguments.text(1)?.to_lowercase()))))
        }
        "padleft" => of(2, 3, &|| pad(arguments)),
        "uniquestring" => of(1, usize::MAX, &|| Ok(json!(hash::unique_string(&joined(arguments)?)))),
        "guid" => of(1, usize::MAX, &|| Ok(json!(hash::guid(&joined(arguments)?)))),
        "base64" => text(&|text| STANDARD.encode(text)),
        "base64tostring" => of(1, 1, &|| decoded(arguments).map(Value::String)),
        "base64tojson" => of(1, 1, &|| parsed(arguments, &decoded(arguments)?)),
        "json" => of(1, 1, &|| parsed(arguments, arguments.text(0)?)),
        "uricomponent" => {
            text(&|text| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20"))
        }
        "uricomponenttostring" => of(1, 1, &|| {
            let found = percent_encoding::percent_decode_str(arguments.text(0)?).decode_utf8().ok();
            found.map(|text| json!(text)).ok_or_else(|| arguments.wrong(0, "an encoded text"))
        }),
        "uri" => of(2, 2, &|| Ok(json!(uri(arguments.text(0)?, arguments.text(1)?)))),
        _ => None,
    }
}

/// A value as `string()` writes it.
pub(super) fn string_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

fn joined(arguments: &Arguments<'_>) -> Result<String, Problem> {
    let texts: Vec<&str> = (0..arguments.values.len()).map(|at| arguments.text(at)).collect::<Result<_, _>>()?;
    Ok(texts.join("-"))
}

/// `format('{0} of {1}', …)`: .NET's composite format, its alignment and `X`, `D` and `N` left to zeros.
fn format(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let template = arguments.text(0)?;
    let mut out = String::new();
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '{' if letters.peek() == Some(&'{') => out.extend(letters.next()),
            '}' if letters.peek() == Some(&'}') => out.extend(letters.next()),
            '{' => {
                let hole: String = letters.by_ref().take_while(|letter| *letter != '}').collect();
                let (at, style) = hole.split_once(':').unwrap_or((&hole, ""));
                let at: usize = at.trim().parse().map_err(|_| arguments.invalid("The format is not valid."))?;
                let value = arguments.values.get(at.saturating_add(1)).ok_or_else(|| {
                    arguments.invalid("The index of a format item must be less than the number of arguments.")
                })?;
                out.push_str(&styled(arguments, value, style)?);
            }
            letter => out.push(letter),
        }
    }
    Ok(json!(out))
}

/// A number with leading zeros (`D3`, `000`) or in hexadecimal (`X`), or anything as it is.
fn styled(arguments: &Arguments<'_>, value: &Value, style: &str) -> Result<String, Problem> {
    let unknown = || arguments.invalid(format!("The format style '{style}' is not supported by this lab."));
    if style.is_empty() {
        return Ok(string_of(value));
    }
    let number = value.as_i64().ok_or_else(unknown)?;
    let width =
        |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse().ok().filter(|width| *width < 100) };
    match style.split_at(style.chars().next().map_or(0, char::len_utf8)) {
        ("D" | "d", digits) => width(digits).map(|width: usize| format!("{number:0width$}")),
        ("X", digits) => width(digits).map(|width: usize| format!("{number:0width$X}")),
        ("x", digits) => width(digits).map(|width: usize| format!("{number:0width$x}")),
        _ if style.len() < 100 && style.bytes().all(|byte| byte == b'0') => {
            Some(format!("{number:0width$}", width = style.len()))
        }
        _ => None,
    }
    .ok_or_else(unknown)
}

fn split(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let text = arguments.text(0)?;
    let separators: Vec<&str> = match arguments.get(1) {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => vec![arguments.text(1)?],
    };
    let mut parts = vec![text];
    for separator in separators.into_iter().filter(|separator| !separator.is_empty()) {
        parts = parts.into_iter().flat_map(|part| part.split(separator)).collect();
    }
    Ok(json!(parts))
}

fn substring(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let letters: Vec<char> = arguments.text(0)?.chars().collect();
    let start = arguments.size(1)?;
    let length = if arguments.values.len() > 2 { arguments.size(2)? } else { letters.len().saturating_sub(start) };
    let part = start.checked_add(length).and_then(|end| letters.get(start..end));
    part.map(|part| json!(part.iter().collect::<String>()))
        .ok_or_else(|| arguments.invalid("The index and length parameters must refer to a location within the string."))
}

fn pad(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let text = string_of(arguments.get(0));
    let width = arguments.size(1)?;
    if width > PADDED_MAX {
        return Err(arguments.invalid(format!("The length must not exceed '{PADDED_MAX}'.")));
    }
    let filler = if arguments.values.len() > 2 { arguments.text(2)? } else { " " };
    let filler = filler.chars().next().ok_or_else(|| arguments.wrong(2, "one character"))?;
    let missing = width.saturating_sub(text.chars().count());
    Ok(json!(std::iter::repeat_n(filler, missing).chain(text.chars()).collect::<String>()))
}

fn decoded(arguments: &Arguments<'_>) -> Result<String, Problem> {
    let bytes = STANDARD.decode(arguments.text(0)?).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| arguments.wrong(0, "a text in base64"))
}

fn parsed(arguments: &Arguments<'_>, text: &str) -> Result<Value, Problem> {
    // `json('null')` is how templates of old wrote null; texts without quotes were let pass as texts.
    serde_json::from_str(text).map_err(|error| arguments.invalid(format!("The text is not valid JSON: {error}.")))
}

/// `uri(base, relative)`: the relative part replaces what follows the last slash.
fn uri(base: &str, relative: &str) -> String {
    let from = base.find("://").map_or(0, |at| at + 3);
    let host_end = base[from..].find('/').map(|at| from + at);
    match (relative.strip_prefix('/'), host_end) {
        (Some(_), Some(end)) => format!("{}{relative}", &base[..end]),
        (Some(_), None) => format!("{base}{relative}"),
        (None, Some(_)) => format!("{}/{relative}", base.rsplit_once('/').map_or(base, |(before, _)| before)),
        (None, None) => format!("{base}/{relative}"),
    }
}

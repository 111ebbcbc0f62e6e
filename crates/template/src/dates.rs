//! Time and chance. Both may only stand in the default of a parameter, so that a deployment repeated
//! with the same parameters is the same.

use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{Problem, arguments::Arguments, evaluate::Scope};

/// The functions of this file. `None` for a name it does not know.
pub(super) fn call(scope: &Scope<'_>, lower: &str, arguments: &Arguments<'_>) -> Option<Result<Value, Problem>> {
    let of = |least: usize, most: usize, value: &dyn Fn() -> Result<Value, Problem>| {
        Some(arguments.count(least, most).and_then(|()| value()))
    };
    match lower {
        "utcnow" => of(0, 1, &|| {
            only_in_defaults(scope, arguments)?;
            shown(arguments, scope.world.now(), 0, "%Y%m%dT%H%M%SZ")
        }),
        "newguid" => of(0, 0, &|| {
            only_in_defaults(scope, arguments)?;
            Ok(json!(scope.world.new_guid()))
        }),
        "datetimeadd" => of(2, 3, &|| {
            let span: Span = arguments.text(1)?.parse().map_err(|_| {
                let given = arguments.text(1).unwrap_or_default();
                arguments.invalid(format!("The second parameter '{given}' is not a valid ISO8601 Duration string."))
            })?;
            let moment = moment(arguments, 0)?.to_zoned(TimeZone::UTC).checked_add(span);
            let moment = moment.map_err(|_| arguments.invalid("The date is out of range."))?;
            shown(arguments, moment.timestamp(), 2, "%Y-%m-%dT%H:%M:%SZ")
        }),
        "datetimefromepoch" => of(1, 1, &|| {
            let moment = Timestamp::from_second(arguments.number(0)?);
            moment.map(|moment| json!(moment.to_string())).map_err(|_| arguments.invalid("The date is out of range."))
        }),
        "datetimetoepoch" => of(1, 1, &|| Ok(json!(moment(arguments, 0)?.as_second()))),
        _ => None,
    }
}

fn only_in_defaults(scope: &Scope<'_>, arguments: &Arguments<'_>) -> Result<(), Problem> {
    if scope.in_default {
        return Ok(());
    }
    Err(Problem::new(format!(
        "The template function '{}' is not expected at this location. It can only be used in the default value of a parameter. Please see https://aka.ms/arm-functions for usage details.",
        arguments.function
    )))
}

fn moment(arguments: &Arguments<'_>, at: usize) -> Result<Timestamp, Problem> {
    let text = arguments.text(at)?;
    let compact = || jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| compact().map(|zoned| zoned.timestamp()))
        .ok_or_else(|| arguments.wrong(at, "a date and time in ISO 8601"))
}

/// A moment in the format of the argument at `at` (.NET's), or in `usual`.
fn shown(arguments: &Arguments<'_>, moment: Timestamp, at: usize, usual: &str) -> Result<Value, Problem> {
    let format = match arguments.values.get(at) {
        None => usual.to_owned(),
        Some(_) => dot_net(arguments.text(at)?)
            .ok_or_else(|| arguments.invalid("The date format is not supported by this lab."))?,
    };
    Ok(json!(moment.to_zoned(TimeZone::UTC).strftime(&format).to_string()))
}

/// A .NET date format as one of `strftime`; `None` for what it has and this has not.
fn dot_net(format: &str) -> Option<String> {
    match format {
        "d" => return Some("%m/%d/%Y".to_owned()),
        "u" => return Some("%Y-%m-%d %H:%M:%SZ".to_owned()),
        "s" => return Some("%Y-%m-%dT%H:%M:%S".to_owned()),
        _ => {}
    }
    let mut out = String::new();
    let mut rest = format;
    let known = [("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"), ("yy", "%y")];
    while let Some(letter) = rest.chars().next() {
        if let Some((mark, with)) = known.iter().find(|(mark, _)| rest.starts_with(mark)) {
            out.push_str(with);
            rest = &rest[mark.len()..];
        } else if letter.is_ascii_alphabetic() && !matches!(letter, 'T' | 'Z') {
            return None;
        } else {
            out.push_str(if letter == '%' { "%%" } else { &rest[..letter.len_utf8()] });
            rest = &rest[letter.len_utf8()..];
        }
    }
    Some(out)
}

//! A template's text: JSON as people write it, with comments, trailing commas and names without quotes.

use serde_json::Value;

use super::Problem;

/// Deepest nesting of a text.
const DEPTH_MAX: usize = 128;

/// The value that `text` is. The reader recurses, so that what is nested too deep is refused first.
///
/// # Errors
/// When it is none, even so.
pub fn lenient(text: &str) -> Result<Value, Problem> {
    if brackets(text) > DEPTH_MAX {
        return Err(Problem::new(format!("brackets are nested deeper than {DEPTH_MAX} levels")));
    }
    json5::from_str(text).map_err(|error| Problem::new(error.to_string()))
}

/// An upper bound of how deep brackets are nested: those in texts and comments count as well.
fn brackets(text: &str) -> usize {
    let step = |(depth, deepest): (usize, usize), byte: u8| match byte {
        b'{' | b'[' => (depth + 1, deepest.max(depth + 1)),
        b'}' | b']' => (depth.saturating_sub(1), deepest),
        _ => (depth, deepest),
    };
    text.bytes().fold((0, 0), step).1
}

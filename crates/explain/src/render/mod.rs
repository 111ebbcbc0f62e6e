//! Explanations as people, scripts and pages read them: pure functions from what was found to text.

mod words;

pub mod json;
pub mod table;
pub mod text;

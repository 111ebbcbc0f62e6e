//! Explanations as people, scripts and pages read them: pure functions from what was found to text.

pub mod findings;
pub mod json;
pub mod picture;
pub mod pipeline;
pub mod table;
pub mod text;
pub mod words;

//! A resource's JSON document, kept as Azure's client wrote it plus what the service filled in.

use std::{fmt, sync::Arc};

use serde_json::Value;

/// A JSON object in compact text, cheap to clone and to send.
///
/// Documents are lossless: a property noren does not know is kept and returned.
#[derive(Clone, PartialEq, Eq)]
pub struct Document(Arc<str>);

impl Document {
    /// The document of a JSON object.
    pub fn new(value: &Value) -> Self {
        Self(value.to_string().into())
    }

    /// A document from JSON text that [`Document::new`] once wrote.
    ///
    /// # Errors
    /// When the text is not a JSON object.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<serde_json::Map<String, Value>>(text)?;
        Ok(Self(text.into()))
    }

    /// The compact JSON text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The parsed document.
    pub fn value(&self) -> Value {
        // Only JSON objects get in, so that the fallback is never taken.
        serde_json::from_str(&self.0).unwrap_or_else(|_| Value::Object(serde_json::Map::new()))
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

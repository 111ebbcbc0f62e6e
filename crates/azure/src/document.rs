//! A resource's JSON document, kept as Azure's client wrote it plus what the service filled in.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, value::RawValue};

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

/// Of compact JSON, as [`Document::new`] wrote it: the text is taken over as it is.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if !text.starts_with('{') {
            return Err(D::Error::custom("a document is a JSON object"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

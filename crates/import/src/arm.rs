//! Documents of resources as Azure's own tools print them.

use azure::{Json, ResourceId};
use serde_json::Value;

use crate::{SourceFinding, draft::Draft};

/// Takes in an object, or a list of them.
pub(crate) fn read(draft: &mut Draft, name: &str, value: Value) {
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| read(draft, name, item)),
        Value::Object(_) => {
            let id: Option<ResourceId> = Json::new(&value).get("id").parsed();
            match id {
                Some(id) => {
                    if azure::Kind::of(&id) == azure::Kind::Other {
                        draft.find(SourceFinding::note("NotModelled", "kept, but not acted on").of(&id));
                    }
                    draft.documents.insert(id, value);
                }
                None => draft.find(SourceFinding::warning("NoResource", "an object without an id").at(name)),
            }
        }
        _ => draft.find(SourceFinding::warning("NoResource", "neither an object nor a list").at(name)),
    }
}

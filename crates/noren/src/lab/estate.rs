//! The estate as a running lab hands it to its own command line: documents, and of what the service
//! keeps to itself only what the model reads. Keys and certificates stay where they are.

use azure::{Change, Document, Estate, Resource, ResourceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the model reads of hidden documents (`azure::lower`).
const SHOWN: [&str; 5] = ["uid", "publicAddress", "powerState", "subnet", "addresses"];

/// Every resource at one revision.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeclaredEstate {
    revision: u64,
    resources: Vec<Declared>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Declared {
    id: ResourceId,
    document: Value,
    hidden: Value,
}

impl From<&Estate> for DeclaredEstate {
    fn from(estate: &Estate) -> Self {
        let declared = |resource: &std::sync::Arc<Resource>| Declared {
            id: resource.id().clone(),
            document: resource.document().value(),
            hidden: shown(resource.hidden()),
        };
        Self { revision: estate.revision(), resources: estate.iter().map(declared).collect() }
    }
}

impl DeclaredEstate {
    /// The estate.
    pub(crate) fn estate(self) -> Estate {
        let resources = self.resources.into_iter();
        let changes: Vec<Change> = resources
            .map(|declared| Change::put(Resource::with_hidden(declared.id, &declared.document, &declared.hidden)))
            .collect();
        Estate::default().apply(self.revision, &changes)
    }
}

fn shown(hidden: &Document) -> Value {
    let Value::Object(hidden) = hidden.value() else { return Value::Object(Map::new()) };
    Value::Object(hidden.into_iter().filter(|(name, _)| SHOWN.contains(&name.as_str())).collect())
}

#[cfg(test)]
mod tests {
    use azure::{Kind, sketch::Sketch};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_model_comes_through_and_secrets_do_not() {
        let sketch = Sketch::new().nic("nic", "n", "10.0.0.4").machine("vm", &["nic"], false).public_cluster(
            "p",
            "198.18.0.1",
            &[],
        );
        let id = sketch.id(Kind::ManagedCluster, "secretive");
        let hidden = json!({"publicAddress": "198.18.0.2", "credentials": {"key": "TOP"}});
        let mut changes = sketch.changes().to_vec();
        changes.push(Change::put(Resource::with_hidden(id, &json!({"properties": {}}), &hidden)));
        let estate = Estate::default().apply(7, &changes);
        let text = serde_json::to_string(&DeclaredEstate::from(&estate)).unwrap();
        assert!(!text.contains("TOP"));
        let read: DeclaredEstate = serde_json::from_str(&text).unwrap();
        let read = read.estate();
        assert_eq!(read.revision(), 7);
        let models = |estate: &Estate| estate.iter().map(|resource| resource.model().clone()).collect::<Vec<_>>();
        assert_eq!(models(&read), models(&estate));
    }
}

//! The estate while it is being gathered: documents by id, and what was noticed on the way.

use std::collections::BTreeMap;

use azure::{Change, Estate, Resource, ResourceId};
use serde_json::{Map, Value};

use crate::{Error, Imported, SourceFinding};

/// Documents as ARM writes them, without embedded children.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) documents: BTreeMap<ResourceId, Value>,
    pub(crate) findings: Vec<SourceFinding>,
}

impl Draft {
    pub(crate) fn find(&mut self, finding: SourceFinding) {
        self.findings.push(finding);
    }

    /// The estate of what was gathered.
    pub(crate) fn finish(mut self, origin: String) -> Result<Imported, Error> {
        if self.documents.is_empty() {
            return Err(Error::NothingRead { origin });
        }
        self.findings.sort();
        self.findings.dedup();
        let hidden = Value::Object(Map::new());
        let changes: Vec<Change> = self
            .documents
            .into_iter()
            .map(|(id, document)| Change::put(Resource::with_hidden(id, &document, &hidden)))
            .collect();
        Ok(Imported { estate: Estate::default().apply(1, &changes), findings: self.findings, origin })
    }
}

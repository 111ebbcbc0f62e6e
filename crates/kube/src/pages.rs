//! Lists, in pages that all are as of one revision.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use store::{Range, RangeOptions, Revision};

use crate::{
    convert, nodes,
    objects::{ObjectStore, decode},
    registry::{self, Resource, Verbs},
    request::{Objects, Options},
    status::{Status, qualified},
};

/// Objects one page of a list has at most, however large a page the client asks for.
const PAGE_MAX: usize = 10_000;

/// A page of a list.
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    pub(crate) revision: u64,
    pub(crate) continue_token: Option<String>,
}

impl ObjectStore {
    /// The objects that the selectors select: all, or a page of them when the client wants pages.
    ///
    /// Later pages are as of the first one's revision, which they carry: a watch from it sees every change since.
    ///
    /// # Errors
    /// 400 for a continue token that is none, 410 for a past that is not kept, 504 for a future.
    pub(crate) fn list(&self, objects: &Objects<'_>, options: &Options) -> Result<Page, Status> {
        options.fields.check(&objects.resource)?;
        let prefix = self.prefix(&objects.resource, objects.namespace);
        let limit = options.limit.min(PAGE_MAX);
        let token = options.continue_token.as_deref().map(Token::read).transpose()?;
        if token.is_some() && options.resource_version.is_some_and(|version| version > 0) {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        // All pages are as of the revision of the first one; a list of an exact version is as of that.
        let exact = options.resource_version.filter(|version| options.exact && *version > 0);
        let mut revision = token.as_ref().map(|token| token.revision).filter(|revision| *revision > 0).or(exact);
        let mut start_after = token.map(|token| prefix.clone() + &token.start);
        let mut items = Vec::new();
        loop {
            let range = self.range(&prefix, &RangeOptions { limit, start_after: start_after.clone() }, revision)?;
            let Some(range) = range else { return Err(forgotten(start_after.as_deref(), &prefix)) };
            let revision = *revision.get_or_insert(range.revision.0);
            options.check_version(self.store.revision().0.max(range.revision.0))?;
            for (index, entry) in range.entries.iter().enumerate() {
                let mut object = decode(entry)?;
                convert::serve(&objects.resource, &mut object);
                nodes::beat(&objects.resource, &mut object, self.now);
                if options.labels.matches(&object) && options.fields.matches(&object) {
                    items.push(object);
                }
                if limit > 0 && items.len() == limit && (range.more || index + 1 < range.entries.len()) {
                    let start = entry.key.strip_prefix(&prefix).unwrap_or_default().to_owned();
                    let continue_token = Some(Token { revision, start }.write());
                    return Ok(Page { items, revision, continue_token });
                }
            }
            start_after = range.entries.last().map(|entry| entry.key.to_string());
            if !range.more {
                return Ok(Page { items, revision, continue_token: None });
            }
        }
    }

    /// All objects of a kind, in a namespace or everywhere, as they are now.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn stored(&self, row: &Resource, namespace: Option<&str>) -> Result<Vec<Value>, Status> {
        let entries = self.store.range(&self.prefix(row, namespace), &RangeOptions::default())?.entries;
        let decoded = entries.iter().map(|entry| {
            let mut object = decode(entry)?;
            convert::serve(row, &mut object);
            Ok(object)
        });
        decoded.collect()
    }

    /// The same of a built-in kind by its name.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn stored_of(&self, group: &str, plural: &str, namespace: Option<&str>) -> Result<Vec<Value>, Status> {
        registry::find(group, "v1", plural).map_or(Ok(Vec::new()), |row| self.stored(row, namespace))
    }

    /// How many objects of each kind there are.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn counts(&self) -> Result<BTreeMap<String, usize>, Status> {
        let mut counts = BTreeMap::new();
        for row in self.kinds()?.iter().filter(|row| row.verbs == Verbs::All && row.home() != "events.k8s.io") {
            let held = self.store.range(&self.prefix(row, None), &RangeOptions::default())?.entries.len();
            counts.insert(qualified(&row.plural, &row.group), held);
        }
        Ok(counts)
    }

    /// What is stored as of `revision`, or now; `None` when that is too long ago.
    fn range(&self, prefix: &str, options: &RangeOptions, revision: Option<u64>) -> Result<Option<Range>, Status> {
        Ok(match revision {
            Some(revision) => self.store.range_at(prefix, options, Revision(revision))?,
            None => Some(self.store.range(prefix, options)?),
        })
    }
}

/// 410: what was is not known any more. Who was reading pages may go on with the rest as it is now.
///
/// Source: k8s.io/apiserver `pkg/storage/etcd3/errors.go`.
fn forgotten(start_after: Option<&str>, prefix: &str) -> Status {
    let Some(start) = start_after.and_then(|key| key.strip_prefix(prefix)) else {
        return Status::gone("The resourceVersion for the provided list is too old.");
    };
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
                   list without the continue parameter, or use the continue token in this response to retrieve the \
                   remainder of the results. Continuing with the provided token results in an inconsistent list - \
                   objects that were created, modified, or deleted between the time the first chunk was returned and \
                   now may show up in the list.";
    Status::gone(message).continued_by(&Token { revision: 0, start: start.to_owned() }.write())
}

/// Where a list goes on: behind which key, and as of which revision it began; 0 means now. In base64, so that clients
/// take it as it is.
#[derive(serde::Serialize, serde::Deserialize)]
struct Token {
    #[serde(rename = "rv")]
    revision: u64,
    /// The last key seen, without the prefix of the list.
    start: String,
}

impl Token {
    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(json!(self).to_string())
    }

    fn read(token: &str) -> Result<Self, Status> {
        let json = URL_SAFE_NO_PAD.decode(token).ok();
        let token = json.and_then(|json| serde_json::from_slice(&json).ok());
        token.ok_or_else(|| Status::bad_request("continue key is not valid"))
    }
}

//! The durable form of the management plane: keys and values in the store.
//!
//! - `/arm/lab`: the lab's own facts and secrets ([`Facts`]);
//! - `/arm/resource/<id in lower case>`: `{"id", "document", "hidden"}`;
//! - `/arm/operation/<id>`: an operation's record;
//! - `/arm/activity/<number>`: an entry of the activity log.
//!
//! One resource is one key, so that a change costs what it changes.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use azure::{Change, Document, Estate, Resource, ResourceId};
use pki::{IssuerPem, Redacted, TokenIssuer, random_token};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{RangeOptions, Revision, Store, Transaction};

use crate::{
    activity::{self, Activity},
    operations::{Operation, Operations},
    plane::OpenError,
    provider::Entropy,
};

const FACTS: &str = "/arm/lab";
const RESOURCES: &str = "/arm/resource";
const OPERATIONS: &str = "/arm/operation/";
const ACTIVITIES: &str = "/arm/activity/";
/// Resources that are read at a time.
const PAGE_LEN: usize = 256;
/// Random bytes in a secret.
const SECRET_BYTES: usize = 30;

/// What the first start decides and every later one keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The subscription's id.
    pub(crate) subscription: String,
    /// The tenant's id.
    pub(crate) tenant: String,
    /// The owner's application id.
    pub(crate) client_id: String,
    /// The owner's object id.
    pub(crate) object_id: String,
    /// The owner's secret.
    pub(crate) secret: Redacted<String>,
    /// What clients of the managed identity endpoints must know.
    pub(crate) identity_secret: Redacted<String>,
    /// The key that signs tokens.
    pub(crate) token_key: IssuerPem,
}

/// Everything that was stored.
pub(crate) struct Loaded {
    pub(crate) facts: Facts,
    pub(crate) issuer: TokenIssuer,
    pub(crate) estate: Estate,
    pub(crate) operations: Operations,
    pub(crate) activities: Vec<Activity>,
}

/// Reads everything; on the first start, makes and stores the lab's facts.
pub(crate) async fn load(store: &Store) -> Result<Loaded, OpenError> {
    let (facts, issuer) = match store.get(FACTS)? {
        Some(entry) => {
            let facts: Facts = decode(FACTS, &entry.value)?;
            let issuer = TokenIssuer::from_pem(&facts.token_key)?;
            (facts, issuer)
        }
        None => first_start(store).await?,
    };
    let mut operations = Operations::default();
    for entry in store.range(OPERATIONS, &RangeOptions::default())?.entries {
        operations.record(decode(&entry.key, &entry.value)?);
    }
    let activities = store.range(ACTIVITIES, &RangeOptions::default())?.entries;
    let activities = activities.iter().map(|entry| decode(&entry.key, &entry.value)).collect::<Result<_, _>>()?;
    let estate = load_estate(store)?;
    Ok(Loaded { facts, issuer, estate, operations, activities })
}

/// The estate of a lab that does not run, read from its store.
///
/// # Errors
/// When the store cannot be read, or what is in it is damaged.
pub fn stored_estate(store: &Store) -> Result<Estate, OpenError> {
    load_estate(store)
}

/// Reads every resource, page by page. Nearly all of the work is to understand the documents, so all processors
/// share it while this thread puts together what they have read.
fn load_estate(store: &Store) -> Result<Estate, OpenError> {
    let pages = Mutex::new(Some(RangeOptions { limit: PAGE_LEN, start_after: None }));
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let (send, read) = mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (pages, send) = (&pages, send.clone());
            // Ends with the pages, or when nobody wants them any more.
            scope.spawn(move || while next_page(store, pages).is_some_and(|page| send.send(page).is_ok()) {});
        }
        drop(send);
        read.iter().try_fold(Estate::default(), |estate, page| {
            let (revision, resources) = page?;
            Ok(estate.apply(revision.0, &resources))
        })
    })
}

/// The next page of resources, and the store's revision: nothing is written while the plane opens.
fn next_page(store: &Store, pages: &Mutex<Option<RangeOptions>>) -> Option<Result<(Revision, Vec<Change>), OpenError>> {
    let page = {
        let mut next = pages.lock().unwrap_or_else(PoisonError::into_inner);
        let options = next.take()?;
        let page = store.range(&format!("{RESOURCES}/"), &options);
        *next = page.as_ref().ok().filter(|page| page.more).and_then(|page| {
            let start_after = Some(page.entries.last()?.key.to_string());
            Some(RangeOptions { start_after, ..options })
        });
        page
    };
    Some(page.map_err(OpenError::from).and_then(|page| {
        let resources = page.entries.iter().map(|entry| {
            let Stored { id, document, hidden } = decode(&entry.key, &entry.value)?;
            Ok(Change::put(Resource::from_documents(id, document, hidden)))
        });
        Ok((page.revision, resources.collect::<Result<_, OpenError>>()?))
    }))
}

async fn first_start(store: &Store) -> Result<(Facts, TokenIssuer), OpenError> {
    let issuer = TokenIssuer::generate()?;
    let mut entropy = Entropy::from_system();
    let facts = Facts {
        subscription: entropy.guid(),
        tenant: entropy.guid(),
        client_id: entropy.guid(),
        object_id: entropy.guid(),
        secret: random_token(SECRET_BYTES),
        identity_secret: random_token(SECRET_BYTES),
        token_key: issuer.to_pem(),
    };
    let value = serde_json::to_vec(&facts).map_err(|source| OpenError::Damaged { key: FACTS.to_owned(), source })?;
    store.commit(Transaction::new().put(FACTS, value)).await?;
    Ok((facts, issuer))
}

/// One transaction for a request: its changes, its operation and what the activity log says of it.
pub(crate) fn transaction(
    changes: &[Change],
    operation: Option<&Operation>,
    forgotten: Option<&str>,
    activities: &[Activity],
) -> Transaction {
    let mut transaction = Transaction::new();
    for change in changes {
        let key = key_of(change.id());
        transaction = match change {
            Change::Put(resource) => transaction.put(key, encode(resource)),
            Change::Delete(_) => transaction.delete(key),
        };
    }
    if let Some(forgotten) = forgotten {
        transaction = transaction.delete(format!("{OPERATIONS}{forgotten}"));
    }
    if let Some(operation) = operation {
        transaction = record(transaction, format!("{OPERATIONS}{}", operation.id), operation);
    }
    for activity in activities {
        transaction = record(transaction, activity_key(activity.number), activity);
        if let Some(forgotten) = activity.number.checked_sub(activity::ENTRIES_MAX) {
            transaction = transaction.delete(activity_key(forgotten));
        }
    }
    transaction
}

fn record(transaction: Transaction, key: String, value: &impl Serialize) -> Transaction {
    match serde_json::to_vec(value) {
        Ok(value) => transaction.put(key, value),
        // A record is texts, numbers and times: writing it as JSON cannot fail.
        Err(_) => transaction,
    }
}

/// Keys in the order of the numbers.
fn activity_key(number: u64) -> String {
    format!("{ACTIVITIES}{number:016x}")
}

fn key_of(id: &ResourceId) -> String {
    format!("{RESOURCES}{}", id.key())
}

#[derive(Deserialize)]
struct Stored {
    id: ResourceId,
    document: Document,
    hidden: Document,
}

/// Both documents are compact JSON text already: nothing is parsed to write them.
fn encode(resource: &Resource) -> Vec<u8> {
    let (document, hidden) = (resource.document().text(), resource.hidden().text());
    let id = Value::from(resource.id().as_str());
    format!(r#"{{"id":{id},"document":{document},"hidden":{hidden}}}"#).into_bytes()
}

fn decode<'a, T: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T, OpenError> {
    serde_json::from_slice(value).map_err(|source| OpenError::Damaged { key: key.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_resource_is_stored_without_loss() {
        let id = ResourceId::group("s", "Rg").resource("Microsoft.Network/virtualNetworks", "V\"x");
        let resource = Resource::with_hidden(id, &json!({"properties": {"odd": [1.5, null, "é"]}}), &json!({"a": 1}));
        let Stored { id, document, hidden } = decode("k", &encode(&resource)).unwrap();
        assert_eq!(Resource::from_documents(id, document, hidden), resource);
        assert!(key_of(resource.id()).starts_with("/arm/resource/subscriptions/s/resourcegroups/rg/"));
    }
}

//! What was there at a revision that is past: what is there now, with what happened since taken back.
//!
//! The log holds what each event replaced, so nothing more has to be kept. What is older than the log is not known.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use redb::ReadTransaction;

use crate::{
    Event, KeyValue, Range, RangeOptions, Revision, Store, StoreError,
    codec::decode_entry,
    log::{self, Portion, Span},
    tables::{self, ENTRIES},
};

/// What keys held that have changed since; `None` for those that were not there.
type Before = BTreeMap<Arc<str>, Option<KeyValue>>;

impl Store {
    /// The entries whose keys start with `prefix`, in key order, as of `revision`; `None` when that is too long ago to be
    /// known. A revision that is yet to come is taken for the last one.
    ///
    /// # Errors
    /// As [`Store::range`].
    pub fn range_at(
        &self,
        prefix: &str,
        options: &RangeOptions,
        revision: Revision,
    ) -> Result<Option<Range>, StoreError> {
        let read = self.read()?;
        let now = tables::revision(&read)?;
        let revision = revision.min(now);
        let Some(before) = before(&read, prefix, Span { first: revision.next(), last: now })? else { return Ok(None) };
        let start = match options.start_after.as_deref() {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut range = Range { entries: Vec::new(), more: false, revision };
        let mut changed = before.range::<str, _>((start, Bound::Unbounded)).peekable();
        // False when the range is full.
        let mut add = |entry: &KeyValue| {
            range.more = options.limit > 0 && range.entries.len() == options.limit;
            if !range.more {
                range.entries.push(entry.clone());
            }
            !range.more
        };
        let entries = read.open_table(ENTRIES).map_err(StoreError::database)?;
        for entry in entries.range::<&str>((start, Bound::Unbounded)).map_err(StoreError::database)? {
            let (key, value) = entry.map_err(StoreError::database)?;
            let key = key.value();
            if !key.starts_with(prefix) {
                break;
            }
            while let Some((_, held)) = changed.next_if(|(other, _)| &***other < key) {
                if held.as_ref().is_some_and(|held| !add(held)) {
                    return Ok(Some(range));
                }
            }
            let went_on = match changed.next_if(|(other, _)| &***other == key) {
                Some((_, held)) => held.as_ref().is_none_or(&mut add),
                None => add(&decode_entry(key, value.value())?),
            };
            if !went_on {
                return Ok(Some(range));
            }
        }
        for (_, held) in changed {
            if held.as_ref().is_some_and(|held| !add(held)) {
                break;
            }
        }
        Ok(Some(range))
    }
}

/// What the keys that changed in `span` held before it; `None` when the log does not reach back that far.
fn before(read: &ReadTransaction, prefix: &str, mut span: Span) -> Result<Option<Before>, StoreError> {
    let mut before = Before::new();
    while span.first <= span.last {
        let Portion::Events { events, through } = log::read(read, span, prefix)? else { return Ok(None) };
        for event in events {
            // The first event of a key knows what was before all of them.
            match event {
                Event::Put { current, previous } => before.entry(current.key).or_insert(previous),
                Event::Delete { key, previous, .. } => before.entry(key).or_insert(Some(previous)),
            };
        }
        span.first = through.next();
    }
    Ok(Some(before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transaction;

    /// Keys and values as of a revision, page by page.
    fn pages(store: &Store, revision: Revision, limit: usize) -> Option<Vec<(String, String)>> {
        let (mut found, mut start_after) = (Vec::new(), None);
        loop {
            let range = store.range_at("/a/", &RangeOptions { limit, start_after }, revision).unwrap()?;
            let text = |entry: &KeyValue| (entry.key.to_string(), String::from_utf8_lossy(&entry.value).into_owned());
            found.extend(range.entries.iter().map(text));
            start_after = range.entries.last().map(|entry| entry.key.to_string());
            if !range.more {
                return Some(found);
            }
        }
    }

    #[tokio::test]
    async fn what_was_is_known_whatever_has_happened_since() {
        let store = Store::in_memory().unwrap();
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        let mut states = Vec::new();
        // Keys come, change and go, others' among them.
        for step in 0_u32..60 {
            let key = format!("/a/{}", step * 7 % 11);
            let transaction = if step % 3 == 2 && known.remove(&key).is_some() {
                Transaction::new().delete(key)
            } else {
                known.insert(key.clone(), step.to_string());
                Transaction::new().put(key, step.to_string()).put(format!("/b/{step}"), "other")
            };
            store.commit(transaction).await.unwrap();
            states.push((store.revision(), known.clone().into_iter().collect::<Vec<_>>()));
        }
        for (revision, state) in states {
            for limit in [0, 1, 3, 100] {
                assert_eq!(pages(&store, revision, limit).unwrap(), state, "at {revision}, {limit} a page");
            }
        }
    }

    #[tokio::test]
    async fn what_is_older_than_the_log_is_not_known() {
        let store = Store::in_memory().unwrap();
        store.commit(Transaction::new().put("/a/1", "one")).await.unwrap();
        let first = store.revision();
        // The log is bounded by bytes: 32 MiB.
        for step in 0..12 {
            store.commit(Transaction::new().put(format!("/b/{step}"), vec![b'x'; 3_000_000])).await.unwrap();
        }
        assert_eq!(pages(&store, first, 0), None);
        assert_eq!(pages(&store, store.revision(), 0).unwrap().len(), 1);
    }
}

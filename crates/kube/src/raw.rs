//! Objects as they are stored, with nothing added but their version: the way of most reads, without reading the JSON.

use bytes::Bytes;
use store::RangeOptions;

use crate::{
    nodes,
    objects::ObjectStore,
    registry::{Nature, Resource},
    request::{Objects, Options},
    status::Status,
};

/// Objects that one answer has at most.
const PAGE_MAX: usize = 10_000;

impl ObjectStore {
    /// One object in JSON; `None` when it has to be read first.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn raw(&self, objects: &Objects<'_>, name: &str) -> Result<Option<Bytes>, Status> {
        let row = &*objects.resource;
        if objects.subresource == Some("scale") || !is_served_as_stored(row) {
            return Ok(None);
        }
        let entry = self.store.get(&(self.prefix(row, objects.namespace) + name))?;
        let entry = entry.ok_or_else(|| Status::not_found(&row.group, &row.plural, name))?;
        let mut json = Vec::with_capacity(entry.value.len() + 40);
        Ok(splice(&entry.value, entry.mod_revision.0, &mut json).then(|| Bytes::from(json)))
    }

    /// A whole list in JSON; `None` when its objects have to be read first.
    ///
    /// # Errors
    /// 410 for a past that is not kept, 504 for a future.
    pub(crate) fn raw_list(&self, objects: &Objects<'_>, options: &Options) -> Result<Option<Bytes>, Status> {
        let row = &*objects.resource;
        if options.limit > 0
            || options.continue_token.is_some()
            || options.selects()
            || options.exact
            || !is_served_as_stored(row)
        {
            return Ok(None);
        }
        let range = self
            .store
            .range(&self.prefix(row, objects.namespace), &RangeOptions { limit: PAGE_MAX, start_after: None })?;
        options.check_version(range.revision.0)?;
        if range.more {
            return Ok(None);
        }
        let size: usize = range.entries.iter().map(|entry| entry.value.len() + 41).sum();
        let head = format!(
            "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{{\"resourceVersion\":\"{}\"}},\"items\":[",
            row.kind,
            row.api_version(),
            range.revision.0
        );
        let mut json = Vec::with_capacity(head.len() + size + 2);
        json.extend_from_slice(head.as_bytes());
        for (index, entry) in range.entries.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            if !splice(&entry.value, entry.mod_revision.0, &mut json) {
                return Ok(None);
            }
        }
        json.extend_from_slice(b"]}");
        Ok(Some(Bytes::from(json)))
    }
}

/// Whether the objects of a kind are shown as they are stored: kept in one version and under one clock.
fn is_served_as_stored(row: &Resource) -> bool {
    matches!(row.nature, Nature::BuiltIn { .. })
        && !matches!(&*row.kind, "Event" | "HorizontalPodAutoscaler")
        && !nodes::beats(row)
}

/// Writes a stored object with its version behind what is in `json`; false for what is no object with metadata.
fn splice(stored: &[u8], revision: u64, json: &mut Vec<u8>) -> bool {
    let Some(at) = metadata(stored) else { return false };
    json.extend_from_slice(&stored[..at]);
    json.extend_from_slice(format!("\"resourceVersion\":\"{revision}\"").as_bytes());
    if stored.get(at) != Some(&b'}') {
        json.push(b',');
    }
    json.extend_from_slice(&stored[at..]);
    true
}

/// Where the fields of the object's own metadata begin. What is stored has no white space between values.
fn metadata(stored: &[u8]) -> Option<usize> {
    const KEY: &[u8] = b"\"metadata\":{";
    let mut at = 1;
    loop {
        if stored.get(at..)?.starts_with(KEY) {
            return Some(at + KEY.len());
        }
        // The key, the colon, the value, the comma.
        at = value_end(stored, value_end(stored, at)? + 1)? + 1;
    }
}

/// The first byte behind the value that begins at `at`.
fn value_end(json: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match json.get(at)? {
            b'"' => {
                at += 1;
                while *json.get(at)? != b'"' {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' | b',' | b':' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            _ => at += 1,
        }
        if depth == 0 && matches!(json.get(at), Some(b',' | b':' | b'}' | b']') | None) {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn spliced(object: &Value) -> Option<Value> {
        let mut json = Vec::new();
        splice(object.to_string().as_bytes(), 7, &mut json).then(|| serde_json::from_slice(&json).unwrap())
    }

    #[test]
    fn the_version_comes_into_the_objects_own_metadata_wherever_that_is() {
        let inner = json!({"metadata": {"a": "}\"{"}, "list": [1, {"metadata": {}}], "text": "\\\"metadata\":{"});
        for object in [
            json!({"metadata": {}}),
            json!({"apiVersion": "v1", "metadata": {"name": "a"}}),
            json!({"spec": inner, "n": 1, "t": true, "metadata": {"name": "a", "labels": {}}, "status": {}}),
        ] {
            let mut expected = object.clone();
            expected["metadata"]["resourceVersion"] = json!("7");
            assert_eq!(spliced(&object), Some(expected));
        }
        assert_eq!(spliced(&json!({"spec": {"metadata": {}}})), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            splice(&bytes, 1, &mut Vec::new());
        }
    }
}

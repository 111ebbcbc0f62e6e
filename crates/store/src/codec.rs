//! How entries and events lie in the file: little-endian numbers, length before bytes.
//!
//! What is read is checked: bytes of another shape are [`StoreError::Damaged`], never a panic.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use crate::{Event, KeyValue, Revision, StoreError};

const CREATED: u8 = 0;
const CHANGED: u8 = 1;
const DELETED: u8 = 2;

/// An entry without its key, which is the table's.
pub(crate) fn encode_entry(entry: &KeyValue) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(NUMBERS_BYTES + entry.value.len());
    write_numbers(&mut bytes, entry);
    bytes.extend_from_slice(&entry.value);
    bytes
}

/// Reads what [`encode_entry`] wrote for `key`.
pub(crate) fn decode_entry(key: &str, bytes: &[u8]) -> Result<KeyValue, StoreError> {
    let mut reader = Reader(bytes);
    let numbers = reader.numbers()?;
    Ok(numbers.entry(key.into(), reader.0))
}

/// The events of one revision.
pub(crate) fn encode_events(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        let (tag, states) = match event {
            Event::Put { current, previous: None } => (CREATED, [Some(current), None]),
            Event::Put { current, previous: Some(previous) } => (CHANGED, [Some(current), Some(previous)]),
            Event::Delete { previous, .. } => (DELETED, [Some(previous), None]),
        };
        bytes.push(tag);
        write_bytes(&mut bytes, event.key().as_bytes());
        for state in states.into_iter().flatten() {
            write_numbers(&mut bytes, state);
            write_bytes(&mut bytes, &state.value);
        }
    }
    bytes
}

/// Reads of what [`encode_events`] wrote for `revision` the events whose keys start with `prefix`,
/// and adds them to `events`. The others are passed over without copying them.
pub(crate) fn decode_events(
    revision: Revision,
    bytes: &[u8],
    prefix: &str,
    events: &mut VecDeque<Event>,
) -> Result<(), StoreError> {
    let mut reader = Reader(bytes);
    while let Some((&tag, rest)) = reader.0.split_first() {
        reader.0 = rest;
        let key = reader.bytes()?;
        let first = reader.state()?;
        let second = if tag == CHANGED { Some(reader.state()?) } else { None };
        if !key.starts_with(prefix.as_bytes()) {
            continue;
        }
        let key: Arc<str> = std::str::from_utf8(key).map_err(|_| DAMAGED)?.into();
        let entry = |(numbers, value): (Numbers, &[u8])| numbers.entry(Arc::clone(&key), value);
        events.push_back(match tag {
            CREATED | CHANGED => Event::Put { current: entry(first), previous: second.map(entry) },
            DELETED => Event::Delete { previous: entry(first), key, revision },
            _ => return Err(DAMAGED),
        });
    }
    Ok(())
}

/// Length of what [`write_numbers`] writes.
const NUMBERS_BYTES: usize = 3 * size_of::<u64>();

fn write_numbers(bytes: &mut Vec<u8>, entry: &KeyValue) {
    for number in [entry.create_revision.0, entry.mod_revision.0, entry.version] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
}

fn write_bytes(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
    bytes.extend_from_slice(part);
}

struct Numbers {
    create_revision: Revision,
    mod_revision: Revision,
    version: u64,
}

impl Numbers {
    fn entry(self, key: Arc<str>, value: &[u8]) -> KeyValue {
        let Self { create_revision, mod_revision, version } = self;
        KeyValue { key, value: Bytes::copy_from_slice(value), create_revision, mod_revision, version }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Result<u64, StoreError> {
        let (number, rest) = self.0.split_first_chunk().ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }

    fn numbers(&mut self) -> Result<Numbers, StoreError> {
        Ok(Numbers {
            create_revision: Revision(self.number()?),
            mod_revision: Revision(self.number()?),
            version: self.number()?,
        })
    }

    fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let length = usize::try_from(self.number()?).map_err(|_| DAMAGED)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn state(&mut self) -> Result<(Numbers, &'a [u8]), StoreError> {
        Ok((self.numbers()?, self.bytes()?))
    }
}

const DAMAGED: StoreError = StoreError::Damaged { what: "an entry or event has another shape than it was written in" };

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = KeyValue> {
        ("[a-z/]{0,6}", any::<Vec<u8>>(), any::<(u64, u64, u64)>()).prop_map(|(key, value, numbers)| KeyValue {
            key: key.into(),
            value: value.into(),
            create_revision: Revision(numbers.0),
            mod_revision: Revision(numbers.1),
            version: numbers.2,
        })
    }

    fn events(revision: Revision) -> impl Strategy<Value = Event> {
        (entries(), prop::option::of(entries()), any::<bool>()).prop_map(move |(entry, previous, deleted)| {
            let key = Arc::clone(&entry.key);
            if deleted {
                return Event::Delete { key, previous: entry, revision };
            }
            Event::Put { previous: previous.map(|previous| KeyValue { key, ..previous }), current: entry }
        })
    }

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(entry in entries()) {
            prop_assert_eq!(decode_entry(&entry.key, &encode_entry(&entry)).unwrap(), entry);
        }

        #[test]
        fn events_below_a_prefix_are_read_as_they_were_written(
            written in prop::collection::vec(events(Revision(7)), 0..6),
            prefix in "[a-z/]{0,2}",
        ) {
            let mut read = VecDeque::new();
            decode_events(Revision(7), &encode_events(&written), &prefix, &mut read).unwrap();
            let expected: Vec<Event> = written.into_iter().filter(|event| event.key().starts_with(&prefix)).collect();
            prop_assert_eq!(Vec::from(read), expected);
        }

        #[test]
        fn bytes_of_any_other_shape_are_an_error_and_no_panic(bytes: Vec<u8>) {
            let _ = decode_entry("/a", &bytes);
            let _ = decode_events(Revision(1), &bytes, "", &mut VecDeque::new());
        }
    }
}

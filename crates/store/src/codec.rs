//! How values and events lie in the file: little-endian numbers, length before bytes.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Event, KeyValue, Revision, StoreError};

const PUT: u8 = 0;
const PUT_OVER: u8 = 1;
const DELETE: u8 = 2;

/// A value with its numbers; the key is the table's.
pub(crate) fn encode_value(entry: &KeyValue) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + entry.value.len());
    write_numbers(&mut bytes, entry);
    bytes.extend_from_slice(&entry.value);
    bytes
}

/// Reads what [`encode_value`] wrote under `key`.
pub(crate) fn decode_value(key: &str, bytes: &[u8]) -> Result<KeyValue, StoreError> {
    let mut reader = Reader(bytes);
    let (create_revision, mod_revision, version) = reader.numbers()?;
    Ok(KeyValue { key: key.into(), value: Bytes::copy_from_slice(reader.0), create_revision, mod_revision, version })
}

/// The events of one revision.
pub(crate) fn encode_events(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        match event {
            Event::Put { current, previous: None } => {
                bytes.push(PUT);
                write_entry(&mut bytes, current);
            }
            Event::Put { current, previous: Some(previous) } => {
                bytes.push(PUT_OVER);
                write_entry(&mut bytes, current);
                write_entry(&mut bytes, previous);
            }
            Event::Delete { previous, .. } => {
                bytes.push(DELETE);
                write_entry(&mut bytes, previous);
            }
        }
    }
    bytes
}

/// Reads what [`encode_events`] wrote for `revision`.
pub(crate) fn decode_events(revision: Revision, bytes: &[u8]) -> Result<Vec<Event>, StoreError> {
    let mut reader = Reader(bytes);
    let mut events = Vec::new();
    while let Some((&tag, rest)) = reader.0.split_first() {
        reader.0 = rest;
        events.push(match tag {
            PUT => Event::Put { current: reader.entry()?, previous: None },
            PUT_OVER => {
                let current = reader.entry()?;
                Event::Put { current, previous: Some(reader.entry()?) }
            }
            DELETE => Event::Delete { previous: reader.entry()?, revision },
            _ => return Err(damaged()),
        });
    }
    Ok(events)
}

fn write_numbers(bytes: &mut Vec<u8>, entry: &KeyValue) {
    bytes.extend_from_slice(&entry.create_revision.0.to_le_bytes());
    bytes.extend_from_slice(&entry.mod_revision.0.to_le_bytes());
    bytes.extend_from_slice(&entry.version.to_le_bytes());
}

fn write_entry(bytes: &mut Vec<u8>, entry: &KeyValue) {
    write_numbers(bytes, entry);
    for part in [entry.key.as_bytes(), &entry.value] {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, StoreError> {
        let bytes = self.take(8)?.try_into().map_err(|_| damaged())?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn numbers(&mut self) -> Result<(Revision, Revision, u64), StoreError> {
        Ok((Revision(self.number()?), Revision(self.number()?), self.number()?))
    }

    fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let length = usize::try_from(self.number()?).map_err(|_| damaged())?;
        self.take(length)
    }

    fn entry(&mut self) -> Result<KeyValue, StoreError> {
        let (create_revision, mod_revision, version) = self.numbers()?;
        let key: Arc<str> = std::str::from_utf8(self.bytes()?).map_err(|_| damaged())?.into();
        Ok(KeyValue { key, value: Bytes::copy_from_slice(self.bytes()?), create_revision, mod_revision, version })
    }
}

fn damaged() -> StoreError {
    StoreError::Damaged { what: "a stored value has another shape than was written" }
}

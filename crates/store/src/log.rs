//! The events of the last revisions: what a watch reads, however far behind it is.
//!
//! The log has one row for each revision from the oldest one kept to the last one, so a missing
//! row means that it was dropped for its age. It is bounded by count and by bytes.

use std::collections::VecDeque;

use redb::{ReadTransaction, ReadableTable, Table};

use crate::{
    Event, Revision, StoreError,
    codec::{decode_events, encode_events},
    tables::LOG,
};

/// Revisions whose events are kept.
const REVISIONS_MAX: u64 = 10_000;
/// Bytes of events that are kept; beyond it the oldest go, however few revisions are left.
const BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Bytes of events that [`read`] looks at in one go, beyond its first revision.
const PORTION_BYTES_MAX: usize = 256 * 1024;

/// Adds the events of the next revision; gives how many bytes they take.
pub(crate) fn append(
    log: &mut Table<'_, u64, &'static [u8]>,
    revision: Revision,
    events: &[Event],
) -> Result<u64, StoreError> {
    let bytes = encode_events(events);
    log.insert(revision.0, bytes.as_slice()).map_err(StoreError::database)?;
    Ok(bytes.len() as u64)
}

/// Drops the oldest events beyond the limits, never those of `last`; gives the bytes left of `bytes`.
pub(crate) fn trim(log: &mut Table<'_, u64, &'static [u8]>, last: Revision, bytes: u64) -> Result<u64, StoreError> {
    let mut left = bytes;
    loop {
        let oldest = log.first().map_err(StoreError::database)?;
        let Some((revision, length)) = oldest.map(|(revision, row)| (revision.value(), row.value().len() as u64))
        else {
            return Ok(left);
        };
        let kept = last.0.saturating_sub(revision) < REVISIONS_MAX && left <= BYTES_MAX;
        if kept || revision == last.0 {
            return Ok(left);
        }
        log.remove(revision).map_err(StoreError::database)?;
        left = left.saturating_sub(length);
    }
}

/// Revisions from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Revision,
    pub(crate) last: Revision,
}

/// What [`read`] found.
pub(crate) enum Portion {
    /// The events up to the revision `through`, which lies in the span asked for.
    Events { events: VecDeque<Event>, through: Revision },
    /// The span begins before the oldest revision kept; a watch can begin after `oldest`.
    Forgotten { oldest: Revision },
}

/// Reads the events of keys that start with `prefix`, from the beginning of `span`; not
/// necessarily to its end, so that a long span neither takes long nor much memory at once.
pub(crate) fn read(read: &ReadTransaction, span: Span, prefix: &str) -> Result<Portion, StoreError> {
    let log = read.open_table(LOG).map_err(StoreError::database)?;
    let (mut events, mut through, mut bytes_read) = (VecDeque::new(), None, 0);
    for row in log.range(span.first.0..=span.last.0).map_err(StoreError::database)? {
        let (revision, bytes) = row.map_err(StoreError::database)?;
        let (revision, bytes) = (Revision(revision.value()), bytes.value());
        if through.is_none() && revision != span.first {
            break;
        }
        decode_events(revision, bytes, prefix, &mut events)?;
        through = Some(revision);
        bytes_read += bytes.len();
        if bytes_read > PORTION_BYTES_MAX {
            break;
        }
    }
    if let Some(through) = through {
        return Ok(Portion::Events { events, through });
    }
    let oldest = log.first().map_err(StoreError::database)?.map_or(span.last.0, |(oldest, _)| oldest.value() - 1);
    Ok(Portion::Forgotten { oldest: Revision(oldest) })
}

//! The file format: which tables there are, what they hold, and which version of it this is.
//!
//! | table | key | value |
//! |---|---|---|
//! | `entries` | key | an entry, see `codec` |
//! | `log` | revision | its events, see `codec`; one row for each revision from the oldest kept to the last |
//! | `meta` | name | a number: `format`, `revision` (the last one), `log_bytes` (of all rows of `log`) |

use redb::{Database, ReadTransaction, ReadableTable, TableDefinition};

use crate::{Revision, StoreError};

/// Entries by key.
pub(crate) const ENTRIES: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("entries");
/// Events by revision.
pub(crate) const LOG: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("log");
/// Numbers about the store itself.
pub(crate) const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");

/// The last revision.
pub(crate) const REVISION: &str = "revision";
/// Bytes of the events kept.
pub(crate) const LOG_BYTES: &str = "log_bytes";
const FORMAT: &str = "format";

/// The format this version writes, and the newest it reads.
const FORMAT_SUPPORTED: u64 = 1;

/// Makes the tables of a new store, or checks the format of an old one; gives its last revision.
pub(crate) fn prepare(database: &Database) -> Result<Revision, StoreError> {
    let write = database.begin_write().map_err(StoreError::database)?;
    let revision = {
        let mut meta = write.open_table(META).map_err(StoreError::database)?;
        match number(&meta, FORMAT)? {
            Some(FORMAT_SUPPORTED) => Some(last_revision(&meta)?),
            Some(found) if found > FORMAT_SUPPORTED => {
                return Err(StoreError::NewerFormat { found, supported: FORMAT_SUPPORTED });
            }
            Some(_) => return Err(StoreError::Damaged { what: "it has a format that never was" }),
            None => {
                for (name, value) in [(FORMAT, FORMAT_SUPPORTED), (REVISION, 0), (LOG_BYTES, 0)] {
                    meta.insert(name, value).map_err(StoreError::database)?;
                }
                write.open_table(ENTRIES).map_err(StoreError::database)?;
                write.open_table(LOG).map_err(StoreError::database)?;
                None
            }
        }
    };
    if let Some(revision) = revision {
        write.abort().map_err(StoreError::database)?;
        return Ok(revision);
    }
    write.commit().map_err(StoreError::database)?;
    Ok(Revision(0))
}

/// The last revision that `read` sees.
pub(crate) fn revision(read: &ReadTransaction) -> Result<Revision, StoreError> {
    last_revision(&read.open_table(META).map_err(StoreError::database)?)
}

/// The last revision, as `meta` has it.
pub(crate) fn last_revision(meta: &impl ReadableTable<&'static str, u64>) -> Result<Revision, StoreError> {
    number(meta, REVISION)?.map(Revision).ok_or(StoreError::Damaged { what: "it does not know its revision" })
}

/// A number about the store.
pub(crate) fn number(meta: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<Option<u64>, StoreError> {
    Ok(meta.get(name).map_err(StoreError::database)?.map(|value| value.value()))
}

//! A revisioned key-value store with etcd's semantics, embedded in one file.
//!
//! Every transaction that changes something gets the next [`Revision`]. A value knows the revision
//! that created its key and the one that changed it last; a watch gives what happened after a
//! revision, then what happens, without gap and without repetition. Everything durable in noren
//! goes through here, and nothing here knows what the keys and values mean.
//!
//! The interface is etcd's (version 3 of its API), so that a real etcd can stand in its place:
//! whatever waits for the disk or for others is async, and a handle is cheap to clone.
//!
//! How it is divided: `model` has the words, `transaction` what can be asked for; `file` makes
//! the file, `tables` is its format, `codec` the bytes in it, `log` the events of the last revisions. The `writer` is the
//! one thread that changes the file, and `batch` what it does in one go. `watchers` finds who
//! watches a changed key; a `watch` reads the log at its own pace.

mod batch;
mod codec;
mod error;
mod file;
mod history;
mod log;
mod model;
mod store;
mod tables;
mod transaction;
mod watch;
mod watchers;
mod writer;

pub use error::{StoreError, WatchError};
pub use model::{Event, KeyValue, Revision};
pub use store::{Range, RangeOptions, Store};
pub use transaction::{Condition, Operation, Outcome, Transaction};
pub use watch::Watch;

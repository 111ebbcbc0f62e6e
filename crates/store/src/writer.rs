//! The one thread that writes: group commit.
//!
//! It takes every transaction that waits, applies them as one batch, makes the batch durable with
//! one flush to disk, tells the watchers, and only then answers. So many concurrent commits share a
//! flush, and whoever has an answer finds in the store what it was told.

use std::{sync::Arc, thread};

use redb::{Database, Durability};
use tokio::sync::{mpsc, oneshot};

use crate::{Event, Outcome, Revision, StoreError, Transaction, batch::Batch, watchers::Watchers};

/// Transactions that wait for the writer at most; further ones wait for a place.
const QUEUE_MAX: usize = 256;
/// Bytes that one transaction may have: above etcd's 1.5 MiB, as a transaction here may be a whole
/// cluster with its node pools.
const TRANSACTION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes after which a batch takes no further transaction, so that nobody waits long for others.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A transaction and where its outcome goes.
struct Request {
    transaction: Transaction,
    answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// The running writer; ends when it is dropped, after what waits has been committed.
pub(crate) struct Writer {
    /// `None` only while it is dropped.
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the writer of `database`.
    pub(crate) fn start(database: Arc<Database>, watchers: Arc<Watchers>) -> Result<Self, StoreError> {
        let (requests, queue) = mpsc::channel(QUEUE_MAX);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                // Also when this thread panics: nobody shall wait for events that never come.
                let _close = CloseWhenDropped(&watchers);
                serve(&database, &watchers, queue);
            })
            .map_err(|error| StoreError::Writer(Arc::new(error)))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Commits; waits for a place in the queue and then for the disk. Once in the queue the
    /// transaction happens, even if nobody waits for it any more.
    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        let (request, outcome) = request(transaction)?;
        self.requests()?.send(request).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    /// [`Writer::commit`] for threads that may block.
    pub(crate) fn commit_blocking(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        let (request, outcome) = request(transaction)?;
        self.requests()?.blocking_send(request).map_err(|_| StoreError::Closed)?;
        outcome.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    fn requests(&self) -> Result<&mpsc::Sender<Request>, StoreError> {
        self.requests.as_ref().ok_or(StoreError::Closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.requests.take());
        // A panic of the thread, if it had one, has already been reported.
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

struct CloseWhenDropped<'a>(&'a Watchers);

impl Drop for CloseWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn request(transaction: Transaction) -> Result<(Request, oneshot::Receiver<Result<Outcome, StoreError>>), StoreError> {
    let bytes = transaction.bytes();
    if bytes > TRANSACTION_BYTES_MAX {
        return Err(StoreError::TooLarge { bytes, max: TRANSACTION_BYTES_MAX });
    }
    let (answer, outcome) = oneshot::channel();
    Ok((Request { transaction, answer }, outcome))
}

/// Serves requests until nobody can send one any more.
fn serve(database: &Database, watchers: &Watchers, mut queue: mpsc::Receiver<Request>) {
    while let Some(first) = queue.blocking_recv() {
        let mut bytes = first.transaction.bytes();
        let (mut transactions, mut answers) = (vec![first.transaction], vec![first.answer]);
        while bytes < BATCH_BYTES_MAX
            && transactions.len() < QUEUE_MAX
            && let Ok(next) = queue.try_recv()
        {
            bytes += next.transaction.bytes();
            transactions.push(next.transaction);
            answers.push(next.answer);
        }
        // Who no longer waits for an answer does not want to know: failing to send is no error.
        match commit(database, transactions) {
            Ok(committed) => {
                watchers.publish(committed.revision, &committed.events);
                for (answer, outcome) in answers.into_iter().zip(committed.outcomes) {
                    let _ = answer.send(Ok(outcome));
                }
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "transactions could not be committed");
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

/// A batch that is durable.
struct Committed {
    revision: Revision,
    events: Vec<Event>,
    /// One for each transaction, in order.
    outcomes: Vec<Outcome>,
}

/// Makes all the transactions durable with one flush, or none of them.
fn commit(database: &Database, transactions: Vec<Transaction>) -> Result<Committed, StoreError> {
    let mut write = database.begin_write().map_err(StoreError::database)?;
    write.set_durability(Durability::Immediate).map_err(StoreError::database)?;
    // Costs a second flush for each batch, and makes opening after a crash a matter of a millisecond
    // however much is stored; without it the whole file would be read then.
    write.set_quick_repair(true);
    let mut batch = Batch::open(&write)?;
    let outcomes =
        transactions.into_iter().map(|transaction| batch.apply(transaction)).collect::<Result<Vec<_>, _>>()?;
    let (revision, events) = batch.finish()?;
    if events.is_empty() {
        write.abort().map_err(StoreError::database)?;
    } else {
        write.commit().map_err(StoreError::database)?;
    }
    Ok(Committed { revision, events, outcomes })
}

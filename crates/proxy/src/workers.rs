//! Threads that carry the proxy plane's connections, each with a runtime of its own.
//!
//! A connection stays on the thread that accepted it. On a runtime of many threads its two sides
//! are woken on different ones, which costs more than what there is to be done.

use std::{future::Future, io, num::NonZeroUsize, thread};

use tokio::runtime;
use tokio_util::sync::CancellationToken;

/// The threads. They end when this is dropped, and with them what they carry.
#[derive(Debug)]
pub(crate) struct Workers {
    runtimes: Vec<runtime::Handle>,
    threads: Vec<thread::JoinHandle<()>>,
    ended: CancellationToken,
}

impl Workers {
    /// As many threads as are said.
    pub(crate) fn start(count: NonZeroUsize) -> io::Result<Self> {
        let mut workers = Self { runtimes: Vec::new(), threads: Vec::new(), ended: CancellationToken::new() };
        for _ in 0..count.get() {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            workers.runtimes.push(runtime.handle().clone());
            let ended = workers.ended.clone();
            let thread = thread::Builder::new().name("proxy".to_owned());
            workers.threads.push(thread.spawn(move || runtime.block_on(ended.cancelled()))?);
        }
        Ok(workers)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.runtimes.len()
    }

    /// Gives each thread one of `tasks`.
    pub(crate) fn spawn<F>(&self, tasks: impl IntoIterator<Item = F>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for (runtime, task) in self.runtimes.iter().zip(tasks) {
            runtime.spawn(task);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.ended.cancel();
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

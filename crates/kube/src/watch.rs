//! Watches on the wire: store events → `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, one JSON object
//! a line, selected as lists are.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Event, KeyValue, Revision, Watch, WatchError};
use tokio::time::{Instant, sleep_until};

use crate::{
    convert,
    objects::{ObjectStore, decode, set_version},
    registry::Resource,
    request::{Objects, Options},
    status::Status,
    table::{self, IncludeObject},
};

/// How long a watch lasts when the client does not say.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Longest a client may wish for.
const TIMEOUT_MAX: Duration = Duration::from_secs(2 * 60 * 60);
/// How often a client that wants bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// Objects that are read at once of those that are there when a watch begins.
const PORTION: usize = 100;

/// How events carry their objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object itself.
    Object,
    /// A table with one row.
    Table(IncludeObject),
}

/// What is there when a watch begins, read portion by portion as it is given out, all as of one revision: so a client
/// that does not read costs no more than a portion, however much there is.
#[derive(Default)]
struct Initial {
    ready: VecDeque<Value>,
    rest: Option<Rest>,
    /// The bookmark that says that this was all.
    end: Option<Value>,
}

/// Where the next portion is.
struct Rest {
    store: ObjectStore,
    namespace: Option<String>,
    token: String,
}

impl Initial {
    /// The first portion, and the revision that all are as of.
    fn begin(store: &ObjectStore, objects: &Objects<'_>, options: &Options) -> Result<(Self, u64), Status> {
        let page = store.list(objects, &portion(options, None))?;
        let namespace = objects.namespace.map(str::to_owned);
        let rest = page.continue_token.map(|token| Rest { store: store.clone(), namespace, token });
        let told = options.send_initial_events == Some(true) && options.bookmarks;
        let end = told.then(|| bookmark(&objects.resource, page.revision, true));
        Ok((Self { ready: page.items.into(), rest, end }, page.revision))
    }

    /// The next object that is there, then the bookmark.
    fn next(&mut self, resource: &Arc<Resource>, options: &Options) -> Result<Option<(&'static str, Value)>, Status> {
        if self.ready.is_empty()
            && let Some(Rest { store, namespace, token }) = self.rest.take()
        {
            let resource = Arc::clone(resource);
            let place = Objects { resource, namespace: namespace.as_deref(), name: None, subresource: None };
            let page = store.list(&place, &portion(options, Some(token)))?;
            self.ready = page.items.into();
            self.rest = page.continue_token.map(|token| Rest { store, namespace, token });
        }
        let object = self.ready.pop_front().map(|object| ("ADDED", object));
        Ok(object.or_else(|| self.end.take().map(|bookmark| ("BOOKMARK", bookmark))))
    }
}

fn portion(options: &Options, continue_token: Option<String>) -> Options {
    let (labels, fields) = (options.labels.clone(), options.fields.clone());
    Options { labels, fields, limit: PORTION, continue_token, ..Options::default() }
}

/// A watch in progress: lines of JSON until its time is over.
pub(crate) struct WatchStream {
    resource: Arc<Resource>,
    options: Options,
    form: Form,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    initial: Initial,
    watch: Watch,
    seen: u64,
    ends: Instant,
    next_bookmark: Instant,
    over: bool,
}

impl WatchStream {
    /// Begins a watch. Without a resource version (or with 0) it first gives what is there.
    ///
    /// When what happened since the resource version is no longer known, its first and only line
    /// is the 410 `Status`.
    ///
    /// # Errors
    /// 504 for a resource version that is yet to come, 500 when the store fails.
    pub(crate) fn begin(
        store: &ObjectStore,
        objects: &Objects<'_>,
        options: Options,
        form: Form,
        now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Result<Self, Status> {
        options.fields.check(&objects.resource)?;
        options.check_version(store.store.revision().0)?;
        let version = options.resource_version.unwrap_or(0);
        let initial = options.send_initial_events.unwrap_or(version == 0);
        let (initial, from) = if initial {
            Initial::begin(store, objects, &options)?
        } else {
            (Initial::default(), if version == 0 { store.store.revision().0 } else { version })
        };
        let prefix = store.prefix(&objects.resource, objects.namespace);
        let watch = store.store.watch(&prefix, Revision(from))?;
        let timeout = options.timeout_s.map_or(TIMEOUT, Duration::from_secs).min(TIMEOUT_MAX);
        let begun = Instant::now();
        Ok(Self {
            resource: Arc::clone(&objects.resource),
            form,
            now,
            initial,
            watch,
            seen: from,
            ends: begun + timeout,
            next_bookmark: begun + BOOKMARK_EVERY,
            over: false,
            options,
        })
    }

    /// The next line; `None` when the watch is over.
    pub(crate) async fn next_line(&mut self) -> Option<Bytes> {
        match self.initial.next(&self.resource, &self.options) {
            Ok(Some((kind, object))) => return Some(line(&self.event(kind, object))),
            Ok(None) => {}
            Err(status) => return Some(self.end_with(&status)),
        }
        while !self.over {
            let wake = if self.options.bookmarks { self.ends.min(self.next_bookmark) } else { self.ends };
            tokio::select! {
                event = self.watch.next() => match event {
                    Some(Ok(event)) => {
                        self.seen = event.revision().0;
                        match self.select(&event) {
                            Ok(None) => {}
                            Ok(Some((kind, object))) => return Some(line(&self.event(kind, object))),
                            Err(status) => return Some(self.end_with(&status)),
                        }
                    }
                    Some(Err(WatchError::Store(error))) => return Some(self.end_with(&error.into())),
                    Some(Err(error)) => {
                        let text = format!("too old resource version: {} ({error})", self.seen);
                        return Some(self.end_with(&Status::gone(text)));
                    }
                    None => self.over = true,
                },
                () = sleep_until(wake) => {
                    if Instant::now() >= self.ends {
                        self.over = true;
                    } else {
                        self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                        // What happened to others meanwhile need not be looked at again.
                        self.seen = self.watch.progress().map_or(self.seen, |revision| revision.0.max(self.seen));
                        let bookmark = bookmark(&self.resource, self.seen, false);
                        return Some(line(&json!({"type": "BOOKMARK", "object": bookmark})));
                    }
                }
            }
        }
        None
    }

    fn end_with(&mut self, status: &Status) -> Bytes {
        self.over = true;
        self.initial = Initial::default();
        line(&json!({"type": "ERROR", "object": status.to_value()}))
    }

    /// What an event is to this watch: an object that begins to match is added, one that ceases
    /// to is deleted.
    fn select(&self, event: &Event) -> Result<Option<(&'static str, Value)>, Status> {
        let matches = |object: &Value| self.options.labels.matches(object) && self.options.fields.matches(object);
        let decode = |entry: &KeyValue| {
            let mut object = decode(entry)?;
            convert::serve(&self.resource, &mut object);
            Ok::<_, Status>(object)
        };
        match event {
            Event::Put { current, previous } => {
                let object = decode(current)?;
                let before = previous.as_ref().map(decode).transpose()?;
                Ok(match (before.as_ref().is_some_and(matches), matches(&object)) {
                    (false, true) => Some(("ADDED", object)),
                    (true, true) => Some(("MODIFIED", object)),
                    (true, false) => before.map(|mut before| {
                        set_version(&mut before, event.revision().0);
                        ("DELETED", before)
                    }),
                    (false, false) => None,
                })
            }
            Event::Delete { previous, revision, .. } => {
                let mut object = decode(previous)?;
                set_version(&mut object, revision.0);
                Ok(matches(&object).then_some(("DELETED", object)))
            }
        }
    }

    fn event(&self, kind: &str, object: Value) -> Value {
        let object = match self.form {
            Form::Table(include) if kind != "BOOKMARK" => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                table::render(&self.resource, &[object], &metadata, include, (self.now)())
            }
            Form::Table(_) | Form::Object => object,
        };
        json!({"type": kind, "object": object})
    }
}

fn bookmark(row: &Resource, revision: u64, initial_events_end: bool) -> Value {
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if initial_events_end {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    json!({"kind": row.kind, "apiVersion": row.api_version(), "metadata": metadata})
}

fn line(event: &Value) -> Bytes {
    Bytes::from(format!("{event}\n"))
}

//! The audit log: who did what, a line of JSON for each answered request.
//!
//! One file for each cluster, which only its owner reads, with a bounded number of older ones beside it. What is written is
//! handed to a thread over a bounded queue: when that is full, lines are lost, which the log of the process says, and no
//! request waits. Source: k8s.io/apiserver `pkg/apis/audit/v1`; secrets, config maps and tokens are never written with
//! their bodies, as the documentation "Auditing" advises.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, TrySendError, sync_channel},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{rbac::Request, reviews::User};

/// Bytes after which a file is put aside.
const FILE_MAX: u64 = 16 * 1024 * 1024;
/// Files put aside that are kept.
const KEPT: usize = 3;
/// Lines that wait to be written.
const QUEUE: usize = 4096;

/// How much of a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditLevel {
    /// Who, what, when, and how it was answered.
    Metadata,
    /// What was sent, too.
    Request,
}

/// Where audit events go. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditLog {
    pub(crate) level: AuditLevel,
    lines: SyncSender<(String, String)>,
}

impl AuditLog {
    /// Writes events of every cluster into a file `<its id>.log` in `directory`.
    ///
    /// # Errors
    /// When the directory or the thread cannot be made.
    pub fn start(directory: PathBuf, level: AuditLevel) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        let (lines, waiting) = sync_channel::<(String, String)>(QUEUE);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            while let Ok((cluster, line)) = waiting.recv() {
                if let Err(error) = append(&directory.join(format!("{cluster}.log")), &line, FILE_MAX) {
                    tracing::warn!(%error, cluster, "an audit event could not be written");
                }
            }
        })?;
        Ok(Self { level, lines })
    }

    /// Hands an event over; it is lost when too many wait.
    pub(crate) fn write(&self, cluster: &str, event: &Value) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send((cluster.to_owned(), format!("{event}\n"))) {
            tracing::warn!(cluster, "an audit event is lost: too many wait to be written");
        }
    }
}

/// Appends a line to a file that only its owner reads, which is put aside before it grows too large.
fn append(path: &Path, line: &str, most: u64) -> io::Result<()> {
    let mut file = open(path)?;
    if file.metadata()?.len() + line.len() as u64 > most {
        drop(file);
        let aside = |index: usize| path.with_extension(format!("log.{index}"));
        for index in (1..KEPT).rev() {
            if aside(index).exists() {
                fs::rename(aside(index), aside(index + 1))?;
            }
        }
        fs::rename(path, aside(1))?;
        file = open(path)?;
    }
    file.write_all(line.as_bytes())
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What an event is made of.
pub(crate) struct Event<'a> {
    pub(crate) id: &'a str,
    pub(crate) uri: String,
    pub(crate) request: Request<'a>,
    pub(crate) version: &'a str,
    pub(crate) user: &'a User,
    /// Who that user really is, when acting as another.
    pub(crate) proved: Option<&'a User>,
    pub(crate) agent: &'a str,
    /// What was sent, where that is to be written.
    pub(crate) body: Option<Value>,
    pub(crate) code: u16,
    pub(crate) message: Option<&'a str>,
    pub(crate) received: Timestamp,
    pub(crate) took: Duration,
    pub(crate) annotations: Value,
}

impl Event<'_> {
    /// The event as it is written.
    pub(crate) fn to_value(&self, level: AuditLevel) -> Value {
        let verb = match self.request {
            Request::Resource { verb, .. } | Request::Path { verb, .. } => verb,
        };
        let level = if self.is_secret() { AuditLevel::Metadata } else { level };
        let time = |time: Timestamp| format!("{time:.6}");
        let mut event = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1",
            "level": if level == AuditLevel::Request { "Request" } else { "Metadata" },
            "auditID": self.id, "stage": "ResponseComplete", "requestURI": self.uri, "verb": verb,
            "user": self.proved.unwrap_or(self.user).info(), "userAgent": self.agent,
            "responseStatus": {"metadata": {}, "code": self.code},
            "requestReceivedTimestamp": time(self.received),
            "stageTimestamp": time(self.received + self.took),
            "annotations": self.annotations,
        });
        if self.proved.is_some() {
            event["impersonatedUser"] = self.user.info();
        }
        if let Some(message) = self.message {
            event["responseStatus"]["status"] = json!("Failure");
            event["responseStatus"]["message"] = json!(message);
        }
        if let Request::Resource { group, resource, subresource, namespace, name, .. } = self.request {
            let named = [
                ("resource", resource),
                ("namespace", namespace.unwrap_or_default()),
                ("name", name),
                ("apiGroup", group),
                ("apiVersion", self.version),
                ("subresource", subresource),
            ];
            for (field, value) in named.into_iter().filter(|(_, value)| !value.is_empty()) {
                event["objectRef"][field] = json!(value);
            }
        }
        if level == AuditLevel::Request
            && let Some(body) = &self.body
        {
            event["requestObject"] = body.clone();
        }
        event
    }

    fn is_secret(&self) -> bool {
        matches!(
            self.request,
            Request::Resource { resource: "secrets" | "configmaps" | "tokenreviews", .. }
                | Request::Resource { subresource: "token", .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_aside_before_it_grows_too_large_and_only_its_owner_reads_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("c.log");
        for index in 0..9 {
            append(&path, &format!("line {index}\n"), 14).unwrap();
        }
        let text = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
        assert_eq!((text("c.log"), text("c.log.1")), ("line 8\n".to_owned(), "line 6\nline 7\n".to_owned()));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1 + KEPT);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn bodies_are_written_when_they_are_wanted_and_no_secrets() {
        let event = |resource| {
            Event {
                id: "a",
                uri: "/api/v1/x".to_owned(),
                request: Request::Resource {
                    verb: "create",
                    group: "",
                    resource,
                    subresource: "",
                    namespace: Some("n"),
                    name: "",
                },
                version: "v1",
                user: &User::default(),
                proved: None,
                agent: "",
                body: Some(json!({"a": 1})),
                code: 201,
                message: None,
                received: Timestamp::UNIX_EPOCH,
                took: Duration::ZERO,
                annotations: json!({}),
            }
            .to_value(AuditLevel::Request)
        };
        assert_eq!(event("pods")["requestObject"], json!({"a": 1}));
        let secret = event("secrets");
        assert_eq!((&secret["level"], &secret["requestObject"]), (&json!("Metadata"), &Value::Null));
        assert_eq!(secret["objectRef"], json!({"resource": "secrets", "namespace": "n", "apiVersion": "v1"}));
        assert_eq!(secret["requestReceivedTimestamp"], "1970-01-01T00:00:00.000000Z");
    }
}

//! Long-running operations: their records, and the table of those the plane remembers.
//!
//! An operation's changes are committed together with its record, so that a record is all that is
//! needed to finish the operation after a restart. This file knows states and documents; committing
//! is `plane`'s business, and the clock is passed in.
//!
//! Source: ARM's asynchronous operation contract (`Azure-AsyncOperation`, `Location`); az-wire §2.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use azure::{ArmError, ResourceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::wire;

/// Finished operations that are remembered; Azure forgets them after a while as well.
const FINISHED_MAX: usize = 1_000;
/// Results of commands that are remembered: their logs can be large.
const COMMANDS_MAX: usize = 64;
/// Longest log of a command, in bytes; AKS cuts at the same size.
const LOGS_LEN_MAX: usize = 512 * 1024;

/// Why an operation that was aborted has no result *(our words)*.
pub(crate) const CANCELED: &str = "The operation was aborted.";

/// One long-running operation, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// A GUID, lower case.
    pub(crate) id: String,
    /// The resource it is about.
    pub(crate) resource: ResourceId,
    /// The location it is asked after; `global` where there is none.
    pub(crate) location: String,
    /// What it does.
    pub(crate) act: Act,
    /// Since when.
    pub(crate) started: Timestamp,
    /// How far it is.
    pub(crate) state: State,
}

/// What an operation does when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Act {
    /// The resource is written; `provisioningState` becomes `Succeeded`.
    Write,
    /// The resource is deleted.
    Delete,
    /// A command runs in a cluster.
    Command,
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum State {
    /// It ends at this time, or when its command does.
    UnderWay {
        /// When; `None` for a command.
        due: Option<Timestamp>,
    },
    /// It is done.
    Succeeded {
        /// When.
        ended: Timestamp,
    },
    /// It could not be done.
    Failed {
        /// When.
        ended: Timestamp,
        /// Azure's code.
        code: String,
        /// Azure's message.
        message: String,
        /// Finer-grained causes, as they are shown.
        #[serde(default)]
        details: Vec<Value>,
    },
    /// Somebody aborted it.
    Canceled {
        /// When.
        ended: Timestamp,
    },
    /// The command ran.
    Ran {
        /// When it ended.
        ended: Timestamp,
        /// Its exit code.
        exit_code: i32,
        /// What it printed.
        logs: String,
    },
}

impl Operation {
    /// Whether it has not ended.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self.state, State::UnderWay { .. })
    }

    /// When it ends by itself.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        match self.state {
            State::UnderWay { due } => due,
            _ => None,
        }
    }

    /// The same operation, failed.
    pub(crate) fn failed(&self, ended: Timestamp, error: &ArmError) -> Self {
        let details = error.details.iter().map(wire::envelope).collect();
        let state = State::Failed { ended, code: error.code.to_string(), message: error.message.clone(), details };
        Self { state, ..self.clone() }
    }

    /// The same operation, done.
    pub(crate) fn succeeded(&self, ended: Timestamp) -> Self {
        Self { state: State::Succeeded { ended }, ..self.clone() }
    }

    /// The same operation, aborted.
    pub(crate) fn canceled(&self, ended: Timestamp) -> Self {
        Self { state: State::Canceled { ended }, ..self.clone() }
    }

    /// The same operation, its command ended.
    pub(crate) fn ran(&self, ended: Timestamp, exit_code: i32, mut logs: String) -> Self {
        let mut end = logs.len().min(LOGS_LEN_MAX);
        while !logs.is_char_boundary(end) {
            end -= 1;
        }
        logs.truncate(end);
        Self { state: State::Ran { ended, exit_code, logs }, ..self.clone() }
    }

    /// Seconds a client should wait before it asks again.
    pub(crate) fn retry_after_s(&self, now: Timestamp) -> i64 {
        self.due().map_or(1, |due| due.duration_since(now).as_secs()).clamp(1, 10)
    }

    /// The path of its status document.
    pub(crate) fn status_path(&self) -> String {
        self.path("operations")
    }

    /// The path where its result will be.
    pub(crate) fn result_path(&self) -> String {
        match self.act {
            Act::Command => format!("{}/commandResults/{}", self.resource, self.id),
            Act::Write | Act::Delete => self.path("operationresults"),
        }
    }

    fn path(&self, word: &str) -> String {
        let subscription = self.resource.subscription().unwrap_or_default();
        let resource_type = self.resource.resource_type();
        let namespace = resource_type.split('/').next().unwrap_or_default();
        format!("/subscriptions/{subscription}/providers/{namespace}/locations/{}/{word}/{}", self.location, self.id)
    }

    /// The status document behind `Azure-AsyncOperation`.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({"id": self.status_path(), "name": self.id, "startTime": self.started.to_string()});
        let (word, ended, error) = match &self.state {
            State::UnderWay { .. } => ("InProgress", None, None),
            State::Succeeded { ended } | State::Ran { ended, .. } => ("Succeeded", Some(ended), None),
            State::Canceled { ended } => {
                ("Canceled", Some(ended), Some(json!({"code": "OperationCanceled", "message": CANCELED})))
            }
            State::Failed { ended, code, message, details } => {
                let mut error = json!({"code": code, "message": message});
                if !details.is_empty() {
                    error["details"] = json!(details);
                }
                ("Failed", Some(ended), Some(error))
            }
        };
        status["status"] = json!(word);
        if let Some(ended) = ended {
            status["endTime"] = json!(ended.to_string());
        }
        if let Some(error) = error {
            status["error"] = error;
        }
        status
    }

    /// The document of `commandResults/<id>`.
    pub(crate) fn command_result(&self) -> Value {
        let mut properties = json!({"startedAt": self.started.to_string()});
        let mut end = |state: &str, ended: &Timestamp, exit_code: i32, logs: &str, reason: Option<&str>| {
            properties["provisioningState"] = json!(state);
            properties["finishedAt"] = json!(ended.to_string());
            properties["exitCode"] = json!(exit_code);
            properties["logs"] = json!(logs);
            if let Some(reason) = reason {
                properties["reason"] = json!(reason);
            }
        };
        match &self.state {
            State::UnderWay { .. } => properties["provisioningState"] = json!("Running"),
            State::Succeeded { ended } => end("Succeeded", ended, 0, "", None),
            State::Ran { ended, exit_code, logs } => end("Succeeded", ended, *exit_code, logs, None),
            State::Failed { ended, message, .. } => end("Failed", ended, 1, "", Some(message)),
            State::Canceled { ended } => end("Canceled", ended, 1, "", Some(CANCELED)),
        }
        json!({"id": self.id, "properties": properties})
    }
}

/// The operations that are remembered: all that are under way and the latest that ended.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    by_id: HashMap<String, Arc<Operation>>,
    /// Who holds a resource: one operation at a time.
    holders: HashMap<ResourceId, Arc<Operation>>,
    due: BTreeSet<(Timestamp, String)>,
    finished: VecDeque<String>,
    commands: VecDeque<String>,
}

impl Operations {
    /// The operation `id`.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Operation>> {
        self.by_id.get(id)
    }

    /// The operation that holds `resource`. Commands hold nothing.
    pub(crate) fn holder(&self, resource: &ResourceId) -> Option<&Arc<Operation>> {
        self.holders.get(resource)
    }

    /// When the next operation ends by itself.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The operations that end by `now`, in that order.
    pub(crate) fn due_by(&self, now: Timestamp) -> Vec<Arc<Operation>> {
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        due.filter_map(|(_, id)| self.by_id.get(id)).cloned().collect()
    }

    /// Every operation that is under way.
    pub(crate) fn under_way(&self) -> Vec<Arc<Operation>> {
        self.by_id.values().filter(|operation| operation.is_under_way()).cloned().collect()
    }

    /// The records that would be forgotten when one more ended like `operation`.
    pub(crate) fn forgotten_by(&self, operation: &Operation) -> Option<String> {
        let (queue, most) = match operation.act {
            Act::Command => (&self.commands, COMMANDS_MAX),
            Act::Write | Act::Delete => (&self.finished, FINISHED_MAX),
        };
        (!operation.is_under_way() && queue.len() >= most).then(|| queue.front().cloned()).flatten()
    }

    /// Takes in the new state of an operation, once it is stored.
    pub(crate) fn record(&mut self, operation: Operation) {
        if let Some(forgotten) = self.forgotten_by(&operation) {
            self.by_id.remove(&forgotten);
            match operation.act {
                Act::Command => self.commands.pop_front(),
                Act::Write | Act::Delete => self.finished.pop_front(),
            };
        }
        let operation = Arc::new(operation);
        let before = self.by_id.insert(operation.id.clone(), Arc::clone(&operation));
        if let Some(before) = before {
            if let Some(due) = before.due() {
                self.due.remove(&(due, before.id.clone()));
            }
            if self.holders.get(&before.resource).is_some_and(|holder| holder.id == before.id) {
                self.holders.remove(&before.resource);
            }
        }
        match (&operation.state, operation.act) {
            (State::UnderWay { due }, act) => {
                if let Some(due) = due {
                    self.due.insert((*due, operation.id.clone()));
                }
                if act != Act::Command {
                    self.holders.insert(operation.resource.clone(), operation);
                }
            }
            (_, Act::Command) => self.commands.push_back(operation.id.clone()),
            (_, Act::Write | Act::Delete) => self.finished.push_back(operation.id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn write(id: &str, due: i64) -> Operation {
        let resource = ResourceId::group("s", "rg").resource("Microsoft.Network/virtualNetworks", id);
        let state = State::UnderWay { due: Some(at(due)) };
        Operation { id: id.to_owned(), resource, location: "global".into(), act: Act::Write, started: at(0), state }
    }

    #[test]
    fn operations_end_in_the_order_they_are_due() {
        let mut operations = Operations::default();
        operations.record(write("b", 20));
        operations.record(write("a", 10));
        let ids = |now| operations.due_by(at(now)).iter().map(|operation| operation.id.clone()).collect::<Vec<_>>();
        assert_eq!(operations.next_due(), Some(at(10)));
        assert_eq!((ids(9), ids(10), ids(20)), (vec![], vec!["a".into()], vec!["a".into(), "b".into()]));
    }

    #[test]
    fn a_resource_is_held_until_its_operation_ends() {
        let mut operations = Operations::default();
        let operation = write("a", 10);
        operations.record(operation.clone());
        assert!(operations.holder(&operation.resource).is_some());
        operations.record(operation.succeeded(at(10)));
        assert!(operations.holder(&operation.resource).is_none() && operations.next_due().is_none());
        assert_eq!(operations.get("a").unwrap().status()["status"], "Succeeded");
    }

    #[test]
    fn only_the_latest_ended_operations_are_remembered() {
        let mut operations = Operations::default();
        for number in 0..FINISHED_MAX + 5 {
            operations.record(write(&number.to_string(), 1).succeeded(at(1)));
        }
        assert_eq!(operations.by_id.len(), FINISHED_MAX);
        assert!(operations.get("4").is_none() && operations.get("5").is_some());
    }

    #[test]
    fn logs_are_cut_at_a_character() {
        let operation = write("a", 1).ran(at(1), 0, "é".repeat(LOGS_LEN_MAX));
        let State::Ran { logs, .. } = operation.state else { panic!("did not run") };
        assert_eq!(logs.len(), LOGS_LEN_MAX);
    }

    #[test]
    fn clients_ask_again_soon() {
        assert_eq!(write("a", 300).retry_after_s(at(0)), 10);
        assert_eq!(write("a", 3).retry_after_s(at(0)), 3);
        assert_eq!(write("a", 3).retry_after_s(at(9)), 1);
    }
}

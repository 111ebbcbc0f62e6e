//! The management plane's state, and the one way it changes.
//!
//! Readers take the current estate and never wait. A change holds the write lock from reading the
//! estate to publishing the next one: decide (pure) → one durable transaction → new estate →
//! whoever listens → answer. Each change runs in a task of its own, so that a client that hangs up
//! in the middle cannot leave the store ahead of the estate. One reconciler ends operations when
//! they are due, by the same path, from stored state.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use arc_swap::ArcSwap;
use azure::{ArmError, Change, Estate, ResourceId};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header::AUTHORIZATION, request::Parts};
use pki::{PkiError, Redacted};
use store::{Outcome, Store, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    activity::{Activity, Log},
    auth::Authenticator,
    call::{Call, Verb},
    entra::{Entra, EntraOptions, InvalidEntra, ServicePrincipal},
    hooks::{Clock, CommandResult, CommandRunner, Publish},
    journal::{self, Loaded},
    operations::{Act, Operation, Operations},
    provider::{Entropy, Lab, Work},
    providers::compute::images,
    providers::network::vpn,
    read,
    scene::Scene,
    target::Target,
    wire::{self, RequestIds, Response},
    write,
};

/// How long the answer to a question after a running command is held back: most commands end within it, and
/// clients otherwise sleep.
const COMMAND_HOLD: Duration = Duration::from_secs(2);
/// The longest a command may run.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(600);
/// How long the reconciler waits after the store refused a commit.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// How long operations take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As long as the work does: most are done when the request is.
    Instant,
    /// As long as in Azure, to test how a client polls.
    Azure,
}

/// What the management plane works with.
pub struct Options {
    /// How long operations take.
    pub pace: Pace,
    /// `https://localhost:<port>`, no trailing slash: where clients find it.
    pub base_url: String,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Hears of every change.
    pub publish: Publish,
    /// Runs commands in clusters.
    pub runner: Arc<dyn CommandRunner>,
}

/// Why the management plane does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A stored value cannot be read.
    #[error("the stored value of {key} cannot be read")]
    Damaged {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The key that signs tokens cannot be made or read.
    #[error("the key that signs tokens is unusable")]
    TokenKey(#[from] PkiError),
    /// The identity platform's facts make no sense.
    #[error("the lab's identities are unusable")]
    Entra(#[from] InvalidEntra),
}

/// The management plane: ARM and Entra ID. Cheap to clone.
#[derive(Clone)]
pub struct ManagementPlane(pub(crate) Arc<Plane>);

pub(crate) struct Plane {
    lab: Lab,
    service_principal: ServicePrincipal,
    identity_secret: Redacted<String>,
    entra: Entra,
    store: Store,
    pace: Pace,
    clock: Arc<dyn Clock>,
    publish: Publish,
    runner: Arc<dyn CommandRunner>,
    estate: ArcSwap<Estate>,
    operations: RwLock<Operations>,
    log: Log,
    /// Held by whoever changes the estate.
    writing: tokio::sync::Mutex<()>,
    ids: RequestIds,
    /// An operation was begun: the reconciler's next wake-up may be earlier.
    begun: Notify,
    /// A command ended: whoever asks after one may be answered.
    ended: Notify,
    /// Commands stop when this is cancelled.
    pub(crate) stopping: CancellationToken,
}

impl ManagementPlane {
    /// Opens the plane on `store`. The first time, makes subscription, tenant, service principal
    /// and token key; later, loads what was there and ends what was interrupted.
    ///
    /// # Errors
    /// [`OpenError`] when the store fails or holds what cannot be read.
    pub async fn open(store: Store, options: Options) -> Result<Self, OpenError> {
        let Loaded { facts, issuer, estate, operations, activities } = journal::load(&store).await?;
        let Options { pace, base_url, clock, publish, runner } = options;
        let lab = Lab {
            subscription: facts.subscription,
            tenant: facts.tenant,
            principal: facts.object_id.clone(),
            base_url,
        };
        let service_principal = ServicePrincipal {
            client_id: facts.client_id,
            object_id: facts.object_id,
            display_name: "noren".to_owned(),
            secret: facts.secret,
        };
        let entra = Entra::new(EntraOptions {
            lab: lab.clone(),
            issuer,
            service_principals: vec![service_principal.clone()],
            managed_identity_secret: facts.identity_secret.clone(),
        })?;
        let log = Log::new(activities, clock.now());
        let plane = Self(Arc::new(Plane {
            lab,
            service_principal,
            identity_secret: facts.identity_secret,
            entra,
            store,
            pace,
            clock,
            publish,
            runner,
            estate: ArcSwap::from_pointee(estate),
            operations: RwLock::new(operations),
            log,
            writing: tokio::sync::Mutex::new(()),
            ids: RequestIds::new(Entropy::from_system().seed()),
            begun: Notify::new(),
            ended: Notify::new(),
            stopping: CancellationToken::new(),
        }));
        let interrupted = plane.0.operations().under_way();
        let over = |operation: &Arc<Operation>| pace == Pace::Instant || operation.act == Act::Command;
        plane.0.end(interrupted.into_iter().filter(over).collect()).await?;
        plane.settle().await?;
        Ok(plane)
    }

    /// What is declared now.
    pub fn estate(&self) -> Arc<Estate> {
        self.0.estate.load_full()
    }

    /// The lab's fixed facts.
    pub fn lab(&self) -> &Lab {
        &self.0.lab
    }

    /// The application that owns the subscription.
    pub fn service_principal(&self) -> &ServicePrincipal {
        &self.0.service_principal
    }

    /// What clients of the managed identity endpoints send as `X-IDENTITY-HEADER`.
    pub fn identity_secret(&self) -> &Redacted<String> {
        &self.0.identity_secret
    }

    /// The activity log, the latest first; at most `most`.
    pub fn activities(&self, most: usize) -> Vec<Arc<Activity>> {
        self.0.log.latest(most)
    }

    /// Hears whenever the activity log changed: a number that it had at no other time.
    pub fn logged(&self) -> watch::Receiver<u64> {
        self.0.log.changes()
    }

    /// Answers one request; the body is whole and bounded already.
    pub async fn handle(&self, request: Request<Bytes>) -> http::Response<Bytes> {
        let (parts, body) = request.into_parts();
        self.0.answer(&parts, &body).await
    }

    /// Ends the operations whose time has come. `ManagementPlane::reconcile` calls it at the
    /// right times.
    ///
    /// # Errors
    /// When the store fails; what could not be ended stays under way.
    pub async fn settle(&self) -> Result<(), StoreError> {
        let due = self.0.operations().due_by(self.0.clock.now());
        self.0.end(due).await
    }

    /// Keeps operations ending when they are due, until `shutdown`. `serve` runs it.
    pub(crate) async fn reconcile(&self, shutdown: &CancellationToken) {
        loop {
            // Registered before looking, so that an operation begun in between is not missed.
            let begun = self.0.begun.notified();
            let settled = self.settle().await;
            let failed = settled.is_err();
            if let Err(error) = settled {
                tracing::error!(error = &error as &dyn std::error::Error, "operations could not be ended");
            }
            let next = self.0.operations().next_due();
            let wait = match next {
                _ if failed => STORE_RETRY,
                Some(due) => Duration::try_from(due.duration_since(self.0.clock.now())).unwrap_or_default(),
                None => Duration::MAX,
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = begun => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// What a request needs.
enum Step {
    Answered(Response),
    /// It asks after a command that is still running.
    Wait(Box<Call>, ResourceId),
    Write(Box<Call>),
}

impl Plane {
    fn operations(&self) -> RwLockReadGuard<'_, Operations> {
        self.operations.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn scene<'a>(&'a self, estate: &'a Estate, operations: &'a Operations) -> Scene<'a> {
        Scene { estate, operations, lab: &self.lab, pace: self.pace, now: self.clock.now() }
    }

    async fn answer(self: &Arc<Self>, parts: &Parts, body: &[u8]) -> Response {
        let step = catch_unwind(AssertUnwindSafe(|| self.begin(parts, body)));
        let mut response = match step.unwrap_or_else(|_| Step::Answered(wire::refusal(&wire::internal_error()))) {
            Step::Answered(response) => response,
            Step::Wait(call, command) => {
                self.command_ended(&command).await;
                catch_unwind(AssertUnwindSafe(|| self.read(*call)))
                    .unwrap_or_else(|_| wire::refusal(&wire::internal_error()))
            }
            Step::Write(call) => {
                let plane = Arc::clone(self);
                let written = tokio::spawn(async move { plane.write(*call).await }).await;
                written.unwrap_or_else(|_| Err(wire::internal_error())).unwrap_or_else(|error| wire::refusal(&error))
            }
        };
        wire::stamp(&mut response, &parts.headers, &self.ids);
        response
    }

    /// The part of a request that needs no waiting.
    fn begin(&self, parts: &Parts, body: &[u8]) -> Step {
        let now = self.clock.now();
        if let Some(response) = self.entra.route(parts, body, &self.estate.load(), now) {
            return Step::Answered(response);
        }
        if parts.uri.path() == images::ALIASES_PATH && parts.method == Method::GET {
            return Step::Answered(wire::json(StatusCode::OK, &images::aliases()));
        }
        if let Some(response) = vpn::download(parts, &self.estate.load(), now) {
            return Step::Answered(response);
        }
        let authorization = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Err(refused) = self.entra.authenticate(authorization, now) {
            return Step::Answered(wire::unauthenticated(&refused));
        }
        let call = match Call::parse(parts, body).and_then(|call| self.check_subscription(&call.target).map(|()| call))
        {
            Ok(call) => call,
            Err(error) => return Step::Answered(wire::refusal(&error)),
        };
        if !call.verb.reads() {
            return Step::Write(Box::new(call));
        }
        if let Target::Resource(id) = &call.target
            && self.is_running_command(id)
        {
            let id = id.clone();
            return Step::Wait(Box::new(call), id);
        }
        Step::Answered(self.read(call))
    }

    fn check_subscription(&self, target: &Target) -> Result<(), ArmError> {
        match target.subscription() {
            Some(other) if !other.eq_ignore_ascii_case(&self.lab.subscription) => Err(ArmError::not_found(
                "SubscriptionNotFound",
                format!("The subscription '{other}' could not be found."),
            )),
            _ => Ok(()),
        }
    }

    fn read(&self, call: Call) -> Response {
        let (estate, operations) = (self.estate.load(), self.operations());
        read::answer(&self.scene(&estate, &operations), call).unwrap_or_else(|error| wire::refusal(&error))
    }

    async fn write(self: &Arc<Self>, call: Call) -> Result<Response, ArmError> {
        let mut activity = Activity::begin(&call, self.clock.now());
        let answer = self.carry_out(call, &mut activity).await;
        if let Some(activity) = activity {
            let now = self.clock.now();
            self.note(match &answer {
                Ok(_) => activity.succeeded(now),
                Err(refusal) => activity.refused(refusal, now),
            });
        }
        answer
    }

    /// Does what is asked; takes `activity` if it was committed with the change.
    async fn carry_out(self: &Arc<Self>, call: Call, activity: &mut Option<Activity>) -> Result<Response, ArmError> {
        let api_version = call.api_version.clone();
        let respond = |decision: &write::Decision, estate: &Estate| {
            decision.respond(estate, &self.lab.base_url, &api_version, self.clock.now())
        };
        if call.verb == Verb::Post {
            // Many actions only read (credentials): those need not wait for changes.
            let estate = self.estate.load_full();
            let decision = self.decide(&estate, call.clone())?;
            if decision.changes_nothing() {
                return Ok(respond(&decision, &estate));
            }
        }
        let _writing = self.writing.lock().await;
        let estate = self.estate.load_full();
        let decision = self.decide(&estate, call)?;
        if decision.changes_nothing() {
            return Ok(respond(&decision, &estate));
        }
        let told = activity.take().map(|activity| match &decision.operation {
            // What it began itself, or waits for; not what it aborted.
            Some(operation) if operation.is_under_way() || self.operations().get(&operation.id).is_none() => {
                activity.as_far_as(operation)
            }
            Some(_) | None => activity.succeeded(self.clock.now()),
        });
        let estate = self.commit(&decision.changes, decision.operation.clone(), told).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a change was not committed");
            wire::internal_error()
        })?;
        if let (Some(work), Some(operation)) = (decision.work.clone(), decision.operation.clone()) {
            tokio::spawn(Arc::clone(self).run(work, operation));
        }
        Ok(respond(&decision, &estate))
    }

    /// Writes down what changed nothing; stored after the answer, for nobody builds on it.
    fn note(self: &Arc<Self>, activity: Activity) {
        let activity = self.log.numbered(activity);
        self.log.record(vec![activity.clone()]);
        let plane = Arc::clone(self);
        tokio::spawn(async move {
            let transaction = journal::transaction(&[], None, None, &[activity]);
            if let Err(error) = plane.store.commit(transaction).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "an activity was not stored");
            }
        });
    }

    fn decide(&self, estate: &Estate, call: Call) -> Result<write::Decision, ArmError> {
        write::decide(&self.scene(estate, &self.operations()), call)
    }

    /// Makes changes durable, then visible. The caller holds `writing`.
    async fn commit(
        &self,
        changes: &[Change],
        operation: Option<Operation>,
        activity: Option<Activity>,
    ) -> Result<Arc<Estate>, StoreError> {
        let estate = self.estate.load_full();
        if changes.is_empty() && operation.is_none() {
            return Ok(estate);
        }
        let forgotten = operation.as_ref().and_then(|operation| self.operations().forgotten_by(operation));
        let mut activities: Vec<Activity> = activity.into_iter().map(|activity| self.log.numbered(activity)).collect();
        if let Some(ended) = operation.as_ref().filter(|operation| !operation.is_under_way()) {
            activities.extend(self.log.follow(ended));
        }
        let transaction = journal::transaction(changes, operation.as_ref(), forgotten.as_deref(), &activities);
        let revision = match self.store.commit(transaction).await? {
            Outcome::Committed(revision) => revision,
            Outcome::ConditionFailed { .. } => unreachable!("invariant: the transaction has no conditions"),
        };
        let next = if changes.is_empty() { estate } else { Arc::new(estate.apply(revision.0, changes)) };
        self.estate.store(Arc::clone(&next));
        if let Some(operation) = operation {
            self.operations.write().unwrap_or_else(PoisonError::into_inner).record(operation);
            self.begun.notify_one();
        }
        if !changes.is_empty() {
            let ids: Vec<ResourceId> = changes.iter().map(|change| change.id().clone()).collect();
            // The change is made, whatever becomes of those who listen.
            if catch_unwind(AssertUnwindSafe(|| (self.publish)(&next, &ids))).is_err() {
                tracing::error!("a listener to changes panicked");
            }
        }
        self.log.record(activities);
        Ok(next)
    }

    /// Ends operations, each in a transaction of its own.
    async fn end(&self, operations: Vec<Arc<Operation>>) -> Result<(), StoreError> {
        for operation in operations {
            let _writing = self.writing.lock().await;
            let estate = self.estate.load_full();
            let (changes, ended) = {
                let operations = self.operations();
                if !operations.get(&operation.id).is_some_and(|operation| operation.is_under_way()) {
                    continue;
                }
                let scene = self.scene(&estate, &operations);
                catch_unwind(AssertUnwindSafe(|| write::finish(&scene, &operation)))
                    .unwrap_or_else(|_| (Vec::new(), operation.failed(scene.now, &wire::internal_error())))
            };
            self.commit(&changes, Some(ended), None).await?;
        }
        Ok(())
    }

    /// Runs a command to its end and records what came of it. When the plane stops first, the
    /// record stays under way, and the next start says that the command was interrupted.
    pub(crate) async fn run(self: Arc<Self>, work: Work, operation: Operation) {
        let mut running = tokio::spawn(tokio::time::timeout(COMMAND_TIME_MAX, self.runner.run(work)));
        let result = tokio::select! {
            () = self.stopping.cancelled() => {
                running.abort();
                return;
            }
            result = &mut running => result,
        };
        let now = self.clock.now();
        let ended = match result {
            Ok(Ok(CommandResult { exit_code, logs })) => operation.ran(now, exit_code, logs),
            Ok(Err(_)) => {
                let seconds = COMMAND_TIME_MAX.as_secs();
                let late = format!("The command did not end within {seconds} seconds.");
                operation.failed(now, &ArmError::conflict("CommandTimedOut", late))
            }
            Err(_) => operation.failed(now, &wire::internal_error()),
        };
        let _writing = self.writing.lock().await;
        if let Err(error) = self.commit(&[], Some(ended), None).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the result of a command was not stored");
        }
        self.ended.notify_waiters();
    }

    fn is_running_command(&self, id: &ResourceId) -> bool {
        let operations = self.operations();
        let estate = self.estate.load();
        read::command_of(&self.scene(&estate, &operations), id).is_some_and(|command| command.is_under_way())
    }

    /// Waits until the command whose result `id` names ended, but not for long.
    async fn command_ended(&self, id: &ResourceId) {
        let wait = async {
            loop {
                let ended = self.ended.notified();
                if !self.is_running_command(id) {
                    return;
                }
                ended.await;
            }
        };
        // Still running after that is an answer as well.
        let _ = tokio::time::timeout(COMMAND_HOLD, wait).await;
    }
}

//! What a resource provider is: pure functions from (estate, request) to an [`Effect`].
//!
//! A provider reads nothing but the [`Request`] and changes nothing: the plane commits the effect
//! it returns in one transaction, publishes the new estate, and only then answers the client.
//! Time and randomness are part of the request, so that a test can repeat any answer.

use std::time::Duration;

use azure::{ArmError, Change, Estate, Kind, Resource, ResourceId};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value, json};

use crate::call::Verb;

/// One authenticated management request, as a provider sees it.
pub struct Request<'a> {
    /// What is declared now.
    pub estate: &'a Estate,
    /// The resource the request is about.
    pub id: &'a ResourceId,
    /// The parsed body; an empty object when there was none.
    pub body: Value,
    /// The query, names in lower case, in order, without `api-version`.
    pub query: Vec<(String, String)>,
    /// The lab the request came to.
    pub lab: &'a Lab,
    /// When the request came.
    pub now: jiff::Timestamp,
    /// Where ids, hashes and secrets come from.
    pub entropy: &'a mut Entropy,
}

impl Request<'_> {
    /// The first value of a query parameter, by its lower-case name.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The lab's fixed facts.
#[derive(Debug, Clone)]
pub struct Lab {
    /// The one subscription.
    pub subscription: String,
    /// The one tenant.
    pub tenant: String,
    /// Object id of the service principal that owns the subscription.
    pub principal: String,
    /// `https://localhost:<port>`, no trailing slash: where ARM and Entra ID listen.
    pub base_url: String,
}

/// What a request leads to. Nothing has happened yet.
#[derive(Debug)]
pub struct Effect {
    /// Changes of the estate, committed in one transaction.
    pub changes: Vec<Change>,
    /// What the client gets once they are.
    pub reply: Reply,
    /// How long real Azure takes for this (`--pace azure`); zero when Azure answers at once.
    pub azure_takes: Duration,
    /// Work outside the estate that must be done before the operation is.
    pub work: Option<Work>,
    /// Why the operation ends in failure although the changes stay: a deployment that got half way.
    pub failure: Option<ArmError>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// 201 with the rendered resource the request was about.
    Created,
    /// 200 with the rendered resource the request was about.
    Updated,
    /// 200 with this body.
    Ok(Value),
    /// Done, nothing to show: 204, or 202 with an operation where the client wants one.
    Done,
    /// 202 with an operation, even if it is over by then: for clients that take no 204.
    Accepted,
}

/// Work that a provider wants done outside the estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// `az aks command invoke`: run `command` inside the cluster, with the files of a base64 zip.
    RunCommand {
        /// The cluster.
        cluster: ResourceId,
        /// The command line.
        command: String,
        /// Base64 of a zip with files for the command; empty when there are none.
        context: String,
    },
}

impl Effect {
    /// No change, 200 with `body`.
    pub fn read(body: Value) -> Self {
        Self::new(Vec::new(), Reply::Ok(body))
    }

    /// These changes, then `reply`.
    pub fn new(changes: Vec<Change>, reply: Reply) -> Self {
        Self { changes, reply, azure_takes: Duration::ZERO, work: None, failure: None }
    }

    /// The same effect, with the time real Azure takes for it.
    #[must_use]
    pub fn taking(mut self, seconds: u64) -> Self {
        self.azure_takes = Duration::from_secs(seconds);
        self
    }
}

/// Rules of one kind of resource. The defaults are those of a plain document.
pub trait Provider: Sync {
    /// Creates or replaces. The resource group and the parent resource exist; `existing` is what
    /// was there. The default keeps the body losslessly (see [`Draft`]).
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let draft = Draft::new(request, existing);
        Ok(draft.finish(request, existing))
    }

    /// Changes some properties: by default an RFC 7396 merge into the rendered resource, then
    /// [`Provider::put`].
    fn patch(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let mut merged = self.render(request.estate, existing);
        merge(&mut merged, &request.body);
        request.body = merged;
        self.put(request, Some(existing))
    }

    /// Deletes; by default the resource and all below it, whoever refers to it.
    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done))
    }

    /// `POST <id>/<action>`. `action` is in lower case.
    fn action(&self, request: &mut Request<'_>, existing: &Resource, action: &str) -> Result<Effect, ArmError> {
        let _ = existing;
        Err(unknown_action(request.id, action))
    }

    /// `PUT <id>/<part>` of what is no resource but has an address of its own (a connection's shared
    /// key). `part` is in lower case.
    fn put_part(&self, request: &mut Request<'_>, existing: &Resource, part: &str) -> Result<Effect, ArmError> {
        let _ = (request, existing, part);
        Err(Verb::Put.not_allowed())
    }

    /// `GET <id>/<view>` for what is neither a stored resource nor a collection of a known kind
    /// (`upgradeProfiles/default`, `ALL`). `view` is in lower case; `existing` is the nearest
    /// resource above it that is stored.
    fn view(&self, request: &mut Request<'_>, existing: &Resource, view: &str) -> Result<Value, ArmError> {
        let _ = (existing, view);
        Err(ArmError::not_found("NotFound", format!("The resource '{}' has no '{view}'.", request.id)))
    }

    /// `GET` of the collection of this kind below `request.id` (a subscription, a group, a parent
    /// resource or, for extension resources, any scope). The group and the parent exist.
    fn list(&self, request: &mut Request<'_>) -> Result<Listing, ArmError> {
        let _ = request;
        Ok(Listing::Stored)
    }

    /// `GET` of a resource that exists without anybody having put it (a built-in role definition).
    fn builtin(&self, request: &mut Request<'_>) -> Option<Value> {
        let _ = request;
        None
    }

    /// Deletes what exists without being stored; `None` when there is no such thing.
    fn delete_derived(&self, request: &mut Request<'_>) -> Option<Effect> {
        let _ = request;
        None
    }

    /// Whether a stored resource is part of the collection that `request` asks for.
    fn lists(&self, request: &Request<'_>, resource: &Resource) -> bool {
        let _ = (request, resource);
        true
    }

    /// What the service calls `id` when it refuses a precondition; `None` for ARM's general words.
    fn called(&self, id: &ResourceId) -> Option<String> {
        let _ = id;
        None
    }

    /// The refusal when `id` is not there.
    fn not_found(&self, id: &ResourceId) -> ArmError {
        not_found(id)
    }

    /// The resource as a client reads it: by default its document. Providers whose resources embed
    /// children or derived state add them here.
    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        let _ = estate;
        resource.document().value()
    }

    /// The resource as `GET` with a query shows it (`$expand`).
    fn show(&self, request: &mut Request<'_>, resource: &Resource) -> Value {
        self.render(request.estate, resource)
    }

    /// Whether [`Provider::render`] is the document itself, so that its text can be sent as it is.
    fn renders_verbatim(&self) -> bool {
        false
    }
}

/// What a collection holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Listing {
    /// The stored resources of the kind at the scope, each rendered.
    Stored,
    /// These, already rendered.
    These(Vec<Value>),
}

/// ARM's refusal for a resource that is not there.
pub fn not_found(id: &ResourceId) -> ArmError {
    let below = id.as_str().rsplit_once("/providers/").map_or(id.as_str(), |(_, below)| below);
    let place = id.group_name().map_or(String::new(), |group| format!(" under resource group '{group}'"));
    ArmError::not_found(
        "ResourceNotFound",
        format!(
            "The Resource '{below}'{place} was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ),
    )
}

/// The `POST` that this resource does not know.
pub fn unknown_action(id: &ResourceId, action: &str) -> ArmError {
    ArmError::not_found("InvalidResourceAction", format!("The resource '{id}' does not support the action '{action}'."))
}

/// Deletions of `id` and everything below it, children first.
pub fn delete_tree(estate: &Estate, id: &ResourceId) -> Vec<Change> {
    let mut ids: Vec<ResourceId> = estate.below(id).map(|resource| resource.id().clone()).collect();
    ids.reverse();
    ids.push(id.clone());
    ids.into_iter().map(Change::Delete).collect()
}

/// A resource document in the making: the client's body with the envelope set right.
///
/// `id`, `name` and `type` are the service's; `properties.provisioningState` is `Succeeded`; what
/// the client sent and noren does not know stays. `location` and `tags` of the existing resource
/// are kept when the body leaves them out.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The document.
    pub document: Value,
    /// What the service knows and does not show.
    pub hidden: Value,
}

impl Draft {
    /// Starts from the request's body.
    pub fn new(request: &Request<'_>, existing: Option<&Resource>) -> Self {
        let before = existing.map(|resource| resource.document().value());
        let mut body = match &request.body {
            Value::Object(body) => body.clone(),
            _ => Map::new(),
        };
        let mut document = Map::new();
        document.insert("id".into(), json!(existing.map_or(request.id, Resource::id).as_str()));
        document.insert("name".into(), json!(existing.map_or(request.id, Resource::id).name()));
        document.insert("type".into(), json!(wire_type(request.id)));
        for key in ["location", "tags"] {
            let kept = before.as_ref().and_then(|document| document.get(key)).cloned();
            let given = body.remove(key).filter(|value| !value.is_null());
            if let Some(value) = given.or(kept) {
                document.insert(key.into(), value);
            }
        }
        if let Some(Value::String(location)) = document.get_mut("location") {
            *location = normal_location(location);
        }
        for read_only in ["id", "name", "type"] {
            body.remove(read_only);
        }
        let properties = body.remove("properties").filter(Value::is_object).unwrap_or_else(|| json!({}));
        document.extend(body);
        document.insert("properties".into(), properties);
        let mut draft = Self {
            document: Value::Object(document),
            hidden: existing.map_or_else(|| json!({}), |resource| resource.hidden().value()),
        };
        draft.set("provisioningState", json!("Succeeded"));
        draft
    }

    /// The `properties` object.
    pub fn properties(&mut self) -> &mut Map<String, Value> {
        // `new` puts an object there; whatever else somebody put there is replaced.
        if !self.document["properties"].is_object() {
            self.document["properties"] = json!({});
        }
        match &mut self.document["properties"] {
            Value::Object(properties) => properties,
            _ => unreachable!("invariant: `properties` was made an object above"),
        }
    }

    /// Sets a property.
    pub fn set(&mut self, name: &str, value: Value) {
        self.properties().insert(name.to_owned(), value);
    }

    /// Sets a property that is absent, `null` or an empty string ("choose for me").
    pub fn default(&mut self, name: &str, value: Value) {
        let absent = |value: Option<&Value>| value.is_none_or(|value| value.is_null() || value == "");
        if absent(self.properties().get(name)) {
            self.set(name, value);
        }
    }

    /// The resource this draft makes.
    pub fn into_resource(self, id: &ResourceId) -> Resource {
        Resource::with_hidden(id.clone(), &self.document, &self.hidden)
    }

    /// The effect of putting this one resource.
    pub fn finish(self, request: &Request<'_>, existing: Option<&Resource>) -> Effect {
        let reply = if existing.is_some() { Reply::Updated } else { Reply::Created };
        let id = existing.map_or(request.id, Resource::id);
        Effect::new(vec![Change::put(self.into_resource(id))], reply)
    }
}

/// The `type` a client reads: the known spelling where there is one.
pub fn wire_type(id: &ResourceId) -> String {
    match Kind::of(id) {
        Kind::Other => id.resource_type(),
        kind => kind.arm_type().to_owned(),
    }
}

/// `West Europe` → `westeurope`: how ARM stores a location.
pub fn normal_location(location: &str) -> String {
    location.chars().filter(|letter| !letter.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// RFC 7396 JSON merge patch.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Randomness for ids and hashes: seeded from the system in a lab, by a number in a test.
#[derive(Debug)]
pub struct Entropy(StdRng);

impl Entropy {
    /// Randomness from the operating system.
    pub fn from_system() -> Self {
        Self(rand::make_rng())
    }

    /// Repeatable randomness.
    pub fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A random number, to tell one run from another.
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A random (version 4) GUID.
    pub fn guid(&mut self) -> String {
        let mut bytes = [0_u8; 16];
        self.0.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// `length` random characters of `alphabet`.
    pub fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        use rand::RngExt as _;
        (0..length).map(|_| char::from(alphabet[self.0.random_range(0..alphabet.len())])).collect()
    }

    /// `length` random hexadecimal digits, lower case.
    pub fn hex(&mut self, length: usize) -> String {
        self.text(b"0123456789abcdef", length)
    }

    /// `length` random decimal digits.
    pub fn digits(&mut self, length: usize) -> String {
        self.text(b"0123456789", length)
    }
}

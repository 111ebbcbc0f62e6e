//! From a request to an answer: authentication done, body whole, one function for each verb.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode, request::Parts};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    deletion::Deletion,
    discovery,
    fairness::{self, Seats},
    health,
    metrics::Metrics,
    objects::{ObjectStore, Written},
    openapi,
    pages::Page,
    patch::PatchType,
    protobuf, rbac,
    registry::{self, Verbs},
    request::{Objects, Options, Target, decode_path},
    reviews, scale,
    server::Tokens,
    status::Status,
    table::{self, IncludeObject},
    watch::{Form, WatchStream},
};

/// An answer.
pub(crate) enum Answer {
    /// One JSON value, with warnings for the client.
    Json(StatusCode, Value, Vec<String>),
    /// The aggregated discovery document: clients know it by its content type alone.
    Discovery(Value),
    /// What is the same for all clusters, with its content type.
    Bytes(&'static str, Bytes),
    /// What never changes under its address: JSON that clients may keep.
    Lasting(Bytes),
    /// Lines of JSON as they come.
    Watch(Box<WatchStream>),
}

/// What an answer is made with.
pub(crate) struct Api {
    pub(crate) objects: ObjectStore,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) version: String,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) seats: Arc<Seats>,
    pub(crate) now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Api {
    /// Answers an authenticated request.
    ///
    /// # Errors
    /// The refusal to send.
    pub(crate) async fn answer(&self, request: &Parts, body: &Bytes) -> Result<Answer, Status> {
        let path = decode_path(request.uri.path());
        let query = request.uri.query().unwrap_or_default();
        let watch = query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
        let wanted = rbac::request_of(&request.method, &path, watch);
        if self.objects.allows(&self.objects.user, &wanted)?.is_none() {
            return Err(Status::forbidden(wanted.refusal(&self.objects.user.name)));
        }
        let _seat = fairness::seat(&self.seats, &self.objects, &self.objects.user, &wanted)?;
        if let Some(document) = self.open_id(&path).await? {
            return Ok(ok(document));
        }
        match Target::parse(&path, |group, version, plural| self.objects.kind(group, version, plural))? {
            Target::Other(segments) => self.other(request, &segments),
            Target::Objects(objects) => self.on_objects(request, &objects, body).await,
        }
    }

    /// What whoever checks tokens of service accounts by themselves reads.
    async fn open_id(&self, path: &str) -> Result<Option<Value>, Status> {
        Ok(match path.trim_end_matches('/') {
            "/.well-known/openid-configuration" => Some(self.tokens.get().await?.configuration()),
            "/openid/v1/jwks" => Some(self.tokens.get().await?.jwks()),
            _ => None,
        })
    }

    fn other(&self, request: &Parts, segments: &[&str]) -> Result<Answer, Status> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Err(Status::method_not_allowed());
        }
        let aggregated = accept(request).contains("v=v2;as=APIGroupDiscoveryList");
        let kinds = || self.objects.kinds();
        let found = match segments {
            ["api"] if aggregated => return Ok(Answer::Discovery(discovery::aggregated(registry::built_in(), true))),
            ["apis"] if aggregated => return Ok(Answer::Discovery(discovery::aggregated(&kinds()?, false))),
            ["api"] => Some(discovery::core_versions()),
            ["apis"] => Some(discovery::groups(&kinds()?)),
            ["api", version] => discovery::resources(registry::built_in(), "", version),
            ["apis", group] => discovery::one_group(&kinds()?, group),
            ["apis", group, version] => discovery::resources(&kinds()?, group, version),
            ["version"] => Some(discovery::version(&self.version)),
            ["openapi", "v2"] if accept(request).contains("protobuf") => {
                return Ok(Answer::Bytes(openapi::V2_PROTOBUF, Bytes::from_static(openapi::V2_DOCUMENT)));
            }
            ["openapi", "v2"] => Some(openapi::v2(&self.objects.custom_kinds()?)),
            ["openapi", "v3"] => Some(openapi::index(&self.objects.custom_kinds()?)),
            ["openapi", "v3", "api", version] => return self.document("", version),
            ["openapi", "v3", "apis", group, version] => return self.document(group, version),
            ["metrics"] => {
                let text = self.metrics.render(&self.objects, &self.version)?;
                return Ok(Answer::Bytes("text/plain; version=0.0.4; charset=utf-8", Bytes::from(text)));
            }
            [endpoint @ ("healthz" | "livez" | "readyz"), check @ ..] => {
                let query = request.uri.query().unwrap_or_default();
                let text = health::answer(&self.objects, endpoint, &check.join("/"), query)?;
                return Ok(Answer::Bytes("text/plain; charset=utf-8", Bytes::from(text)));
            }
            _ => None,
        };
        let found = found.ok_or_else(Status::no_such_path)?;
        Ok(Answer::Json(StatusCode::OK, found, Vec::new()))
    }

    fn document(&self, group: &str, version: &str) -> Result<Answer, Status> {
        if let Some(document) = openapi::document(group, version) {
            return Ok(Answer::Lasting(document));
        }
        let document = openapi::custom_document(&self.objects.custom_kinds()?, group, version);
        Ok(Answer::Lasting(document.ok_or_else(Status::no_such_path)?))
    }

    async fn on_objects(&self, request: &Parts, objects: &Objects<'_>, body: &Bytes) -> Result<Answer, Status> {
        if let Some(name @ ("log" | "exec" | "attach" | "portforward" | "proxy")) = objects.subresource {
            return Err(Status::no_containers(name));
        }
        if objects.resource.verbs == Verbs::Read && request.method == Method::GET {
            return Ok(ok(components(objects)?));
        }
        if objects.resource.verbs == Verbs::Create && request.method == Method::POST && objects.name.is_none() {
            let body = decode(request, body)?;
            if objects.resource.is_core("Binding") {
                return self.bind_by(objects, &body).await;
            }
            let tokens = self.tokens.get().await?;
            let review = reviews::answer(&self.objects, &self.objects.user, &tokens, objects, body)?;
            return Ok(Answer::Json(StatusCode::CREATED, review, Vec::new()));
        }
        if objects.resource.verbs != Verbs::All {
            return Err(Status::method_not_allowed());
        }
        let mut options = Options::parse(request.uri.query().unwrap_or_default())?;
        let form = form(request);
        match (&request.method, objects.name) {
            (&Method::GET | &Method::HEAD, None) if options.watch => {
                let stream = WatchStream::begin(&self.objects, objects, options, form, Arc::clone(&self.now))?;
                Ok(Answer::Watch(Box::new(stream)))
            }
            (&Method::GET | &Method::HEAD, None) => {
                if form == Form::Object
                    && let Some(json) = self.objects.raw_list(objects, &options)?
                {
                    return Ok(Answer::Bytes("application/json", json));
                }
                let page = self.objects.list(objects, &options)?;
                Ok(ok(self.list(objects, page, form)))
            }
            (&Method::GET | &Method::HEAD, Some(name)) => {
                if form == Form::Object
                    && let Some(json) = self.objects.raw(objects, name)?
                {
                    return Ok(Answer::Bytes("application/json", json));
                }
                let object = self.objects.get(objects, name)?;
                Ok(ok(self.one(objects, object, form)))
            }
            (&Method::POST, Some(name)) if objects.subresource == Some("binding") => {
                self.bind(objects, name, &decode(request, body)?, &options).await
            }
            (&Method::POST, Some(name)) if objects.subresource == Some("token") => {
                let request = decode(request, body)?;
                let issued = self.tokens.get().await?.issue(&self.objects, objects, name, request)?;
                Ok(Answer::Json(StatusCode::CREATED, issued, Vec::new()))
            }
            (&Method::POST, Some(name)) if objects.subresource == Some("eviction") => {
                let evicted = self.objects.evict(objects, name, &decode(request, body)?, &options).await?;
                Ok(Answer::Json(StatusCode::CREATED, evicted, Vec::new()))
            }
            (&Method::POST, None) => {
                options.name_manager(user_agent(request));
                let body = decode(request, body)?;
                self.check_grant(objects, &body)?;
                self.objects.create(objects, body, &options).await.map(|written| self.written(objects, written, form))
            }
            (&Method::PUT, Some(name)) => {
                options.name_manager(user_agent(request));
                let mut body = decode(request, body)?;
                if objects.subresource == Some("scale") {
                    body = scale::replica_patch(&objects.resource, &body);
                    return self.patch(objects, name, (PatchType::Merge, body), &options, form).await;
                }
                self.check_grant(objects, &body)?;
                let written = self.objects.replace(objects, name, body, &options).await?;
                Ok(self.written(objects, written, form))
            }
            (&Method::PATCH, Some(name)) => {
                let patch_type = PatchType::of(content_type(request))?;
                if objects.resource.group == "rbac.authorization.k8s.io" && !self.objects.user.is_master() {
                    let patched = self.objects.preview(objects, name, (patch_type, parse_yaml(body)?))?;
                    self.check_grant(objects, &patched)?;
                }
                if patch_type == PatchType::Apply && objects.subresource != Some("scale") {
                    let written = self.objects.apply(objects, name, parse_yaml(body)?, &options).await?;
                    return Ok(self.written(objects, written, form));
                }
                options.check_no_force()?;
                options.name_manager(user_agent(request));
                let mut body = parse_json(body)?;
                if objects.subresource == Some("scale") {
                    body = scale::replica_patch(&objects.resource, &body);
                    return self.patch(objects, name, (PatchType::Merge, body), &options, form).await;
                }
                self.patch(objects, name, (patch_type, body), &options, form).await
            }
            (&Method::DELETE, Some(name)) => {
                let deletion = Deletion::read(&options, &decode_options(request, body)?)?;
                let deleted = self.objects.delete(objects, name, &deletion).await?;
                Ok(Answer::Json(StatusCode::OK, deleted.object, deleted.warnings))
            }
            (&Method::DELETE, None) => {
                let deletion = Deletion::read(&options, &decode_options(request, body)?)?;
                self.delete_all(objects, &options, &deletion, form).await
            }
            _ => Err(Status::method_not_allowed()),
        }
    }

    /// Gives a pod its node, as an object `Binding` says.
    async fn bind_by(&self, objects: &Objects<'_>, binding: &Value) -> Result<Answer, Status> {
        let pods = registry::find("", "v1", "pods").ok_or_else(Status::no_such_path)?;
        let place = Objects { resource: Arc::clone(pods), ..objects.clone() };
        let name = binding["metadata"]["name"].as_str().unwrap_or_default();
        self.bind(&place, name, binding, &Options::default()).await
    }

    /// Gives a pod its node.
    async fn bind(
        &self,
        objects: &Objects<'_>,
        name: &str,
        binding: &Value,
        options: &Options,
    ) -> Result<Answer, Status> {
        let place = Objects { subresource: None, ..objects.clone() };
        let pod = self.objects.get(&place, name)?;
        if let Some(node) = pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
            let message = format!("pod {name} is already assigned to node \"{node}\"");
            return Err(Status::already(&objects.resource, name, &message));
        }
        let patch = json!({"spec": {"nodeName": binding["target"]["name"]}});
        self.objects.patch(&place, name, (PatchType::Merge, patch), options).await?;
        let success = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        Ok(Answer::Json(StatusCode::CREATED, success, Vec::new()))
    }

    /// That a role or a binding gives nobody more than whoever writes it has.
    fn check_grant(&self, objects: &Objects<'_>, body: &Value) -> Result<(), Status> {
        let row = &objects.resource;
        if row.group != "rbac.authorization.k8s.io" || self.objects.user.is_master() {
            return Ok(());
        }
        rbac::check_escalation(&self.objects, &self.objects.user, &row.plural, body, objects.namespace)
    }

    async fn patch(
        &self,
        objects: &Objects<'_>,
        name: &str,
        patch: (PatchType, Value),
        options: &Options,
        form: Form,
    ) -> Result<Answer, Status> {
        let written = self.objects.patch(objects, name, patch, options).await?;
        Ok(self.written(objects, written, form))
    }

    async fn delete_all(
        &self,
        objects: &Objects<'_>,
        options: &Options,
        deletion: &Deletion,
        form: Form,
    ) -> Result<Answer, Status> {
        let page = self.objects.list(objects, options)?;
        for item in &page.items {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            let place = Objects { namespace: item["metadata"]["namespace"].as_str(), ..objects.clone() };
            match self.objects.delete(&place, name, deletion).await {
                // Gone with its owner, or somebody else was quicker.
                Err(status) if status.code == 404 => {}
                other => drop(other?),
            }
        }
        Ok(ok(self.list(objects, page, form)))
    }

    fn written(&self, objects: &Objects<'_>, written: Written, form: Form) -> Answer {
        let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
        Answer::Json(status, self.one(objects, written.object, form), written.warnings)
    }

    fn one(&self, objects: &Objects<'_>, object: Value, form: Form) -> Value {
        match form {
            _ if objects.subresource == Some("scale") => scale::of(&objects.resource, &object),
            Form::Object => object,
            Form::Table(include) => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                table::render(&objects.resource, &[object], &metadata, include, (self.now)())
            }
        }
    }

    fn list(&self, objects: &Objects<'_>, page: Page, form: Form) -> Value {
        let mut metadata = json!({"resourceVersion": page.revision.to_string()});
        if let Some(token) = page.continue_token {
            metadata["continue"] = json!(token);
        }
        match form {
            Form::Table(include) => table::render(&objects.resource, &page.items, &metadata, include, (self.now)()),
            Form::Object => {
                let row = &objects.resource;
                json!({
                    "kind": format!("{}List", row.kind),
                    "apiVersion": row.api_version(),
                    "metadata": metadata,
                    "items": page.items,
                })
            }
        }
    }
}

/// The parts of the control plane, which are well as long as anything answers.
fn components(objects: &Objects<'_>) -> Result<Value, Status> {
    let component = |name: &str| {
        let healthy = json!([{"type": "Healthy", "status": "True", "message": "ok"}]);
        json!({"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name}, "conditions": healthy})
    };
    let all = ["controller-manager", "etcd-0", "scheduler"];
    match objects.name {
        Some(name) if all.contains(&name) => Ok(component(name)),
        Some(name) => Err(Status::not_found("", "componentstatuses", name)),
        None => Ok(json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {},
            "items": all.map(component)})),
    }
}

fn ok(value: Value) -> Answer {
    Answer::Json(StatusCode::OK, value, Vec::new())
}

fn header(request: &Parts, name: http::HeaderName) -> &str {
    request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn accept(request: &Parts) -> &str {
    header(request, http::header::ACCEPT)
}

fn content_type(request: &Parts) -> &str {
    header(request, http::header::CONTENT_TYPE)
}

fn user_agent(request: &Parts) -> &str {
    header(request, http::header::USER_AGENT)
}

/// Whether the client wants tables, and with what of the objects.
fn form(request: &Parts) -> Form {
    if !accept(request).contains("as=Table") {
        return Form::Object;
    }
    let query = request.uri.query().unwrap_or_default();
    let include = query.split('&').find_map(|pair| pair.strip_prefix("includeObject="));
    Form::Table(match include {
        Some("None") => IncludeObject::None,
        Some("Object") => IncludeObject::Object,
        _ => IncludeObject::Metadata,
    })
}

/// Reads a body as its content type says.
pub(crate) fn decode(request: &Parts, body: &Bytes) -> Result<Value, Status> {
    match content_type(request).split(';').next().unwrap_or_default().trim() {
        "" | "application/json" => parse_json(body),
        "application/yaml" => parse_yaml(body),
        "application/vnd.kubernetes.protobuf" => {
            protobuf::decode(body).map_err(|error| Status::bad_request(error.to_string()))
        }
        other => Err(Status::unsupported_media_type(format!(
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml, application/vnd.kubernetes.protobuf (not {other})"
        ))),
    }
}

pub(crate) fn parse_yaml(body: &Bytes) -> Result<Value, Status> {
    let text = std::str::from_utf8(body).map_err(|_| Status::bad_request("the body is not UTF-8"))?;
    serde_saphyr::from_str(text).map_err(|error| Status::bad_request(format!("error parsing YAML: {error}")))
}

fn parse_json(body: &Bytes) -> Result<Value, Status> {
    // serde_json refuses nesting beyond 128 levels by itself.
    serde_json::from_slice(body).map_err(|error| Status::bad_request(format!("couldn't parse the body: {error}")))
}

/// `DeleteOptions`, if the client sends any.
fn decode_options(request: &Parts, body: &Bytes) -> Result<Value, Status> {
    if body.is_empty() { Ok(Value::Null) } else { decode(request, body) }
}

//! Reading a deployment, and writing its resources one after the other.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use azure::{ArmError, Change, Estate, Json, Kind, ResourceId};
use http::StatusCode;
use serde_json::{Value, json};
use template::{Budget, Inputs, Planned, RESOURCES_MAX, Scope};

use super::{
    body::{Body, Mode},
    check,
    document::Document,
    forgotten,
    world::Half,
};
use crate::{
    plane::Pace,
    provider::{Effect, Entropy, Reply},
    providers::{groups, resources},
    scene::Scene,
    stage::Stage,
    write,
};

/// Deepest nesting of deployments in deployments.
const NESTING_MAX: usize = 5;
/// What a nested deployment gets from the one around it.
#[derive(Clone)]
pub(super) struct Outer {
    inputs: Rc<Inputs>,
    loops: Vec<(String, i64)>,
    depth: usize,
}

/// A deployment whose template has been read.
pub(super) struct Deployment {
    id: ResourceId,
    scope: ResourceId,
    location: Option<String>,
    pub(super) body: Body,
    pub(super) inputs: Rc<Inputs>,
    /// The loops around a nested template without inputs of its own.
    loops: Vec<(String, i64)>,
    pub(super) plan: Vec<Planned>,
    depth: usize,
}

impl Deployment {
    /// Reads parameters, variables and resources; nothing is deployed yet.
    ///
    /// # Errors
    /// `InvalidTemplate`.
    pub(super) fn read(scene: &Scene<'_>, id: &ResourceId, body: Body, outer: Option<Outer>) -> Result<Self, ArmError> {
        let scope = id.parent().unwrap_or_else(|| id.clone());
        let world = Half { scene, estate: scene.estate, scope: &scope, name: id.name(), location: None };
        let depth = outer.as_ref().map_or(0, |outer| outer.depth);
        let budget: Rc<Budget> = outer.as_ref().map(|outer| outer.inputs.budget()).unwrap_or_default();
        let (inputs, loops) = match outer {
            Some(outer) if !body.inner => (Rc::new(outer.inputs.shared()), outer.loops),
            _ => {
                let inputs = template::read_inputs(&world, &body.template, &body.parameters, budget);
                (inputs.map_err(template::Problem::invalid)?, Vec::new())
            }
        };
        let expressions = Scope::new(&world, Rc::clone(&inputs)).within(&loops);
        let plan = template::plan(&expressions, &body.template).map_err(template::Problem::invalid)?;
        Ok(Self { id: id.clone(), scope, location: None, body, inputs, loops, plan, depth })
    }

    /// What can be told of the resources before any is written: where they lie.
    ///
    /// # Errors
    /// `InvalidTemplateDeployment` with a detail for each resource.
    pub(super) fn preflight(&self, scene: &Scene<'_>) -> Result<(), ArmError> {
        let world = self.world(scene, scene.estate);
        let mut details = Vec::new();
        for planned in &self.plan {
            let scope = Scope::new(&world, Rc::clone(&self.inputs)).within(&planned.loops);
            let location = match planned.declared.get("location").map(|location| scope.value(location)) {
                // What needs the state of a resource is looked at when its turn comes.
                Some(Err(_)) => continue,
                Some(Ok(location)) => json!({"location": location}),
                None => json!({}),
            };
            let existing = scene.estate.get(&planned.id).map(AsRef::as_ref);
            if let Err(refusal) = resources::check_location(&planned.id, &location, existing) {
                details.push(refusal.with_target(planned.id.as_str()));
            }
        }
        if details.is_empty() {
            return Ok(());
        }
        let mut error = ArmError::bad_request(
            "InvalidTemplateDeployment",
            format!(
                "The template deployment '{}' is not valid according to the validation procedure. See inner errors for details.",
                self.id.name()
            ),
        );
        error.details = details;
        Err(error)
    }

    fn world<'a>(&'a self, scene: &'a Scene<'a>, estate: &'a Estate) -> Half<'a> {
        Half { scene, estate, scope: &self.scope, name: self.id.name(), location: self.location.as_deref() }
    }

    /// The body that a `PUT` of a planned resource would have.
    fn body_of(&self, scene: &Scene<'_>, estate: &Estate, planned: &Planned) -> Result<Value, ArmError> {
        let world = self.world(scene, estate);
        let scope = Scope::new(&world, Rc::clone(&self.inputs)).at_runtime().within(&planned.loops);
        planned.body(|value| scope.value(value)).map(Value::Object).map_err(|problem| problem.of_resource(&planned.id))
    }

    /// Writes one resource by the path that its `PUT` takes.
    fn write(
        &self,
        scene: &Scene<'_>,
        stage: &Stage,
        planned: &Planned,
        entropy: &mut Entropy,
    ) -> Result<Effect, ArmError> {
        let body = self.body_of(scene, stage.estate(), planned)?;
        // Nothing of a deployment waits for another part of it.
        let scene = Scene { estate: stage.estate(), pace: Pace::Instant, ..*scene };
        let id = scene.canonical(&planned.id);
        let existing = scene.estate.get(&id).map(AsRef::as_ref);
        scene.check_put(&id, &body, existing)?;
        if Kind::of(&id) != Kind::Deployment {
            return write::effect_of_put(&scene, &id, Vec::new(), body, entropy);
        }
        if self.depth >= NESTING_MAX {
            return Err(ArmError::bad_request(
                "InvalidTemplate",
                format!("Deployments are nested deeper than {NESTING_MAX} levels."),
            ));
        }
        let outer = Outer { inputs: Rc::clone(&self.inputs), loops: planned.loops.clone(), depth: self.depth + 1 };
        deploy(&scene, &id, &body, Some(outer), entropy)
    }
}

/// Deploys: what a `PUT` of the deployment `id` leads to.
///
/// # Errors
/// When the template makes no sense; a resource that is refused is a failure of the effect instead.
pub(crate) fn put(scene: &Scene<'_>, id: &ResourceId, body: &Value, entropy: &mut Entropy) -> Result<Effect, ArmError> {
    deploy(scene, id, body, None, entropy)
}

pub(super) fn deploy(
    scene: &Scene<'_>,
    id: &ResourceId,
    body: &Value,
    outer: Option<Outer>,
    entropy: &mut Entropy,
) -> Result<Effect, ArmError> {
    check(scene, id, body)?;
    let mut deployment = Deployment::read(scene, id, Body::read(body)?, outer)?;
    deployment.location = body["location"].as_str().map(str::to_owned);
    deployment.preflight(scene)?;
    let mut document = Document::new(id, &deployment, scene, body, entropy);
    let mut stage = Stage::new(scene.estate);
    let mut failures: Vec<ArmError> = Vec::new();
    let mut unmade: BTreeSet<ResourceId> = BTreeSet::new();
    let mut takes = Duration::ZERO;
    let mut written = Vec::new();
    for planned in &deployment.plan {
        if planned.depends_on.iter().any(|id| unmade.contains(id)) {
            unmade.insert(planned.id.clone());
            continue;
        }
        let outcome = deployment.write(scene, &stage, planned, entropy).and_then(|effect| {
            takes = takes.max(effect.azure_takes);
            let created = effect.reply == Reply::Created;
            effect.changes.into_iter().for_each(|change| stage.change(change));
            effect.failure.map_or(Ok(if created { StatusCode::CREATED } else { StatusCode::OK }), Err)
        });
        document.note(scene, Some(&planned.id), outcome.as_ref().copied(), entropy);
        match outcome {
            Ok(_) => written.push(planned.id.clone()),
            Err(refusal) => {
                unmade.insert(planned.id.clone());
                let target = refusal.target.clone().unwrap_or_else(|| planned.id.to_string());
                failures.push(refusal.with_target(target));
            }
        }
    }
    if failures.is_empty() && deployment.body.mode == Mode::Complete {
        failures.extend(sweep(scene, &deployment, &mut stage, entropy));
    }
    if failures.is_empty() {
        let world = deployment.world(scene, stage.estate());
        let scope = Scope::new(&world, Rc::clone(&deployment.inputs)).at_runtime().within(&deployment.loops);
        match template::outputs(&scope, &deployment.body.template) {
            Ok(outputs) => {
                document.note(scene, None, Ok(StatusCode::OK), entropy);
                document.set("outputs", outputs);
            }
            Err(problem) => {
                let refusal = problem.of_outputs();
                document.note(scene, None, Err(&refusal), entropy);
                failures.push(refusal);
            }
        }
    }
    document.set("outputResources", written.iter().map(|id| json!({"id": stage_id(&stage, id)})).collect());
    let failure = (!failures.is_empty()).then(|| failed(id, failures));
    document.set("provisioningState", json!(if failure.is_some() { "Failed" } else { "Succeeded" }));
    if let Some(failure) = &failure {
        document.set("error", crate::wire::envelope(failure));
    }
    document.set("duration", json!(format!("PT{}S", takes.as_secs())));
    for old in forgotten(scene, id) {
        stage.change(Change::Delete(old));
    }
    stage.put(document.into_resource(id, &deployment.body.template));
    let reply = if scene.estate.contains(id) { Reply::Updated } else { Reply::Created };
    let mut effect = Effect::new(stage.into_changes(), reply);
    (effect.azure_takes, effect.failure) = (takes, failure);
    Ok(effect)
}

/// The id as it is stored, in the spelling it has there.
fn stage_id(stage: &Stage, id: &ResourceId) -> ResourceId {
    stage.estate().get(id).map_or_else(|| id.clone(), |resource| resource.id().clone())
}

/// Deletes what a `Complete` deployment does not name. What was refused.
fn sweep(scene: &Scene<'_>, deployment: &Deployment, stage: &mut Stage, entropy: &mut Entropy) -> Vec<ArmError> {
    if Kind::of(&deployment.scope) != Kind::ResourceGroup {
        return vec![ArmError::bad_request(
            "InvalidDeploymentMode",
            "The deployment mode 'Complete' is only supported for deployments at resource group scope.",
        )];
    }
    let named: BTreeSet<&ResourceId> = deployment.plan.iter().map(|planned| &planned.id).collect();
    let estate = stage.estate().clone();
    let left = estate.below(&deployment.scope).filter(|resource| {
        resource.id().parent().as_ref() == Some(&deployment.scope)
            && resource.kind() != Kind::Deployment
            && !named.contains(resource.id())
            && !made_by_named(&estate, resource.id(), &named)
    });
    let left: Vec<ResourceId> = left.map(|resource| resource.id().clone()).take(RESOURCES_MAX).collect();
    let mut request = scene.request(&deployment.scope, Vec::new(), json!({}), entropy);
    match groups::delete_each(&mut request, &estate, left) {
        Ok(deleted) => {
            deleted.changes.into_iter().for_each(|change| stage.change(change));
            Vec::new()
        }
        Err(refusals) => refusals.into_iter().map(|(id, refusal)| refusal.with_target(id.as_str())).collect(),
    }
}

/// What came into being with a named resource and is held by it stays: disks and interfaces.
fn made_by_named(estate: &Estate, id: &ResourceId, named: &BTreeSet<&ResourceId>) -> bool {
    let document = estate.get(id).map(|resource| resource.document().value()).unwrap_or_default();
    let document = Json::new(&document);
    [document.get("managedBy").id(), document.at("properties.privateEndpoint").id()]
        .into_iter()
        .flatten()
        .any(|owner| named.contains(&owner))
}

fn failed(id: &ResourceId, details: Vec<ArmError>) -> ArmError {
    let mut error = ArmError::conflict(
        "DeploymentFailed",
        "At least one resource deployment operation failed. Please list deployment operations for details. Please see https://aka.ms/arm-deployment-operations for usage details.",
    )
    .with_target(id.as_str());
    error.details = details;
    error
}

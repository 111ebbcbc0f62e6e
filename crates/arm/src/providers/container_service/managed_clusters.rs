//! `Microsoft.ContainerService/managedClusters`: what clients may ask of a cluster.

use azure::{ArmError, Estate, Json, Resource};
use serde_json::{Value, json};

use super::{
    access,
    cluster::Cluster,
    keys, kubeconfig,
    kubeconfig::Audience,
    pool::Pool,
    refusal,
    versions::{self, Version},
};
use crate::{
    provider::{Effect, Provider, Reply, Request, Work, unknown_action},
    stage::Stage,
};

/// Seconds AKS takes, for `--pace azure`.
mod seconds {
    pub(super) const CREATE: u64 = 240;
    pub(super) const UPDATE: u64 = 60;
    pub(super) const DELETE: u64 = 180;
    pub(super) const POWER: u64 = 120;
    pub(super) const ROTATE: u64 = 600;
}

/// The type as AKS itself spells it in its replies; ARM's listings have the usual spelling.
const WIRE_TYPE: &str = "Microsoft.ContainerService/ManagedClusters";

/// The provider of managed clusters.
pub struct ManagedClusters;

impl Provider for ManagedClusters {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut stage = Stage::new(request.estate);
        if let Some(existing) = existing {
            refuse_stopped(&Cluster::load(request, existing)?, "update")?;
        }
        let cluster = Cluster::wish(request, existing, &mut stage)?;
        cluster.realise(&mut stage, request.entropy)?;
        let (reply, takes) = match existing {
            None => (Reply::Created, seconds::CREATE),
            Some(_) => (Reply::Updated, seconds::UPDATE),
        };
        Ok(Effect::new(stage.into_changes(), reply).taking(takes))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let mut stage = Stage::new(request.estate);
        Cluster::load(request, existing)?.remove(request, &mut stage)?;
        Ok(Effect::new(stage.into_changes(), Reply::Done).taking(seconds::DELETE))
    }

    fn action(&self, request: &mut Request<'_>, existing: &Resource, action: &str) -> Result<Effect, ArmError> {
        let credentials =
            |request: &Request<'_>, audience| kubeconfig::list(request, existing, audience).map(Effect::read);
        match action {
            "listclusterusercredential" => credentials(request, Audience::User),
            "listclusteradmincredential" => credentials(request, Audience::Admin),
            "listclustermonitoringusercredential" => credentials(request, Audience::MonitoringUser),
            "start" => power(request, existing, true),
            "stop" => power(request, existing, false),
            "rotateclustercertificates" => rotate(request, existing),
            "runcommand" => run_command(request, existing),
            "resolveprivatelinkserviceid" => resolve_service(request, existing).map(Effect::read),
            _ => match action.strip_prefix("accessprofiles/").and_then(|rest| rest.strip_suffix("/listcredential")) {
                Some(role) => kubeconfig::access_profile(request, existing, role).map(Effect::read),
                None => Err(unknown_action(request.id, action)),
            },
        }
    }

    fn view(&self, request: &mut Request<'_>, existing: &Resource, view: &str) -> Result<Value, ArmError> {
        match view {
            "upgradeprofiles/default" => upgrade_profile(request, existing),
            "availableagentpoolversions" => available_versions(request, existing),
            "privatelinkresources" => Ok(json!({"value": private_link_resources(request.estate, existing)})),
            "privatelinkresources/management" => private_link_resources(request.estate, existing)
                .pop()
                .ok_or_else(|| crate::provider::not_found(request.id)),
            _ => match view.strip_prefix("accessprofiles/") {
                Some(role) => kubeconfig::access_profile(request, existing, role),
                None => {
                    Err(ArmError::not_found("NotFound", format!("The cluster '{}' has no '{view}'.", existing.id())))
                }
            },
        }
    }

    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        let mut document = resource.document().value();
        document["type"] = json!(WIRE_TYPE);
        let profiles = document["properties"]["agentPoolProfiles"].as_array_mut();
        for profile in profiles.into_iter().flatten() {
            let Some(name) = profile["name"].as_str() else { continue };
            let Some(pool) = estate.get(&resource.id().child("agentPools", name)) else { continue };
            let properties = pool.document().value()["properties"].take();
            if let (Value::Object(profile), Value::Object(properties)) = (profile, properties) {
                profile.extend(properties);
            }
        }
        document
    }
}

fn power(request: &mut Request<'_>, existing: &Resource, start: bool) -> Result<Effect, ArmError> {
    let mut cluster = Cluster::load(request, existing)?;
    if cluster.is_running() == start {
        return Err(refusal::power_state_unchanged(start));
    }
    cluster.set_power(if start { "Running" } else { "Stopped" });
    cluster.state.stopped_at = (!start).then(|| request.now.to_string());
    let mut stage = Stage::new(request.estate);
    cluster.realise(&mut stage, request.entropy)?;
    Ok(Effect::new(stage.into_changes(), Reply::Done).taking(seconds::POWER))
}

fn rotate(request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
    let mut cluster = Cluster::load(request, existing)?;
    refuse_stopped(&cluster, "rotate the certificates of")?;
    cluster.state.credentials = keys::issue(request.now)?;
    let mut stage = Stage::new(request.estate);
    cluster.realise(&mut stage, request.entropy)?;
    Ok(Effect::new(stage.into_changes(), Reply::Done).taking(seconds::ROTATE))
}

fn run_command(request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
    let cluster = Cluster::load(request, existing)?;
    refuse_stopped(&cluster, "run a command in")?;
    let document = existing.document().value();
    if Json::new(&document).at("properties.apiServerAccessProfile.disableRunCommand").flag() == Some(true) {
        return Err(refusal::operation_not_allowed("Run command is disabled for this cluster."));
    }
    let body = Json::new(&request.body);
    let command = body.get("command").text().ok_or_else(|| refusal::missing_parameter("command"))?.to_owned();
    let context = body.get("context").text().unwrap_or_default().to_owned();
    let work = Work::RunCommand { cluster: existing.id().clone(), command, context };
    Ok(Effect { work: Some(work), ..Effect::new(Vec::new(), Reply::Done) })
}

/// Refuses what only a running cluster does.
pub(super) fn refuse_stopped(cluster: &Cluster, act: &str) -> Result<(), ArmError> {
    if cluster.is_running() {
        return Ok(());
    }
    Err(refusal::operation_not_allowed(format!("Cannot {act} a stopped cluster. Start it first.")))
}

/// What was asked, with the private link service behind the cluster's private endpoints: in a subscription of
/// AKS's own, where nobody else sees it (specification: "exposed only to NRP internally").
fn resolve_service(request: &mut Request<'_>, existing: &Resource) -> Result<Value, ArmError> {
    let cluster = Cluster::load(request, existing)?;
    let mut reply = request.body.clone();
    if !reply.is_object() {
        reply = json!({});
    }
    if let Some(service) = cluster.private_link_service() {
        reply["privateLinkServiceID"] = json!(service);
    }
    Ok(reply)
}

fn upgrade_profile(request: &Request<'_>, existing: &Resource) -> Result<Value, ArmError> {
    let cluster = Cluster::load(request, existing)?;
    let current = cluster.current_version();
    let pools: Vec<Value> = cluster.pools.iter().map(|pool| pool_upgrades(pool, current)).collect();
    Ok(json!({
        "id": format!("{}/upgradeprofiles/default", existing.id()),
        "name": "default",
        "type": "Microsoft.ContainerService/managedClusters/upgradeprofiles",
        "properties": {
            "controlPlaneProfile": {
                "kubernetesVersion": current.to_string(),
                "osType": "Linux",
                "upgrades": versions::upgrade_list(current.upgrades()),
            },
            "agentPoolProfiles": pools,
        },
    }))
}

fn pool_upgrades(pool: &Pool, control_plane: Version) -> Value {
    let current = pool.version.current;
    json!({
        "name": pool.id.name(),
        "kubernetesVersion": current.to_string(),
        "osType": pool.os_type(),
        "upgrades": versions::upgrade_list(current.upgrades().filter(|next| *next <= control_plane)),
    })
}

fn available_versions(request: &Request<'_>, existing: &Resource) -> Result<Value, ArmError> {
    let current = Cluster::load(request, existing)?.current_version();
    let listed = versions::pool_versions(current).into_iter().map(|version| {
        let mut listed = json!({"kubernetesVersion": version.to_string()});
        if version == current {
            listed["default"] = json!(true);
        }
        listed
    });
    Ok(json!({
        "id": format!("{}/availableAgentPoolVersions", existing.id()),
        "name": "default",
        "type": "Microsoft.ContainerService/managedClusters/availableAgentPoolVersions",
        "properties": {"agentPoolVersions": listed.collect::<Vec<_>>()},
    }))
}

fn private_link_resources(estate: &Estate, cluster: &Resource) -> Vec<Value> {
    let private = estate.managed_cluster(cluster.id()).is_some_and(|model| model.private);
    let mut resource = access::private_link_resource();
    resource["id"] = json!(format!("{}/privateLinkResources/management", cluster.id()));
    if private { vec![resource] } else { Vec::new() }
}

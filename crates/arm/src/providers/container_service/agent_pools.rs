//! `Microsoft.ContainerService/managedClusters/agentPools`: every write goes through the cluster,
//! whose invariants it must keep.

use azure::{ArmError, Resource};
use serde_json::{Value, json};

use super::{cluster::Cluster, managed_clusters::refuse_stopped, refusal, versions};
use crate::{
    provider::{Effect, Provider, Reply, Request, unknown_action},
    stage::Stage,
};

/// Seconds AKS takes for a pool, for `--pace azure`.
const TAKES_S: u64 = 120;

/// The provider of agent pools.
pub struct AgentPools;

/// The cluster of the pool that a request is about.
fn load(request: &Request<'_>) -> Result<Cluster, ArmError> {
    let parent = request.id.parent().and_then(|parent| request.estate.get(&parent));
    Cluster::load(request, parent.ok_or_else(|| crate::provider::not_found(request.id))?)
}

fn realise(cluster: Cluster, mut stage: Stage, request: &mut Request<'_>, reply: Reply) -> Result<Effect, ArmError> {
    cluster.realise(&mut stage, request.entropy)?;
    Ok(Effect::new(stage.into_changes(), reply).taking(TAKES_S))
}

impl Provider for AgentPools {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut cluster = load(request)?;
        refuse_stopped(&cluster, "change an agent pool of")?;
        let fields = request.body.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let name = existing.map_or(request.id, Resource::id).name().to_owned();
        cluster.put_pool(request, &name, fields)?;
        let reply = if existing.is_some() { Reply::Updated } else { Reply::Created };
        realise(cluster, Stage::new(request.estate), request, reply)
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let mut cluster = load(request)?;
        refuse_stopped(&cluster, "delete an agent pool of")?;
        cluster.pools.retain(|pool| pool.id != *existing.id());
        if !cluster.pools.iter().any(super::pool::Pool::is_system) {
            return Err(refusal::no_system_pool());
        }
        let mut stage = Stage::new(request.estate);
        stage.delete_tree(existing.id());
        realise(cluster, stage, request, Reply::Done)
    }

    fn action(&self, request: &mut Request<'_>, existing: &Resource, action: &str) -> Result<Effect, ArmError> {
        if action != "upgradenodeimageversion" {
            return Err(unknown_action(request.id, action));
        }
        let mut cluster = load(request)?;
        refuse_stopped(&cluster, "upgrade the node image of")?;
        for pool in cluster.pools.iter_mut().filter(|pool| pool.id == *existing.id()) {
            pool.renew_image(request.now);
        }
        // The client wants the pool back: a 204 is an error to it.
        realise(cluster, Stage::new(request.estate), request, Reply::Updated)
    }

    fn view(&self, request: &mut Request<'_>, existing: &Resource, view: &str) -> Result<Value, ArmError> {
        if view != "upgradeprofiles/default" {
            return Err(ArmError::not_found(
                "NotFound",
                format!("The agent pool '{}' has no '{view}'.", existing.id()),
            ));
        }
        let parent = existing.id().parent().and_then(|parent| request.estate.get(&parent));
        let cluster = Cluster::load(request, parent.ok_or_else(|| crate::provider::not_found(request.id))?)?;
        let control_plane = cluster.current_version();
        let pool = super::pool::Pool::of(existing);
        let upgrades = pool.version.current.upgrades().filter(|next| *next <= control_plane);
        Ok(json!({
            "id": format!("{}/upgradeProfiles/default", existing.id()),
            "name": "default",
            "type": "Microsoft.ContainerService/managedClusters/agentPools/upgradeProfiles",
            "properties": {
                "kubernetesVersion": pool.version.current.to_string(),
                "osType": pool.os_type(),
                "upgrades": versions::upgrade_list(upgrades),
                "latestNodeImageVersion": pool.latest_image(request.now),
            },
        }))
    }
}

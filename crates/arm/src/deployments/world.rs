//! What a template can ask of the estate it is deployed into, as it is at that moment.

use azure::{Estate, Kind, ResourceId};
use serde_json::{Value, json};
use template::{Problem, World};

use crate::{
    entra,
    provider::{Entropy, Reply, Request},
    providers,
    providers::resources,
    scene::Scene,
};

/// The estate half way through a deployment.
pub(super) struct Half<'a> {
    pub(super) scene: &'a Scene<'a>,
    /// The estate with what has been deployed so far.
    pub(super) estate: &'a Estate,
    /// Where the deployment goes.
    pub(super) scope: &'a ResourceId,
    /// The deployment's name and location.
    pub(super) name: &'a str,
    pub(super) location: Option<&'a str>,
}

impl World for Half<'_> {
    fn scope(&self) -> &ResourceId {
        self.scope
    }

    fn resource_group(&self) -> Result<Value, Problem> {
        let group = self.estate.get(self.scope).filter(|group| group.kind() == Kind::ResourceGroup);
        group.map(|group| group.document().value()).ok_or_else(|| {
            Problem::new(
                "The template function 'RESOURCEGROUP' is not expected at this location. Please see https://aka.ms/arm-functions for usage details.",
            )
        })
    }

    fn subscription(&self) -> Value {
        resources::subscription(self.scene.lab)
    }

    fn tenant(&self) -> Value {
        json!({"tenantId": self.scene.lab.tenant, "countryCode": "JP", "displayName": entra::TENANT_NAME})
    }

    fn environment(&self) -> Value {
        entra::cloud(&self.scene.lab.base_url)
    }

    fn deployment(&self) -> Value {
        let mut deployment = json!({
            "name": self.name,
            "properties": {"mode": "Incremental", "provisioningState": "Accepted"},
        });
        if let Some(location) = self.location {
            deployment["location"] = json!(location);
        }
        deployment
    }

    fn reference(&self, id: &ResourceId, full: bool) -> Result<Value, Problem> {
        let resource = self.estate.get(id).ok_or_else(|| missing(id))?;
        let mut document = providers::of(resource.kind()).render(self.estate, resource);
        Ok(if full { document } else { document["properties"].take() })
    }

    fn list(&self, id: &ResourceId, action: &str, body: Value) -> Result<Value, Problem> {
        let resource = self.estate.get(id).ok_or_else(|| missing(id))?;
        let mut entropy = Entropy::from_system();
        let mut request = Request {
            estate: self.estate,
            id: resource.id(),
            body,
            query: Vec::new(),
            lab: self.scene.lab,
            now: self.scene.now,
            entropy: &mut entropy,
        };
        let effect = providers::of(resource.kind())
            .action(&mut request, resource, action)
            .map_err(|refusal| Problem::new(refusal.message))?;
        match effect.reply {
            Reply::Ok(value) if effect.changes.is_empty() => Ok(value),
            _ => Err(Problem::new(format!("The action '{action}' of the resource '{id}' does not only read."))),
        }
    }

    fn now(&self) -> jiff::Timestamp {
        self.scene.now
    }

    fn new_guid(&self) -> String {
        Entropy::from_system().guid()
    }
}

fn missing(id: &ResourceId) -> Problem {
    Problem::new(crate::provider::not_found(id).message)
}

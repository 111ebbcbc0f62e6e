//! One resource: its id, its document, and what the model understands of it.

use std::fmt;

use serde_json::Value;

use crate::{
    Document, Finding, Kind, ResourceId, lower,
    model::{Model, PrivateDnsZoneMode},
};

/// A resource at one revision. Immutable: a change makes a new one.
///
/// `Debug` leaves the hidden document out: it holds credentials.
#[derive(Clone, PartialEq)]
pub struct Resource {
    id: ResourceId,
    kind: Kind,
    document: Document,
    hidden: Document,
    model: Model,
    findings: Vec<Finding>,
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("id", &self.id).field("document", &self.document).finish_non_exhaustive()
    }
}

impl Resource {
    /// A resource from its document, without hidden state.
    pub fn new(id: ResourceId, document: &Value) -> Self {
        Self::with_hidden(id, document, &Value::Object(serde_json::Map::new()))
    }

    /// A resource from its document and what the service knows of it but does not show
    /// (for example a public cluster's address). `hidden` is a JSON object.
    pub fn with_hidden(id: ResourceId, document: &Value, hidden: &Value) -> Self {
        Self::lowered(id, (Document::new(document), document), (Document::new(hidden), hidden))
    }

    /// The resource that has these documents.
    pub fn from_documents(id: ResourceId, document: Document, hidden: Document) -> Self {
        let (document_value, hidden_value) = (document.value(), hidden.value());
        Self::lowered(id, (document, &document_value), (hidden, &hidden_value))
    }

    /// Documents come as texts and as values, whichever of them is already there.
    fn lowered(id: ResourceId, document: (Document, &Value), hidden: (Document, &Value)) -> Self {
        let kind = Kind::of(&id);
        let (model, findings) = lower(&id, document.1, hidden.1);
        Self { id, kind, document: document.0, hidden: hidden.0, model, findings }
    }

    /// The resource's id.
    pub fn id(&self) -> &ResourceId {
        &self.id
    }

    /// The resource's kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The document as clients see it, without embedded children.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What the service knows and does not show: a cluster's credentials and public address.
    pub fn hidden(&self) -> &Document {
        &self.hidden
    }

    /// The typed view.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What was wrong with the document.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The resources this one refers to, other than its parents.
    pub fn references(&self) -> Vec<&ResourceId> {
        match &self.model {
            Model::Subnet(subnet) => subnet.network_security_group.iter().chain(&subnet.route_table).collect(),
            Model::Peering(peering) => vec![&peering.remote],
            Model::NetworkInterface(nic) => nic
                .ip_configurations
                .iter()
                .flat_map(|configuration| std::iter::once(&configuration.subnet).chain(&configuration.public_address))
                .chain(&nic.private_endpoint)
                .chain(&nic.network_security_group)
                .collect(),
            Model::VirtualMachine(machine) => machine.network_interfaces.iter().collect(),
            Model::PrivateEndpoint(endpoint) => {
                endpoint.subnet.iter().chain(&endpoint.service).chain(&endpoint.network_interfaces).collect()
            }
            Model::VirtualNetworkLink(link) => vec![&link.virtual_network],
            Model::ManagedCluster(cluster) => {
                let zone = match &cluster.zone {
                    PrivateDnsZoneMode::Own(zone) => Some(zone),
                    PrivateDnsZoneMode::System | PrivateDnsZoneMode::None => None,
                };
                zone.into_iter().chain(&cluster.node_resource_group).collect()
            }
            Model::AgentPool(pool) => pool.subnet.iter().collect(),
            Model::VirtualNetworkGateway(gateway) => gateway.subnet.iter().chain(&gateway.public_address).collect(),
            Model::Connection(connection) => vec![&connection.gateway, &connection.local],
            Model::DnsResolver(resolver) => vec![&resolver.virtual_network],
            Model::InboundEndpoint(endpoint) => vec![&endpoint.subnet],
            Model::OutboundEndpoint(endpoint) => vec![&endpoint.subnet],
            Model::ForwardingRuleset(ruleset) => ruleset.outbound_endpoints.iter().collect(),
            Model::RulesetLink(link) => vec![&link.virtual_network],
            Model::LabClient(client) => client.gateway.iter().chain(&client.site).collect(),
            Model::ResourceGroup
            | Model::VirtualNetwork(_)
            | Model::PublicIpAddress(_)
            | Model::NetworkSecurityGroup(_)
            | Model::SecurityRule(_)
            | Model::RouteTable(_)
            | Model::Route(_)
            | Model::PrivateDnsZone(_)
            | Model::RecordSet(_)
            | Model::LocalNetworkGateway(_)
            | Model::ForwardingRule(_)
            | Model::UserAssignedIdentity(_)
            | Model::RoleAssignment(_)
            | Model::Unmodelled => Vec::new(),
        }
    }
}

//! What a gateway's point-to-site server is to do. A pure view of the estate, for the assembly that
//! runs the server.

use std::{collections::BTreeSet, net::Ipv4Addr};

use azure::{Estate, Json, Kind, Resource, ResourceId, model::Model};
use ipnet::Ipv4Net;
use pki::{Identity, Redacted};

use super::{super::peerings, client_configuration::root_certificate, keys::GatewayState};

/// The TCP port of a gateway's server.
pub const PORT: u16 = 443;

/// Everything that running a gateway's point-to-site server takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointToSite {
    /// Tells this gateway from any other that has or had its id.
    pub uid: String,
    /// The network the clients get into.
    pub virtual_network: ResourceId,
    /// The gateway's public address; absent while its public IP address has none.
    pub public_address: Option<Ipv4Addr>,
    /// The server's certificate and key.
    pub server: Identity,
    /// The certificates, PEM, one of which must have signed a client's. Without any no client gets in.
    pub client_roots: Vec<String>,
    /// SHA-1 thumbprints of client certificates that are refused, upper-case hexadecimal.
    pub revoked_thumbprints: BTreeSet<String>,
    /// The static key that clients and server share.
    pub tls_auth: Redacted<String>,
    /// Where clients get their addresses. Not empty.
    pub pool: Vec<Ipv4Net>,
    /// What clients reach through the tunnel: the network, its custom routes, and the peered
    /// networks that use this gateway.
    pub routes: Vec<Ipv4Net>,
    /// The network's custom DNS servers; none when it uses Azure-provided DNS, which clients
    /// outside Azure cannot ask.
    pub dns_servers: Vec<Ipv4Addr>,
}

/// The point-to-site server of `gateway`; `None` when it has no client address pool, no network, or
/// was not made by this plane.
pub fn point_to_site(estate: &Estate, gateway: &ResourceId) -> Option<PointToSite> {
    let resource = estate.get(gateway)?;
    let model = estate.virtual_network_gateway(gateway).filter(|model| !model.client_address_pool.is_empty())?;
    let state = GatewayState::of(resource)?;
    let id = model.subnet.as_ref()?.parent()?;
    let network = estate.virtual_network(&id)?;
    let document = resource.document().value();
    let roots = Json::new(&document).at("properties.vpnClientConfiguration.vpnClientRootCertificates");
    let public = model.public_address.as_ref().and_then(|id| estate.public_ip_address(id));
    let mut routes: Vec<Ipv4Net> = Vec::new();
    let wanted = [&network.address_space, &model.custom_routes];
    for prefix in wanted.into_iter().flatten().copied().chain(transit_spaces(estate, &id)) {
        if !routes.contains(&prefix) {
            routes.push(prefix);
        }
    }
    Some(PointToSite {
        uid: state.uid,
        virtual_network: id,
        public_address: public.and_then(|public| public.address),
        server: state.server,
        client_roots: roots.items().filter_map(|root| root_certificate(root)?.pem().ok()).collect(),
        revoked_thumbprints: model.revoked_thumbprints.iter().cloned().collect(),
        tls_auth: state.tls_auth,
        pool: model.client_address_pool.clone(),
        routes,
        dns_servers: network.dns_servers.clone(),
    })
}

/// What this network knows of the peered networks that use its gateway. The same rule as the
/// router's (`network`), which says where a client's packets really go.
fn transit_spaces(estate: &Estate, network: &ResourceId) -> Vec<Ipv4Net> {
    let mut spaces = Vec::new();
    for half in estate.children(network, Kind::Peering) {
        let Model::Peering(near) = half.model() else { continue };
        let far = peerings::other_half(estate, network, &near.remote).map(Resource::model);
        let Some(Model::Peering(far)) = far else { continue };
        let open = [near, far].iter().all(|half| half.allow_virtual_network_access && !half.disconnected);
        if !open || !near.allow_gateway_transit || !far.use_remote_gateways {
            continue;
        }
        match estate.virtual_network(&near.remote) {
            Some(remote) if near.remote_address_space.is_empty() => spaces.extend(&remote.address_space),
            Some(_) => spaces.extend(&near.remote_address_space),
            None => {}
        }
    }
    spaces
}

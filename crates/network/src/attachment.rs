//! How a vantage is attached to the fabric: where its packets enter and with which source address.

use std::net::Ipv4Addr;

use azure::{Estate, ResourceId, addressing, model::Model};

use crate::{
    disposition::Disposition,
    network::{Client, Network},
    vantage::Vantage,
    virtual_network::{Gateway, Interface, Subnet, VirtualNetwork},
};

/// The address from which machines in Azure without a public address reach the Internet.
pub const DEFAULT_OUTBOUND_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 254);
/// The address of a host on the Internet that says nothing else.
pub const INTERNET_HOST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 253);

/// A place in a subnet from which packets leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat<'a> {
    pub(crate) network: &'a VirtualNetwork,
    pub(crate) subnet: &'a Subnet,
    pub(crate) address: Ipv4Addr,
    /// The interface there; a subnet's vantage has none.
    pub(crate) interface: Option<&'a Interface>,
}

impl<'a> Seat<'a> {
    /// The seat of whoever is at an address of a network.
    pub(crate) fn at(network: &'a VirtualNetwork, address: Ipv4Addr) -> Option<Self> {
        let interface = network.interfaces.get(&address)?;
        Some(Self { network, subnet: network.subnet(&interface.subnet)?, address, interface: Some(interface) })
    }

    /// Whether this is the same place of the same network.
    pub(crate) fn is(&self, other: &Seat<'_>) -> bool {
        self.address == other.address && self.network.id == other.network.id
    }

    /// The address by which the Internet knows it.
    pub(crate) fn public_address(&self) -> Ipv4Addr {
        self.interface.and_then(|interface| interface.public_address).unwrap_or(DEFAULT_OUTBOUND_ADDRESS)
    }
}

/// How a vantage is attached.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attachment<'a> {
    /// Inside a virtual network.
    Inside(Seat<'a>),
    /// Behind a gateway of this network, as a point-to-site client.
    Vpn { network: &'a VirtualNetwork, gateway: &'a Gateway, address: Ipv4Addr, public: Ipv4Addr },
    /// In a site, at this address of it.
    Site { site: &'a ResourceId, address: Ipv4Addr, public: Ipv4Addr },
    /// On the Internet.
    Internet { public: Ipv4Addr },
}

impl Attachment<'_> {
    /// Its source address where it stands.
    pub(crate) fn address(&self) -> Ipv4Addr {
        match self {
            Self::Inside(seat) => seat.address,
            Self::Vpn { address, .. } | Self::Site { address, .. } => *address,
            Self::Internet { public } => *public,
        }
    }
}

impl Network {
    /// The source address of what a client at `vantage` sends into its network: the interface's, one
    /// of the subnet's that nobody has, one of the gateway's client address pool, a machine's in its
    /// site, or a public one.
    pub fn source_address(&self, vantage: &Vantage) -> Option<Ipv4Addr> {
        self.attachment(vantage).ok().map(|attachment| attachment.address())
    }

    pub(crate) fn attachment(&self, vantage: &Vantage) -> Result<Attachment<'_>, Disposition> {
        let found = match vantage {
            Vantage::Internet => Some(Attachment::Internet { public: INTERNET_HOST_ADDRESS }),
            Vantage::Subnet(id) => self.subnet_seat(id).map(Attachment::Inside),
            Vantage::Interface(id) => self.interface_seat(id).map(Attachment::Inside),
            Vantage::VpnClient(gateway) => self.vpn(gateway, INTERNET_HOST_ADDRESS),
            Vantage::Client(id) => self.client(id).and_then(|client| self.client_attachment(client)),
        };
        found.ok_or(Disposition::NoVantage)
    }

    fn client_attachment<'a>(&'a self, client: &'a Client) -> Option<Attachment<'a>> {
        let public = client.public_address.unwrap_or(INTERNET_HOST_ADDRESS);
        match (&client.gateway, &client.site, client.address) {
            (Some(gateway), ..) => self.vpn(gateway, public),
            (None, Some(site), Some(address)) => Some(Attachment::Site { site, address, public }),
            (None, Some(_), None) => None,
            (None, None, _) => Some(Attachment::Internet { public }),
        }
    }

    fn vpn(&self, id: &ResourceId, public: Ipv4Addr) -> Option<Attachment<'_>> {
        let network = self.gateway_network(id)?;
        let gateway = network.gateway.as_ref()?;
        // The first address is the gateway's own end of the tunnel.
        let address = gateway.client_address_pool.first()?.hosts().nth(1)?;
        Some(Attachment::Vpn { network, gateway, address, public })
    }

    fn interface_seat(&self, id: &ResourceId) -> Option<Seat<'_>> {
        let configuration = self.estate.network_interface(id)?.ip_configurations.first()?;
        self.seat(&configuration.subnet, configuration.address?)
    }

    pub(crate) fn subnet_seat(&self, id: &ResourceId) -> Option<Seat<'_>> {
        self.seat(id, free_address(&self.estate, id)?)
    }

    fn seat(&self, subnet: &ResourceId, address: Ipv4Addr) -> Option<Seat<'_>> {
        let network = self.virtual_networks.get(&subnet.parent()?)?;
        let interface = network.interfaces.get(&address);
        Some(Seat { network, subnet: network.subnet(subnet)?, address, interface })
    }

    /// The machine in a site that has this address.
    pub(crate) fn site_machine(&self, site: &ResourceId, address: Ipv4Addr) -> Option<&ResourceId> {
        self.estate.referrers(site).find_map(|referrer| match referrer.model() {
            Model::LabClient(client)
                if client.gateway.is_none()
                    && client.site.as_ref() == Some(site)
                    && client.address == Some(address) =>
            {
                Some(referrer.id())
            }
            _ => None,
        })
    }
}

/// The highest address of a subnet that a machine could have and none has.
fn free_address(estate: &Estate, subnet: &ResourceId) -> Option<Ipv4Addr> {
    let prefix = *estate.subnet(subnet)?.prefixes.first()?;
    let taken = addressing::taken(estate, subnet);
    let last = u32::from(prefix.broadcast());
    (u32::from(prefix.network())..=last)
        .rev()
        .map(Ipv4Addr::from)
        .find(|address| addressing::is_assignable(prefix, *address) && !taken.contains(address))
}

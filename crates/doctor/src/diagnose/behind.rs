//! What may lie behind a symptom, and only the Azure side can tell apart: the codes `noren explain` decides between.
//!
//! Each list is the mapping from what can be seen here to what explain says of the same client. A story stages both
//! and fails where explain names a cause that is neither the doctor's own code nor in its list.

/// A name is in no zone that is asked from here.
pub(super) const UNKNOWN_NAME: &[&str] = &[
    "ZONE_NOT_LINKED_TO_CLIENT_VNET",
    "CUSTOM_DNS_BYPASSES_ZONE",
    "PRIVATE_DNS_ZONE_NONE_BUT_NAME_CACHED",
    "AUTO_LINK_CONFLICT",
    "RECORD_NOT_MANAGED_FOR_EXTRA_PE",
];

/// A private name is unknown, and so is the public one.
pub(super) const NO_NAME: &[&str] = &["PUBLIC_FQDN_DISABLED", "CLUSTER_STOPPED", "CLUSTER_DELETED_OR_RECREATED"];

/// Besides [`UNKNOWN_NAME`]: the public name resolves, and its address is not reached either.
pub(super) const NO_WAY_EITHER: &[&str] = &["NO_ROUTE_FROM_HERE"];

/// The zone that answers does not have the name.
pub(super) const NO_RECORD: &[&str] = &["CLUSTER_STOPPED", "CLUSTER_DELETED_OR_RECREATED", "DUPLICATE_ZONE_OVERLAP"];

/// Public DNS does not have the public name.
pub(super) const NO_PUBLIC_NAME: &[&str] = &["CLUSTER_STOPPED", "CLUSTER_DELETED_OR_RECREATED"];

/// Servers that do not forward the zone to one that has it.
pub(super) const FORWARDED_WRONG: &[&str] = &["ZONE_NOT_LINKED_TO_CLIENT_VNET", "FORWARDER_UNREACHABLE"];

/// Nothing comes back, and nothing here says that packets arrive.
pub(super) const NO_ROUTE: &[&str] = &[
    "LINKED_BUT_NOT_PEERED",
    "PEERING_NOT_TRANSITIVE",
    "PEERING_INCOMPLETE",
    "PEERING_DENIES_ACCESS",
    "PEERING_REFUSES_FORWARDED_TRAFFIC",
    "NOT_GATEWAY_TRANSIT",
    "UDR_DROPS",
    "UDR_NO_GATEWAY",
    "UDR_LOOP",
    "UDR_NVA_UNREACHABLE",
    "UDR_NVA_ASYMMETRIC",
    "NSG_OR_FIREWALL_BLOCKS_443",
    "ADDRESS_SPACE_OVERLAP",
    "PE_CONNECTION_PENDING",
    "PE_CONNECTION_REJECTED",
    "PE_CONNECTION_DISCONNECTED",
    "RECORD_NOT_MANAGED_FOR_EXTRA_PE",
    "STALE_RECORD_AFTER_STOP_START",
];

/// Nothing comes back, though packets must arrive in the network.
pub(super) const DROPPED: &[&str] = &[
    "PE_CONNECTION_PENDING",
    "PE_CONNECTION_REJECTED",
    "PE_CONNECTION_DISCONNECTED",
    "UDR_DROPS",
    "UDR_NVA_UNREACHABLE",
    "UDR_NVA_ASYMMETRIC",
    "STALE_RECORD_AFTER_STOP_START",
];

/// A hosts file gives an address that nothing answers at, in a network that is reached.
pub(super) const NOT_STALE: &[&str] = &["NSG_OR_FIREWALL_BLOCKS_443", "PE_CONNECTION_PENDING"];

/// No configured DNS server gives an answer.
pub(super) const SILENT: &[&str] = &["DNS_SERVER_UNREACHABLE", "ON_PREM_FORWARD_TO_168", "FORWARDER_UNREACHABLE"];

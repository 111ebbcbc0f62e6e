//! Vantages: the places a client can stand.

use std::fmt;

use azure::ResourceId;
use serde::Serialize;

/// A place from which names are asked and connections are made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "id")]
pub enum Vantage {
    /// A public host with no connection to any virtual network.
    Internet,
    /// A network interface: the machine behind it.
    Interface(ResourceId),
    /// Any machine in a subnet.
    Subnet(ResourceId),
    /// A point-to-site client of this gateway, without a hosts file.
    VpnClient(ResourceId),
    /// A machine outside Azure that the lab knows by name (`Noren.Lab/clients`).
    Client(ResourceId),
}

impl Vantage {
    /// The resource this vantage stands at; the Internet has none.
    pub fn resource(&self) -> Option<&ResourceId> {
        match self {
            Self::Internet => None,
            Self::Interface(id) | Self::Subnet(id) | Self::VpnClient(id) | Self::Client(id) => Some(id),
        }
    }

    /// A stable key, unique among vantages: what port assignments are stored under.
    pub fn key(&self) -> String {
        self.resource().map_or_else(|| "internet".to_owned(), |id| id.key().to_owned())
    }

    /// The short name people type: `internet`, a NIC's, gateway's or client's name, or
    /// `<network>/<subnet>`.
    pub fn name(&self) -> String {
        match self {
            Self::Internet => "internet".to_owned(),
            Self::Subnet(id) => {
                let network = id.parent();
                format!("{}/{}", network.as_ref().map_or("", ResourceId::name), id.name())
            }
            Self::Interface(id) | Self::VpnClient(id) | Self::Client(id) => id.name().to_owned(),
        }
    }

    /// What kind of place it is, in words.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Internet => "Internet",
            Self::Interface(_) => "network interface",
            Self::Subnet(_) => "subnet",
            Self::VpnClient(_) => "VPN client",
            Self::Client(_) => "machine outside Azure",
        }
    }

    /// Whether `text` names this vantage: its short name, `<group>/<short name>` or its full id,
    /// in any case.
    pub fn matches(&self, text: &str) -> bool {
        let name = self.name();
        text.eq_ignore_ascii_case(&name)
            || self.resource().is_some_and(|id| {
                id.key().eq_ignore_ascii_case(text)
                    || id.group_name().is_some_and(|group| text.eq_ignore_ascii_case(&format!("{group}/{name}")))
            })
    }
}

impl fmt::Display for Vantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// Why a text names no vantage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VantageError {
    /// Nothing has this name.
    #[error("there is no vantage `{text}`")]
    Unknown {
        /// The text as given.
        text: String,
        /// Names that exist, at most ten.
        known: Vec<String>,
    },
    /// More than one has it.
    #[error("`{text}` names more than one vantage")]
    Ambiguous {
        /// The text as given.
        text: String,
        /// The full ids that match.
        candidates: Vec<String>,
    },
}

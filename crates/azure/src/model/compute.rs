//! Virtual machines.

use crate::ResourceId;

/// `Microsoft.Compute/virtualMachines`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VirtualMachine {
    /// `networkProfile.networkInterfaces`, the primary one first.
    pub network_interfaces: Vec<ResourceId>,
    /// Whether it runs; a stopped or deallocated machine sends and answers nothing.
    pub running: bool,
}

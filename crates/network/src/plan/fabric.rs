//! What the whole kernel must look like at one revision.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::types::{Namespace, Place, Veth};

/// Every namespace and every veth pair.
#[derive(Debug, Clone, Default)]
pub struct Fabric {
    /// The namespaces.
    pub namespaces: OrdMap<Place, Arc<Namespace>>,
    /// The pairs between them.
    pub veths: OrdSet<Veth>,
}

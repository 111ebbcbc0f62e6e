//! Which provider answers for which kind of resource.

use azure::Kind;

use crate::provider::Provider;

/// A resource that is nothing but its document.
struct Plain;

impl Provider for Plain {}

/// The provider of `kind`.
pub fn of(kind: Kind) -> &'static dyn Provider {
    match kind {
        _ => &Plain,
    }
}

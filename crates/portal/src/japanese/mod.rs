//! What other crates say in English, said in Japanese: steps and ends of a path, causes, changes. Each is said
//! from the value it stands for, never from the English sentence; a value without words here does not compile.
//! The terms are those of the Azure portal in Japanese.

mod cause;
mod change;
mod trace;

use azure::ResourceId;

pub use cause::{shown_because, title};
pub use change::change;
pub use trace::{connection, end, responder, step};

/// Several things in one place.
fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// The name of what holds a resource.
fn parent(id: &ResourceId) -> String {
    id.parent().map_or_else(String::new, |parent| parent.name().to_owned())
}

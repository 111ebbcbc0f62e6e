//! The doctor: from where it runs, with a kubeconfig and nothing else, what keeps `kubectl` from the API server.
//!
//! Probes (effects, [`observe`]) gather one immutable value, [`Observations`]; [`diagnose`], a pure function, names
//! exactly one root cause or none. Text and JSON are renderings of these two values. The doctor changes nothing, and
//! sends what is secret to the kubeconfig's own, verified server only.

pub mod address;
mod code;
mod diagnose;
mod kubeconfig;
pub mod observation;
mod probe;
pub mod proxy;
mod render;
pub mod resolvers;

pub use code::Code;
pub use diagnose::{Diagnosis, Finding, Fix, diagnose};
pub use kubeconfig::{Access, ClientCertificate, Exec, KubeconfigError, Proof, load};
pub use observation::Observations;
pub use probe::{Depth, Lookup, Progress, Surroundings, observe, system_lookup};
pub use render::{SCHEMA, json, text};

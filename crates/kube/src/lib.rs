//! The embedded Kubernetes API server behind every cluster's endpoint.
//!
//! One process serves thousands of clusters: objects live in the store, not in memory, and nothing
//! is kept for a cluster that nobody talks to. A client is known by a certificate of the cluster's
//! authority, by one of its tokens or by that of a service account; everything else is 401. What they
//! may do, `rbac` decides.
//!
//! Where something else is a cluster's control plane, `relay` hands requests on to it: the door stays this one.
//!
//! `registry` has a row for each kind, `custom` reads those that users bring; `api` turns a request into an
//! answer; `objects` reads and writes with optimistic concurrency, `deletion` deletes; `controllers` makes pods of
//! deployments; `object`, `defaults`, `validation`, `patch`, `managed_fields`, `selector` and `table` are pure.

mod admission;
mod api;
mod audit;
mod authentication;
mod body;
mod compression;
mod connection;
mod controllers;
mod convert;
mod custom;
mod defaults;
mod deletion;
mod discovery;
mod eviction;
mod expressions;
mod fairness;
mod health;
mod kinds;
mod managed_fields;
mod metrics;
mod nodes;
mod notices;
mod object;
mod objects;
mod observed;
mod openapi;
mod pages;
mod patch;
mod protobuf;
mod quantity;
mod raw;
mod rbac;
mod registry;
mod relay;
mod request;
mod reviews;
mod scale;
mod schedule;
mod seed;
mod selector;
mod server;
mod services;
mod spec;
mod status;
mod system;
mod table;
mod tokens;
mod validation;
mod watch;

pub use audit::{AuditLevel, AuditLog};
pub use relay::{Upstream, UpstreamError, UpstreamSpec};
pub use server::{ApiServer, Clock, ServeError};
pub use spec::{Capacity, ClusterSpec, NodeSpec, TokenUser};

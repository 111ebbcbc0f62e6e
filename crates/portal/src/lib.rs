//! The portal: a web page that shows a lab as the Azure portal would, and says beside everything why
//! it is so.
//!
//! [`view`] turns a compiled [`network::Network`] into what a page shows: pure, without HTML.
//! [`page`] turns that into HTML; [`router`] knows which page is where; [`server`] serves it on a
//! loopback listener behind the [`door`]. Who answers a name and what connects is `network`'s to
//! say, and why is `explain`'s; what somebody changes goes through ARM, by [`Lab::arm`].

mod assets;
pub mod door;
pub mod japanese;
pub mod lab;
pub mod language;
pub mod page;
pub mod router;
pub mod server;
pub mod view;

pub use door::Door;
pub use lab::{BoxFuture, KubernetesQuestion, Lab, Lists, Method, Operation, OperationState, Refusal, Unreachable};
pub use language::Language;
pub use router::Portal;
pub use server::serve;

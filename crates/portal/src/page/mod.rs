//! Pages as HTML: what a view holds, in the reader's language. Nothing is decided here.

mod activity;
mod cluster;
mod clusters;
mod frame;
mod kubernetes;
mod matrix;
mod networks;
mod parts;
mod path;
mod picture;
mod question;
mod told;
mod zones;

pub use activity::activity;
pub use cluster::cluster;
pub use clusters::clusters;
pub use frame::{Page, Reader, Section, document, entered, message};
pub use kubernetes::{Answer, kubernetes};
pub use matrix::matrix;
pub use networks::{network, networks};
pub use parts::{Part, href};
pub use path::{Asked, path};
pub use picture::{svg, topology};
pub use question::places;
pub use zones::{zone, zones};

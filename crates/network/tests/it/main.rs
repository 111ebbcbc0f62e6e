//! Stories about the compiled network, told through its public interface.

mod article;
mod incremental;
mod names;
mod routes;

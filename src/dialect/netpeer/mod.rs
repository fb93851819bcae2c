//! net-peer: the hub as an always-on member of the TCP mesh.
//!
//! Source of truth: `PROTOCOLS.md` section 4.

mod mesh;

pub use mesh::Mesh;

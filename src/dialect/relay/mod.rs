//! peer-relay: the hub as an always-on node of the relay network.
//!
//! Source of truth: `PROTOCOLS.md` section 3.

mod node;

pub use node::Node;

//! peer-relay: the hub as an always-on node of the relay network.
//!
//! Source of truth: `PROTOCOLS.md` section 3, read off the package `peer-relay` 0.0.2 (`lib/client.js`, `lib/router.js`,
//! `lib/ws.js`).
//!
//! # How a message goes
//! [`Node::hear`] has `inbound` read it; [`routing::Router`] says whether it is new and where it goes next; `outbound`
//! writes it once, with this node in its path, for all of these. What is for this node itself ends in `node`.
//!
//! # Quirks
//! - The first message of either side is its id, `{"type":"Buffer","data":[…]}`; a string of 40 digits is taken too
//!   (`greeting.txt`). Later ids are hexadecimal; relays of the original pass on `to` and `from` as such Buffers, which
//!   are taken and passed on as digits (`relayed.txt`).
//! - A bad message is dropped and counted; this dialect has no words in which to tell its sender. Only a bad greeting
//!   ends the connection, since without an id nothing can be done with it.
//! - Where the original sends to its connection nearest to the last-known next hop, which may be anybody, this node sends
//!   to that hop alone, if it is connected. The hop is the node that a message came from, which honest nodes have written
//!   at the end of its path.
//! - Nobody's next hop being known, a message also goes to two nodes that are known to pass messages on, those nearest to
//!   its target: in a network of stars the two nearest of all are leaves more often than not (`relays.txt`).
//! - A message whose target is not connected, come while some newcomer's id is awaited, is kept for that newcomer: the
//!   original tells its application of a connection when it has read the other's id, which may be before the other has
//!   read its own (`newcomer.txt`).
//! - When the older of two connections of one node is closed, the newer one takes its place. In the original the end of
//!   either ends both; so this node never dials a node that it is connected to.

mod calls;
pub mod inbound;
mod known;
mod link;
mod memory;
mod node;
pub mod node_id;
pub mod outbound;
pub mod routing;

pub use node::Node;

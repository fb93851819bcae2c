//! net-peer: the hub as the member of the TCP mesh that is always there.
//!
//! Source of truth: `PROTOCOLS.md` section 4, and the file `src/Peer.ts` of caioreigot/net-peer. One JSON object a line,
//! `{senderName, type, content}`. The hub accepts connections and dials nobody. What is pinned by the transcripts in
//! `tests/transcripts/netpeer`: the lines byte for byte, who is listed to whom, every refusal, and what becomes of the
//! state.
//!
//! # Whether the hub lists itself
//! It does not. A newcomer that has dialled the hub knows it already, by the address that it dialled; and it connects to
//! every host of the list that it is given. With the hub on that list it would come a second time, be refused for its own
//! name, and on the close of that second connection forget the hub, since it forgets hosts by address and port. The other
//! members list the hub, because each of them has dialled it: so who enters through any of them finds the hub.
//!
//! # Which port it announces
//! The one that was dialled, on each connection. A member compares the port of the hub's presentation with the one that it
//! dialled, and takes the hub for a stranger if they differ. A client that has dialled `localhost` does so in any case (the
//! name is not the address that it sees): it presents itself once more on the same connection, which the hub takes for what
//! it is.
//!
//! # The state
//! The hub has no opinion about the state of the mesh: it hands on, as it came, what a member told last. Before it tells a
//! newcomer, it asks a member, for a bounded time, since applications change the state without telling the hub.
//!
//! - `mesh` — who is there and what is answered; `inbound` — a line → what it says; `outbound` — what is told → a line

pub mod inbound;
mod mesh;
mod outbound;

pub use mesh::{Mesh, MeshStatus};

use crate::hub::command::PeerFault;

/// What is wrong with a host that comes without TLS to a hub that wants it.
pub fn without_tls() -> PeerFault {
    PeerFault::new("E_PLAINTEXT", "Come with TLS.")
}

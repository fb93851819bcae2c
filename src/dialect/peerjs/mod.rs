//! PeerJS signalling: the role of a PeerServer.
//!
//! Source of truth: `PROTOCOLS.md` section 2.

mod realm;

pub use realm::Realm;

use crate::config::Config;

/// Whether this is the path at which PeerJS clients open their WebSockets.
pub fn is_socket_path(path: &str, config: &Config) -> bool {
    let base = config.peerjs.path.trim_end_matches('/');
    path.strip_prefix(base) == Some("/peerjs")
}

//! PeerJS signalling: the role of a PeerServer.
//!
//! Source of truth: `PROTOCOLS.md` section 2, and the behaviour of npm `peer` 1.0.2.
//!
//! - `query` — what a URL says; `inbound` — text → command; `outbound` — what clients are told → text
//! - `realm` — the clients, a world of ids for each key; `client` — one of them; `check` — what must always hold
//! - `waiting` — messages for those who are not there
//!
//! # Words
//! - *letter*: a message that waits; *queue*: the letters that wait for one client, or that were posted by one which has
//!   not come yet
//! - *registered*: a client that is found under its id
//!
//! # Quirks, and the talks in `tests/transcripts/peerjs` that pin them
//! - A client that says `LEAVE` to nobody gives its id up, but its connection stays and may go on speaking under that id
//!   for as long as nobody else has it; from then on it is read over (`leave.txt`). PeerServer lets it speak, and even
//!   unregister, in the other's name.
//! - `ERROR` makes PeerJS end itself and all its connections. So a client that is open is told it only for what no PeerJS
//!   sends: text that is no message of any type. Messages without a destination, which it sends when a page connects to
//!   `undefined`, are counted and read over, as by PeerServer (`wrong.txt`).
//! - No letters ever wait for a registered client: they are delivered when it registers. So there is nothing to drop when
//!   a silent client is removed; what PeerServer drops then is always empty.
//! - Any message is a sign of life, not only `HEARTBEAT` (`alive.txt`): a client of the 0.3 line sends no heartbeats.
//! - What has no room to wait is answered with `EXPIRE` at once, once per sender and destination within an expire timeout
//!   (`tests/limits_peerjs.rs`).
//! - A number is no id. PeerServer lets what is sent to one wait until it expires; here that is said at once
//!   (`wrong.txt`).
//! - A message to a client whose connection ends in the same tick, before the next reap, is answered with `LEAVE`: it was
//!   never sent (`undelivered` in `realm`). From the reap on the client is absent, and messages wait for it.
//! - Clients of the 0.3 line post what they have to say before their WebSocket opens. It is said when they come
//!   (`posted.txt`).

mod check;
mod client;
pub mod inbound;
mod outbound;
pub mod query;
mod realm;
mod waiting;

pub use realm::{Author, Posting, Realm};

use crate::config::Config;

/// The path at which PeerJS clients open their WebSockets.
pub fn socket_path(config: &Config) -> String {
    format!("{}/peerjs", base(config))
}

/// The path below which everything of PeerJS lies, without a slash at its end.
pub fn base(config: &Config) -> &str {
    config.peerjs.path.trim_end_matches('/')
}

/// Whether this is the path at which PeerJS clients open their WebSockets.
pub fn is_socket_path(path: &str, config: &Config) -> bool {
    path.strip_prefix(base(config)) == Some("/peerjs")
}

/// Whether an upgrade at another path than the right one comes from a PeerJS client all the same: its query says so.
pub fn is_lost_client(path: &str, query: &str) -> bool {
    let asked = query::Asked::read(query);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.ends_with("/peerjs") && asked.id.is_some() && asked.token.is_some() && asked.key.is_some()
}

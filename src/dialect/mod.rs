//! Messages ↔ commands and events (steps 4 and 8 of the message path): one folder for each wire protocol.
//!
//! Pure. Dialects never import one another. An unknown path of a WebSocket upgrade belongs to the hub's own protocol.
//! Source: `PROTOCOLS.md`, the table of paths.

pub mod ok;

/// What a WebSocket connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// ok-peerhub, the hub's own protocol.
    Ok,
    /// Plain echo, for diagnostics and conformance suites.
    Echo,
}

impl Dialect {
    /// The dialect of an upgrade on this path (without query). `echo` says whether the echo is on.
    pub fn of_path(path: &str, echo: bool) -> Dialect {
        match path {
            "/echo" if echo => Dialect::Echo,
            _ => Dialect::Ok,
        }
    }
}

//! Messages ↔ commands and events (steps 4 and 8 of the message path): one folder for each wire protocol.
//!
//! Pure. Dialects never import one another. The hub's own protocol (`ok`) leads to [`Hub`](crate::hub::Hub). Each of the
//! others is a *world* of its own, which nobody leaves: ids and groups of different worlds never meet. A world's folder
//! has `mod.rs` (source of truth, quirks), `inbound.rs` (text → command), `outbound.rs` (what is told → text), and its
//! state in a file that is named for what the hub is in that world. [`Worlds`] is all of them; what they have to say they
//! leave in the [`Mail`] that they are lent. `json` is what they have in common.
//!
//! Source: `PROTOCOLS.md`, the table of paths.

mod json;
pub mod mail;
pub mod netpeer;
pub mod ok;
pub mod peerjs;
pub mod peero;
pub mod relay;

pub use mail::{Act, Mail};

use crate::config::Config;
use crate::hub::Millis;
use crate::hub::command::PeerFault;
use crate::hub::id::FreshIds;
use crate::index::{ClientKey, ConnKey, HostKey, LinkKey, VisitorKey};
use std::hash::RandomState;
use std::net::SocketAddr;

/// What a WebSocket connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// ok-peerhub, the hub's own protocol.
    Ok,
    /// PeerJS.
    PeerJs,
    /// peer-relay.
    Relay,
    /// peero.
    Peero,
    /// Plain echo, for diagnostics and conformance suites.
    Echo,
}

impl Dialect {
    /// The name by which tokens allow it.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Ok => "ok",
            Dialect::PeerJs => "peerjs",
            Dialect::Relay => "peer-relay",
            Dialect::Peero => "peero",
            Dialect::Echo => "echo",
        }
    }

    /// The dialect of an upgrade on this path, among those that are on. An unknown path belongs to the hub's own
    /// protocol.
    ///
    /// # Errors
    /// The client evidently speaks PeerJS, but not here.
    pub fn of_path(path: &str, query: Option<&str>, config: &Config) -> Result<Dialect, Lost> {
        let speaks_peerjs = |query| peerjs::is_lost_client(path, query);
        Ok(match path {
            "/echo" if config.echo => Dialect::Echo,
            "/peer-relay" if config.relay.on => Dialect::Relay,
            "/peero" if config.peero.on => Dialect::Peero,
            _ if config.peerjs.on && query.is_some() && peerjs::is_socket_path(path, config) => {
                Dialect::PeerJs
            }
            _ if query.is_some_and(speaks_peerjs) => {
                return Err(match config.peerjs.on {
                    true => Lost::Elsewhere(peerjs::socket_path(config)),
                    false => Lost::Off,
                });
            }
            _ => Dialect::Ok,
        })
    }
}

/// Why a PeerJS client is not where it meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// This path is the right one.
    Elsewhere(String),
    /// PeerJS is not spoken on this port.
    Off,
}

/// Everybody who speaks something other than the hub's own protocol.
#[derive(Debug)]
pub struct Worlds {
    /// PeerJS, if it is spoken.
    pub peerjs: Option<peerjs::Realm>,
    relay: Option<relay::Node>,
    netpeer: Option<netpeer::Mesh>,
    peero: Option<peero::Lobby>,
}

/// One of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// Of PeerJS.
    PeerJs(ClientKey),
    /// Of peer-relay.
    Relay(LinkKey),
    /// Of net-peer.
    NetPeer(HostKey),
    /// Of peero.
    Peero(VisitorKey),
}

/// A connection that comes into a world.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The connection.
    pub conn: ConnKey,
    /// Where it comes from: what others can reach it at, IPv4 in IPv6 as IPv4.
    pub remote: SocketAddr,
    /// The port that it has come to.
    pub local_port: u16,
    /// What its URL says after the `?`.
    pub query: &'a str,
    /// Its token fixes the id that the URL names, which is so its own.
    pub has_fixed_id: bool,
}

/// What a world is lent while it works on one thing.
#[derive(Debug)]
pub struct Lent<'a> {
    /// The present, ms of a clock that never goes back.
    pub now: Millis,
    /// Fresh ids and random numbers.
    pub ids: &'a mut FreshIds,
    /// Takes what the world has to say.
    pub mail: &'a mut Mail,
}

impl Worlds {
    /// The worlds that are on. `hasher` keys the maps whose keys peers choose.
    pub fn new(config: &Config, hasher: &RandomState, now: Millis, ids: &mut FreshIds) -> Worlds {
        Worlds {
            peerjs: config
                .peerjs
                .on
                .then(|| peerjs::Realm::new(config, hasher.clone(), now)),
            relay: config
                .relay
                .on
                .then(|| relay::Node::new(config, hasher.clone(), now, ids)),
            netpeer: config
                .netpeer
                .on
                .then(|| netpeer::Mesh::new(config, hasher.clone())),
            peero: config
                .peero
                .on
                .then(|| peero::Lobby::new(config, hasher.clone())),
        }
    }

    /// Whether plain lines of JSON are spoken.
    pub fn takes_lines(&self) -> bool {
        self.netpeer.is_some()
    }

    /// A WebSocket of this dialect has opened. None if it has no place in that world and has been told so, or if the
    /// dialect is none of a world.
    pub fn join(
        &mut self,
        dialect: Dialect,
        arrival: Arrival<'_>,
        lent: Lent<'_>,
    ) -> Option<Member> {
        match dialect {
            Dialect::PeerJs => self
                .peerjs
                .as_mut()?
                .join(arrival, lent)
                .map(Member::PeerJs),
            Dialect::Relay => self.relay.as_mut()?.join(arrival, lent).map(Member::Relay),
            Dialect::Peero => self.peero.as_mut()?.join(arrival, lent).map(Member::Peero),
            Dialect::Ok | Dialect::Echo => None,
        }
    }

    /// A connection has begun to speak lines of JSON. None if it has no place and has been told so.
    pub fn join_lines(&mut self, arrival: Arrival<'_>, lent: Lent<'_>) -> Option<Member> {
        let mesh = self.netpeer.as_mut()?;
        mesh.join(arrival, lent).map(Member::NetPeer)
    }

    /// Tells a connection that has begun to speak lines of JSON why it has no place.
    pub fn turn_lines_away(&mut self, conn: ConnKey, why: &str, lent: Lent<'_>) {
        if let Some(mesh) = &self.netpeer {
            mesh.refuse(conn, why, lent);
        }
    }

    /// A member has sent a message. A fault is its own; `complain` tells it.
    pub fn hear(&mut self, member: Member, text: &str, lent: Lent<'_>) -> Result<(), PeerFault> {
        match member {
            Member::PeerJs(client) => self.realm().hear(client, text, lent),
            Member::Relay(link) => self.node().hear(link, text, lent),
            Member::NetPeer(host) => self.mesh().hear(host, text, lent),
            Member::Peero(visitor) => self.lobby().hear(visitor, text, lent),
        }
    }

    /// Tells a member what is wrong with what it has sent, if its dialect has words for that.
    pub fn complain(&mut self, member: Member, fault: &PeerFault, lent: Lent<'_>) {
        match member {
            Member::PeerJs(client) => self.realm().complain(client, fault, lent),
            Member::Peero(visitor) => self.lobby().complain(visitor, fault, lent),
            // A node has no words for it, and a host is told by what ends its connection.
            Member::Relay(_) | Member::NetPeer(_) => {}
        }
    }

    /// What this message of a member passed on has reached nobody, since the connection that it was for is ending.
    pub fn undelivered(&mut self, member: Member, text: &str, lent: Lent<'_>) {
        match member {
            Member::PeerJs(client) => self.realm().undelivered(client, text, lent),
            // These have no word for it.
            Member::Relay(_) | Member::NetPeer(_) | Member::Peero(_) => {}
        }
    }

    /// A message of a member is larger than any may be, or has not come in time, and its connection is about to end for
    /// that: it is told, if its dialect has words for it. A WebSocket has its own.
    pub fn overrun(&mut self, member: Member, fault: &PeerFault, lent: Lent<'_>) {
        match member {
            Member::NetPeer(host) => self.mesh().overrun(host, fault, lent),
            Member::PeerJs(_) | Member::Relay(_) | Member::Peero(_) => {}
        }
    }

    /// A member's connection is ending: the member is forgotten, and those who must know are told.
    pub fn depart(&mut self, member: Member, lent: Lent<'_>) {
        match member {
            Member::PeerJs(client) => self.realm().depart(client, lent),
            Member::Relay(link) => self.node().depart(link, lent),
            Member::NetPeer(host) => self.mesh().depart(host, lent),
            Member::Peero(visitor) => self.lobby().depart(visitor, lent),
        }
    }

    /// Whom a member wished to be connected to is there, at the end of this connection: it is a member from now on.
    pub fn reach(&mut self, member: Member, conn: ConnKey, lent: Lent<'_>) {
        match member {
            Member::Relay(link) => self.node().reach(link, conn, lent),
            Member::PeerJs(_) | Member::NetPeer(_) | Member::Peero(_) => {
                unreachable!("only relay nodes dial")
            }
        }
    }

    /// Whom a member wished to be connected to cannot be reached: it is no member, and never was.
    pub fn miss(&mut self, member: Member, lent: Lent<'_>) {
        match member {
            Member::Relay(link) => self.node().miss(link, lent),
            Member::PeerJs(_) | Member::NetPeer(_) | Member::Peero(_) => {
                unreachable!("only relay nodes dial")
            }
        }
    }

    /// Does what has become due.
    pub fn expire(&mut self, Lent { now, ids, mail }: Lent<'_>) {
        if let Some(realm) = &mut self.peerjs {
            realm.expire(Lent { now, ids, mail });
        }
        if let Some(node) = &mut self.relay {
            node.expire(Lent { now, ids, mail });
        }
        if let Some(mesh) = &mut self.netpeer {
            mesh.expire(Lent { now, ids, mail });
        }
    }

    /// When `expire` has something to do next; never late, sometimes early.
    pub fn next_deadline(&self) -> Option<Millis> {
        let deadlines = [
            self.peerjs.as_ref().and_then(peerjs::Realm::next_deadline),
            self.relay.as_ref().and_then(relay::Node::next_deadline),
            self.netpeer.as_ref().and_then(netpeer::Mesh::next_deadline),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// How many there are of what in the mesh of net-peer, if it is spoken.
    pub fn mesh_status(&self) -> Option<netpeer::MeshStatus> {
        self.netpeer.as_ref().map(netpeer::Mesh::status)
    }

    /// How many members there are, of all worlds.
    pub fn member_count(&self) -> usize {
        self.peerjs.as_ref().map_or(0, peerjs::Realm::member_count)
            + self.relay.as_ref().map_or(0, relay::Node::member_count)
            + self.netpeer.as_ref().map_or(0, netpeer::Mesh::member_count)
            + self.peero.as_ref().map_or(0, peero::Lobby::member_count)
    }

    /// How many are told of whoever comes into the world of this dialect. O(1).
    pub fn audience(&self, dialect: Dialect) -> usize {
        match dialect {
            Dialect::Peero => self.peero.as_ref().map_or(0, peero::Lobby::member_count),
            Dialect::Ok | Dialect::PeerJs | Dialect::Relay | Dialect::Echo => 0,
        }
    }

    /// Bytes of all that is kept for those who are absent.
    pub fn waiting_bytes(&self) -> usize {
        self.peerjs.as_ref().map_or(0, peerjs::Realm::waiting_bytes)
            + self.relay.as_ref().map_or(0, relay::Node::waiting_bytes)
    }

    /// Panics if a world contradicts itself or exceeds a bound. For tests; O(everything).
    #[doc(hidden)]
    pub fn check(&self) {
        if let Some(realm) = &self.peerjs {
            realm.check();
        }
        if let Some(node) = &self.relay {
            node.check();
        }
        if let Some(mesh) = &self.netpeer {
            mesh.check();
        }
        if let Some(lobby) = &self.peero {
            lobby.check();
        }
    }

    fn realm(&mut self) -> &mut peerjs::Realm {
        self.peerjs.as_mut().expect(IS_ON)
    }

    fn node(&mut self) -> &mut relay::Node {
        self.relay.as_mut().expect(IS_ON)
    }

    fn mesh(&mut self) -> &mut netpeer::Mesh {
        self.netpeer.as_mut().expect(IS_ON)
    }

    fn lobby(&mut self) -> &mut peero::Lobby {
        self.peero.as_mut().expect(IS_ON)
    }
}

/// Why a member's world is there: `join` and `join_lines` make members of no other.
const IS_ON: &str = "a member's world is on";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_dialects() {
        let mut config = Config::default();
        config.peerjs.path = "/app".to_owned();
        let client = Some("key=k&id=a&token=t");
        let lost = || Err(Lost::Elsewhere("/app/peerjs".to_owned()));
        for (path, query, dialect) in [
            ("/", None, Ok(Dialect::Ok)),
            ("/app/peerjs", client, Ok(Dialect::PeerJs)),
            ("/app/peerjs", Some(""), Ok(Dialect::PeerJs)),
            ("/app/peerjs", None, Ok(Dialect::Ok)),
            ("/peerjs", client, lost()),
            ("/app/peerjs/peerjs", client, lost()),
            ("/peerjs", Some("key=k&id=a"), Ok(Dialect::Ok)),
            ("/peerjs/", client, lost()),
            ("/app/peerjs/", client, lost()),
            ("/peer-relay", client, Ok(Dialect::Relay)),
            ("/peero", None, Ok(Dialect::Peero)),
            ("/echo", None, Ok(Dialect::Ok)),
        ] {
            let found = Dialect::of_path(path, query, &config);
            assert_eq!(found, dialect, "{path}?{query:?}");
        }
        config.peerjs.on = false;
        let off = Dialect::of_path("/app/peerjs", client, &config);
        assert_eq!(off, Err(Lost::Off));
    }
}

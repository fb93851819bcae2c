//! Connections that the hub opens itself, until they are WebSockets (beside steps 2 and 3 of the message path).
//!
//! A world wishes for one; whoever drives the switchboard takes the wish ([`Switchboard::next_dial`]), looks its name up,
//! connects, and hands the socket in. From then on it is a connection like any other, but that its frames go out masked.
//! Whatever becomes of it, the world is told once: reached or missed. A host's addresses are tried one after the other.

use super::Socket;
use super::conn::{Conn, Life, Party, Speech};
use super::floor::Floor;
use super::log_limit::limited;
use super::switchboard::{Switchboard, plain_address};
use crate::dialect::Member;
use crate::index::ConnKey;
use crate::wire::{DialFault, Session, Target, dial};
use log::{Level, debug};
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};

/// Somebody who is to be connected to.
#[derive(Debug)]
pub struct Dial {
    member: Member,
    url: Box<str>,
    target: Target,
    /// The host's addresses that have not been tried, once they are known.
    addresses: Option<std::vec::IntoIter<SocketAddr>>,
}

/// A wish for a connection that nobody has taken up.
#[derive(Debug)]
pub(super) enum Wish {
    /// Of a world.
    Fresh { member: Member, url: Box<str> },
    /// One of the host's addresses did not do.
    NextAddress(Dial),
}

/// A connection that is being opened.
#[derive(Debug)]
pub(super) struct Dialling {
    dial: Dial,
    /// The random part of our request, which the answer must prove to have seen.
    nonce: [u8; 16],
    /// What has come of the answer.
    answer: Vec<u8>,
}

impl Dialling {
    /// Bytes of memory that what has come of the answer takes.
    pub(super) fn held_bytes(&self) -> usize {
        self.answer.capacity()
    }
}

impl Dial {
    /// Addresses of one host that are tried.
    const ADDRESSES_MAX: usize = 8;

    fn new(member: Member, url: Box<str>) -> Result<Dial, (Member, Box<str>, DialFault)> {
        let target = match Target::parse(&url) {
            Ok(target) => target,
            Err(fault) => return Err((member, url, fault)),
        };
        let address = target.host.parse::<IpAddr>().ok();
        let addresses = address.map(|ip| vec![SocketAddr::new(ip, target.port)].into_iter());
        Ok(Dial {
            member,
            url,
            target,
            addresses,
        })
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The host and the port, if the host is a name whose addresses are not known.
    pub fn unknown_host(&self) -> Option<(&str, u16)> {
        let is_unknown = self.addresses.is_none();
        is_unknown.then_some((&*self.target.host, self.target.port))
    }

    /// The host has these addresses.
    pub fn found(&mut self, mut addresses: Vec<SocketAddr>) {
        addresses.truncate(Self::ADDRESSES_MAX);
        self.addresses = Some(addresses.into_iter());
    }

    /// The next address to try.
    pub fn next_address(&mut self) -> Option<SocketAddr> {
        self.addresses.as_mut()?.next()
    }

    fn has_more_addresses(&self) -> bool {
        self.addresses.as_ref().is_some_and(|rest| rest.len() > 0)
    }
}

/// What somebody else has called a URL and is none: cut short and escaped, it stays within a line of the log.
fn quoted(url: &str) -> String {
    format!("{:?}", url.chars().take(100).collect::<String>())
}

impl<S: Socket> Switchboard<S> {
    /// Somebody who is to be connected to: look the host up if it is unknown, connect to its next address, and hand the
    /// socket to [`Switchboard::admit_dialled`], or say what has gone wrong to [`Switchboard::miss`].
    pub fn next_dial(&mut self) -> Option<Dial> {
        while let Some(wish) = self.floor.wishes.pop_front() {
            let (member, url) = match wish {
                // Who takes leave meets nobody new.
                _ if self.floor.draining => continue,
                Wish::NextAddress(dial) => return Some(dial),
                Wish::Fresh { member, url } => (member, url),
            };
            match Dial::new(member, url) {
                Ok(dial) => return Some(dial),
                Err((member, url, fault)) => {
                    self.floor.log_miss(&quoted(&url), &fault);
                    self.floor
                        .with_worlds(|worlds, lent| worlds.miss(member, lent));
                }
            }
        }
        None
    }

    /// Takes in a socket that connects, or is connected, to one of the dialled host's addresses. Its first writable edge
    /// says that it is connected. None if there is no room for it, in which case the socket is dropped.
    pub fn admit_dialled(&mut self, dial: Dial, socket: S, remote: IpAddr) -> Option<ConnKey> {
        let floor = &mut self.floor;
        if floor.conns.len() - floor.refused_conns >= floor.connections_max {
            self.miss(dial, &"there are as many connections as there may be");
            return None;
        }
        floor.restock_ids();
        let nonce = floor.ids.take();
        let mut request = Vec::new();
        dial.target.write_request(nonce, &mut request);
        let dialling = Dialling {
            dial,
            nonce,
            answer: Vec::new(),
        };
        let conn = Conn::dialled(socket, plain_address(remote), dialling);
        let key = ConnKey::at(floor.conns.insert(conn));
        floor.say(key, |bytes| bytes.extend_from_slice(&request));
        floor.arm(key, floor.config.handshake_timeout_ms);
        Some(key)
    }

    /// A host cannot be looked up, or none of its addresses connected to.
    pub fn miss(&mut self, dial: Dial, why: &dyn Display) {
        self.floor.log_miss(&dial.url, why);
        self.floor
            .with_worlds(|worlds, lent| worlds.miss(dial.member, lent));
    }

    /// Takes in what has been read from a connection that is being opened: the first `bytes` of the read buffer.
    pub(super) fn take_in_answer(&mut self, key: ConnKey, bytes: usize) {
        let Switchboard { floor, input, .. } = self;
        let Speech::Dialling(Some(dialling)) = &mut floor.conns[key.index()].speech else {
            return;
        };
        dialling.answer.extend_from_slice(&input[..bytes]);
        let head_bytes_max = floor.config.limits.head_bytes;
        match dial::read_answer(&dialling.answer, dialling.nonce, head_bytes_max) {
            Ok(None) => {}
            Ok(Some(head_bytes)) => {
                // What follows the head has come with the last read, or the head would have been whole before.
                let following = dialling.answer.len() - head_bytes;
                floor.open_dialled(key);
                if following > 0 {
                    self.take_in_websocket(key, bytes - following..bytes);
                }
            }
            Err(fault) => floor.lose(key, &fault),
        }
    }
}

impl<S: Socket> Floor<S> {
    /// The answer has come: the connection is a WebSocket, and its world is told.
    fn open_dialled(&mut self, key: ConnKey) {
        let conn = &mut self.conns[key.index()];
        let speech = Speech::WebSocket {
            session: Session::default(),
            party: Party::Nobody,
        };
        let Speech::Dialling(Some(dialling)) = std::mem::replace(&mut conn.speech, speech) else {
            unreachable!("only what was dialled is opened");
        };
        let Dial { member, url, .. } = dialling.dial;
        limited!(
            self.dial_log,
            self.now.monotonic_ms,
            Level::Info,
            "connected to {url}"
        );
        self.begin_pings(key);
        self.with_worlds(|worlds, lent| worlds.reach(member, key, lent));
        self.enter(key, Some(member));
    }

    /// A connection that was being opened has ended: its host's next address is tried, or its world told that there is
    /// nobody.
    pub(super) fn end_dialling(&mut self, dialling: Dialling) {
        match dialling.dial {
            dial if dial.has_more_addresses() => self.wishes.push_back(Wish::NextAddress(dial)),
            Dial { member, .. } => self.with_worlds(|worlds, lent| worlds.miss(member, lent)),
        }
    }

    /// A connection is over because of this. Of one that the hub itself opens, the operator wants to know.
    pub(super) fn lose(&mut self, key: ConnKey, why: &dyn Display) {
        let conn = &self.conns[key.index()];
        match &conn.speech {
            Speech::Dialling(Some(dialling)) if conn.life != Life::Dead => {
                let place = format!("{} ({})", dialling.dial.url, conn.remote);
                self.log_miss(&place, why);
            }
            Speech::Dialling(_)
            | Speech::Http(_)
            | Speech::WebSocket { .. }
            | Speech::Lines { .. } => debug!("{key} from {}: {why}", conn.remote),
        }
        self.kill(key);
    }

    fn log_miss(&mut self, place: &str, why: &dyn Display) {
        limited!(
            self.dial_log,
            self.now.monotonic_ms,
            Level::Warn,
            "cannot connect to {place}: {why}"
        );
    }

    /// The key that a frame to this connection is masked with, if the hub is the client there: a fresh one for each.
    pub(super) fn mask_key(&mut self, key: ConnKey) -> Option<[u8; 4]> {
        if !self.conns[key.index()].dialled {
            return None;
        }
        self.restock_ids();
        Some(self.ids.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_stays_within_a_line() {
        let text = quoted(&format!("ws://a\n{}", "x".repeat(100_000)));
        assert!(text.len() < 200 && !text.contains('\n'), "{text}");
    }
}

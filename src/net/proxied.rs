//! What a trusted proxy says of a connection before anything else (before step 3 of the message path): for whom it comes.
//!
//! A step of its own at the very beginning of a connection, whatever is spoken on it afterwards; what follows the header
//! goes on from here as if it had come alone. Only bytes from a trusted proxy are looked at, and only if a setting says so.

use super::Socket;
use super::conn::{Conn, Life};
use super::floor::Floor;
use super::switchboard::{Switchboard, plain_address};
use crate::config::ProxyProtocol;
use crate::index::ConnKey;
use crate::planted;
use crate::wire::proxied::{Client, UNDECIDED_BYTES_MAX};
use crate::wire::{ProxyFault, parse_proxy_header};
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};

/// A connection that a trusted proxy has made.
#[derive(Debug)]
pub(super) enum Proxied {
    /// Its header is awaited; what has come of it.
    Awaited(Vec<u8>),
    /// It comes for a client that has this port, and has dialled this one.
    Named {
        /// The client's.
        remote_port: u16,
        /// The proxy's, in place of ours.
        local_port: u16,
    },
    /// It comes for itself, or for somebody whom it cannot name: whatever is said on it is not the proxy's word.
    Nameless,
}

/// Bytes that are read at once while the header is awaited: with what is held back, they fit the least read buffer.
pub(super) const PROXIED_READ_BYTES: usize = (1 << 10) - UNDECIDED_BYTES_MAX;

impl Proxied {
    /// Bytes of memory that an incomplete header takes.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Proxied::Awaited(begun) => begun.capacity(),
            Proxied::Named { .. } | Proxied::Nameless => 0,
        }
    }
}

impl<S> Conn<S> {
    /// Whether a header must come, or may, before anything else.
    pub(super) fn awaits_proxy_header(&self) -> bool {
        matches!(self.proxied.as_deref(), Some(Proxied::Awaited(_)))
    }

    /// Whether the connection is said to be nobody's who has a name.
    pub(super) fn is_nameless(&self) -> bool {
        matches!(self.proxied.as_deref(), Some(Proxied::Nameless))
    }

    /// The port at the client's end and the port that it has dialled, if a proxy has said so.
    pub(super) fn named_ports(&self) -> Option<(u16, u16)> {
        match self.proxied.as_deref()? {
            Proxied::Named {
                remote_port,
                local_port,
            } => Some((*remote_port, *local_port)),
            Proxied::Awaited(_) | Proxied::Nameless => None,
        }
    }

    /// Takes this for the client's address.
    pub(super) fn come_from(&mut self, address: IpAddr) {
        self.is_v6_loopback = address == IpAddr::from(Ipv6Addr::LOCALHOST);
        self.remote = plain_address(address);
    }
}

impl<S: Socket> Switchboard<S> {
    /// Takes in what has been read from a connection whose header is awaited: the first `bytes` of the read buffer. Gives
    /// how many bytes then follow the header; they are the first of the read buffer.
    pub(super) fn take_in_proxied(&mut self, key: ConnKey, bytes: usize) -> usize {
        let Switchboard { floor, input, .. } = self;
        let Some(Proxied::Awaited(held)) = floor.conns[key.index()].proxied.as_deref_mut() else {
            unreachable!("only what awaits a header comes here");
        };
        let mut begun = std::mem::take(held);
        begun.extend_from_slice(&input[..bytes]);
        let is_required = floor.config.proxy_protocol == ProxyProtocol::Require;
        let header = match parse_proxy_header(&begun) {
            Ok(None) => {
                *held = begun;
                return 0;
            }
            Ok(Some(header)) => Some(header),
            Err(ProxyFault::Missing) if !is_required => None,
            Err(fault) => {
                floor.refuse_proxy(key, &fault);
                return 0;
            }
        };
        let following = &begun[header.map_or(0, |header| header.bytes)..];
        input[..following.len()].copy_from_slice(following);
        match header.map(|header| header.client) {
            Some(Some(client)) => floor.comes_for(key, client),
            Some(None) => {
                floor.conns[key.index()].proxied = Some(Box::new(Proxied::Nameless));
            }
            None => floor.conns[key.index()].proxied = None,
        }
        following.len()
    }
}

impl<S: Socket> Floor<S> {
    /// What a new connection from this address begins with.
    pub(super) fn expected_of(&self, remote: IpAddr) -> Option<Box<Proxied>> {
        let is_read = self.config.proxy_protocol != ProxyProtocol::Off;
        let is_awaited = is_read && self.proxies.trust(remote);
        is_awaited.then(|| Box::new(Proxied::Awaited(Vec::new())))
    }

    /// Nothing has come of a connection in time, or not all of its header.
    pub(super) fn is_silent(&mut self, key: ConnKey) {
        let is_required = self.config.proxy_protocol == ProxyProtocol::Require;
        match is_required && self.conns[key.index()].awaits_proxy_header() {
            true => self.refuse_proxy(key, &"no whole PROXY header has come in time"),
            false => self.kill(key),
        }
    }

    /// The connection is this client's: everything that goes by an address goes by the client's from here on.
    fn comes_for(&mut self, key: ConnKey, client: Client) {
        let conn = &mut self.conns[key.index()];
        conn.come_from(client.from.ip());
        conn.proxied = Some(Box::new(Proxied::Named {
            remote_port: client.from.port(),
            local_port: client.dialled.port(),
        }));
        let remote = conn.remote;
        if conn.life == Life::Refused {
            return;
        }
        let Some(why) = self.refusal_of_address(remote) else {
            self.conns[key.index()].counted =
                !planted::bug("named-uncounted") && self.count(remote);
            return;
        };
        self.turn_away(remote, why);
        match self.refused_conns < Switchboard::<S>::REFUSED_MAX {
            true => self.refuse(key),
            false => self.kill(key),
        }
    }

    /// The connection of a trusted proxy does not begin as it must.
    fn refuse_proxy(&mut self, key: ConnKey, why: &dyn Display) {
        let remote = self.conns[key.index()].remote;
        self.turn_away(
            remote,
            &format!("it is a trusted proxy's, but {why} (see the setting proxy-protocol)"),
        );
        self.kill(key);
    }
}

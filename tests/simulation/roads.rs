//! How somebody gets to the hub: straight, through a proxy that says for whom it comes, and with TLS or without.
//!
//! Owns the proxies' addresses and what they say. Whoever has come by a road is for the hub at the address
//! that the road gives him, whatever he claims of himself.

use crate::support::Dice;
use crate::support::memory_socket::Wire;
use crate::support::seal;
use crate::support::test_hub::TestHub;
use peerhub::Config;
use peerhub::config::ProxyProtocol;
use std::net::{IpAddr, Ipv4Addr};

/// The range of the proxies that the hub trusts.
pub(crate) const PROXIES: &str = "10.200.0.0/16";
/// One of them.
pub(crate) const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 200, 0, 1));

/// The ways to a hub.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roads {
    pub(crate) protocol: ProxyProtocol,
    are_proxies_trusted: bool,
    are_addresses_bounded: bool,
    has_tls: bool,
}

/// Somebody who has got to the hub.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) wire: Wire,
    /// What a proxy has added to the request, and what he claims himself.
    pub(crate) fields: String,
    /// Where he is for the hub.
    pub(crate) address: IpAddr,
    /// For whom a proxy comes shows later, and so whether there is room for one more of that address.
    pub(crate) may_be_refused: bool,
}

impl Roads {
    pub(crate) fn new(config: &Config, has_tls: bool) -> Roads {
        Roads {
            protocol: config.proxy_protocol,
            are_proxies_trusted: !config.trusted_proxies.is_empty(),
            are_addresses_bounded: config.limits.connections_per_address > 0
                || config.rates.address_connections > 0,
            has_tls,
        }
    }

    /// Gives the hub its certificate, if it is to have one.
    pub(crate) fn secure(self, hub: &mut TestHub) {
        if self.has_tls {
            hub.secure(seal::server());
        }
    }

    /// Somebody of this address connects. `has_fields` if he makes a request, to which a proxy can add something. None if
    /// the hub lets nobody in.
    pub(crate) fn arrive(
        self,
        hub: &mut TestHub,
        dice: &mut Dice,
        from: IpAddr,
        window: usize,
        has_fields: bool,
    ) -> Option<Arrived> {
        let is_by_proxy = self.are_proxies_trusted && dice.chance(50);
        let socket = if is_by_proxy { PROXY } else { from };
        // What he claims himself is not the proxy's word.
        let lie = match has_fields && dice.chance(20) {
            true => "X-Forwarded-For: 10.77.77.77\r\n",
            false => "",
        };
        let has_header = self.protocol != ProxyProtocol::Off
            && (self.protocol == ProxyProtocol::Require || !has_fields || dice.chance(60));
        if is_by_proxy && !has_header && !has_fields {
            return None;
        }
        let wire = hub.connect(socket, window)?;
        let (mut fields, mut address) = (lie.to_owned(), socket);
        if is_by_proxy && has_header {
            let is_named = dice.chance(90);
            wire.send(&header(dice, is_named.then_some(from)));
            address = if is_named { from } else { PROXY };
        } else if is_by_proxy {
            fields.push_str(&format!("X-Forwarded-For: {from}\r\n"));
            address = from;
        }
        if self.has_tls && dice.chance(50) {
            wire.seal(seal::client());
        }
        Some(Arrived {
            wire,
            fields,
            address,
            may_be_refused: is_by_proxy && self.are_addresses_bounded,
        })
    }

    pub(crate) fn are_proxies_trusted(self) -> bool {
        self.are_proxies_trusted
    }

    /// A wire of those who do nothing wrong.
    pub(crate) fn pave(self, wire: &Wire) {
        if self.has_tls {
            wire.seal(seal::client());
        }
    }
}

/// A header of the PROXY protocol, version 1 or 2, for a client of this address, or for nobody who has a name.
pub(crate) fn header(dice: &mut Dice, client: Option<IpAddr>) -> Vec<u8> {
    let Some(IpAddr::V4(client)) = client else {
        return match dice.chance(50) {
            true => b"PROXY UNKNOWN\r\n".to_vec(),
            false => version_2(0x20, &[]),
        };
    };
    if dice.chance(50) {
        return format!("PROXY TCP4 {client} 10.200.0.1 50000 3007\r\n").into_bytes();
    }
    let mut body = client.octets().to_vec();
    body.extend([10, 200, 0, 1]);
    body.extend(50_000_u16.to_be_bytes());
    body.extend(3_007_u16.to_be_bytes());
    // What else a proxy has to say is read over: here a note of the type 4, for nobody.
    if dice.chance(30) {
        let note = vec![b'n'; dice.below(200) as usize];
        body.push(4);
        body.extend((note.len() as u16).to_be_bytes());
        body.extend(note);
    }
    version_2(0x21, &body)
}

/// A header of version 2 with this command.
pub(crate) fn version_2(command: u8, body: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    let family = if body.is_empty() { 0 } else { 0x11 };
    header.extend([command, family]);
    header.extend((body.len() as u16).to_be_bytes());
    header.extend(body);
    header
}

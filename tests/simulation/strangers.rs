//! Those whose connections begin with a header of the PROXY protocol where none may be, with a bad one, or with none where
//! one must be; and some that do it right.
//!
//! Owns what each must be told, which is mostly nothing. Judges that nobody gets in who does not begin as he must, and that
//! nobody stays who does not go on.

use super::roads::{PROXY, Roads, header, version_2};
use crate::support::Dice;
use crate::support::memory_socket::moody;
use crate::support::test_hub::TestHub;
use crate::support::test_peer::{Heard, TestPeer};
use peerhub::Config;
use peerhub::config::ProxyProtocol;
use std::net::IpAddr;

/// All that are there.
#[derive(Debug)]
pub(crate) struct Strangers {
    roads: Roads,
    handshake_ms: u64,
    dice: Dice,
    there: Vec<Stranger>,
}

#[derive(Debug)]
struct Stranger {
    peer: TestPeer,
    came_ms: u64,
    /// What it may be answered with; nothing if there is nothing.
    statuses: &'static [&'static str],
    heard: Vec<u8>,
}

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\r\n";
const UNTRUSTED: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 100, 0, 1));

impl Strangers {
    pub(crate) fn new(config: &Config, roads: Roads, dice: Dice) -> Strangers {
        Strangers {
            roads,
            handshake_ms: config.handshake_timeout_ms,
            dice,
            there: Vec::new(),
        }
    }

    /// Sometimes one comes.
    pub(crate) fn step(&mut self, hub: &mut TestHub) {
        let dice = &mut self.dice;
        if self.there.len() >= 2 || !dice.chance(4) {
            return;
        }
        let is_trusted = self.roads.are_proxies_trusted() && dice.chance(70);
        let is_read = is_trusted && self.roads.protocol != ProxyProtocol::Off;
        let client = IpAddr::from([10, 101, 0, 1 + dice.below(200) as u8]);
        let good = header(dice, Some(client));
        let (mut first, is_good) = match dice.below(8) {
            0 => (b"PROXY TCP4 nobody 10.200.0.1 1 2\r\n".to_vec(), false),
            1 => (
                b"PROXY TCP4 10.0.0.1 10.200.0.1 99999 2\r\n".to_vec(),
                false,
            ),
            2 => (version_2(0x31, &[1; 12]), false),
            3 => (version_2(0x21, &[1; 3]), false),
            4 => (version_2(0x21, &vec![0; 5_000]), false),
            // One that is not all there, and nothing more comes.
            5 => (good[..good.len() - 1].to_vec(), false),
            6 if self.roads.protocol == ProxyProtocol::Require => (Vec::new(), false),
            _ => (good, true),
        };
        let is_request = is_good || first.last() != Some(&b'\r') && !is_cut(&first);
        if is_request {
            first.extend(REQUEST);
        }
        let statuses: &[&str] = match (is_read, is_good) {
            (true, true) => &["200", "503"],
            (true, false) => &[],
            // To whoever is not asked it is no header at all; without one it is a request like any other.
            (false, _) if first.starts_with(b"GET") => &["200", "503"],
            (false, _) => &["400", "408", "503"],
        };
        let from = if is_trusted { PROXY } else { UNTRUSTED };
        if let Some(wire) = hub.connect(from, 1 << 20) {
            wire.send(&first);
            let mut peer = TestPeer::of_bytes(wire);
            peer.may_be_cut_off = true;
            self.there.push(Stranger {
                peer,
                came_ms: hub.elapsed_ms(),
                statuses,
                heard: Vec::new(),
            });
        }
    }

    /// Lets bytes move in both directions; whether anything moved.
    pub(crate) fn pump(&mut self, is_moody: bool) -> bool {
        let mut moved = false;
        for stranger in &mut self.there {
            let wire = stranger.peer.wire().clone();
            if wire.is_flying() {
                let most = if is_moody {
                    moody(&mut self.dice)
                } else {
                    usize::MAX
                };
                wire.arrive(most);
                moved = true;
            }
            for heard in stranger.peer.pump(usize::MAX) {
                moved = true;
                if let Heard::Bytes(bytes) = heard {
                    stranger.heard.extend(bytes);
                }
            }
            if let Some(status) = stranger.heard.get(9..12) {
                let status = String::from_utf8_lossy(status);
                assert!(
                    stranger.statuses.contains(&&*status),
                    "a stranger who may hear {:?} is told {status}",
                    stranger.statuses
                );
                if !stranger.peer.wire().is_ended() {
                    stranger.peer.wire().end();
                }
            }
        }
        self.there.retain(|stranger| !stranger.peer.is_gone());
        moved
    }

    /// Nobody stays who has not gone on in time.
    pub(crate) fn judge(&mut self, now_ms: u64) {
        for stranger in &self.there {
            assert!(
                now_ms <= stranger.came_ms + self.handshake_ms + 1_000,
                "a stranger stays who may hear {:?}",
                stranger.statuses
            );
        }
    }

    /// Everybody leaves.
    pub(crate) fn end(&mut self) {
        for stranger in &self.there {
            stranger.peer.wire().reset();
        }
    }
}

/// Whether a header lacks its last byte.
fn is_cut(header: &[u8]) -> bool {
    let Some(rest) = header.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n") else {
        return false;
    };
    rest.len() < 4 || rest.len() - 4 < usize::from(u16::from_be_bytes([rest[2], rest[3]]))
}

//! Connections, greetings, messages, departures and time on a relay node, with low bounds: whatever comes, the node
//! contradicts itself nowhere, and speaks only to connections that are open, in words that can be read.
//!
//! Owns: the twin, which knows what each connection may be told. Who the next hops are is for `tests/relay_routing.rs`.

use super::Tape;
use crate::config::Config;
use crate::dialect::relay::Node;
use crate::dialect::relay::inbound::{read_greeting, read_message};
use crate::dialect::{Act, Arrival, Lent, Mail, Member};
use crate::hub::id::FreshIds;
use crate::index::{ConnKey, LinkKey};
use std::collections::BTreeSet;
use std::hash::RandomState;
use std::net::Ipv4Addr;

/// Does what `data` says, and sweeps the node after each step.
///
/// # Panics
/// If the node contradicts itself, or says what it must not.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut twin = Twin::new(&mut tape);
    while let Some(choice) = tape.next() {
        twin.step(choice, &mut tape);
        twin.listen();
    }
    while !twin.conns.is_empty() {
        twin.depart(0);
        twin.listen();
    }
    assert_eq!(twin.node.link_count(), 0);
    assert_eq!(twin.node.member_count(), 0);
}

struct Twin {
    node: Node,
    ids: FreshIds,
    /// What random bytes are made of.
    chance: u64,
    mail: Mail,
    now: u64,
    nonce: u64,
    next_conn: usize,
    conns: Vec<Conn>,
    /// Links that are being dialled.
    calls: Vec<LinkKey>,
}

struct Conn {
    key: ConnKey,
    link: LinkKey,
    /// What it has been told: its first text is the node's id.
    greeted: bool,
    closed: bool,
    /// Nonces of what it was told: nothing comes twice.
    heard: BTreeSet<String>,
}

impl Twin {
    fn new(tape: &mut Tape<'_>) -> Twin {
        let mut config = Config {
            handshake_timeout_ms: 50,
            ..Config::default()
        };
        let relay = &mut config.relay;
        relay.id = Some(format!("{:02x}", tape.byte()).repeat(20));
        relay.dials = tape.below(3);
        relay.bootstrap = vec!["ws://a/".to_owned(); tape.below(3)];
        (relay.redial_ms, relay.nonce_time_ms, relay.path_time_ms) = (20, 86_400_000, 80);
        (relay.paths, relay.waiting, relay.waiting_bytes) = (5, 3, 600);
        let mut ids = FreshIds::default();
        let mut chance = 1;
        ids.top_up(0, |stock| fill(stock, &mut chance));
        Twin {
            node: Node::new(&config, RandomState::new(), 0, &mut ids),
            ids,
            chance,
            mail: Mail::default(),
            now: 0,
            nonce: 0,
            next_conn: 0,
            conns: Vec::new(),
            calls: Vec::new(),
        }
    }

    fn step(&mut self, choice: u8, tape: &mut Tape<'_>) {
        match choice % 8 {
            0 => self.open(None),
            1 if !self.calls.is_empty() => {
                let call = self.calls.remove(tape.below(self.calls.len()));
                match tape.byte() % 2 {
                    0 => self.open(Some(call)),
                    _ => self.with_node(|node, lent| node.miss(call, lent)),
                }
            }
            2 if !self.conns.is_empty() => self.depart(tape.below(self.conns.len())),
            3 => {
                self.now += u64::from(tape.byte());
                self.with_node(Node::expire);
            }
            _ if !self.conns.is_empty() => {
                let conn = &self.conns[tape.below(self.conns.len())];
                if !conn.closed {
                    let link = conn.link;
                    let text = self.text(choice, tape);
                    // A fault is the sender's affair.
                    let _ = self.with_node(|node, lent| node.hear(link, &text, lent));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, choice: u8, tape: &mut Tape<'_>) -> String {
        let id =
            |tape: &mut Tape<'_>| format!("\"{}\"", format!("{:02x}", tape.byte() % 8).repeat(20));
        if choice.is_multiple_of(3) {
            return id(tape);
        }
        let own = format!("\"{}\"", self.node.id());
        let to = if tape.byte().is_multiple_of(2) {
            own
        } else {
            id(tape)
        };
        let (from, target, other) = (id(tape), id(tape), id(tape));
        let path: Vec<String> = (0..tape.below(4)).map(|_| id(tape)).collect();
        self.nonce += u64::from(!tape.byte().is_multiple_of(4));
        let data = match tape.byte() % 6 {
            0 => format!(r#"{{"type":"findPeers","data":{target}}}"#),
            1 => format!(r#"{{"type":"foundPeers","data":[{target},{other}]}}"#),
            2 => r#"{"type":"handshake-offer"}"#.to_owned(),
            3 => r#"{"type":"handshake-answer","data":{"ws":"ws://b/"}}"#.to_owned(),
            4 => r#"{"type":"findPeers"}"#.to_owned(),
            _ => format!("\"{}\"", "x".repeat(tape.below(300))),
        };
        let (path, nonce) = (path.join(","), self.nonce);
        format!(r#"{{"to":{to},"from":{from},"path":[{path}],"nonce":"f{nonce}","data":{data}}}"#)
    }

    /// A connection opens, incoming or dialled.
    fn open(&mut self, call: Option<LinkKey>) {
        let key = ConnKey::at(self.next_conn);
        self.next_conn += 1;
        let arrival = Arrival {
            conn: key,
            remote: (Ipv4Addr::LOCALHOST, 1).into(),
            local_port: 2,
            query: "",
            has_fixed_id: false,
        };
        let link = self.with_node(|node, lent| match call {
            None => node.join(arrival, lent).expect("everybody has a place"),
            Some(call) => {
                node.reach(call, key, lent);
                call
            }
        });
        self.conns.push(Conn {
            key,
            link,
            greeted: false,
            closed: false,
            heard: BTreeSet::new(),
        });
    }

    fn depart(&mut self, place: usize) {
        let conn = self.conns.remove(place);
        self.with_node(|node, lent| node.depart(conn.link, lent));
    }

    fn with_node<R>(&mut self, act: impl FnOnce(&mut Node, Lent<'_>) -> R) -> R {
        let chance = &mut self.chance;
        self.ids.top_up(0, |stock| fill(stock, chance));
        let lent = Lent {
            now: self.now,
            ids: &mut self.ids,
            mail: &mut self.mail,
        };
        act(&mut self.node, lent)
    }

    /// Takes in what the node has said.
    fn listen(&mut self) {
        self.node.check();
        let deadline = self.node.next_deadline();
        assert!(self.conns.is_empty() || deadline.is_none_or(|at| at < self.now + 700_000));
        let mail = std::mem::take(&mut self.mail);
        for act in mail.acts() {
            match act {
                Act::Send { to, text, .. } => {
                    let text = std::str::from_utf8(mail.read(*text)).expect("texts are UTF-8");
                    let conn = self.conns.iter_mut().find(|conn| conn.key == *to);
                    let conn = conn.expect("only who is there is told something");
                    assert!(!conn.closed, "nothing follows a close");
                    if !conn.greeted {
                        assert_eq!(read_greeting(text), Ok(self.node.id()));
                        conn.greeted = true;
                        continue;
                    }
                    let message = read_message(text).expect("it says what can be read");
                    assert_eq!(message.path.last(), Some(&self.node.id()));
                    let is_new = conn.heard.insert(message.nonce.into_owned());
                    assert!(is_new, "nobody hears a thing twice: {text}");
                }
                Act::Close { to, .. } => {
                    let conn = self.conns.iter_mut().find(|conn| conn.key == *to);
                    conn.expect("only who is there is closed").closed = true;
                }
                Act::Dial { member, .. } => match member {
                    Member::Relay(link) => self.calls.push(*link),
                    Member::PeerJs(_) | Member::NetPeer(_) | Member::Peero(_) => {
                        panic!("no relay node: {member:?}")
                    }
                },
                Act::Remark(_) | Act::Keep(_) => {}
            }
        }
        self.mail = mail;
        self.mail.clear();
    }
}

/// Bytes of which no eight come twice in a run (Knuth's linear congruential generator, its upper bytes).
fn fill(stock: &mut [u8], chance: &mut u64) {
    for byte in stock {
        *chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *byte = (*chance >> 56) as u8;
    }
}

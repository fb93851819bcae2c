//! Nodes of the relay network around the hub: what goes to whom, along which path, and how often.
//!
//! Owns what the nodes say and hear; `relay_verdict.rs` says who must have heard it.

use super::client::{Moment, NEVER};
use super::guests::{Guest, NAMES, Present, Tribe};
use crate::support::Dice;
use crate::support::memory_socket::Wire;
use crate::support::test_peer::Heard;
use peerhub::Config;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// All nodes, gone ones too.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) config: peerhub::config::Relay,
    /// The hub's id.
    pub(crate) hub: String,
    /// The ids that there are, connected or not.
    ids: Vec<String>,
    pub(crate) nodes: Vec<Node>,
    /// What was said and is not judged yet, by nonce.
    pub(crate) said: BTreeMap<String, Said>,
    /// The nonces that the hub has made.
    own_nonces: BTreeSet<String>,
    /// Who has spoken for whom: the next hops.
    pub(crate) hops: BTreeMap<String, Vec<Hop>>,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) guest: Guest,
    pub(crate) id: String,
    pub(crate) settled: Moment,
    greeted: bool,
    /// Its first message is no id.
    pub(crate) is_rude: bool,
    /// Ids that it has asked for the neighbours of, each time.
    pub(crate) finds: usize,
    pub(crate) found: usize,
    /// Nodes that it has spoken for to offer a handshake, and those for whom it got the answer.
    pub(crate) offers: Vec<(String, Moment)>,
    pub(crate) answers: Vec<String>,
    last: BTreeMap<String, Moment>,
}

/// Somebody has passed on a message of somebody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop {
    pub(crate) over: usize,
    pub(crate) sent: Moment,
    pub(crate) sent_ms: u64,
    pub(crate) settled: Moment,
}

/// A message to a node.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) from: usize,
    /// Who has made it: the one who sends it, or somebody behind him.
    maker: String,
    pub(crate) to: String,
    pub(crate) path: Vec<String>,
    data: String,
    pub(crate) sent: Moment,
    pub(crate) sent_ms: u64,
    pub(crate) settled: Moment,
    pub(crate) receivers: BTreeSet<usize>,
}

#[derive(Deserialize)]
struct Told<'a> {
    to: &'a str,
    from: &'a str,
    path: Vec<String>,
    nonce: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Nodes {
    /// Hops after which nobody passes a message on.
    pub(crate) const HOPS_MAX: usize = 20;

    pub(crate) fn new(config: &Config, dice: &mut Dice) -> Nodes {
        let mut ids: Vec<String> = (0..9).map(|_| hex(&dice.bytes(20))).collect();
        ids.push(NAMES[5].to_owned());
        Nodes {
            config: config.relay.clone(),
            hub: config
                .relay
                .id
                .clone()
                .expect("the simulated node has an id"),
            ids,
            nodes: Vec::new(),
            said: BTreeMap::new(),
            own_nonces: BTreeSet::new(),
            hops: BTreeMap::new(),
        }
    }

    fn some_id(&self, present: &mut Present) -> String {
        let place = present.dice.below(self.ids.len() as u64) as usize;
        self.ids[place].clone()
    }

    /// A message on its way to the hub; gives its nonce.
    fn send(
        &mut self,
        number: usize,
        maker: &str,
        to: &str,
        path: &[String],
        data: &str,
        present: &mut Present,
    ) -> String {
        present.moment += 1;
        let nonce = present.moment.to_string();
        let form = |id: &str, as_buffer: bool| match as_buffer {
            true => buffer(id),
            false => format!("\"{id}\""),
        };
        let (to, from) = (
            form(to, present.dice.chance(30)),
            form(maker, present.dice.chance(30)),
        );
        let path: Vec<String> = path.iter().map(|id| format!("\"{id}\"")).collect();
        let path = path.join(", ");
        let text = match present.dice.below(2) {
            0 => format!(
                r#"{{"to":{to},"from":{from},"path":[{path}],"nonce":"{nonce}","data":{data}}}"#
            ),
            _ => format!(
                r#"{{ "nonce" : "{nonce}","x":1, "data" :  {data} ,"path":[ {path} ],"from":{from},"to": {to} }}"#
            ),
        };
        let guest = &mut self.nodes[number].guest;
        guest.peer.say(&text);
        if present.dice.chance(15) {
            // What has been here before goes no further.
            guest.peer.say(&text);
        }
        nonce
    }

    /// A message for somebody, his own or that of somebody behind him.
    fn talk(&mut self, number: usize, present: &mut Present) {
        let own = self.nodes[number].id.clone();
        let to = self.some_id(present);
        if to == own {
            return;
        }
        let mut maker = own.clone();
        let mut path = vec![own.clone()];
        match present.dice.below(20) {
            0..3 => {
                maker = self.some_id(present);
                if maker == to || maker == own {
                    return;
                }
                path.insert(0, maker.clone());
            }
            3 => path.insert(0, self.hub.clone()),
            4 => {
                // As long as it may be, and one longer.
                let more = Nodes::HOPS_MAX - 2 + present.dice.below(3) as usize;
                for _ in 0..more {
                    path.insert(0, hex(&present.dice.bytes(20)));
                }
            }
            _ => {}
        }
        let n = present.serial("re");
        let padding = "p".repeat(present.padding_bytes.max(present.dice.below(50) as usize));
        let data = match present.dice.below(3) {
            0 => format!(r#"{{"type":"user","data":"{n} {padding}"}}"#),
            1 => format!(r#"{{ "data" : {{"n":"{n}","x":[1.0, 2e3,"\ud800"]}}, "type" :"user" }}"#),
            _ => format!(
                r#"{{"type":"signal","data":{{"n":"{n}","sdp":"\r\n{padding}"}},"type":"signal"}}"#
            ),
        };
        let sent = present.moment;
        let sent_ms = present.now_ms;
        let nonce = self.send(number, &maker, &to, &path, &data, present);
        let said = Said {
            from: number,
            maker: maker.clone(),
            to,
            path,
            data,
            sent,
            sent_ms,
            settled: NEVER,
            receivers: BTreeSet::new(),
        };
        self.said.insert(nonce, said);
        self.note_hop(number, maker, sent, sent_ms);
    }

    fn note_hop(&mut self, over: usize, maker: String, sent: Moment, sent_ms: u64) {
        if maker != self.nodes[over].id {
            let settled = NEVER;
            self.hops.entry(maker).or_default().push(Hop {
                over,
                sent,
                sent_ms,
                settled,
            });
        }
    }

    fn find(&mut self, number: usize, present: &mut Present) {
        let own = self.nodes[number].id.clone();
        let target = self.some_id(present);
        let data = format!(r#"{{"type":"findPeers","data":"{target}"}}"#);
        let hub = self.hub.clone();
        self.nodes[number].finds += 1;
        self.send(
            number,
            &own,
            &hub,
            std::slice::from_ref(&own),
            &data,
            present,
        );
    }

    /// Offers the hub a handshake in the name of somebody behind.
    fn offer(&mut self, number: usize, present: &mut Present) {
        let own = self.nodes[number].id.clone();
        let maker = self.some_id(present);
        if maker == own {
            return;
        }
        let hub = self.hub.clone();
        let path = [maker.clone(), own];
        let sent = present.moment;
        self.send(
            number,
            &maker,
            &hub,
            &path,
            r#"{"type":"handshake-offer"}"#,
            present,
        );
        self.nodes[number].offers.push((maker.clone(), sent));
        self.note_hop(number, maker, sent, present.now_ms);
    }

    fn misbehave(&mut self, number: usize, present: &mut Present) {
        let own = &self.nodes[number].id;
        let to = &self.hub;
        let text = match present.dice.below(7) {
            0 => "{\"type\":".to_owned(),
            1 => "[]".to_owned(),
            2 => format!(r#"{{"to":"{to}","from":"{own}","path":5,"nonce":"1","data":{{}}}}"#),
            3 => format!(r#"{{"to":"xyz","from":"{own}","path":[],"nonce":"1","data":{{}}}}"#),
            4 => format!(r#"{{"to":"{to}","from":"{own}","path":[],"data":{{}}}}"#),
            5 => format!(
                r#"{{"to":"{to}","from":"{own}","path":[],"nonce":"b{}","data":{{"type":"findPeers"}}}}"#,
                present.moment
            ),
            _ => format!(
                r#"{{"to":"{to}","from":"{own}","path":[],"nonce":"c{}","data":{{"type":"constructor"}}}}"#,
                present.moment
            ),
        };
        self.nodes[number].guest.peer.say(&text);
    }

    fn take_in_said(&mut self, number: usize, told: &Told<'_>, present: &Present) {
        let said = self
            .said
            .get_mut(told.nonce)
            .expect("only what was said is heard");
        let node = &mut self.nodes[number];
        assert_eq!(told.data.get(), said.data, "data is not touched");
        assert_eq!(
            (told.to, told.from),
            (said.to.as_str(), said.maker.as_str())
        );
        let mut path = said.path.clone();
        path.push(self.hub.clone());
        assert_eq!(told.path, path, "the hub adds itself to the path");
        assert!(path.len() <= Nodes::HOPS_MAX && !said.path.contains(&self.hub));
        assert!(
            !said.path.contains(&node.id),
            "nothing goes back where it has been"
        );
        assert!(said.sent <= node.guest.gone, "who has left hears nothing");
        let first = said.receivers.insert(number);
        let remembered =
            self.config.nonces > 1_000 && present.now_ms < said.sent_ms + self.config.nonce_time_ms;
        assert!(
            first || !remembered,
            "a message goes once over each connection"
        );
        if first && remembered {
            let last = node.last.entry(said.from.to_string()).or_default();
            assert!(*last <= said.sent, "what comes from one goes in order");
            *last = said.sent;
        }
    }

    /// The hub speaks itself.
    fn take_in_own(&mut self, number: usize, told: &Told<'_>, present: &mut Present) {
        assert_eq!(
            told.path,
            [self.hub.as_str()],
            "what the hub says begins with it"
        );
        let content: Value = serde_json::from_str(told.data.get()).expect("JSON");
        let (kind, data) = (&content["type"], &content["data"]);
        let node = &mut self.nodes[number];
        let is_first = self.own_nonces.insert(format!("{number}/{}", told.nonce));
        assert!(
            is_first,
            "a message of the hub goes once over each connection"
        );
        match kind.as_str().expect("a type") {
            "findPeers" => {
                assert_eq!(
                    (told.to, data.as_str()),
                    (node.id.as_str(), Some(self.hub.as_str()))
                );
                node.guest.joined = node.guest.joined.min(present.moment);
                if present.dice.chance(80) && !node.guest.mute {
                    let own = node.id.clone();
                    let hub = self.hub.clone();
                    let known = [self.some_id(present), self.some_id(present)];
                    let data = format!(
                        r#"{{"type":"foundPeers","data":["{}","{}"]}}"#,
                        known[0], known[1]
                    );
                    self.send(
                        number,
                        &own,
                        &hub,
                        std::slice::from_ref(&own),
                        &data,
                        present,
                    );
                }
            }
            "foundPeers" => {
                let found: Vec<&str> = data
                    .as_array()
                    .expect("a list of ids")
                    .iter()
                    .map(|id| id.as_str().expect("an id"))
                    .collect();
                assert!(found.len() <= 20);
                let is_known =
                    |id: &&str| *id == self.hub || self.ids.iter().any(|known| known == id);
                assert!(found.iter().all(is_known), "{found:?}");
                if told.to == node.id {
                    node.found += 1;
                    // A nonce may be forgotten before it comes again.
                    let times = if self.config.nonces > 1_000 { 1 } else { 2 };
                    let most = node.finds * times;
                    assert!(node.found <= most, "only who asks is answered");
                    self.judge_found(number, &found, present.moment);
                }
            }
            "handshake-answer" => {
                let url = self.config.url.as_deref();
                assert_eq!(data["ws"].as_str(), url);
                assert_eq!(data["wrtc"], false);
                let offered = |(maker, _): &(String, Moment)| maker == told.to;
                assert!(
                    self.nodes
                        .iter()
                        .any(|node| node.offers.iter().any(offered))
                );
                self.nodes[number].answers.push(told.to.to_owned());
            }
            other => panic!("the hub has nothing of type {other} to say to nodes"),
        }
    }
}

impl Tribe for Nodes {
    fn guests_max(&self) -> usize {
        6
    }

    fn enter(&mut self, wire: Wire, _number: usize, present: &mut Present) {
        let id = self.some_id(present);
        let mut guest = Guest::new(present.peer(wire, "/peer-relay"), present.moment);
        let is_rude = present.dice.chance(4);
        match present.dice.below(3) {
            _ if is_rude => guest.peer.say(r#""room0""#),
            0 => guest.peer.say(&format!("\"{id}\"")),
            _ => guest.peer.say(&buffer(&id)),
        };
        if is_rude {
            guest.doubt(present.moment);
            guest.mute = true;
        }
        // Of two connections of one node either may be closed.
        for node in &mut self.nodes {
            if !is_rude && node.id == id && node.guest.gone == NEVER {
                node.guest.doubt(present.moment);
                guest.doubt(present.moment);
            }
        }
        self.nodes.push(Node {
            guest,
            id: if is_rude { String::new() } else { id },
            settled: NEVER,
            greeted: false,
            is_rude,
            finds: 0,
            found: 0,
            offers: Vec::new(),
            answers: Vec::new(),
            last: BTreeMap::new(),
        });
    }

    fn count(&self) -> usize {
        self.nodes.len()
    }

    fn guest(&mut self, number: usize) -> &mut Guest {
        &mut self.nodes[number].guest
    }

    fn act(&mut self, number: usize, present: &mut Present) {
        match present.dice.below(100) {
            0..70 => self.talk(number, present),
            70..78 => self.find(number, present),
            78..86 => self.offer(number, present),
            86..92 => self.misbehave(number, present),
            92..98 => self.nodes[number].guest.leave(true, present),
            _ => {}
        }
    }

    fn hear(&mut self, number: usize, heard: Heard, present: &mut Present) {
        let Heard::Text(text) = heard else {
            return;
        };
        let node = &mut self.nodes[number];
        if !node.greeted {
            assert_eq!(text, buffer(&self.hub), "the hub greets with its id");
            node.greeted = true;
            return;
        }
        let told: Told<'_> = serde_json::from_str(&text).expect("the hub speaks JSON");
        assert!(!node.is_rude, "{text}");
        match told.from == self.hub {
            true => self.take_in_own(number, &told, present),
            false => self.take_in_said(number, &told, present),
        }
    }

    fn rested(&mut self, present: &mut Present) {
        for said in self.said.values_mut() {
            said.settled = said.settled.min(present.moment);
        }
        for node in &mut self.nodes {
            node.settled = node.settled.min(present.moment);
        }
        self.judge_twins();
        for hop in self.hops.values_mut().flatten() {
            hop.settled = hop.settled.min(present.moment);
        }
    }

    fn slept(&mut self, _ms: u64, _present: &mut Present) {
        self.hops.clear();
    }

    fn judge(&mut self, present: &mut Present) {
        self.judge_nodes(present);
        self.judge_said();
    }
}

/// An id as the original sends its own.
pub(crate) fn buffer(id: &str) -> String {
    let bytes: Vec<String> = (0..id.len() / 2)
        .map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).expect("hexadecimal digits"))
        .map(|byte| byte.to_string())
        .collect();
    format!(r#"{{"type":"Buffer","data":[{}]}}"#, bytes.join(","))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

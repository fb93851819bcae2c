//! peero's visitors: who sees whom, and whose signals reach whom.

use super::client::{Moment, NEVER};
use super::guests::{Guest, NAMES, Present, Tribe};
use crate::support::memory_socket::Wire;
use crate::support::test_peer::Heard;
use peerhub::Config;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// All visitors, gone ones too.
#[derive(Debug)]
pub(crate) struct Visitors {
    visitors_max: usize,
    signal_bytes_max: usize,
    visitors: Vec<Visitor>,
    /// What was signalled and is not judged yet, by serial number.
    said: BTreeMap<String, Said>,
}

#[derive(Debug)]
struct Visitor {
    guest: Guest,
    id: String,
    settled: Moment,
    turned_away: bool,
    /// Who is there besides, in the order in which it heard of them.
    view: Vec<String>,
    /// It has been told its id and will be told who is there next.
    awaits_list: bool,
    listed: bool,
    heard: BTreeSet<String>,
    last: BTreeMap<String, Moment>,
    /// Errors that must come and that may come.
    errors_least: usize,
    errors_most: usize,
    errors: usize,
}

/// A signal.
#[derive(Debug)]
struct Said {
    from: usize,
    kind: &'static str,
    /// For whom; without one, for all the others.
    to: Option<String>,
    signal: String,
    sent: Moment,
    settled: Moment,
    receivers: BTreeSet<usize>,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: Option<String>,
    peers: Option<Vec<String>>,
    #[serde(rename = "peerId")]
    peer_id: Option<String>,
    #[serde(borrow)]
    signal: Option<&'a RawValue>,
    code: Option<&'a str>,
}

impl Visitors {
    pub(crate) fn new(config: &Config) -> Visitors {
        Visitors {
            visitors_max: config.peero.peers,
            signal_bytes_max: config.peero.signal_bytes,
            visitors: Vec::new(),
            said: BTreeMap::new(),
        }
    }

    fn signal(&mut self, number: usize, present: &mut Present) {
        let n = present.serial("po");
        let padding = "p".repeat(present.padding_bytes.max(present.dice.below(60) as usize));
        let to = match present.dice.below(10) {
            0..5 => None,
            // What is an id elsewhere is none here.
            5 => Some(NAMES[present.dice.below(6) as usize].to_owned()),
            _ => {
                let other = present.dice.below(self.visitors.len() as u64) as usize;
                Some(self.visitors[other].id.clone()).filter(|id| !id.is_empty())
            }
        };
        let (kind, signal, text) = match (&to, present.dice.below(3)) {
            (None, 0) => {
                let signal = format!(r#"{{ "n": "{n}", "sdp" :"\u0061{padding}" , "v":[1.50]  }}"#);
                let text = format!(r#"{{"signal": {signal} ,"peerId":"room0","type":"offer"}}"#);
                ("offer", signal, text)
            }
            (Some(to), 0) => {
                let signal = format!(r#""{n} {padding}\n""#);
                let text = format!(r#"{{"type":"answer","signal":{signal},"peerId":"{to}"}}"#);
                ("answer", signal, text)
            }
            (to, form) => {
                let kind = if form == 1 { "offer" } else { "signal" };
                let own = if form == 1 { "offer" } else { "candidate" };
                let peer = match to {
                    Some(to) => format!(r#","peerId":"{to}""#),
                    None => String::new(),
                };
                let signal = format!(r#"{{"x":"{padding}","type": "{own}" {peer},"n":"{n}"}}"#);
                (
                    kind,
                    signal.clone(),
                    format!(r#"{{"type":"signal","data":{signal}}}"#),
                )
            }
        };
        if signal.len() > self.signal_bytes_max {
            self.expect_error(number, true);
        } else {
            if let Some(to) = &to {
                self.expect_error_unless_there(number, to, present.moment);
            }
            let said = Said {
                from: number,
                kind,
                to,
                signal,
                sent: present.moment,
                settled: NEVER,
                receivers: BTreeSet::new(),
            };
            self.said.insert(n, said);
        }
        self.visitors[number].guest.peer.say(&text);
    }

    fn expect_error(&mut self, number: usize, surely: bool) {
        self.visitors[number].errors_least += usize::from(surely);
        self.visitors[number].errors_most += 1;
    }

    /// Who signals to somebody who is not there, or to himself, is told so.
    fn expect_error_unless_there(&mut self, number: usize, to: &str, moment: Moment) {
        let addressee = self.visitors.iter().position(|visitor| visitor.id == to);
        let may_be_there = addressee.is_some_and(|other| {
            other != number && self.visitors[other].guest.maybe_in(moment, moment)
        });
        match addressee {
            _ if !may_be_there => self.expect_error(number, true),
            // It may leave before the signal is taken in.
            _ => self.visitors[number].errors_most += 1,
        }
    }

    fn misbehave(&mut self, number: usize, present: &mut Present) {
        let wrong = [
            "{\"type\":",
            "[]",
            r#"{"type":"constructor"}"#,
            r#"{"type":"answer","signal":{}}"#,
            r#"{"type":"answer","signal":{},"peerId":{}}"#,
            r#"{"type":"offer","signal":5}"#,
            r#"{"type":"signal"}"#,
        ];
        let text = wrong[present.dice.below(7) as usize];
        self.expect_error(number, true);
        self.visitors[number].guest.peer.say(text);
    }

    fn take_in_signal(&mut self, number: usize, told: &Told<'_>) {
        let signal = told.signal.expect("a signal has a body").get();
        let start = signal
            .find("\"po-")
            .expect("a signal has a number of this dialect")
            + 1;
        let length = signal[start..]
            .find(['"', ' '])
            .expect("a number ends somewhere");
        let n = &signal[start..start + length];
        let said = self.said.get_mut(n).expect("only what was said is heard");
        let sender = told.peer_id.as_deref().unwrap_or_default();
        assert_eq!(signal, said.signal, "a signal is not touched");
        assert_eq!(told.kind, said.kind);
        assert_eq!(
            sender, self.visitors[said.from].id,
            "the sender is who it is"
        );
        assert_ne!(said.from, number, "nobody hears himself");
        let visitor = &mut self.visitors[number];
        if let Some(to) = &said.to {
            assert_eq!(*to, visitor.id, "a signal is for whom it names");
        }
        assert!(
            visitor.guest.came <= said.settled,
            "nothing waits for newcomers"
        );
        assert!(
            said.sent <= visitor.guest.gone,
            "who has left hears nothing"
        );
        assert!(said.receivers.insert(number), "a signal comes once");
        assert!(
            visitor.view.iter().any(|id| id == sender),
            "who signals was announced"
        );
        assert!(visitor.heard.insert(n.to_owned()));
        let last = visitor.last.entry(sender.to_owned()).or_default();
        assert!(*last <= said.sent, "what one says comes in order");
        *last = said.sent;
    }

    fn judge_said(&mut self) {
        for (n, said) in &self.said {
            let sender = &self.visitors[said.from];
            if !sender.guest.surely_in(said.sent, said.settled) {
                continue;
            }
            for (number, visitor) in self.visitors.iter().enumerate() {
                let is_meant =
                    said.to.as_ref().is_none_or(|to| *to == visitor.id) && number != said.from;
                if is_meant && visitor.guest.surely_in(said.sent, said.settled) {
                    assert!(
                        said.receivers.contains(&number),
                        "visitor {number} misses {n}"
                    );
                }
            }
        }
        self.said.clear();
    }
}

impl Tribe for Visitors {
    fn guests_max(&self) -> usize {
        5
    }

    fn enter(&mut self, wire: Wire, _number: usize, present: &mut Present) {
        self.visitors.push(Visitor {
            guest: Guest::new(present.peer(wire, "/peero"), present.moment),
            id: String::new(),
            settled: NEVER,
            turned_away: false,
            view: Vec::new(),
            awaits_list: false,
            listed: false,
            heard: BTreeSet::new(),
            last: BTreeMap::new(),
            errors_least: 0,
            errors_most: 0,
            errors: 0,
        });
    }

    fn count(&self) -> usize {
        self.visitors.len()
    }

    fn guest(&mut self, number: usize) -> &mut Guest {
        &mut self.visitors[number].guest
    }

    fn act(&mut self, number: usize, present: &mut Present) {
        match present.dice.below(100) {
            0..70 => self.signal(number, present),
            70..80 => {
                self.visitors[number]
                    .guest
                    .peer
                    .say(r#"{"type":"register"}"#);
            }
            80..90 => self.misbehave(number, present),
            90..97 => self.visitors[number].guest.leave(true, present),
            _ => {}
        }
    }

    fn hear(&mut self, number: usize, heard: Heard, present: &mut Present) {
        let Heard::Text(text) = heard else {
            return;
        };
        let told: Told<'_> = serde_json::from_str(&text).expect("the hub speaks JSON");
        let id = told.id.clone().unwrap_or_default();
        let is_known = self.visitors.iter().any(|visitor| visitor.id == id);
        let visitor = &mut self.visitors[number];
        let is_in = visitor.guest.joined != NEVER;
        assert!(!visitor.awaits_list || told.kind == "peers", "{text}");
        match told.kind {
            "id" if is_in => {
                assert_eq!(id, visitor.id, "an id does not change");
                visitor.awaits_list = true;
            }
            "id" => {
                assert!(!is_known && id.len() == 36, "an id is fresh: {id}");
                visitor.id = id;
                visitor.guest.joined = present.moment;
                visitor.awaits_list = true;
            }
            "peers" => {
                assert!(visitor.awaits_list, "a list follows an id");
                visitor.awaits_list = false;
                let peers = told.peers.expect("a list has peers");
                assert!(
                    !visitor.listed || peers == visitor.view,
                    "the list is what was announced: {peers:?}, {:?}",
                    visitor.view
                );
                visitor.listed = true;
                visitor.view = peers;
                assert!(!visitor.view.contains(&visitor.id));
            }
            "announce" => {
                assert!(
                    is_in && id != visitor.id && !visitor.view.contains(&id),
                    "{text}"
                );
                visitor.view.push(id);
            }
            "remove" => {
                let place = visitor.view.iter().position(|other| *other == id);
                visitor
                    .view
                    .remove(place.expect("only who is there is removed"));
            }
            "error" if is_in => visitor.errors += 1,
            "error" => {
                assert_eq!(told.code, Some("E_FULL"), "{text}");
                visitor.turned_away = true;
                visitor.guest.doubt(0);
            }
            "offer" | "answer" | "signal" => self.take_in_signal(number, &told),
            other => panic!("peero has no messages of type {other}"),
        }
    }

    fn rested(&mut self, present: &mut Present) {
        for said in self.said.values_mut() {
            said.settled = said.settled.min(present.moment);
        }
        for visitor in &mut self.visitors {
            visitor.settled = visitor.settled.min(present.moment);
        }
    }

    fn judge(&mut self, _present: &mut Present) {
        let here: BTreeSet<&str> = self
            .visitors
            .iter()
            .filter(|visitor| visitor.guest.is_in())
            .map(|visitor| visitor.id.as_str())
            .collect();
        assert!(here.len() <= self.visitors_max);
        for (number, visitor) in self.visitors.iter().enumerate() {
            let (came, settled) = (visitor.guest.came, visitor.settled);
            if visitor.guest.is_in() {
                let mut view: BTreeSet<&str> = visitor.view.iter().map(String::as_str).collect();
                assert_eq!(view.len(), visitor.view.len());
                view.insert(&visitor.id);
                assert_eq!(view, here, "visitor {number} sees who is there");
                let told = visitor.errors_least..=visitor.errors_most;
                assert!(
                    told.contains(&visitor.errors),
                    "visitor {number} is told of mistakes"
                );
            } else if visitor.guest.peer.is_open() {
                assert!(visitor.guest.joined != NEVER, "who comes is told its id");
            }
            if visitor.turned_away {
                let others = self.visitors.iter().enumerate();
                let count = others
                    .filter(|(other, them)| *other != number && them.guest.maybe_in(came, settled))
                    .count();
                assert!(
                    count >= self.visitors_max,
                    "there is room for visitor {number}"
                );
            }
        }
        self.judge_said();
    }
}

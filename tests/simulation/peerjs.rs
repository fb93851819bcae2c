//! PeerJS clients: two keys, few ids, few tokens, and what they say to each other.
//!
//! Owns the naive truth of PeerServer's rules; `peerjs_verdict.rs` compares it with what was told.

use super::client::{Moment, NEVER};
use super::guests::{Guest, NAMES, Present, Tribe};
use crate::support::memory_socket::Wire;
use crate::support::test_peer::Heard;
use peerhub::Config;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The keys that callers come with. The last one is wrong.
pub(crate) const KEYS: [&str; 3] = ["room0", "c1", "nobody"];
/// Of `NAMES`, those that are ids.
const IDS: [&str; 4] = [NAMES[0], NAMES[2], NAMES[4], NAMES[5]];
/// How much later than it was sent something may be heard by the hub, ms.
pub(crate) const LATE_MS: u64 = 250;

/// All callers, gone ones too.
#[derive(Debug)]
pub(crate) struct Callers {
    pub(crate) config: peerhub::config::PeerJs,
    pub(crate) callers: Vec<Caller>,
    /// What was said and is not judged yet, by serial number.
    pub(crate) said: BTreeMap<String, Said>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) guest: Guest,
    pub(crate) key: &'static str,
    pub(crate) id: &'static str,
    pub(crate) token: u64,
    pub(crate) outcome: Option<Outcome>,
    /// When it was certain that its joining had been decided.
    pub(crate) settled: Moment,
    /// When it said something last, ms.
    pub(crate) said_ms: u64,
    /// It has given its id back.
    pub(crate) unregistered: bool,
    /// It sends no heartbeats any more.
    pub(crate) silent: bool,
    /// When it was told last that nobody of this id is there, ms.
    pub(crate) expired_ms: BTreeMap<String, u64>,
    /// How often it said what is no message, and how often it was told so.
    pub(crate) wrongs: u32,
    pub(crate) errors: u32,
    /// The last number heard from each id.
    last: BTreeMap<String, Moment>,
}

/// What became of a joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Open,
    Taken,
    Full,
    BadKey,
}

/// A message from one to another.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) kind: &'static str,
    pub(crate) from: usize,
    pub(crate) dst: String,
    pub(crate) payload: String,
    pub(crate) sent: Moment,
    pub(crate) sent_ms: u64,
    pub(crate) settled: Moment,
    /// Who got it.
    pub(crate) at: Option<usize>,
    /// When the sender was told that it is not there, or has just gone.
    pub(crate) failed: Option<Moment>,
}

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    src: Option<&'a str>,
    dst: Option<&'a str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl Callers {
    pub(crate) fn new(config: &Config) -> Callers {
        Callers {
            config: config.peerjs.clone(),
            callers: Vec::new(),
            said: BTreeMap::new(),
        }
    }

    /// Those who have, or may have had, the same id under the same key.
    pub(crate) fn namesakes(&self, number: usize) -> impl Iterator<Item = (usize, &Caller)> {
        let (key, id) = (self.callers[number].key, self.callers[number].id);
        self.callers
            .iter()
            .enumerate()
            .filter(move |(other, caller)| *other != number && (caller.key, caller.id) == (key, id))
    }

    fn call(&mut self, number: usize, present: &mut Present) {
        let n = present.serial("pj");
        let kind =
            ["OFFER", "ANSWER", "CANDIDATE", "CANDIDATE", "LEAVE"][present.dice.below(5) as usize];
        let dst = match present.dice.below(20) {
            0 => "never-there".to_owned(),
            1 => "room1".to_owned(),
            _ => IDS[present.dice.below(4) as usize].to_owned(),
        };
        let padding = "p".repeat(match present.dice.below(30) {
            0 => 3_000,
            _ => present.padding_bytes.max(present.dice.below(40) as usize),
        });
        // Spaces, number forms, escapes, repeated fields: whatever is inside must come as it went.
        let payload = match present.dice.below(4) {
            0 => format!(r#"{{"n":"{n}","x":"{padding}"}}"#),
            1 => format!(r#"{{ "n" : "{n}" , "x":[1.0,2e3,-0,{{}}],"y":"{padding}"   }}"#),
            2 => format!(
                r#"{{"z":"\u0061\/\ud800é😀{padding}","n":"{n}","type":"OPEN","src":"me"}}"#
            ),
            _ => format!(r#"{{"n":"{n}","a":null,"a":true,"dst":"{dst}","b":"}}]{padding}"}}"#),
        };
        let text = match present.dice.below(4) {
            0 => format!(r#"{{"type":"{kind}","payload":{payload},"dst":"{dst}"}}"#),
            1 => format!(r#" {{ "type" : "{kind}", "dst" : "{dst}" , "payload" :  {payload}  }} "#),
            2 => format!(
                r#"{{"src":"room0","dst":"{dst}","payload":{payload},"type":"{kind}","secret":1}}"#
            ),
            _ => format!(
                r#"{{"dst":"nobody","type":"{kind}","src":[],"payload":{payload},"dst":"{dst}"}}"#
            ),
        };
        let caller = &mut self.callers[number];
        caller.said_ms = present.now_ms;
        match present.dice.chance(10) {
            true => caller.guest.peer.say_binary(text.as_bytes()),
            false => caller.guest.peer.say(&text),
        };
        let said = Said {
            kind,
            from: number,
            dst,
            payload,
            sent: present.moment,
            sent_ms: present.now_ms,
            settled: NEVER,
            at: None,
            failed: None,
        };
        self.said.insert(n, said);
    }

    fn misbehave(&mut self, number: usize, present: &mut Present) {
        let wrong = [
            "{\"type\":",
            "[]",
            r#"{"type":"constructor"}"#,
            "{}",
            "\u{fffd}",
        ];
        let text = wrong[present.dice.below(5) as usize];
        let caller = &mut self.callers[number];
        caller.said_ms = present.now_ms;
        caller.wrongs += 1;
        caller.guest.peer.say(text);
    }

    fn take_in_said(&mut self, number: usize, told: &Told<'_>, moment: Moment) {
        let payload = told.payload.expect("a message has a payload").get();
        // A field may come twice in it, so only the number is looked for.
        let start = payload
            .find("\"pj-")
            .expect("what is said has a number of this dialect")
            + 1;
        let n = &payload[start..start + payload[start..].find('"').expect("a string ends")];
        let said = self.said.get_mut(n).expect("only what was said is heard");
        let sender = (self.callers[said.from].key, self.callers[said.from].id);
        let caller = &mut self.callers[number];
        assert_eq!(told.kind, said.kind);
        assert_eq!(payload, said.payload, "a payload is not touched");
        assert_eq!(sender.0, caller.key, "a key is a world of its own");
        assert_eq!(told.src, Some(sender.1), "the sender is who it is");
        assert_eq!(told.dst, Some(said.dst.as_str()));
        assert_eq!(said.dst, caller.id, "a message is for whom it names");
        assert!(said.at.is_none(), "a message comes once");
        assert!(said.sent <= caller.guest.gone, "who has left hears nothing");
        if said.kind == "LEAVE" {
            let in_time = caller.guest.came <= said.settled;
            assert!(in_time, "a LEAVE waits for nobody");
        }
        said.at = Some(number);
        let from = format!("{}/{}", said.from, sender.1);
        let last = caller.last.entry(from).or_default();
        assert!(*last <= said.sent, "what one caller says comes in order");
        *last = said.sent;
        assert!(moment > said.sent);
    }

    /// The hub says that a message cannot be delivered.
    fn take_in_failure(&mut self, number: usize, told: &Told<'_>, present: &Present) {
        let (key, id) = (self.callers[number].key, self.callers[number].id);
        assert_eq!(told.dst, Some(id), "a failure is told to who said it");
        let dst = told.src.expect("a failure names whom it did not reach");
        let is_its = |said: &&mut Said, callers: &[Caller]| {
            let from = &callers[said.from];
            said.dst == dst && said.at.is_none() && (from.key, from.id) == (key, id)
        };
        if told.kind == "EXPIRE" {
            let waits_ms = self.config.expire_timeout_ms;
            let due = self.said.values().any(|said| {
                said.dst == dst
                    && self.callers[said.from].key == key
                    && said.kind != "LEAVE"
                    && said.sent_ms + waits_ms <= present.now_ms
            });
            assert!(due || self.may_be_full(present), "{dst} has time to come");
            let caller = &mut self.callers[number];
            caller.expired_ms.insert(dst.to_owned(), present.now_ms);
        }
        let callers = &self.callers;
        let mut failed = 0;
        for said in self.said.values_mut() {
            if is_its(&said, callers) {
                said.failed = Some(present.moment);
                failed += 1;
            }
        }
        assert!(failed > 0, "only what was said can fail: {dst} for {id}");
    }

    /// Whether the bounds on what waits are such that they are met.
    pub(crate) fn is_tight(&self) -> bool {
        let config = &self.config;
        let counts = [
            config.waiting,
            config.waiting_per_sender,
            config.waiting_per_destination,
        ];
        let bytes = [config.waiting_bytes, config.waiting_bytes_per_sender];
        counts.into_iter().min() < Some(1_000) || bytes.into_iter().min() < Some(1 << 20)
    }

    /// Whether more may wait than one of the bounds allows.
    fn may_be_full(&self, present: &Present) -> bool {
        let waits_ms = self.config.expire_timeout_ms + 2 * LATE_MS;
        let mut per_sender: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut per_destination: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let (mut all, mut bytes) = (0, 0);
        for said in self.said.values() {
            if said.kind != "LEAVE" && said.sent_ms + waits_ms >= present.now_ms {
                let from = &self.callers[said.from];
                *per_sender.entry((from.key, from.id)).or_default() += 1;
                *per_destination.entry((from.key, &said.dst)).or_default() += 1;
                all += 1;
                bytes += said.payload.len() + 300;
            }
        }
        for &(posted_ms, posted_bytes) in &present.posted {
            if posted_ms + waits_ms >= present.now_ms {
                all += 1;
                bytes += posted_bytes + 300;
            }
        }
        let most = |counts: BTreeMap<_, usize>| counts.into_values().max().unwrap_or(0);
        all > self.config.waiting
            || bytes > self.config.waiting_bytes
            || bytes > self.config.waiting_bytes_per_sender
            || most(per_sender) > self.config.waiting_per_sender
            || most(per_destination) > self.config.waiting_per_destination
    }
}

impl Tribe for Callers {
    fn guests_max(&self) -> usize {
        6
    }

    fn enter(&mut self, wire: Wire, number: usize, present: &mut Present) {
        let key = match present.dice.below(20) {
            0 => KEYS[2],
            1..12 => KEYS[0],
            _ => KEYS[1],
        };
        let id = IDS[present.dice.below(4) as usize];
        let token = present.dice.below(2);
        let base = self.config.path.trim_end_matches('/');
        let path = format!("{base}/peerjs?key={key}&id={id}&token=t{token}&version=1.5.5");
        let mut guest = Guest::new(present.peer(wire, &path), present.moment);
        // Of two with one token the later takes over; which is the later is sometimes the hub's choice.
        for caller in &mut self.callers {
            if (caller.key, caller.id, caller.token) == (key, id, token)
                && caller.guest.gone == NEVER
            {
                if caller.guest.joined == NEVER {
                    guest.doubt(present.moment);
                }
                caller.guest.doubt(present.moment);
            }
        }
        debug_assert_eq!(number, self.callers.len());
        self.callers.push(Caller {
            guest,
            key,
            id,
            token,
            outcome: None,
            settled: NEVER,
            said_ms: present.now_ms,
            unregistered: false,
            silent: false,
            expired_ms: BTreeMap::new(),
            wrongs: 0,
            errors: 0,
            last: BTreeMap::new(),
        });
    }

    fn count(&self) -> usize {
        self.callers.len()
    }

    fn guest(&mut self, number: usize) -> &mut Guest {
        &mut self.callers[number].guest
    }

    fn act(&mut self, number: usize, present: &mut Present) {
        match present.dice.below(100) {
            0..70 => self.call(number, present),
            70..76 => {
                for _ in 0..8 {
                    self.call(number, present);
                }
            }
            76..82 => self.misbehave(number, present),
            82..86 => {
                let caller = &mut self.callers[number];
                caller.guest.peer.say(r#"{"type":"LEAVE"}"#);
                caller.unregistered = true;
                caller.guest.doubt(present.moment);
                caller.guest.mute = true;
                if present.dice.chance(70) {
                    caller.guest.peer.wire().end();
                }
            }
            86..90 if self.config.alive_timeout_ms > 0 => {
                let caller = &mut self.callers[number];
                caller.guest.doubt(present.moment);
                caller.guest.mute = true;
                caller.silent = true;
            }
            90..98 => self.callers[number].guest.leave(true, present),
            _ => {}
        }
    }

    fn hear(&mut self, number: usize, heard: Heard, present: &mut Present) {
        let Heard::Text(text) = heard else {
            return;
        };
        let told: Told<'_> = serde_json::from_str(&text).expect("the hub speaks JSON");
        let caller = &mut self.callers[number];
        let is_open = caller.outcome == Some(Outcome::Open);
        match told.kind {
            "OPEN" => {
                assert_eq!(caller.outcome, None, "a joining has one outcome");
                caller.outcome = Some(Outcome::Open);
                caller.guest.joined = present.moment;
            }
            "ID-TAKEN" => {
                assert_eq!(caller.outcome, None, "a joining has one outcome");
                caller.outcome = Some(Outcome::Taken);
                caller.guest.doubt(0);
            }
            "ERROR" if is_open => {
                caller.errors += 1;
                assert!(
                    caller.errors <= caller.wrongs,
                    "{text} is for who was wrong"
                );
            }
            "ERROR" => {
                assert_eq!(caller.outcome, None, "a joining has one outcome");
                caller.outcome = Some(match told.payload.map(RawValue::get) {
                    Some(r#"{"msg":"Invalid key provided"}"#) => Outcome::BadKey,
                    Some(r#"{"msg":"Server has reached its concurrent user limit"}"#) => {
                        Outcome::Full
                    }
                    _ => panic!("{text}"),
                });
                caller.guest.doubt(0);
            }
            "LEAVE" if told.payload.is_none() => self.take_in_failure(number, &told, present),
            "EXPIRE" => self.take_in_failure(number, &told, present),
            "OFFER" | "ANSWER" | "CANDIDATE" | "LEAVE" => {
                assert!(is_open, "OPEN comes first");
                self.take_in_said(number, &told, present.moment);
            }
            other => panic!("PeerJS has no messages of type {other}"),
        }
    }

    fn beat(&mut self, number: usize, present: &mut Present) {
        let caller = &mut self.callers[number];
        let due_ms = caller.said_ms + self.config.alive_timeout_ms / 4;
        if self.config.alive_timeout_ms > 0 && present.now_ms >= due_ms && !caller.silent {
            caller.guest.peer.say(r#"{"type":"HEARTBEAT"}"#);
            caller.said_ms = present.now_ms;
        }
    }

    fn rested(&mut self, present: &mut Present) {
        for said in self.said.values_mut() {
            said.settled = said.settled.min(present.moment);
        }
        for caller in &mut self.callers {
            caller.settled = caller.settled.min(present.moment);
            // What it has said of that may have broken off on the way.
            if caller.unregistered && !caller.guest.hangs {
                caller.guest.gone = caller.guest.gone.min(present.moment);
            }
        }
    }

    fn slept(&mut self, ms: u64, present: &mut Present) {
        // Whoever sleeps as long as that is not alive.
        if self.config.alive_timeout_ms > 0 && ms >= self.config.alive_timeout_ms / 2 {
            for caller in &mut self.callers {
                caller.guest.doubt(present.moment);
            }
        }
    }

    fn judge(&mut self, present: &mut Present) {
        self.judge_callers(present);
        self.judge_said(present);
    }
}

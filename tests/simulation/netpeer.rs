//! Members of net-peer's mesh: who may have which name, who is listed to whom, and which state goes from one to the next.

use super::client::{Moment, NEVER};
use super::guests::{Guest, NAMES, Present, Tribe};
use crate::support::memory_socket::Wire;
use crate::support::test_peer::{Heard, TestPeer};
use peerhub::Config;
use serde_json::Value;
use std::collections::BTreeSet;

/// A little more than a deadline may be missed by, ms.
const LATE_MS: u64 = 300;

/// All members, gone ones too, and those who never became any.
#[derive(Debug)]
pub(crate) struct Members {
    config: peerhub::config::NetPeer,
    line_bytes_max: usize,
    silence_ms_max: u64,
    members: Vec<Member>,
    /// Every state that anybody ever told the hub, and the one it began with.
    states: BTreeSet<String>,
    /// When everything was at rest last.
    rested: Moment,
}

#[derive(Debug)]
struct Member {
    guest: Guest,
    name: &'static str,
    port: usize,
    came_ms: u64,
    settled: Moment,
    outcome: Option<Outcome>,
    /// It presents itself and asks what is known.
    presents: bool,
    asks: bool,
    /// It tells the state when it is asked.
    answers: bool,
    /// Its states, each with the moment from which on it had it.
    states: Vec<(Moment, String)>,
    /// It asks in the middle, and is told what is known at that time.
    insists: bool,
    /// What it was told first, and when.
    informed: Option<Moment>,
    listing: Option<Vec<Value>>,
    /// When everything was at rest last before it came.
    rested_before: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    In,
    NameTaken,
    Full,
}

impl Members {
    pub(crate) fn new(config: &Config) -> Members {
        let first = config.netpeer.state.clone();
        Members {
            config: config.netpeer.clone(),
            line_bytes_max: config.limits.message_bytes,
            silence_ms_max: config.handshake_timeout_ms,
            members: Vec::new(),
            states: BTreeSet::from([first.unwrap_or_else(|| "{}".to_owned())]),
            rested: 0,
        }
    }

    fn say(&mut self, number: usize, kind: &str, content: &str, present: &mut Present) {
        let member = &mut self.members[number];
        let name = member.name;
        let text = match present.dice.below(3) {
            0 => format!(r#"{{"senderName":"{name}","type":"{kind}","content":{content}}}"#),
            1 => format!(
                "{{ \"content\" : {content},\"type\":\"{kind}\" , \"senderName\": \"{name}\", \"x\":[]}}\r"
            ),
            _ => format!(
                r#"{{"type":"x","senderName":"{name}","content":{content},"type":"{kind}"}}"#
            ),
        };
        member.guest.peer.say(&text);
    }

    fn tell_state(&mut self, number: usize, present: &mut Present) {
        let state = self.state(number);
        self.states.insert(state.clone());
        // Which hosts a member knows is its own affair.
        let content = format!(
            r#"{{"network":{{"hosts":[{{"name":"liar","ip":"9.9.9.9","remotePort":1,"mainPort":1}}],"state":{state}}}}}"#
        );
        self.say(number, "@NETWORK_INFORMATION", &content, present);
    }

    fn state(&self, number: usize) -> String {
        let last = self.members[number].states.last();
        last.map_or_else(|| "{}".to_owned(), |(_, state)| state.clone())
    }

    fn misbehave(&mut self, number: usize, present: &mut Present) {
        let wrong = [
            "{\"type\":",
            "[]",
            "",
            "{}",
            r#"{"type":5}"#,
            "GET / HTTP/1.1\r",
        ];
        let guest = &mut self.members[number].guest;
        match present.dice.below(8) {
            0 => {
                guest.doubt(present.moment);
                guest.mute = true;
                guest.peer.say(&"x".repeat(self.line_bytes_max + 1));
            }
            1 => {
                guest.peer.wire().send(b"\xff\xfe\n");
            }
            which => {
                guest.peer.say(wrong[which as usize - 2]);
            }
        }
    }

    fn take_in_information(&mut self, number: usize, content: &Value, present: &Present) {
        let network = &content["network"];
        let hosts = network["hosts"].as_array().expect("hosts are listed");
        let state = network["state"].to_string();
        for host in hosts {
            self.judge_host(number, host, present.moment);
        }
        assert!(
            self.states.contains(&state),
            "the state {state} is none that was told"
        );
        if self.members[number].informed.is_some() {
            self.members[number].listing = Some(hosts.clone());
            return;
        }
        let came = self.members[number].came();
        for (other, known) in self.members.iter().enumerate() {
            if other != number && known.guest.surely_in(came, present.moment) {
                let is_listed = hosts.iter().any(|host| host["name"] == known.name);
                assert!(
                    is_listed,
                    "member {other} is known to the newcomer {number}"
                );
            }
        }
        self.judge_state(number, &state, came, present);
        let member = &mut self.members[number];
        member.informed = Some(present.moment);
        member.states.push((present.moment, state));
    }

    /// Whoever is listed is or was somebody, and is none who came after or is the one who asks.
    fn judge_host(&self, number: usize, host: &Value, now: Moment) {
        let name = host["name"].as_str().expect("a member has a name");
        assert_ne!(
            name, self.members[number].name,
            "nobody is listed to himself"
        );
        let from = self.members[number].came();
        let known = self.members.iter().any(|member| {
            let ip = member.guest.address.to_string();
            member.name == name
                && host["mainPort"] == member.port
                && host["remotePort"] == 50_000
                && host["ip"] == ip.as_str()
                && member.guest.maybe_in(from, now)
        });
        assert!(known, "nobody is {host}");
    }

    /// If all who may be there tell their states when they are asked, the one that is handed on is the state of one of
    /// them, and no old one.
    fn judge_state(&self, number: usize, state: &str, came: Moment, present: &Present) {
        let (now, now_ms) = (present.moment, present.now_ms);
        let waited_ms = now_ms - self.members[number].came_ms;
        if waited_ms >= self.config.state_time_ms || self.members[number].insists {
            // Nobody was asked, whoever was asked had time enough, or the newcomer did not wait for it.
            return;
        }
        let others = || {
            let all = self.members.iter().enumerate();
            all.filter(move |(other, member)| {
                *other != number && member.presents && member.guest.maybe_in(came, now)
            })
        };
        let mut certain =
            others().filter(|(_, member)| member.informed.is_some_and(|at| at < came));
        let all_answer = others().all(|(_, member)| {
            member.answers
                && member.informed.is_some_and(|at| at < came)
                && member.guest.surely_in(came, now)
        });
        if !all_answer || certain.next().is_none() {
            return;
        }
        // An answer to a question before may have been on its way.
        let since = self.members[number].rested_before;
        let fresh = others().any(|(_, member)| {
            let mut later = member.states.iter().skip(1).map(|(from, _)| *from);
            member.states.iter().any(|(_, known)| {
                let until = later.next().unwrap_or(NEVER);
                known == state && until >= since
            })
        });
        assert!(fresh, "newcomer {number} gets the old state {state}");
    }
}

impl Member {
    fn came(&self) -> Moment {
        self.guest.came
    }
}

impl Tribe for Members {
    fn guests_max(&self) -> usize {
        6
    }

    fn enter(&mut self, wire: Wire, number: usize, present: &mut Present) {
        let guest = Guest::new(TestPeer::of_lines(wire), present.moment);
        self.members.push(Member {
            guest,
            name: NAMES[present.dice.below(6) as usize],
            port: 4_000 + number,
            came_ms: present.now_ms,
            settled: NEVER,
            outcome: None,
            presents: present.dice.chance(92),
            asks: present.dice.chance(90),
            answers: present.dice.chance(80),
            states: Vec::new(),
            insists: false,
            informed: None,
            listing: None,
            rested_before: self.rested,
        });
        let member = &mut self.members[number];
        if member.presents {
            let (port, asks) = (member.port, member.asks);
            let content = format!(r#"{{"port":{port},"needNetworkInformation":{asks}}}"#);
            self.say(number, "@PRESENTATION", &content, present);
        } else {
            member.guest.doubt(present.moment);
            if present.dice.chance(50) {
                self.say(number, "chat", "1", present);
            }
        }
    }

    fn count(&self) -> usize {
        self.members.len()
    }

    fn guest(&mut self, number: usize) -> &mut Guest {
        &mut self.members[number].guest
    }

    fn act(&mut self, number: usize, present: &mut Present) {
        let n = present.serial("np");
        match present.dice.below(100) {
            0..30 => self.say(number, "chat", &format!(r#"{{"n":"{n}"}}"#), present),
            30..40 => {
                self.members[number].insists = true;
                self.say(number, "@REQUEST_NETWORK_INFORMATION", "{}", present);
            }
            40..65 => {
                let state = match present.padding_bytes {
                    0 => format!(r#"{{"s":"{n}"}}"#),
                    most => format!(r#"{{"s":"{n}","x":"{}"}}"#, "p".repeat(most)),
                };
                let member = &mut self.members[number];
                member.states.push((present.moment, state));
                if present.dice.chance(20) {
                    self.tell_state(number, present);
                }
            }
            65..75 => self.misbehave(number, present),
            75..80 => {
                // Who takes the hub for a stranger presents himself again.
                let port = self.members[number].port;
                let content = format!(r#"{{"port":{port},"needNetworkInformation":false}}"#);
                self.say(number, "@PRESENTATION", &content, present);
            }
            80..82 => {
                self.say(
                    number,
                    "@CONNECTION_CLOSED",
                    r#"{"message":"bye"}"#,
                    present,
                );
                let guest = &mut self.members[number].guest;
                guest.doubt(present.moment);
                guest.mute = true;
            }
            82..94 => self.members[number].guest.leave(false, present),
            _ => {}
        }
    }

    fn hear(&mut self, number: usize, heard: Heard, present: &mut Present) {
        let Heard::Text(text) = heard else {
            return;
        };
        if self.members[number].guest.mute && !text.starts_with('{') {
            // What broke off in its first line was none, and is answered in HTTP.
            return;
        }
        let told: Value = serde_json::from_str(&text).expect("the hub speaks JSON");
        assert_eq!(
            told["senderName"],
            self.config.name.as_str(),
            "only the hub speaks: {text}"
        );
        let content = &told["content"];
        let member = &mut self.members[number];
        match told["type"].as_str().expect("a message has a type") {
            "@PRESENTATION" => {
                assert_eq!(member.outcome, None, "{text}");
                assert!(member.presents);
                assert_eq!(
                    content["port"], 3007,
                    "the port is the one that was dialled"
                );
                assert_eq!(content["needNetworkInformation"], false);
                member.outcome = Some(Outcome::In);
                member.guest.joined = present.moment;
                if !member.asks {
                    member.informed = Some(present.moment);
                    member.states.push((present.moment, "{}".to_owned()));
                }
            }
            "@NETWORK_INFORMATION" => {
                assert!(member.guest.joined != NEVER, "the presentation comes first");
                self.take_in_information(number, content, present);
            }
            "@REQUEST_NETWORK_INFORMATION" => {
                assert!(member.guest.joined != NEVER && self.config.state_time_ms > 0);
                if member.answers && !member.guest.mute {
                    self.tell_state(number, present);
                }
            }
            "@CONNECTION_CLOSED" => {
                let why = content["message"].as_str().expect("a reason is given");
                if member.outcome.is_none() && member.presents && !member.guest.mute {
                    member.outcome = Some(match why {
                        "Nickname is already being used." => Outcome::NameTaken,
                        _ => Outcome::Full,
                    });
                    member.guest.doubt(0);
                } else {
                    assert!(member.guest.doubtful_from != NEVER, "{why}");
                }
            }
            other => panic!("the hub has nothing of type {other} to say in a mesh"),
        }
    }

    fn rested(&mut self, present: &mut Present) {
        self.rested = present.moment;
        for member in &mut self.members {
            member.settled = member.settled.min(present.moment);
        }
    }

    fn inquire(&mut self, present: &mut Present) {
        for number in 0..self.members.len() {
            self.members[number].listing = None;
            if self.members[number].guest.is_in() {
                self.say(number, "@REQUEST_NETWORK_INFORMATION", "{}", present);
            }
        }
    }

    fn judge(&mut self, present: &mut Present) {
        let here: Vec<usize> = (0..self.members.len())
            .filter(|&number| self.members[number].guest.is_in())
            .collect();
        assert!(here.len() <= self.config.members);
        let names: BTreeSet<&str> = here.iter().map(|&at| self.members[at].name).collect();
        assert_eq!(names.len(), here.len(), "a name has one bearer");
        for (number, member) in self.members.iter().enumerate() {
            self.judge_outcome(number, member, present);
            if !member.guest.is_in() {
                continue;
            }
            assert!(
                member.informed.is_some(),
                "newcomer {number} is told of the mesh"
            );
            let listing = member.listing.as_ref().expect("a question is answered");
            let listed: Vec<&str> = listing
                .iter()
                .map(|host| host["name"].as_str().expect("a name"))
                .collect();
            let mut expected: Vec<&str> = names.iter().copied().collect();
            expected.retain(|name| *name != member.name);
            let mut sorted = listed.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, expected, "member {number} is listed the others");
            let place = |at: usize| {
                listed
                    .iter()
                    .position(|name| *name == self.members[at].name)
            };
            for &earlier in here.iter().filter(|&&other| other != number) {
                for &later in here.iter().filter(|&&other| other != number) {
                    if self.members[earlier].guest.joined < self.members[later].came() {
                        assert!(
                            place(earlier) < place(later),
                            "who came first is listed first"
                        );
                    }
                }
            }
        }
    }
}

impl Members {
    fn judge_outcome(&self, number: usize, member: &Member, present: &Present) {
        let (came, settled) = (member.came(), member.settled);
        let others = || {
            let all = self.members.iter().enumerate();
            all.filter(|(other, _)| *other != number)
                .map(|(_, other)| other)
        };
        match member.outcome {
            None if member.presents => {
                let excused = member.guest.doubtful_from <= settled;
                assert!(excused, "newcomer {number} is answered");
            }
            None => {
                let silent_ms = present.now_ms - member.came_ms;
                let late = silent_ms > self.silence_ms_max + LATE_MS;
                assert!(!late || !member.guest.peer.is_open(), "the silent must go");
            }
            Some(Outcome::In) => {
                assert_ne!(member.name, self.config.name, "the hub's name is its own");
                let taken = others()
                    .any(|other| other.name == member.name && other.guest.surely_in(came, settled));
                assert!(!taken, "the name of member {number} is taken");
            }
            Some(Outcome::NameTaken) => {
                let taken = others().any(|other| {
                    other.name == member.name
                        && other.presents
                        && other.guest.maybe_in(came, settled)
                });
                let own = member.name == self.config.name;
                assert!(taken || own, "the name of newcomer {number} is free");
            }
            Some(Outcome::Full) => {
                let there =
                    others().filter(|other| other.presents && other.guest.maybe_in(came, settled));
                assert!(
                    there.count() >= self.config.members,
                    "there is room for {number}"
                );
            }
        }
    }
}

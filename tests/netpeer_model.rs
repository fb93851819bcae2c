//! Peers of net-peer come, tell, fall silent and go as chance has it, and a naive model says what each newcomer must be told
//! and when at the latest.

mod support;

use peerhub::Config;
use peerhub::config::NetPeer;
use serde_json::{Value, json};
use std::net::IpAddr;
use support::test_hub::TestHub;
use support::test_peer::{Heard, TestPeer};
use support::{Dice, for_each_seed};

const STATE_TIME_MS: u64 = 500;

struct Member {
    peer: TestPeer,
    name: String,
    /// When it came, if it waits to be told about the network.
    waits_since: Option<u64>,
    /// When it was asked for the state, if it has not told it since.
    asked_at: Option<u64>,
}

struct Model {
    hub: TestHub,
    /// In the order of their presentations.
    members: Vec<Member>,
    state: Value,
    count: u64,
    /// What newcomers were told, to be sure that they were.
    answers: usize,
    questions: usize,
}

#[test]
fn newcomers_are_told_what_a_model_says() {
    let sums = std::cell::Cell::new((0, 0));
    for_each_seed(150, |dice| {
        let config = Config {
            ping_interval_ms: 0,
            netpeer: NetPeer {
                state_time_ms: STATE_TIME_MS,
                ..NetPeer::default()
            },
            ..Config::default()
        };
        let mut model = Model {
            hub: TestHub::new(config, 1),
            members: Vec::new(),
            state: json!({}),
            count: 0,
            answers: 0,
            questions: 0,
        };
        for _ in 0..120 {
            model.step(dice);
        }
        // Whoever still waits is told in the end.
        model.pass_time(STATE_TIME_MS);
        assert!(
            model
                .members
                .iter()
                .all(|member| member.waits_since.is_none())
        );
        let (answers, questions) = sums.get();
        sums.set((answers + model.answers, questions + model.questions));
    });
    let (answers, questions) = sums.get();
    if std::env::var_os("PEERHUB_SEED").is_none() {
        assert!(answers > 2_000 && questions > 500, "{answers}, {questions}");
    }
}

impl Model {
    fn step(&mut self, dice: &mut Dice) {
        let chosen = match self.members.len() as u64 {
            0 => None,
            count => Some(dice.below(count) as usize),
        };
        match (dice.below(10), chosen) {
            (0..3, _) | (_, None) => self.come(dice.chance(80)),
            (3, Some(place)) => {
                let gone = self.members.remove(place);
                match dice.chance(50) {
                    true => gone.peer.wire().end(),
                    false => gone.peer.wire().reset(),
                }
                gone.peer.wire().arrive(usize::MAX);
            }
            (4, Some(place)) => self.tell(place),
            (5..8, _) => {
                if let Some(asked) = self.members.iter().position(|m| m.asked_at.is_some()) {
                    self.tell(asked);
                }
            }
            (_, Some(_)) => self.pass_time(dice.below(400)),
        }
        self.hub.settle(|_| false);
        self.take_in();
    }

    fn come(&mut self, needs_information: bool) {
        self.count += 1;
        let address = IpAddr::from([192, 0, 2, 1]);
        let wire = self
            .hub
            .connect(address, usize::MAX)
            .expect("there is room");
        let mut member = Member {
            peer: TestPeer::of_lines(wire),
            name: format!("peer {}", self.count),
            waits_since: needs_information.then_some(self.hub.elapsed_ms()),
            asked_at: None,
        };
        let content = json!({"port": self.count, "needNetworkInformation": needs_information});
        member.say("@PRESENTATION", content);
        self.members.push(member);
    }

    /// Stops wherever the hub does something, so that the model sees when it was.
    fn pass_time(&mut self, ms: u64) {
        let end = self.hub.elapsed_ms() + ms;
        while self.hub.elapsed_ms() < end {
            let next = self.hub.next_tick().unwrap_or(end).min(end);
            self.hub.advance(next - self.hub.elapsed_ms(), |_| false);
            self.take_in();
        }
    }

    fn tell(&mut self, place: usize) {
        self.count += 1;
        self.state = json!(self.count);
        let content = json!({"network": {"hosts": [], "state": self.state}});
        let member = &mut self.members[place];
        member.say("@NETWORK_INFORMATION", content);
        // Who was too late may be asked again from now on.
        member.asked_at = None;
    }

    fn take_in(&mut self) {
        let now = self.hub.elapsed_ms();
        let names: Vec<String> = self.members.iter().map(|m| m.name.clone()).collect();
        for (place, member) in self.members.iter_mut().enumerate() {
            for heard in member.peer.pump(usize::MAX) {
                let Heard::Text(text) = heard else {
                    panic!("{} hears {heard:?}", member.name);
                };
                let message: Value = serde_json::from_str(&text).expect("JSON");
                match message["type"].as_str().expect("a type") {
                    "@PRESENTATION" => {}
                    "@REQUEST_NETWORK_INFORMATION" => {
                        assert_eq!(member.waits_since, None, "who waits is not asked");
                        assert_eq!(member.asked_at, None, "nobody is asked twice");
                        member.asked_at = Some(now);
                        self.questions += 1;
                    }
                    "@NETWORK_INFORMATION" => {
                        assert!(member.waits_since.take().is_some(), "told once");
                        let network = &message["content"]["network"];
                        let hosts = network["hosts"].as_array().expect("a list");
                        let told: Vec<&str> =
                            hosts.iter().filter_map(|h| h["name"].as_str()).collect();
                        assert_eq!(told, names[..place], "those who came before and are there");
                        assert_eq!(network["state"], self.state);
                        self.answers += 1;
                    }
                    other => panic!("{} hears {other}", member.name),
                }
            }
            let late = member
                .waits_since
                .is_some_and(|at| now >= at + STATE_TIME_MS);
            assert!(!late, "{} has waited too long", member.name);
        }
        let asked = |m: &&Member| m.asked_at.is_some_and(|at| now < at + STATE_TIME_MS);
        let open = self.members.iter().filter(asked).count();
        let waiting = self
            .members
            .iter()
            .filter(|m| m.waits_since.is_some())
            .count();
        assert!(open <= 1, "one question at a time");
        assert!(waiting == 0 || open == 1, "who waits, waits for an answer");
    }
}

impl Member {
    fn say(&mut self, kind: &str, content: Value) {
        let message = json!({"senderName": self.name, "type": kind, "content": content});
        self.peer.say(&message.to_string());
        self.peer.wire().arrive(usize::MAX);
    }
}

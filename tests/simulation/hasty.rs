//! Those who do more than the rates allow, all from one address: each says numbered things to itself.
//!
//! Whoever is over a rate, and when, is the hub's to know. What must hold all the same: what is said comes in order and
//! not twice; what is delayed comes in the end; what is dropped is said to be; and whoever was silent for a while is
//! heard again. Owns what each has said. They are in linkages of their own, so that nobody else knows them.

use super::client::NEVER;
use super::guests::{Guest, Present, Tribe};
use crate::support::memory_socket::Wire;
use crate::support::test_peer::Heard;
use peerhub::Config;
use peerhub::config::{Excess, Rates};
use serde_json::Value;
use std::collections::VecDeque;

/// All of them, gone ones too.
#[derive(Debug)]
pub(crate) struct Hasty {
    rates: Rates,
    /// What they say to themselves may be dropped for another reason than the rates.
    may_be_spared: bool,
    ones: Vec<One>,
}

#[derive(Debug)]
struct One {
    guest: Guest,
    id: String,
    linkage: String,
    /// When it last asked to be let in, ms.
    asked_ms: u64,
    /// When it last did too much, ms.
    burst_ms: u64,
    /// What it has said and not heard: number, and how many times it is still to be heard.
    said: VecDeque<(u64, usize)>,
    last: u64,
    /// How often it was told that it is too fast since the last judgement.
    told: usize,
    /// What it said after a silence, and must hear.
    after_silence: Option<u64>,
}

/// Longer than it takes to pay off what is done at once.
const BURST_GAP_MS: u64 = 1_500;
/// How often one message is for its own sender, to be many deliveries.
const MANY: usize = 90;

impl Hasty {
    pub(crate) fn new(config: &Config) -> Hasty {
        Hasty {
            rates: config.rates.clone(),
            may_be_spared: config.drop_first.iter().any(|kind| kind == "notifies"),
            ones: Vec::new(),
        }
    }

    /// Says something to itself, so many times in one message.
    fn say(&mut self, number: usize, times: usize) -> u64 {
        let one = &mut self.ones[number];
        one.last += 1;
        let ids = vec![format!("\"{}\"", one.id); times].join(",");
        let text = format!(
            r#"{{"type":"notify","peer":[{ids}],"content":{{"n":{}}}}}"#,
            one.last
        );
        one.guest.peer.say(&text);
        one.said.push_back((one.last, times));
        one.last
    }

    /// Does more at once than one of the rates allows.
    fn burst(&mut self, number: usize) {
        let [messages, bytes, deliveries, joins] = charged(&self.rates);
        let peer = &mut self.ones[number].guest.peer;
        if messages {
            for _ in 0..1_200 {
                peer.send_frame(0x89, b"");
            }
        } else if bytes {
            let padding = "x".repeat(36_000);
            let text = format!(r#"{{"type":"notify","peer":"never-there","content":"{padding}"}}"#);
            for _ in 0..32 {
                peer.say(&text);
            }
        } else if deliveries {
            for _ in 0..25 {
                self.say(number, MANY);
            }
        } else if joins {
            for _ in 0..130 {
                self.join(number);
            }
        }
        for _ in 0..4 {
            self.say(number, 1);
        }
    }

    /// When this one, or whoever it shares a bucket with, last did too much, ms.
    fn burst_ms(&self, number: usize) -> u64 {
        match is_metered_by_address(&self.rates) {
            true => self.ones.iter().map(|one| one.burst_ms).max().unwrap_or(0),
            false => self.ones[number].burst_ms,
        }
    }

    fn join(&mut self, number: usize) {
        let one = &mut self.ones[number];
        let text = format!(
            r#"{{"type":"initiate","content":{{"linkageKey":"{}","resume":true,"options":{{"peerInitiationReceiver":false,"peerInitiationSender":false}}}}}}"#,
            one.linkage
        );
        one.guest.peer.say(&text);
    }
}

/// Whether anything is charged for.
pub(crate) fn is_metered(rates: &Rates) -> bool {
    charged(rates).contains(&true)
}

/// Whether anything is charged to an address.
pub(crate) fn is_metered_by_address(rates: &Rates) -> bool {
    let of_address = [
        rates.address_messages,
        rates.address_bytes,
        rates.address_deliveries,
        rates.address_joins,
    ];
    of_address.iter().any(|&rate| rate > 0)
}

/// Whether messages, bytes, deliveries and joins are charged for, each of a connection or of its address.
fn charged(rates: &Rates) -> [bool; 4] {
    [
        (rates.messages, rates.address_messages),
        (rates.bytes, rates.address_bytes),
        (rates.deliveries, rates.address_deliveries),
        (rates.joins, rates.address_joins),
    ]
    .map(|(own, of_address)| own + of_address > 0)
}

impl Tribe for Hasty {
    fn guests_max(&self) -> usize {
        match is_metered(&self.rates) && !self.may_be_spared {
            true => 3,
            false => 0,
        }
    }

    fn enter(&mut self, wire: Wire, number: usize, present: &mut Present) {
        let mut guest = Guest::new(present.peer(wire, "/"), present.moment);
        guest.is_hasty = self.rates.excess != Excess::Delay;
        if self.rates.excess == Excess::Close {
            guest.doubt(present.moment);
        }
        self.ones.push(One {
            guest,
            id: String::new(),
            linkage: format!("hasty{number}"),
            asked_ms: 0,
            burst_ms: 0,
            said: VecDeque::new(),
            last: 0,
            told: 0,
            after_silence: None,
        });
    }

    fn count(&self) -> usize {
        self.ones.len()
    }

    fn guest(&mut self, number: usize) -> &mut Guest {
        &mut self.ones[number].guest
    }

    fn act(&mut self, number: usize, present: &mut Present) {
        let is_rested = present.now_ms >= self.burst_ms(number) + BURST_GAP_MS;
        match present.dice.below(100) {
            0..60 => {
                self.say(number, 1);
            }
            60..95 if is_rested && present.padding_bytes == 0 => {
                self.ones[number].burst_ms = present.now_ms;
                self.burst(number);
            }
            95..97 => self.ones[number].guest.leave(true, present),
            _ => {}
        }
    }

    fn hear(&mut self, number: usize, heard: Heard, present: &mut Present) {
        let Heard::Text(text) = heard else {
            return;
        };
        let told: Value = serde_json::from_str(&text).expect("the hub speaks JSON");
        let one = &mut self.ones[number];
        match told["type"].as_str().expect("a message has a type") {
            "accept" => {
                assert!(one.id.is_empty(), "accept comes once");
                told["peer"]
                    .as_str()
                    .expect("an id")
                    .clone_into(&mut one.id);
                one.asked_ms = present.now_ms;
                self.join(number);
            }
            "confirm" => one.guest.joined = one.guest.joined.min(present.moment),
            "notify" => {
                let heard = told["content"]["n"].as_u64().expect("a number");
                // Whatever came before has been dropped.
                while let Some(&(said, times)) = one.said.front()
                    && said < heard
                {
                    let is_dropped = self.rates.excess == Excess::Drop;
                    assert!(is_dropped || one.guest.mute, "{said} is not lost: {times}");
                    one.told = one
                        .told
                        .checked_sub(1)
                        .expect("what is dropped is said to be");
                    one.said.pop_front();
                }
                let (said, times) = one.said.front_mut().expect("only what was said is heard");
                assert_eq!(
                    *said, heard,
                    "what is said comes in order, and as often as it is meant"
                );
                *times -= 1;
                if *times == 0 {
                    one.said.pop_front();
                }
                if one.after_silence == Some(heard) {
                    one.after_silence = None;
                }
            }
            "error" => {
                assert_eq!(told["content"]["code"], "E_TOOFAST", "{text}");
                assert_eq!(self.rates.excess, Excess::Drop, "nothing else is dropped");
                one.told += 1;
            }
            "nudge" => {}
            other => panic!("nobody has asked for {other}"),
        }
    }

    fn rested(&mut self, present: &mut Present) {
        for number in 0..self.ones.len() {
            let one = &mut self.ones[number];
            let is_waiting = !one.id.is_empty() && one.guest.joined == NEVER && !one.guest.mute;
            if is_waiting && one.guest.peer.is_open() && present.now_ms > one.asked_ms + 700 {
                // What it asked has been dropped.
                one.asked_ms = present.now_ms;
                self.join(number);
            }
        }
    }

    fn inquire(&mut self, _present: &mut Present) {
        for number in 0..self.ones.len() {
            if self.ones[number].guest.is_in() {
                let said = self.say(number, 1);
                self.ones[number].after_silence = Some(said);
            }
        }
    }

    fn judge(&mut self, _present: &mut Present) {
        for (number, one) in self.ones.iter_mut().enumerate() {
            let is_well = one.guest.is_in() && !one.guest.has_stalled;
            if !is_well {
                continue;
            }
            assert_eq!(
                one.after_silence, None,
                "hasty {number} is heard after a silence: {:?}",
                one.said
            );
            assert!(one.said.is_empty(), "hasty {number} hears what it says");
            one.told = 0;
        }
    }
}

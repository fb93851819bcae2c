//! Visitors who come, signal and go in a peero lobby, compared with a model that is a vector of ids.
//!
//! Owns: turning bytes into arrivals, messages and departures, and saying in plain text who must be told what. Must not:
//! ask what a switchboard never asks, such as a message of somebody who has gone.

use super::Tape;
use crate::config::Config;
use crate::dialect::peero::Lobby;
use crate::dialect::{Act, Arrival, Lent, Mail};
use crate::hub::id::FreshIds;
use crate::index::{ConnKey, VisitorKey};
use std::hash::RandomState;

/// Does what `data` says in a lobby with low bounds, and sweeps it after each step.
///
/// # Panics
/// If lobby and model disagree about who is told what in which order, or if the lobby contradicts itself.
pub fn run(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut config = Config::default();
    config.peero.peers = VISITORS_MAX;
    config.peero.signal_bytes = SIGNAL_BYTES_MAX;
    let mut twin = Twin {
        lobby: Lobby::new(&config, RandomState::new()),
        ids: FreshIds::default(),
        mail: Mail::default(),
        chance: 1,
        here: Vec::new(),
        conns_used: 0,
    };
    while let Some(choice) = tape.next() {
        match choice % 16 {
            0..=3 => twin.join(),
            4 => twin.depart(&mut tape),
            choice => twin.speak(choice, &mut tape),
        }
    }
    while !twin.here.is_empty() {
        twin.depart(&mut tape);
    }
    assert_eq!(twin.lobby.member_count(), 0);
}

struct Twin {
    lobby: Lobby,
    ids: FreshIds,
    mail: Mail,
    /// What the random bytes are made of.
    chance: u64,
    /// In the order of joining.
    here: Vec<Model>,
    conns_used: usize,
}

#[derive(Clone)]
struct Model {
    member: VisitorKey,
    conn: ConnKey,
    id: String,
}

/// What is said to whom, in order.
type Told = Vec<(ConnKey, String)>;

impl Twin {
    fn join(&mut self) {
        let conn = ConnKey::at(self.conns_used);
        self.conns_used += 1;
        let arrival = Arrival {
            conn,
            remote: ([127, 0, 0, 1], 1).into(),
            local_port: 1,
            query: "",
            has_fixed_id: false,
        };
        let member = self.with_lobby(|lobby, lent| lobby.join(arrival, lent));
        let Some(member) = member else {
            assert_eq!(self.here.len(), VISITORS_MAX, "there was place");
            let close = Act::Close {
                to: conn,
                code: Some(1013),
                reason: "no place for more peers",
            };
            assert_eq!(self.mail.acts().last(), Some(&close));
            return self.only_an_error(conn, "E_FULL");
        };
        assert!(self.here.len() < VISITORS_MAX, "there was no place");
        let told = self.told();
        let id = told[0].1[r#"{"type":"id","id":""#.len()..][..36].to_owned();
        assert!(self.here.iter().all(|other| other.id != id), "{id} twice");
        let newcomer = Model { member, conn, id };
        let mut expected = self.introduction(&newcomer);
        let announce = format!(r#"{{"type":"announce","id":"{}"}}"#, newcomer.id);
        self.to_others(&newcomer, &announce, &mut expected);
        assert_eq!(told, expected);
        self.here.push(newcomer);
    }

    fn depart(&mut self, tape: &mut Tape<'_>) {
        let Some(leaver) = self.choose(tape) else {
            return;
        };
        self.here.retain(|other| other.conn != leaver.conn);
        self.with_lobby(|lobby, lent| lobby.depart(leaver.member, lent));
        let mut expected = Told::new();
        let remove = format!(r#"{{"type":"remove","id":"{}"}}"#, leaver.id);
        self.to_others(&leaver, &remove, &mut expected);
        assert_eq!(self.told(), expected);
    }

    fn speak(&mut self, choice: u8, tape: &mut Tape<'_>) {
        let Some(speaker) = self.choose(tape) else {
            return;
        };
        match choice {
            5 => {
                self.hears(&speaker, r#"{"type":"register"}"#, Ok(()));
                let expected = self.introduction(&speaker);
                assert_eq!(self.told(), expected);
            }
            6..=8 => {
                let body = format!("\"{}\"", "s".repeat(tape.below(SIGNAL_BYTES_MAX)));
                let message = format!(r#"{{"type":"offer","signal":{body}}}"#);
                self.signals(&speaker, &message, "offer", &body, &Receiver::All);
            }
            9..=10 => {
                let to = self.receiver(&speaker, tape);
                let body = format!(r#"{{"sdp":{}}}"#, tape.byte());
                let message = format!(r#"{{"type":"answer"{},"signal":{body}}}"#, field(&to));
                match to {
                    Receiver::All => self.is_refused(&speaker, &message, "E_BADPEER"),
                    to => self.signals(&speaker, &message, "answer", &body, &to),
                }
            }
            11..=14 => {
                let to = self.receiver(&speaker, tape);
                let said = ["offer", "answer", "candidate", "signal"][tape.below(4)];
                let kind = match said {
                    "offer" | "answer" => said,
                    _ => "signal",
                };
                let body = format!(r#"{{"type":"{said}"{}}}"#, field(&to));
                let message = format!(r#"{{"type":"signal","data":{body}}}"#);
                self.signals(&speaker, &message, kind, &body, &to);
            }
            _ => {
                let noise: Vec<u8> = (0..tape.below(8)).map(|_| tape.byte()).collect();
                let message = format!("no JSON {}", String::from_utf8_lossy(&noise));
                self.is_refused(&speaker, &message, "E_NOTJSON");
            }
        }
    }

    fn signals(&mut self, from: &Model, message: &str, kind: &str, body: &str, to: &Receiver) {
        if body.len() > SIGNAL_BYTES_MAX {
            return self.is_refused(from, message, "E_TOOLONG");
        }
        let text = format!(
            r#"{{"type":"{kind}","peerId":"{}","signal":{body}}}"#,
            from.id
        );
        let mut expected = Told::new();
        match to {
            Receiver::All => self.to_others(from, &text, &mut expected),
            Receiver::One(to) if to.id == from.id => {
                return self.is_refused(from, message, "E_BADPEER");
            }
            Receiver::One(to) => expected.push((to.conn, text)),
            Receiver::Stranger => return self.is_refused(from, message, "E_PEERUNKNOWN"),
        }
        self.hears(from, message, Ok(()));
        assert_eq!(self.told(), expected);
    }

    fn is_refused(&mut self, speaker: &Model, message: &str, code: &'static str) {
        self.hears(speaker, message, Err(code));
        self.only_an_error(speaker.conn, code);
    }

    /// Asserts that one text was said, an error of this code to this connection.
    fn only_an_error(&self, conn: ConnKey, code: &str) {
        let told = self.told();
        let error = format!(r#"{{"type":"error","code":"{code}","message":""#);
        assert_eq!((told.len(), told[0].0), (1, conn));
        assert!(told[0].1.starts_with(&error), "{}", told[0].1);
    }

    fn hears(&mut self, speaker: &Model, message: &str, outcome: Result<(), &'static str>) {
        let member = speaker.member;
        let heard = self.with_lobby(|lobby, lent| lobby.hear(member, message, lent));
        if let Err(fault) = &heard {
            assert!(self.told().is_empty(), "{message}");
            self.with_lobby(|lobby, lent| lobby.complain(member, fault, lent));
        }
        assert_eq!(heard.map_err(|fault| fault.code), outcome, "{message}");
    }

    fn introduction(&self, to: &Model) -> Told {
        let others: Vec<String> = self
            .here
            .iter()
            .filter(|other| other.conn != to.conn)
            .map(|other| format!("\"{}\"", other.id))
            .collect();
        let id = format!(r#"{{"type":"id","id":"{}"}}"#, to.id);
        let peers = format!(r#"{{"type":"peers","peers":[{}]}}"#, others.join(","));
        vec![(to.conn, id), (to.conn, peers)]
    }

    fn to_others(&self, from: &Model, text: &str, told: &mut Told) {
        let others = self.here.iter().filter(|other| other.conn != from.conn);
        told.extend(others.map(|other| (other.conn, text.to_owned())));
    }

    /// What has just been said; each text must be written once.
    fn told(&self) -> Told {
        let mut texts_used = 0;
        let told: Told = self
            .mail
            .acts()
            .iter()
            .filter_map(|act| match act {
                &Act::Send { to, text, .. } => {
                    texts_used = texts_used.max(text as usize + 1);
                    let text = String::from_utf8(self.mail.read(text).to_vec());
                    Some((to, text.expect("texts are UTF-8")))
                }
                Act::Close { .. } => None,
                Act::Dial { .. } | Act::Remark(_) | Act::Keep(_) => panic!("a lobby only speaks"),
            })
            .collect();
        assert_eq!(texts_used, self.mail.text_count(), "texts for nobody");
        assert!(self.mail.text_count() <= 3, "a text is written twice");
        told
    }

    fn with_lobby<R>(&mut self, act: impl FnOnce(&mut Lobby, Lent<'_>) -> R) -> R {
        let chance = &mut self.chance;
        self.ids.top_up(0, |stock| {
            for byte in stock {
                *chance = chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                *byte = (*chance >> 56) as u8;
            }
        });
        self.mail.clear();
        let lent = Lent {
            now: 0,
            ids: &mut self.ids,
            mail: &mut self.mail,
        };
        let result = act(&mut self.lobby, lent);
        self.lobby.check();
        result
    }

    fn choose(&self, tape: &mut Tape<'_>) -> Option<Model> {
        match self.here.len() {
            0 => None,
            count => Some(self.here[tape.below(count)].clone()),
        }
    }

    fn receiver(&self, speaker: &Model, tape: &mut Tape<'_>) -> Receiver {
        match tape.below(8) {
            0 => Receiver::All,
            1 => Receiver::Stranger,
            2 => Receiver::One(speaker.clone()),
            _ => self.choose(tape).map_or(Receiver::All, Receiver::One),
        }
    }
}

enum Receiver {
    All,
    One(Model),
    Stranger,
}

/// The field that names the receiver, after others.
fn field(to: &Receiver) -> String {
    match to {
        Receiver::All => String::new(),
        Receiver::One(to) => format!(r#","peerId":"{}""#, to.id),
        Receiver::Stranger => r#","peerId":"00000000-0000-4000-8000-000000000000""#.to_owned(),
    }
}

/// Low, so that the bounds are met often.
const VISITORS_MAX: usize = 5;

/// Holds the form of `signal` with an id; a longer string does not fit.
const SIGNAL_BYTES_MAX: usize = 80;

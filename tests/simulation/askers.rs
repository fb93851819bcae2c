//! Those who ask by plain HTTP: several requests in a row, posts for PeerJS, and what is no request at all.
//!
//! Owns what each asked and which answers may come. Every whole request that the hub has read is answered, in order.

use super::guests::{Guest, NAMES, Present, Tribe};
use crate::support::memory_socket::Wire;
use crate::support::test_peer::{Heard, TestPeer};
use peerhub::Config;
use std::collections::VecDeque;

/// All askers, gone ones too.
#[derive(Debug)]
pub(crate) struct Askers {
    /// Below which PeerJS is, if it is spoken.
    peerjs: Option<String>,
    body_bytes_max: usize,
    /// Who posts for PeerJS has no token, and needs one.
    are_tokens_required: bool,
    askers: Vec<Asker>,
}

#[derive(Debug)]
struct Asker {
    guest: Guest,
    incoming: Vec<u8>,
    asked: VecDeque<Question>,
    /// It has said something after which no more is answered.
    is_last: bool,
}

#[derive(Debug)]
struct Question {
    /// The statuses that may answer it.
    statuses: &'static [u16],
    /// The answer has no body whatever its length is said to be.
    head_only: bool,
    /// How many bytes of the connection it ends at.
    end: u64,
}

impl Askers {
    pub(crate) fn new(config: &Config) -> Askers {
        let base = config.peerjs.path.trim_end_matches('/').to_owned();
        Askers {
            peerjs: config.peerjs.on.then_some(base),
            body_bytes_max: config.limits.body_bytes,
            are_tokens_required: config.tokens.are_required(),
            askers: Vec::new(),
        }
    }

    fn ask(&mut self, number: usize, present: &mut Present) {
        let keep = match present.dice.chance(92) {
            true => "",
            false => "Connection: close\r\n",
        };
        let get = |method: &str, path: &str| {
            format!("{method} {path} HTTP/1.1\r\nHost: hub.example\r\n{keep}\r\n")
        };
        let post = |path: &str, body: &str| {
            let length = body.len();
            format!(
                "POST {path} HTTP/1.1\r\nHost: hub.example\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n{keep}\r\n{body}"
            )
        };
        let (mut is_last, mut head_only) = (!keep.is_empty(), false);
        let (text, statuses): (String, &'static [u16]) = match present.dice.below(14) {
            0..3 => (get("GET", "/healthz"), &[200]),
            3 => {
                head_only = true;
                (get("HEAD", "/"), &[200])
            }
            4 => (get("GET", "/not/there"), &[404]),
            5 => (get("DELETE", "/healthz"), &[405]),
            6 => {
                let call = r#"{"name":"getpeersource","parameters":{"minimized":true}}"#;
                (post("/api", call), &[200])
            }
            7 => {
                is_last = true;
                let body = "x".repeat(self.body_bytes_max + 1);
                (post("/api", &body), &[413])
            }
            8 => {
                is_last = true;
                ("what is this?\r\n\r\n".to_owned(), &[400])
            }
            9 => (get("GET", "/ok-peerconnection-min.js"), &[200]),
            _ => match &self.peerjs {
                None => (get("GET", "/healthz"), &[200]),
                Some(base) if present.dice.chance(40) => {
                    (get("GET", &format!("{base}/room0/id")), &[200])
                }
                Some(base) => {
                    // Its author never comes, so nobody hears of it; but it waits among what others say.
                    let (key, author) = (NAMES[0], NAMES[present.dice.below(6) as usize]);
                    let kind = ["offer", "answer", "candidate"][present.dice.below(3) as usize];
                    let body = format!(
                        r#"{{"type":"{}","dst":"{author}","payload":{{"x":"{}"}}}}"#,
                        kind.to_uppercase(),
                        "p".repeat(present.dice.below(300) as usize)
                    );
                    let path = format!("{base}/{key}/{author}/nobodys-token/{kind}");
                    match self.are_tokens_required {
                        true => {
                            is_last = true;
                            (post(&path, &body), &[401])
                        }
                        false => {
                            present.posted.push((present.now_ms, body.len()));
                            (post(&path, &body), &[200, 503])
                        }
                    }
                }
            },
        };
        let asker = &mut self.askers[number];
        let end = asker.guest.peer.wire().send(text.as_bytes());
        asker.is_last |= is_last;
        asker.asked.push_back(Question {
            statuses,
            head_only,
            end,
        });
    }

    fn take_in(&mut self, number: usize) {
        let asker = &mut self.askers[number];
        while let Some(head_end) = find(&asker.incoming, b"\r\n\r\n") {
            let head = String::from_utf8(asker.incoming[..head_end].to_vec()).expect("a head");
            let status: u16 = head[9..12].parse().expect("an HTTP status");
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .map_or(0, |length| length.parse::<usize>().expect("a length"));
            let Some(question) = asker.asked.front() else {
                assert!(asker.guest.mute, "nobody has asked for {head}");
                asker.incoming.clear();
                return;
            };
            let body = if question.head_only { 0 } else { length };
            if asker.incoming.len() < head_end + 4 + body {
                return;
            }
            asker.incoming.drain(..head_end + 4 + body);
            let is_refused = status == 503 && asker.guest.is_refused();
            assert!(
                question.statuses.contains(&status) || is_refused || asker.guest.mute,
                "{:?} is not answered by {head}",
                question.statuses
            );
            asker.asked.pop_front();
            if head.contains("Connection: close") {
                // Whatever else was asked is not answered.
                asker.asked.clear();
                asker.is_last = true;
            }
        }
    }
}

impl Tribe for Askers {
    fn guests_max(&self) -> usize {
        4
    }

    fn enter(&mut self, wire: Wire, number: usize, present: &mut Present) {
        let mut guest = Guest::new(TestPeer::of_bytes(wire), present.moment);
        guest.joined = present.moment;
        // The hub may end a connection on which nothing is asked.
        guest.doubt(present.moment);
        self.askers.push(Asker {
            guest,
            incoming: Vec::new(),
            asked: VecDeque::new(),
            is_last: false,
        });
        self.ask(number, present);
    }

    fn count(&self) -> usize {
        self.askers.len()
    }

    fn guest(&mut self, number: usize) -> &mut Guest {
        &mut self.askers[number].guest
    }

    fn act(&mut self, number: usize, present: &mut Present) {
        if self.askers[number].is_last {
            return;
        }
        match present.dice.below(100) {
            0..50 => self.ask(number, present),
            50..60 => {
                for _ in 0..1 + present.dice.below(60) {
                    if !self.askers[number].is_last {
                        self.ask(number, present);
                    }
                }
            }
            60..70 => {
                // Who has ended his direction is answered all the same.
                self.askers[number].is_last = true;
                self.askers[number].guest.peer.wire().end();
            }
            _ => {}
        }
    }

    fn hear(&mut self, number: usize, heard: Heard, _present: &mut Present) {
        if let Heard::Bytes(bytes) = heard {
            self.askers[number].incoming.extend(bytes);
            self.take_in(number);
        }
    }

    fn judge(&mut self, _present: &mut Present) {
        for (number, asker) in self.askers.iter_mut().enumerate() {
            let read_bytes = asker.guest.peer.wire().read_bytes();
            let mut unanswered = asker
                .asked
                .iter()
                .filter(|question| question.end <= read_bytes);
            if !(asker.guest.mute || asker.guest.has_stalled)
                && let Some(question) = unanswered.next()
            {
                assert!(
                    asker.guest.peer.is_gone(),
                    "asker {number} is answered: {question:?}"
                );
                // It may have been too slow a reader, if there was a place for it at all.
                if !asker.guest.is_refused() {
                    asker.guest.lose();
                }
            }
        }
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

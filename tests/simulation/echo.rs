//! Those who speak to the echo: what comes back is what was said, byte for byte and in order.

use super::client::NEVER;
use super::guests::{Guest, Present, Tribe};
use crate::support::memory_socket::Wire;
use crate::support::test_peer::Heard;
use std::collections::VecDeque;

/// All callers, gone ones too.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    callers: Vec<Caller>,
}

#[derive(Debug)]
struct Caller {
    guest: Guest,
    /// What has not come back yet.
    said: VecDeque<Heard>,
    pongs: VecDeque<Vec<u8>>,
}

impl Callers {
    fn say(&mut self, number: usize, present: &mut Present) {
        let n = present.serial("ec");
        let padding = match present.dice.below(20) {
            0 => 20_000,
            1..4 => 600,
            _ => present.dice.below(60) as usize,
        };
        let text = format!("{n} é😀{}", "e".repeat(padding.max(present.padding_bytes)));
        let caller = &mut self.callers[number];
        let peer = &mut caller.guest.peer;
        match present.dice.below(4) {
            0 => {
                let bytes = [text.as_bytes(), &[0xff, 0]].concat();
                peer.say_binary(&bytes);
                caller.said.push_back(Heard::Binary(bytes));
                return;
            }
            1 => {
                peer.say_in_pieces(&text, 1 + text.len() / 4);
                caller.pongs.push_back(b"between".to_vec());
            }
            _ => {
                peer.say(&text);
            }
        }
        caller.said.push_back(Heard::Text(text));
    }
}

impl Tribe for Callers {
    fn guests_max(&self) -> usize {
        3
    }

    fn enter(&mut self, wire: Wire, _number: usize, present: &mut Present) {
        let mut guest = Guest::new(present.peer(wire, "/echo"), present.moment);
        // What follows the head at once is heard too.
        guest.joined = present.moment;
        self.callers.push(Caller {
            guest,
            said: VecDeque::new(),
            pongs: VecDeque::new(),
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
            0..80 => self.say(number, present),
            80..90 => {
                let caller = &mut self.callers[number];
                for count in 0..present.dice.below(20) {
                    let payload = vec![count as u8; count as usize];
                    caller.guest.peer.send_frame(0x89, &payload);
                    caller.pongs.push_back(payload);
                }
            }
            90..95 => self.callers[number].guest.leave(true, present),
            _ => {}
        }
    }

    fn hear(&mut self, number: usize, heard: Heard, _present: &mut Present) {
        let caller = &mut self.callers[number];
        match heard {
            Heard::Text(_) | Heard::Binary(_) => {
                assert_eq!(
                    caller.said.pop_front(),
                    Some(heard),
                    "an echo is what was said"
                );
            }
            Heard::Pong(payload) => {
                let place = caller.pongs.iter().position(|sent| *sent == payload);
                let place = place.expect("a pong answers a ping, and in order");
                caller.pongs.drain(..=place);
            }
            _ => {}
        }
    }

    fn judge(&mut self, _present: &mut Present) {
        for (number, caller) in self.callers.iter().enumerate() {
            if caller.guest.is_in() && caller.guest.doubtful_from == NEVER {
                assert!(caller.said.is_empty(), "caller {number} hears its echo");
            }
        }
    }
}

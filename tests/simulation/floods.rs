//! What is too much: floods, storms of deadlines, and what befalls connections in the middle of whatever they do.

use super::client::{Client, NEVER};
use super::guests;
use super::roads::PROXY;
use super::world::{Aim, World};

impl World {
    /// A client says very much at once. What it says last must arrive like anything else.
    pub(crate) fn flood(&mut self, number: usize) {
        // The address of a proxy that names nobody is one of guests too.
        if self.is_metered_by_address && self.clients[number].address == PROXY {
            return;
        }
        let many = [100, 1_000, 10_000][self.dice.below(3) as usize];
        let kind = self.dice.below(7);
        let client = &mut self.clients[number];
        let peer = &mut client.peer;
        match kind {
            // What is wrong makes the most work, and who is none of the hub's own clients is not told.
            0 if !client.extended => {
                for _ in 0..many + many / 2 {
                    peer.say("[]");
                }
            }
            0 | 1 => {
                for _ in 0..many {
                    peer.send_frame(0x89, b"");
                }
            }
            2 => {
                for _ in 0..many / 2 {
                    peer.say(r#"{"type":"notify","peer":"never-there","content":0}"#);
                }
            }
            3 => {
                peer.send_frame(0x01, br#"{"type":"notify","#);
                for _ in 0..many {
                    peer.send_frame(0x00, b"");
                }
                peer.send_frame(0x80, br#""peer":"never-there","content":0}"#);
            }
            4 => {
                for _ in 0..many / 50 {
                    peer.say(r#"{"type":"retrievePeers","messageid":"view"}"#);
                }
            }
            5 => {
                // Large ones, to those who read slowly, or not at all.
                let ids = self.some_ids();
                for _ in 0..4 + many / 1_000 {
                    self.say(number, Aim::Ids(ids.clone()), 30_000);
                }
            }
            _ => {
                for _ in 0..many / 50 {
                    self.say_something(number);
                }
            }
        }
        self.say_something(number);
        self.clients[number].is_loud = true;
        if self.is_metered {
            self.overdraw(number);
        }
        if self.is_metered_by_address {
            let address = self.clients[number].address;
            self.spent.insert(address);
            for other in 0..self.clients.len() {
                if self.clients[other].address == address {
                    self.overdraw(other);
                }
            }
        }
    }

    /// How much of what it says is heard, and when, is for the rates to say from now on.
    pub(crate) fn overdraw(&mut self, number: usize) {
        self.doubt(number);
        (self.clients[number].mute, self.clients[number].hangs) = (true, true);
    }

    /// Everybody asks at once, all answers are due at the same time, and none comes.
    pub(crate) fn storm(&mut self) {
        let timeout_ms = 1_000 + self.dice.below(2_000);
        let each = 1 + self.dice.below(40);
        for number in 0..self.clients.len() {
            let client = &self.clients[number];
            if client.is_joined() && !client.mute && client.doubtful_from == NEVER {
                self.clients[number].is_loud = true;
                let ids = self.some_ids();
                for _ in 0..each {
                    self.request(number, ids.clone(), Some(timeout_ms), true);
                }
            }
        }
    }

    /// Something befalls a connection, whatever it is doing: it is reset, or what it has sent breaks off.
    pub(crate) fn mishap(&mut self) {
        self.moment += 1;
        let may_befall =
            |client: &Client| !(client.peer.is_gone() || client.is_hurt && client.hangs);
        let there: Vec<usize> = (0..self.clients.len())
            .filter(|&number| may_befall(&self.clients[number]))
            .collect();
        let Some(number) = self.pick(&there) else {
            return;
        };
        self.doubt(number);
        let client = &mut self.clients[number];
        (client.mute, client.is_hurt) = (true, true);
        client.hangs |= guests::break_off(&mut client.peer, &mut self.dice);
    }

    /// Everybody reads again, and who hangs in the middle of something is gone.
    pub(crate) fn wake_readers(&mut self) {
        for client in &mut self.clients {
            client.peer.reads = true;
            if client.hangs {
                client.peer.wire().reset();
            }
        }
    }

    /// The hub takes leave of everybody. Gives those who must be told.
    pub(crate) fn drained(&mut self) -> Vec<usize> {
        self.moment += 1;
        let mut well = Vec::new();
        for number in 0..self.clients.len() {
            let client = &mut self.clients[number];
            // Who was cut off a moment ago has not heard of it yet.
            let is_there = client.is_in() && !client.peer.wire().is_released();
            if is_there && client.doubtful_from == NEVER && client.peer.reads {
                well.push(number);
            }
            client.doubt(self.moment);
            client.mute = true;
        }
        well
    }
}

//! Somebody at the door of a dialect that is switched off: nothing answers in that dialect.

use super::guests::{Guest, Present, Tribe};
use crate::support::memory_socket::Wire;
use crate::support::test_peer::{Heard, TestPeer};

/// Where the dialect would be.
#[derive(Debug)]
pub(crate) struct Door {
    /// The path of its WebSockets; without one it speaks lines.
    path: Option<&'static str>,
    /// The dialect is spoken, but not with these addresses.
    is_barred: bool,
    guests: Vec<Guest>,
}

impl Door {
    pub(crate) fn new(path: &'static str) -> Door {
        Door {
            path: Some(path),
            is_barred: false,
            guests: Vec::new(),
        }
    }

    pub(crate) fn for_lines(is_barred: bool) -> Door {
        Door {
            path: None,
            is_barred,
            guests: Vec::new(),
        }
    }
}

impl Tribe for Door {
    fn guests_max(&self) -> usize {
        1
    }

    fn enter(&mut self, wire: Wire, _number: usize, present: &mut Present) {
        let peer = match self.path {
            Some(path) => present.peer(wire, path),
            None => {
                let mut peer = TestPeer::of_lines(wire);
                peer.say(r#"{"senderName":"room0","type":"@PRESENTATION","content":{}}"#);
                // The answer may be one to HTTP, whose body ends without a line break.
                peer.may_be_cut_off = true;
                peer
            }
        };
        let mut guest = Guest::new(peer, present.moment);
        guest.doubt(present.moment);
        self.guests.push(guest);
    }

    fn count(&self) -> usize {
        self.guests.len()
    }

    fn guest(&mut self, number: usize) -> &mut Guest {
        &mut self.guests[number]
    }

    fn act(&mut self, number: usize, present: &mut Present) {
        self.guests[number].leave(self.path.is_some(), present);
    }

    fn hear(&mut self, number: usize, heard: Heard, present: &mut Present) {
        let Heard::Text(text) = heard else {
            return;
        };
        let guest = &mut self.guests[number];
        let first = guest.joined > present.moment;
        guest.joined = guest.joined.min(present.moment);
        match self.path {
            // Any path that is nobody else's is that of the hub's own protocol.
            Some(_) if first => assert!(text.starts_with(r#"{"type":"accept","#), "{text}"),
            Some(_) => assert!(text.starts_with(r#"{"type":"nudge","#), "{text}"),
            None if self.is_barred => {
                let is_told = text.contains("net-peer is not spoken with this address");
                assert!(first && is_told, "{text}");
            }
            None if first => assert!(text.starts_with("HTTP/1.1 400"), "{text}"),
            None => assert!(!text.starts_with('{'), "{text}"),
        }
    }

    fn judge(&mut self, present: &mut Present) {
        for guest in &self.guests {
            let answered = guest.joined <= present.moment;
            assert!(answered || !guest.peer.is_open(), "who knocks is answered");
        }
    }
}
